"""What one person looks like, from the frames in which they were seen: found again by their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Template"]

LEAST_SIDE = 6  # pixels of what can be compared at all
SHIFT = 0.1  # of the shorter side: how far two boxes of one person are off
CENTRE = 1.2  # how fast weights fall from the middle: what is around a person is not of them
CALM = 20.0  # variance of a pixel from which it counts for less: the body stays, what is behind it changes
NEARER = 0.1  # likeness that a place at the end of the reach must have more

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]


class Template:
    """The mean picture of one person, (H, W, 3), in which the pixels that stay the same count for most."""

    def __init__(self, parts: Sequence[Pixels], sides: Floats) -> None:
        """``parts`` are pictures of the person, RGB of any size, the best one first; ``sides`` (2,) the pixels W, H."""
        import cv2

        width, height = (max(LEAST_SIDE + 2, round(float(v))) for v in sides)
        small = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) for p in parts]
        edge = max(1, int(SHIFT * min(width, height)))
        stacked = [small[0]]
        for part in small[1:]:
            like = cv2.matchTemplate(small[0], part[edge:-edge, edge:-edge], cv2.TM_CCOEFF_NORMED)
            y, x = np.unravel_index(like.argmax(), like.shape)
            shift = np.array([[1, 0, x - edge], [0, 1, y - edge]], np.float32)
            stacked.append(cv2.warpAffine(part, shift, (width, height), borderMode=cv2.BORDER_REPLICATE))
        self.picture: NDArray[np.float32] = np.stack(stacked).mean(0)
        y_, x_ = np.mgrid[0:height, 0:width]
        weight = np.exp(-CENTRE * (((x_ + 0.5) / width * 2 - 1) ** 2 + ((y_ + 0.5) / height * 2 - 1) ** 2))
        if len(stacked) > 2:
            varies = np.square(np.stack(stacked) - self.picture).mean((0, 3))
            weight = weight / (1 + varies / max(float(np.median(varies)), CALM))
        self.weight = np.repeat(weight[..., None], 3, 2).astype(np.float32)

    def find(self, frame: Pixels, middle: Floats, reach: float) -> tuple[Floats, float]:
        """Where within ``reach`` pixels of ``middle`` (2,) the person is most likely, and how alike it is, -1 to 1.

        At the edge of the frame (H, W, 3) the part of the person that should be inside is compared; -1: too little.
        """
        import cv2

        high, wide = frame.shape[:2]
        height, width = self.picture.shape[:2]
        left, top = (float(v) for v in middle - np.array([width, height]) / 2)
        a, b = max(0, int(np.ceil(-left))), min(width, int(np.floor(wide - left)))
        c, d = max(0, int(np.ceil(-top))), min(height, int(np.floor(high - top)))
        if min(b - a, d - c) < LEAST_SIDE:
            return middle, -1.0
        x, y, far = round(left) + a, round(top) + c, int(np.ceil(reach))
        x1, y1 = max(0, x - far), max(0, y - far)
        part = frame[y1 : min(high, y + d - c + far), x1 : min(wide, x + b - a + far)].astype(np.float32)
        if part.shape[0] < d - c or part.shape[1] < b - a:
            return middle, -1.0
        picture, weight = (np.ascontiguousarray(v[c:d, a:b]) for v in (self.picture, self.weight))
        like = cv2.matchTemplate(part, picture, cv2.TM_CCOEFF_NORMED, mask=weight)
        like = np.where(np.isfinite(like), like, -1.0)
        ys, xs = np.mgrid[0 : like.shape[0], 0 : like.shape[1]]
        far_off = ((xs + x1 - x) ** 2 + (ys + y1 - y) ** 2) / max(reach, 1.0) ** 2
        row, column = np.unravel_index((like - NEARER * far_off).argmax(), like.shape)
        found = np.array([x1 + column - a + width / 2, y1 + row - c + height / 2], np.float64)
        return found, float(like[row, column])
