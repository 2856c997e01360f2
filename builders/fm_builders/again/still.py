"""Before a view that does not move, pixels say what of a person is to be seen: those that are not the background's.

A box that was only expected has the size of the whole body, and at the frame's edge, where a leg comes first, that is
not what is there. The background of a place is the median of frames in which nobody is known to be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped

__all__ = ["Still"]

FRAMES, APART = 13, 3  # frames that show the background, and how many others lie between them and what is looked at
FEWEST = 3  # frames without anybody, of each pixel
AROUND, LEAST_AROUND = 0.3, 8.0  # of the longer side, and pixels: how far around a place is looked
SIDE = 96  # pixels of the longer side of what is compared
SPARE = 0.12  # of a person's sides, around their box, which may show them
NOISE, SPREADS = 16.0, 3.0  # grey levels, and spreads of a pixel's background, from which it is something else
KNOWN = 0.6  # share of the place of which the background is known
PIECE, INSIDE = 0.03, 0.4  # of the place, the least piece that counts; its share that must lie in the place
LEAST = 0.12  # share of the place that is not background
AT_EDGE = 3.0  # pixels from the frame's edge within which nobody ends

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Still:
    """The frames (H, W, 3) of a clip whose view is still, and the boxes (N, 4) of ``people`` in each of them."""

    def __init__(self, frames: Sequence[Pixels], people: Mapping[int, Floats]) -> None:
        self.frames, self.people = frames, people

    def part(self, frame: int, place: Floats, others: Floats) -> Floats | None:
        """The box (4,) of what is to be seen of a person expected at ``place`` (4,); None where pixels do not say.

        What lies in the boxes of ``others`` (N, 4) may be theirs, and counts for nothing.
        """
        import cv2

        high, wide = self.frames[0].shape[:2]
        around = max(LEAST_AROUND, AROUND * float((place[2:] - place[:2]).max()))
        grown = np.clip(place + [-around, -around, around, around], 0, [wide, high] * 2)
        x1, y1, x2, y2 = (int(v) for v in (*np.floor(grown[:2]), *np.ceil(grown[2:])))
        ratio = min(1.0, SIDE / max(x2 - x1, y2 - y1))
        size = max(4, round((x2 - x1) * ratio)), max(4, round((y2 - y1) * ratio))
        scale = np.array([size[0] / (x2 - x1), size[1] / (y2 - y1)] * 2)

        def inside(boxes: Floats) -> Mask:
            """Which pixels of what is compared lie in one of these boxes of the frame."""
            mask = np.zeros(size[::-1], bool)
            for box in (boxes - [x1, y1, x1, y1]) * scale:
                a, b, c, d = (max(0, int(v)) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
                mask[b:d, a:c] = True
            return mask

        def picture(at: int) -> NDArray[np.int16]:
            small = cv2.resize(self.frames[at][y1:y2, x1:x2], size, interpolation=cv2.INTER_AREA)
            return cv2.GaussianBlur(small, (3, 3), 0).astype(np.int16)

        those = np.unique(np.linspace(0, len(self.frames) - 1, FRAMES).round().astype(int))
        those = those[np.abs(those - frame) >= APART]
        here, none = inside(place[None]), np.empty((0, 4))
        free = np.array([~inside(_spare(self.people.get(int(f), none))) for f in those], bool).reshape(-1, *here.shape)
        known = (free.sum(0) >= FEWEST) & ~inside(others)
        if not here.any() or known[here].mean() < KNOWN:
            return None
        background, spread = _background(np.stack([picture(f) for f in those]), free)
        differs = (np.abs(picture(frame) - background) > NOISE + SPREADS * spread).any(2) & known
        mask = _pieces(differs, here)
        if mask.sum() < LEAST * here.sum():
            return None
        ys, xs = np.nonzero(mask)
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / scale + [x1, y1, x1, y1]
        ends = np.array([0.0, 0.0, wide, high])
        box = np.where((np.abs(box - ends) <= AT_EDGE) & (np.abs(place - ends) <= AT_EDGE), ends, box)
        seen: Floats = clipped(box[None], wide, high)[0].astype(np.float64)
        return seen


def _spare(boxes: Floats) -> Floats:
    sides = SPARE * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - sides, boxes[:, 2:] + sides], 1)


def _background(pictures: NDArray[np.int16], free: Mask) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """The median (H, W, 3) of the ``pictures`` (N, H, W, 3) where they are ``free`` (N, H, W), and that of what is off."""
    place = np.broadcast_to((free.sum(0) // 2)[None, ..., None], (1, *pictures.shape[1:]))
    place = np.minimum(place, len(pictures) - 1)

    def median(values: NDArray[np.int16]) -> NDArray[np.int16]:
        ordered = np.sort(np.where(free[..., None], values, np.int16(255)), axis=0)
        return np.take_along_axis(ordered, place, 0)[0]

    one = median(pictures)
    return one, median(np.abs(pictures - one))


def _pieces(differs: Mask, here: Mask) -> Mask:
    """The pieces that lie ``here`` for the most part, without grains and small holes."""
    import cv2

    whole = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    whole = cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, pieces = cv2.connectedComponents(whole)
    size, within = (np.bincount(pieces[at].ravel(), minlength=count) for at in (np.ones_like(here), here))
    good = (size >= PIECE * here.sum()) & (within >= INSIDE * size)
    good[0] = False
    mask: Mask = good[pieces]
    return mask
