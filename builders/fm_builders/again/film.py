"""What a second look goes by: the frames of one clip, held small, their times, and whom to ask about parts of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import Detections
from fm_hub.records import Camera

__all__ = ["Film"]

ONE_VIEW, TINY = 0.5, (32, 18)  # correlation of two tiny grey frames below which another shot begins, and their size

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Film:
    """The ``frames`` of a clip, uint8 RGB (H, W, 3), at least one, at times ``t`` (N,), and how its view moves.

    ``scale`` (2,) is how many pixels of the clip one of theirs is. ``see`` says what a detector sees in parts of them.
    """

    frames: Sequence[Pixels]
    t: NDArray[np.float64]
    scale: NDArray[np.float64]
    camera: Camera
    see: Callable[[Sequence[Pixels]], Sequence[Detections]]

    @property
    def sides(self) -> NDArray[np.float64]:
        """(4,) what boxes of the frames are multiplied by, to be boxes of the clip."""
        return np.tile(self.scale, 2)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames."""
        height, width = self.frames[0].shape[:2]
        return width, height

    @cached_property
    def cuts(self) -> frozenset[int]:
        """The frames that show something else than the one before: nobody goes on there.

        :mod:`fm_builders.shots` looks at every frame of a video; these are few a second, and at hand.
        """
        import cv2

        tiny = [
            cv2.cvtColor(cv2.resize(f, TINY, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for f in self.frames
        ]
        flat = np.array(tiny, np.float64).reshape(len(tiny), -1)
        flat -= flat.mean(1, keepdims=True)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1.0)
        varied = np.linalg.norm(flat, axis=1) > 0.5  # a frame without any contrast says nothing
        alike = (flat[1:] * flat[:-1]).sum(1)
        return frozenset((np.flatnonzero((alike < ONE_VIEW) & varied[1:] & varied[:-1]) + 1).tolist())
