"""A segmenter for tests and drawn clips: regions of the colour that lies under the hint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fm_builders.segmenters import Hint, Mask, Part, Segmenter

__all__ = ["FakeSegmenter"]

CLOSE = 60  # of the colour, summed over the channels


class FakeSegmenter(Segmenter):
    """The region of the hint's colour that overlaps the last one most; unseen where there is none."""

    name = "fake"

    def open(self, frames: Sequence[NDArray[np.uint8]]) -> Part:
        """Nothing is prepared."""
        return _Blocks(frames)


class _Blocks(Part):
    def __init__(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        self.frames = frames

    def follow(self, hints: Sequence[Hint], *, reverse: bool = False) -> Iterator[Mask]:
        """See :meth:`Part.follow`."""
        told = {hint.frame: _area(hint, self.frames[hint.frame].shape[:2]) for hint in hints}
        start = max(told) if reverse else min(told)
        colour = np.median(self.frames[start][told[start]], axis=0)
        last = told[start]
        for i in range(start, -1, -1) if reverse else range(start, len(self.frames)):
            last = told.get(i, last)
            alike = np.abs(self.frames[i].astype(np.int16) - colour).sum(2) <= CLOSE
            regions, n = ndimage.label(alike)
            shares = [np.count_nonzero(last & (regions == k)) for k in range(1, n + 1)]
            sizes = [np.count_nonzero(regions == k) for k in range(1, n + 1)]
            best = max(range(n), key=lambda k: (shares[k], sizes[k]), default=-1) if n else -1
            mask = regions == best + 1 if best >= 0 else np.zeros(alike.shape, bool)
            if mask.any():
                last = mask
            yield Mask(i, mask, 0.99 if mask.any() else 0.01)


def _area(hint: Hint, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if not hint.is_box:
        return hint.where.astype(bool)
    area = np.zeros(shape, bool)
    x1, y1, x2, y2 = (round(float(v)) for v in hint.where)
    area[y1:y2, x1:x2] = True
    return area
