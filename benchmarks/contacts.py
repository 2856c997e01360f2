"""Contacts of drawn hands and things whose truth is known, with shaken boxes and a tenth of them missing.

    uv run python benchmarks/contacts.py [--seed N] [--json]

A hand comes from anywhere, meets a thing, in most scenes carries it away, and leaves it. The truth is that they touch
while their boxes meet. The boxes shake by 1, 3 or 6 pixels (standard deviation of each side).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bench import Row, options, show
from numpy.typing import NDArray

from fm_builders.contacts import find_contacts
from fm_hub.records import Camera, Contact, Frames, Track

WIDTH, HEIGHT = 640, 360
T = np.arange(81) / 10
N = len(T)
SCENES = 200
JITTERS = (1.0, 3.0, 6.0)
MISSING = 0.1
CARRIED = 30.0  # pixels: a shorter way may be read either way
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Two paths of centres (N, 2), sides in pixels, and whether the thing is carried, stays, or hardly moves (None)."""

    hand: Floats
    thing: Floats
    sides: tuple[float, float]
    carried: bool | None

    @property
    def touching(self) -> NDArray[np.bool_]:
        """(N,) whether the boxes meet."""
        apart: NDArray[np.bool_] = np.abs(self.hand - self.thing).max(1) <= sum(self.sides) / 2
        return apart


def along(times: list[float], points: list[Floats]) -> Floats:
    """(N, 2) on straight lines through points at times."""
    return np.stack([np.interp(T, times, [p[k] for p in points]) for k in (0, 1)], 1)


def drawn(rng: np.random.Generator) -> Scene:
    """A scene."""
    sides = (float(rng.uniform(30, 70)), float(rng.uniform(25, 60)))
    start = rng.uniform([170, 110], [470, 250])
    angle = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(angle), np.sin(angle)])
    far, near = start + way * rng.uniform(130, 220), start + way * rng.uniform(0.15, 0.35) * sum(sides)
    reach = rng.uniform(1.0, 2.5)
    lift = reach + rng.uniform(0.3, 1.0)
    put = lift + rng.uniform(0.7, 1.5)
    leave = put + rng.uniform(0.3, 1.0)
    shift = rng.uniform([-120, -80], [120, 80]) if rng.random() < 0.7 else np.zeros(2)
    times = [0.0, 0.3 * reach, reach, lift, put, leave, 8.0]
    hand = along(times, [far, far, near, near, near + shift, near + shift, far])
    length = float(np.linalg.norm(shift))
    carried = None if 0 < length < CARRIED else length > 0
    return Scene(hand, along([0.0, lift, put, 8.0], [start, start, start + shift, start + shift]), sides, carried)


def track(name: str, path: Floats, side: float, jitter: float, rng: np.random.Generator) -> Track:
    """A track of a square along a path, shaken, with holes."""
    boxes = np.concatenate([path - side / 2, path + side / 2], 1) + rng.normal(0, jitter, (N, 4))
    frame = np.flatnonzero(rng.random(N) >= MISSING)
    ones = np.ones(len(frame))
    return Track("clip", name, name, 1.0, 1.0, "drawn", "", frame, boxes[frame], ones, 0 * ones)  # type: ignore[arg-type]  # records make arrays their own kind


def found(scene: Scene, jitter: float, rng: np.random.Generator) -> list[Contact]:
    """What is found of a scene."""
    zero, frame = np.zeros(N), np.arange(N, dtype=np.int32)
    camera = Camera("clip", "static", frame, zero, zero, zero, zero, np.ones(N), np.ones(N, bool))
    tracks = [
        track(n, p, s, jitter, rng)
        for n, p, s in zip(("hand", "object"), (scene.hand, scene.thing), scene.sides, strict=True)
    ]
    return find_contacts(Frames("clip", frame, np.arange(N), T), camera, tracks, [], (WIDTH, HEIGHT))


def interval_iou(scene: Scene, contacts: list[Contact]) -> float:
    """Of the longest touch and the truth; 0 where none was found."""
    true = T[scene.touching]
    touches = [c for c in contacts if c.kind == "touch"]
    if not touches:
        return 0.0
    c = max(touches, key=lambda c: c.t1 - c.t0)
    both = max(0.0, min(c.t1, true[-1]) - max(c.t0, true[0]))
    return float(both / (max(c.t1, true[-1]) - min(c.t0, true[0])))


def measure(seed: int) -> list[Row]:
    """The figures at each jitter."""
    rows = []
    for jitter in JITTERS:
        ious: list[float] = []
        held: list[bool] = []
        false: list[bool] = []
        for k in range(SCENES):
            rng = np.random.default_rng([seed, k, int(jitter)])
            scene = drawn(rng)
            if not scene.touching.any():
                continue
            contacts = found(scene, jitter, rng)
            ious.append(interval_iou(scene, contacts))
            if scene.carried is not None:
                (held if scene.carried else false).append(any(c.kind == "hold" for c in contacts))
        rows.append(Row(f"mean interval IoU of touches, {jitter:g} px", float(np.mean(ious)), "", ">=", 0.8))
        rows.append(Row(f"carried things found held, {jitter:g} px", 100 * float(np.mean(held)), "%", ">=", 85))
        rows.append(Row(f"things that stay called held, {jitter:g} px", 100 * float(np.mean(false)), "%", "<=", 2))
    return rows


if __name__ == "__main__":
    chosen = options(__doc__)
    show("contacts", measure(chosen.seed), chosen)
