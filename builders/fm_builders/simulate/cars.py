"""Vehicles made of boxes and wheels on a street: they pass, overtake, turn, brake, change lane and park.

The camera stands by the road, or rides in a car of its own. Metres and seconds; x runs along the road, y across, z up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.eye import Eye, view_of
from fm_builders.simulate.film import EVERY, Event, Film, Shot, frame_times
from fm_builders.simulate.motion import Pace, Route
from fm_builders.simulate.scenery import colour, fixed_points, model_text, yaw
from fm_builders.simulate.stage import SIZE, Rig, Stage, mujoco

__all__ = ["film"]

Floats = NDArray[np.float64]
LANES = (-5.25, -1.75, 1.75, 5.25)  # the first two run to the right as the camera sees it, the others to the left
KINDS = {"car": (4.4, 1.8, 1.45), "van": (5.2, 2.0, 2.2), "truck": (7.0, 2.4, 3.0), "bus": (9.5, 2.5, 3.1)}
WHAT = ("pass", "overtake", "brake", "start", "turn", "change lane", "park")


@dataclass(frozen=True, eq=False)
class _Vehicle:
    """A vehicle on a line (N, 2) of the ground, at the way ``route`` (one dimension, metres) along it."""

    name: str
    kind: str
    line: Floats
    route: Route

    def at(self, t: float) -> tuple[Floats, float]:
        """Its place (x, y) and heading in radians."""
        steps = np.hypot(*np.diff(self.line, axis=0).T)
        way = np.concatenate([[0.0], np.cumsum(steps)])
        s = float(self.route.at(t)[0][0])
        ahead, here = (np.array([np.interp(x, way, self.line[:, k]) for k in (0, 1)]) for x in (s + 0.8, s - 0.8))
        heading = math.atan2(ahead[1] - here[1], ahead[0] - here[0])
        return np.array([np.interp(s, way, self.line[:, k]) for k in (0, 1)]), heading


def film(seed: int, number: int) -> Film:
    """Plan clip ``number`` of the set with this seed."""
    mujoco()
    rng = np.random.default_rng([seed, number, 11])
    seconds = float(rng.choice([5.0, 6.0, 7.0]))
    what = WHAT[number % len(WHAT)]
    vehicles, events = _traffic(rng, what, seconds)
    ego = number % 4 == 3
    eye, kind = _eye(rng, seconds, ego=ego)
    text = model_text(
        rng, [*_street(rng), *(_body(rng, v) for v in vehicles)], ground="0.32 0.33 0.34", sky=_sky(rng), scale=10
    )

    def script(rig: Rig, t: float) -> None:
        for v in vehicles:
            (x, y), heading = v.at(t)
            rig.place(v.name, (x, y, 0.0), yaw(heading))

    stage = Stage(lambda: mujoco().MjModel.from_xml_string(text), {v.name: v.name for v in vehicles}, eye, script)

    def shoot(pictures: bool) -> Iterator[Shot]:
        return stage.shoot(seconds, pictures)

    return Film(
        scene="cars",
        seed=seed,
        number=number,
        size=SIZE,
        seconds=seconds,
        things={v.name: v.kind for v in vehicles},
        events=[*events, *(e for v in vehicles for e in v.route.events(v.name))],
        view=view_of(eye, kind, frame_times(seconds)[::EVERY], fixed_points(60, 12)),
        shoot=shoot,
        tags={"what": what, "camera": kind},
    )


def _lane(y: float, *, back: bool) -> Floats:
    """A straight line along the road; ``back`` to the left."""
    xs = np.linspace(-60, 60, 241)
    return np.column_stack([xs[::-1] if back else xs, np.full(len(xs), y)])


def _shifted(y0: float, y1: float, x: float, long: float = 9.0) -> Floats:
    """From one lane to another, around ``x``."""
    line = _lane(y0, back=False)
    u = np.clip((line[:, 0] - x) / long + 0.5, 0, 1)
    line[:, 1] = y0 + (y1 - y0) * u * u * (3 - 2 * u)
    return line


def _turning(y: float, x: float, radius: float = 6.0) -> Floats:
    """Along the lane to ``x``, then a quarter of a circle away from the camera, and on into the side street."""
    angles = np.linspace(0, math.pi / 2, 30)[1:]
    arc = np.column_stack([x + radius * np.sin(angles), y + radius * (1 - np.cos(angles))])
    before = _lane(y, back=False)
    before = before[before[:, 0] <= x]
    after = np.column_stack([np.full(60, x + radius), y + radius + np.linspace(0.5, 30, 60)])
    return np.concatenate([before, arc, after])


def _traffic(rng: np.random.Generator, what: str, seconds: float) -> tuple[list[_Vehicle], list[Event]]:
    kinds = [str(kind) for kind in rng.permutation(list(KINDS))]
    speed = float(rng.uniform(3.0, 4.5))
    pace: Pace = str(rng.choice(["even", "up", "down"]))  # type: ignore[assignment]  # one of these
    near = LANES[int(rng.integers(2))]
    start = 60 - float(rng.uniform(0.4, 0.6)) * speed * seconds  # along a line that begins at x = -60
    half = seconds * float(rng.uniform(0.4, 0.6))
    first = "vehicle 1"
    vehicles, events = [], []
    if what == "pass":
        line = _lane(near, back=False)
        vehicles.append(_Vehicle(first, kinds[0], line, Route((start,)).go((start + speed * seconds,), seconds, pace)))
    elif what == "overtake":
        slow = Route((start + 8,)).go((start + 8 + 0.45 * speed * seconds,), seconds)
        fast = Route((start,)).go((start + 1.5 * speed * seconds,), seconds)
        vehicles.append(_Vehicle(first, kinds[0], _lane(LANES[0], back=False), fast))
        vehicles.append(_Vehicle("vehicle 2", kinds[1], _lane(LANES[1], back=False), slow))
        events.append(Event("overtakes", first, 0.0, 8 / (1.05 * speed), "vehicle 2"))
    elif what == "brake":
        way = speed * half
        route = Route((start,)).go((start + way,), half).go((start + way + speed * 0.6,), 1.0, "down").until(seconds)
        vehicles.append(_Vehicle(first, kinds[0], _lane(near, back=False), route))
        events.append(Event("brakes", first, half, half + 1.0))
    elif what == "start":
        route = Route((57.0,)).rest(half).go((57.0 + speed * (seconds - half),), seconds - half, "up")
        vehicles.append(_Vehicle(first, kinds[0], _lane(near, back=False), route))
    elif what == "turn":
        route = Route((start,)).go((start + speed * seconds,), seconds)
        vehicles.append(_Vehicle(first, str(rng.choice(["car", "van"])), _turning(LANES[1], -4.0), route))
        events.append(Event("turns", first, (56.0 - start) / speed, (56.0 + 9.4 - start) / speed))
    elif what == "change lane":
        lanes = LANES[:2] if rng.random() < 0.5 else LANES[1::-1]
        route = Route((start,)).go((start + speed * seconds,), seconds)
        vehicles.append(_Vehicle(first, kinds[0], _shifted(lanes[0], lanes[1], 0.0), route))
        events.append(Event("changes lane", first, (55.5 - start) / speed, (64.5 - start) / speed))
    else:
        line = _shifted(LANES[0] - 2.6, LANES[0], 2.0, 8.0)  # past the gap, then back into it
        forward = float(rng.uniform(2.0, 3.0))
        route = Route((66.0 - speed * forward,)).go((66.0,), forward).rest(0.6)
        route.go((59.0,), 2.2, "eased").until(seconds)
        vehicles.append(_Vehicle(first, "car", line, route))
        events.append(Event("parks", first, forward + 0.6, forward + 2.8))
    if what != "overtake" and rng.random() < 0.7:
        other = kinds[1] if vehicles[0].kind != kinds[1] else kinds[2]
        begin = 60 - float(rng.uniform(0.3, 0.7)) * 1.2 * speed * seconds
        lane = _lane(LANES[int(rng.integers(2, 4))], back=True)
        back_route = Route((begin,)).go((begin + 1.2 * speed * seconds,), seconds)
        vehicles.append(_Vehicle("vehicle 2", other, lane, back_route))
    return vehicles, events


def _eye(rng: np.random.Generator, seconds: float, *, ego: bool) -> tuple[Eye, str]:
    if ego:
        drive = float(rng.uniform(2.0, 4.0)) * seconds
        x0 = -22.0
        return (
            Eye(
                Route((x0, LANES[1], 1.7)).go((x0 + drive, LANES[1], 1.7), seconds),
                Route((x0 + 20, LANES[1], 1.2)).go((x0 + drive + 20, LANES[1], 1.2), seconds),
                Route((50.0, 0.0)),
                SIZE,
            ),
            "drives",
        )
    x, y = float(rng.uniform(-4, 4)), float(rng.uniform(-27, -21))
    eye = Eye.fixed((x, y, float(rng.uniform(4, 8))), (x * 0.4, 0.0, 1.0), float(rng.uniform(40, 50)), SIZE)
    if rng.random() < 0.3:
        way = float(rng.choice([-1, 1])) * float(rng.uniform(2.0, 4.0))
        target = Route((x * 0.4 - way, 0.0, 1.0)).go((x * 0.4 + way, 0.0, 1.0), seconds)
        return Eye(eye.place, target, eye.lens, SIZE), "pan"
    return eye, "static"


def _body(rng: np.random.Generator, v: _Vehicle) -> str:
    """A vehicle of boxes and wheels, heading along x."""
    long, wide, high = KINDS[v.kind]
    paint, low = colour(rng), 0.35
    body_high = high - low if v.kind != "car" else 0.62 * (high - low)
    parts = [_box((0, 0, low + body_high / 2), (long / 2, wide / 2, body_high / 2), paint)]
    glass = "0.12 0.14 0.18 1"
    if v.kind == "car":
        parts.append(_box((-0.2, 0, high - 0.25), (long * 0.27, wide * 0.45, 0.27), glass))
        parts.append(_box((-0.2, 0, high), (long * 0.24, wide * 0.42, 0.03), paint))
    elif v.kind == "truck":
        parts[0] = _box((-0.9, 0, low + body_high / 2 + 0.1), (long / 2 - 0.9, wide / 2, body_high / 2), paint)
        parts.append(_box((long / 2 - 0.8, 0, 1.35), (0.8, wide * 0.47, 1.0), colour(rng)))
        parts.append(_box((long / 2 - 0.5, 0, 1.8), (0.52, wide * 0.48, 0.35), glass))
    else:
        parts.append(_box((0.1, 0, high - 0.75), (long * 0.46, wide / 2 + 0.01, 0.38), glass))
    for x in (-long * 0.32, long * 0.32):
        for y in (-wide / 2, wide / 2):
            wheel = f'pos="{x:.3f} {y:.3f} 0.36" euler="90 0 0" rgba="0.05 0.05 0.05 1"'
            parts.append(f'<geom type="cylinder" size="0.36 0.12" {wheel}/>')
    for y in (-wide * 0.35, wide * 0.35):
        parts.append(_box((long / 2, y, 0.75), (0.04, 0.18, 0.1), "1 1 0.8 1"))
        parts.append(_box((-long / 2, y, 0.8), (0.04, 0.18, 0.1), "0.8 0.05 0.05 1"))
    return f'<body name="{v.name}" mocap="true">{"".join(parts)}</body>'


def _box(place: tuple[float, float, float], half: tuple[float, float, float], rgba: str) -> str:
    p, s = (" ".join(f"{v:.3f}" for v in x) for x in (place, half))
    return f'<geom type="box" pos="{p}" size="{s}" rgba="{rgba}"/>'


def _sky(rng: np.random.Generator) -> str:
    return str(rng.choice(["0.4 0.6 0.9", "0.55 0.6 0.7", "0.7 0.55 0.5"]))


def _street(rng: np.random.Generator) -> list[str]:
    """Road, marks, a side street, houses and trees behind, poles in front."""
    parts = []
    parts.append(_box((0, 12, 0.01), (80, 4.2, 0.02), "0.55 0.53 0.5 1"))
    parts.append(_box((2, 26, 0.02), (3.5, 18, 0.02), "0.33 0.34 0.35 1"))
    parts.append(_box((0, -9.4, 0.01), (80, 2.2, 0.02), "0.55 0.53 0.5 1"))
    parts.append(_box((0, 0, 0.02), (80, 0.08, 0.01), "0.85 0.75 0.3 1"))
    for mark in range(-40, 41, 4):
        for y in (-3.5, 3.5):
            parts.append(_box((mark, y, 0.02), (1.0, 0.07, 0.01), "0.85 0.85 0.85 1"))
    x = -70.0
    while x < 70:
        wide, high = float(rng.uniform(5, 10)), float(rng.uniform(4, 11))
        if abs(x + wide / 2 - 2) > wide / 2 + 5:
            wall = colour(rng, 0.3)
            parts.append(_box((x + wide / 2, 22, high / 2), (wide / 2 - 0.2, 5, high / 2), wall))
            for level in np.arange(1.6, high - 1, 2.4):
                parts.append(_box((x + wide / 2, 16.98, float(level)), (wide / 2 - 0.9, 0.05, 0.6), "0.2 0.25 0.32 1"))
        x += wide
    for _ in range(int(rng.integers(2, 6))):
        x = float(rng.uniform(-30, 30))
        parts.append(f'<geom type="cylinder" pos="{x:.2f} 10 1" size="0.15 1" rgba="0.35 0.25 0.15 1"/>')
        parts.append(f'<geom type="ellipsoid" pos="{x:.2f} 10 3.2" size="1.3 1.3 1.6" rgba="0.2 0.42 0.18 1"/>')
    for _ in range(int(rng.integers(0, 3))):
        x = float(rng.uniform(-9, 9))
        parts.append(f'<geom type="cylinder" pos="{x:.2f} -9 2.5" size="0.09 2.5" rgba="0.3 0.3 0.32 1"/>')
    return [f"<body>{''.join(parts)}</body>"]
