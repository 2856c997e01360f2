"""A film: one clip that is about to be made, and all that its maker knows of it.

A scene family plans what happens (:mod:`fm_builders.simulate.motion`) and returns a :class:`Film`; shooting it gives
frame after frame the picture, and at every second frame where each thing is. Coordinates are pixels of the frame, x
right, y down; complex numbers stand for points from the middle of the frame (x + iy).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fm_builders.camera import label_of
from fm_hub.records import Camera

__all__ = ["EVERY", "FPS", "Event", "Film", "Seen", "Shot", "Touch", "View"]

FPS = 20
"""Frames a second of a film."""
EVERY = 2
"""Things are measured in every second frame: the sampled frames of a recipe of 10 frames a second."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was planned to happen: ``who`` does ``kind`` from ``t0`` to ``t1`` seconds.

    ``other`` is the thing that it is done to; ``count`` how often, for what repeats.
    """

    kind: str
    who: str
    t0: float
    t1: float
    other: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Touch:
    """``a`` touches or holds ``b`` from ``t0`` to ``t1`` seconds."""

    a: str
    b: str
    kind: Literal["touch", "hold"]
    t0: float
    t1: float


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One thing in one frame.

    ``box`` (4,) bounds its visible pixels (None: there are none), ``whole`` (4,) all of it, also what is hidden or out
    of the frame. ``pixels`` is how many are visible, ``share`` how much of the whole that is, 0..1; the smaller
    ``depth``, the nearer. ``points`` (K, 2) are named points, where the scene knows them.
    """

    box: tuple[float, float, float, float] | None
    whole: tuple[float, float, float, float]
    pixels: int
    share: float
    depth: float
    points: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame: its picture (None where pictures were not asked for), and the things, in sampled frames."""

    image: Image | None
    seen: Mapping[str, Seen] | None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How the view moves: in sampled frame ``f`` a fixed point that was at ``z`` is at ``turn[f] z + shift[f]``.

    ``kind`` is what the camera was told to do. Where ``ok`` is false no such motion fits (the camera travels, and near
    things move against far ones).
    """

    kind: str
    turn: NDArray[np.complex128]
    shift: NDArray[np.complex128]
    ok: NDArray[np.bool_]

    @classmethod
    def still(cls, n: int) -> View:
        """A view that does not move, for ``n`` sampled frames."""
        return cls("static", np.ones(n, complex), np.zeros(n, complex), np.ones(n, bool))

    def camera(self, clip_id: str, size: tuple[int, int]) -> Camera:
        """The same from frame to frame, as the published table has it."""
        turn = np.concatenate([[1.0], self.turn[1:] / self.turn[:-1]])
        shift = np.concatenate([[0.0], self.shift[1:] - turn[1:] * self.shift[:-1]])
        n = len(turn)
        camera = Camera(
            clip_id=clip_id,
            label="unknown",
            frame=np.arange(n, dtype=np.int32),
            dx=shift.real,
            dy=shift.imag,
            dlogs=np.log(np.abs(turn)),
            droll=np.angle(turn),
            inliers=self.ok.astype(np.float64),
            ok=self.ok,
        )
        label = label_of(camera, size) if self.ok.all() else "moving"
        return Camera(**{name: getattr(camera, name) for name in Camera.__slots__} | {"label": label})


@dataclass(frozen=True)
class Film:
    """A clip that can be shot: the same every time, by scene, seed and number.

    ``things`` names its objects and their labels. ``shoot(pictures)`` yields every frame; without pictures it only
    measures, which is faster. ``points`` says which things have named points (``coco17``, ``hand21``), ``parents``
    whose hand a hand is. ``tags`` describe the clip for figures by bin.
    """

    scene: str
    seed: int
    number: int
    size: tuple[int, int]
    seconds: float
    things: Mapping[str, str]
    events: Sequence[Event]
    view: View
    shoot: Callable[[bool], Iterator[Shot]]
    touches: Sequence[Touch] = ()
    points: Mapping[str, Literal["coco17", "hand21"]] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the clip is called: scene, seed and number."""
        return f"{self.scene}-{self.seed}-{self.number:05d}"

    @property
    def times(self) -> NDArray[np.float64]:
        """(N,) seconds of every frame."""
        return frame_times(self.seconds)


def frame_times(seconds: float) -> NDArray[np.float64]:
    """Seconds of every frame of a film; the last one is a sampled frame."""
    n = round(seconds * FPS / EVERY) * EVERY
    times: NDArray[np.float64] = np.arange(n + 1) / FPS
    return times
