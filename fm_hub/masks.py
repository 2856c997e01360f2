"""Masks as runs: lengths of alternating runs of 0 and 1, column by column from the left, beginning with 0.

This is the uncompressed form of COCO's run-length encoding: ``{"size": [height, width], "counts": counts}`` is what
its tools take.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["box_of", "decode", "encode"]


def encode(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The runs of a mask (H, W).

    >>> encode(np.array([[0, 1], [1, 1]], bool)).tolist()
    [1, 3]
    """
    flat = np.asarray(mask, bool).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return np.concatenate([[0], runs] if flat.size and flat[0] else [runs]).astype(np.int32)


def decode(counts: ArrayLike | Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """The mask (H, W) of these runs. Raises ``ValueError`` where they are not of that size.

    >>> decode([1, 3], 2, 2).astype(int).tolist()
    [[0, 1], [1, 1]]
    """
    runs = np.asarray(counts, np.int64)
    if runs.ndim != 1 or (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"runs of {runs.sum()} pixels are no mask of {height} x {width}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape((height, width), order="F")


def box_of(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The smallest box around a mask, ``x1, y1, x2, y2``, half-open; zeros where it is empty.

    >>> box_of(np.array([[0, 0, 0], [0, 1, 1]], bool)).tolist()
    [1.0, 1.0, 3.0, 2.0]
    """
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return np.zeros(4, np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
