"""Whatever moves before a still view, by background subtraction: MOG2 (Zivkovic 2004) as OpenCV has it.

It needs no weights and knows no names: what it finds and no other detector explains is an ``unknown object``. Before a
view that moves everything moves, so :func:`fm_builders.perceive.perceive` uses it only where the view is static.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped
from fm_builders.detectors import UNKNOWN, Detections, Detector

__all__ = ["MoverDetector"]

SIDE = 320  # pixels, of the longer side
HISTORY = 60  # frames that the background is learnt from
SPREADS = 25.0  # squared distance from the background, in variances
LEARN = 5  # frames at the start in which the background is only learnt
LEAST, MOST = 0.001, 0.2  # shares of the frame that one thing fills
RESTLESS = 0.35  # share of the frame that changes when it is the light, not a thing
SCORE = 0.5  # nothing says how sure a blob is


class MoverDetector(Detector):
    """Boxes of what moves; **stateful**: call ``detect`` on the frames of one clip in order, after :meth:`reset`."""

    name = "movers"
    long_side = SIDE
    needs_still_view: ClassVar[bool] = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the background."""
        import cv2

        self._background: Any = cv2.createBackgroundSubtractorMOG2(HISTORY, SPREADS, detectShadows=True)
        self._frames = 0

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """The connected regions that differ from the background, without shadows."""
        import cv2

        height, width = frame.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        size = max(8, round(width * scale)), max(8, round(height * scale))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        differs = (self._background.apply(cv2.GaussianBlur(small, (5, 5), 0)) == 255).astype(np.uint8)
        self._frames += 1
        differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        if self._frames <= LEARN or differs.mean() > RESTLESS:
            return Detections.empty()
        _, _, stats, _ = cv2.connectedComponentsWithStats(differs)
        x, y, w, h, pixels = stats[1:].astype(np.float64).T
        share = pixels / differs.size
        keep = (share >= LEAST) & (share <= MOST)
        boxes = np.stack([x, y, x + w, y + h], 1)[keep] * np.tile([width / size[0], height / size[1]], 2)
        count = int(keep.sum())
        return Detections.of(self.name, clipped(boxes, width, height), [SCORE] * count, [UNKNOWN] * count)
