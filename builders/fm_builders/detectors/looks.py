"""What a detection looks like: the colours of its middle, by which two things of one class are told apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import LOOK

__all__ = ["looks"]

MIDDLE = 0.6  # of width and height: what is around a thing is not of it
SIDE = 24  # pixels to which the middle is shrunk
HUES, GREYS = 24, 8  # together LOOK


def looks(frame: NDArray[np.uint8], bbox: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, LOOK) a histogram for each box, which sums to 1; 0 where a box has no middle.

    Saturated pixels are counted by hue, others by brightness; each colour's pixel is shared by the saturation.
    """
    import cv2

    found = np.zeros((len(bbox), LOOK), np.float32)
    for k, box in enumerate(np.asarray(bbox, np.float64)):
        half = MIDDLE * (box[2:] - box[:2]) / 2
        x1, y1, x2, y2 = np.round([*(box[:2] + box[2:]) / 2 - half, *(box[:2] + box[2:]) / 2 + half]).astype(int)
        part = frame[max(0, y1) : y2, max(0, x1) : x2]
        if min(part.shape[:2]) < 4:
            continue
        hsv = cv2.cvtColor(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2HSV)
        hue, saturation, value = hsv.reshape(-1, 3).T.astype(np.intp)
        weight = saturation / 255.0
        colours = np.bincount(hue * HUES // 180, weight, HUES)
        greys = np.bincount(value * GREYS // 256, 1 - weight, GREYS)
        found[k] = np.concatenate([colours, greys]) / len(hue)
    return found
