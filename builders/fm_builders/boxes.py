"""Geometry of boxes: arrays (N, 4) of ``x1, y1, x2, y2`` in pixels, half-open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["area", "best_pairs", "centre", "clipped", "iou", "nms", "overlap"]

Floats = NDArray[np.floating]
_TINY = 1e-9


def area(bbox: Floats) -> NDArray[np.float64]:
    """(N,) square pixels; 0 where a box is empty or turned inside out."""
    b = np.asarray(bbox, np.float64)
    area_: NDArray[np.float64] = np.clip(b[:, 2] - b[:, 0], 0, None) * np.clip(b[:, 3] - b[:, 1], 0, None)
    return area_


def centre(bbox: Floats) -> NDArray[np.float64]:
    """(N, 2) the middles of the boxes."""
    b = np.asarray(bbox, np.float64)
    return (b[:, :2] + b[:, 2:]) / 2


def clipped(bbox: Floats, width: int, height: int) -> NDArray[np.float32]:
    """The part of each box that lies in the frame."""
    limit = np.array([width, height, width, height], np.float64)
    return np.clip(np.asarray(bbox, np.float64), 0, limit).astype(np.float32)


def _intersection(a: Floats, b: Floats) -> NDArray[np.float64]:
    low = np.maximum(a[:, None, :2], b[None, :, :2]).astype(np.float64)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:]).astype(np.float64)
    side = np.clip(high - low, 0, None)
    inter: NDArray[np.float64] = side[..., 0] * side[..., 1]
    return inter


def iou(a: Floats, b: Floats) -> NDArray[np.float64]:
    """(N, M) intersection over union."""
    inter = _intersection(a, b)
    union: NDArray[np.float64] = area(a)[:, None] + area(b)[None] - inter
    return inter / np.maximum(union, _TINY)


def overlap(a: Floats, b: Floats) -> NDArray[np.float64]:
    """(N, M) intersection over the smaller of the two areas."""
    smaller = np.minimum(area(a)[:, None], area(b)[None])
    return _intersection(a, b) / np.maximum(smaller, _TINY)


def nms(bbox: Floats, score: Floats, threshold: float) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best first: each one is kept unless a better one overlaps it more than
    ``threshold`` (IoU). Equal scores keep the order of the input."""
    order = np.argsort(-score, kind="stable")
    overlaps = iou(bbox[order], bbox[order]) > threshold
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~overlaps[i, i + 1 :]
    return order[alive]


def best_pairs(likeness: Floats, least: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of an array (N, M), each in one pair at most, whose likenesses sum to the most.

    Only those of at least ``least`` (above 0) count.
    """
    from scipy.optimize import linear_sum_assignment  # a second of imports: not for those who only name a detector

    rows, columns = linear_sum_assignment(np.where(likeness >= least, likeness, 0.0), maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if likeness[r, c] >= least]
