"""Segmenters: from a box or a mask in one frame to the same thing's mask in the frames around it.

A segmenter opens a part of a clip and follows one thing at a time through it, in either direction. Which things, and
what becomes of them from part to part, is :mod:`fm_builders.segmenters.follow`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_builders.settings import Settings
from fm_hub.registry import Registry

__all__ = ["SEGMENTERS", "Hint", "Mask", "Part", "Segmenter"]


@dataclass(frozen=True, slots=True, eq=False)
class Hint:
    """Where the thing is in one frame of the part: ``where`` is a box (4,) x1 y1 x2 y2, or a mask (H, W) bool."""

    frame: int
    where: NDArray[np.floating] | NDArray[np.bool_]

    @property
    def is_box(self) -> bool:
        """Whether it is a box."""
        return self.where.ndim == 1


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A thing in one frame: ``mask`` (H, W) bool in pixels of the frame; ``seen`` in 0..1, the chance that it is to
    be seen there at all, which is above 0.5 where it is."""

    frame: int
    mask: NDArray[np.bool_]
    seen: float


class Part(ABC):
    """Consecutive frames of a clip, ready to follow things in."""

    @abstractmethod
    def follow(self, hints: Sequence[Hint], *, reverse: bool = False) -> Iterator[Mask]:
        """The thing's mask in every frame from its first hint to the end, or from its last to the beginning.

        ``hints`` are of one thing, at least one, in different frames. Every call starts with an empty memory: what was
        followed before does not matter.
        """


class Segmenter(ABC):
    """Follows things by their pixels. ``name``, ``model_ids``, ``long_side``, ``settings``: as of a detector."""

    name: ClassVar[str]
    model_ids: tuple[str, ...] = ()
    long_side: ClassVar[int] = 1280
    settings: ClassVar[type[Settings]] = Settings

    @abstractmethod
    def open(self, frames: Sequence[NDArray[np.uint8]]) -> Part:
        """Make a part of a clip ready: ``frames`` are uint8 RGB (H, W, 3), all of one size, in order of time."""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Before the first clip, once, where the build starts: fetch what is needed.

        Raises :class:`~fm_hub.errors.UserError` in one line where that cannot be had.
        """


SEGMENTERS: Registry[type[Segmenter]] = Registry(
    "segmenter",
    "fm_hub.segmenters",
    {
        "fake": "fm_builders.segmenters.fake:FakeSegmenter",
        "sam2": "fm_builders.segmenters.sam2:Sam2Segmenter",
    },
)
