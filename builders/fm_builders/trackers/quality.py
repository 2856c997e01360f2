"""How far a track can be trusted, as one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import centre

__all__ = ["jitter", "quality"]


def jitter(bbox: NDArray[np.float32]) -> float:
    """The sigma of ``docs/claims.md`` §2 over consecutive boxes (N, 4), in pixels; 0 for fewer than 3."""
    c = centre(bbox)
    if len(c) < 3:
        return 0.0
    residual = np.abs(c[1:-1] - (c[:-2] + c[2:]) / 2)
    return float(1.4826 * np.median(residual, axis=0).max() / np.sqrt(1.5))


def quality(bbox: NDArray[np.float32], score: NDArray[np.float32], state: NDArray[np.int8]) -> float:
    """The quality of a track in 0..1: the product of four parts, each 1 for a perfect track.

    * *score*: the mean score of its detections;
    * *visible*: the share of its frames in which it was detected;
    * *steady*: ``1 / (1 + (sigma / (0.1 size))²)``, where ``size`` is the median square root of its box's area:
      a jitter of a tenth of the size halves it;
    * *whole*: ``n / (n + 4 g)`` for ``n`` detections and ``g`` gaps: a gap every four detections halves it.
    """
    seen = state == 0
    boxes = bbox[seen].astype(np.float64)
    size = float(np.median(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1))))
    gaps = int(np.count_nonzero(np.diff(seen.astype(np.int8)) == -1))
    steady = 1 / (1 + (jitter(bbox[seen]) / (0.1 * max(size, 1.0))) ** 2)
    whole = seen.sum() / (seen.sum() + 4 * gaps)
    return float(round(np.clip(float(score[seen].mean()) * seen.mean() * steady * whole, 0.0, 1.0), 4))
