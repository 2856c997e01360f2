"""A Shadow hand over a table: it reaches for a thing, grasps, lifts, turns and releases it. Metres, seconds, z up.

The hand hangs on its forearm, the fingers down. A thing that is held goes where the palm goes and turns as it turns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.eye import Eye, view_of
from fm_builders.simulate.film import EVERY, Event, Film, Shot, Touch, frame_times
from fm_builders.simulate.models import HAND, compiled
from fm_builders.simulate.motion import Route
from fm_builders.simulate.scenery import colour, fixed_points, model_text, yaw
from fm_builders.simulate.stage import SIZE, Rig, Stage, mujoco

__all__ = ["film"]

Floats = NDArray[np.float64]
WHAT = ("reach", "grasp", "lift", "rotate", "release")
THINGS = {"block": "box", "ball": "sphere", "can": "cylinder"}
HALF = 0.03
CLEAR = 0.09  # above the thing, where the hand only reaches for it
REACH, HELD = 0.46, 0.42  # from the mount of the forearm to the tips of the fingers, and to what they close on
HOME = (0.0, 0.02, 0.62)
BEND = {"FFJ2": 0.85, "FFJ1": 0.9, "FFJ0": 0.5, "MFJ2": 0.85, "MFJ1": 0.9, "MFJ0": 0.5, "RFJ2": 0.85, "RFJ1": 0.9}
BEND |= {"RFJ0": 0.5, "LFJ2": 0.85, "LFJ1": 0.9, "LFJ0": 0.5, "THJ4": 0.6, "THJ3": 1.1, "THJ1": 0.35, "THJ0": -0.5}
FINGERS = {
    "th": ("thproximal", "thmiddle", "thdistal"),
    **{f: (f"{f}proximal", f"{f}middle", f"{f}distal") for f in ("ff", "mf", "rf", "lf")},
}


@dataclass
class _Plan:
    """The mount (x, y, z, turn about the vertical), the closing of the fingers 0..1, the thing that nobody holds."""

    mount: Route
    close: Route
    thing: Route
    held: tuple[float, float] | None
    events: list[Event]
    touches: list[Touch]

    def thing_at(self, t: float) -> tuple[Floats, float]:
        """The place of the thing, and its turn about the vertical."""
        if self.held is None or t < self.held[0]:
            return self.thing.at(0.0)[0], 0.0
        begin, now = self.mount.at([self.held[0], min(t, self.held[1])])
        place = self.thing.at(0.0)[0] + (now - begin)[:3]
        if t > self.held[1]:  # let go, it falls to the table
            fallen = max(HALF, place[2] - 4.905 * (t - self.held[1]) ** 2)
            place = np.array([place[0], place[1], fallen])
        return place, float(now[3] - begin[3])


def film(seed: int, number: int) -> Film:
    """Plan clip ``number`` of the set with this seed."""
    mujoco()
    rng = np.random.default_rng([seed, number, 17])
    what = WHAT[number % len(WHAT)]
    kinds = [str(k) for k in rng.permutation(list(THINGS))][: int(rng.integers(1, 4))]
    spot = float(rng.uniform(-0.12, 0.12)), float(rng.uniform(-0.05, 0.05))
    plan = _plan(rng, what, spot)
    seconds = math.ceil(plan.mount.time) + 0.5 * float(rng.integers(0, 2))
    names = {"hand": "hand", **{f"thing {i + 1}": kind for i, kind in enumerate(kinds)}}
    others = [(spot[0] + s * float(rng.uniform(0.1, 0.2)), float(rng.uniform(0.2, 0.26))) for s in (-1, 1)]
    eye, kind = _eye(rng, seconds)
    text = model_text(rng, _table(rng, kinds), ground="0.4 0.38 0.36", sky="0.65 0.68 0.7", scale=0.5, floor=-0.6)

    def script(rig: Rig, t: float) -> None:
        x, y, z, turn = plan.mount.at(t)[0]
        flip = np.array([0.0, 1.0, 0.0, 0.0])  # the forearm up, the fingers down
        quat = np.zeros(4)
        mujoco().mju_mulQuat(quat, yaw(turn), flip)
        rig.place("mount", (x, y, z), quat)
        closed = float(plan.close.at(t)[0][0])
        for joint, most in BEND.items():
            rig.joint(f"h/robot0:{joint}", most * closed)
        place, angle = plan.thing_at(t)
        rig.place("thing 1", place, yaw(angle))
        for i, (a, b) in enumerate(others[: len(kinds) - 1]):
            rig.place(f"thing {i + 2}", (a, b, HALF))

    bodies = {"hand": "h/robot0:wrist", **{name: name for name in names if name != "hand"}}
    stage = Stage(lambda: compiled(text, [("mount", HAND, "h/")]), bodies, eye, script, _points)

    def shoot(pictures: bool) -> Iterator[Shot]:
        return stage.shoot(seconds, pictures)

    return Film(
        scene="hands",
        seed=seed,
        number=number,
        size=SIZE,
        seconds=seconds,
        things=names,
        events=plan.events,
        view=view_of(eye, kind, frame_times(seconds)[::EVERY], fixed_points(1.2, 0.8)),
        shoot=shoot,
        touches=[replace(c, t1=min(c.t1, seconds)) for c in plan.touches],
        points={"hand": "hand21"},
        tags={"what": what, "camera": kind},
    )


def _plan(rng: np.random.Generator, what: str, spot: tuple[float, float]) -> _Plan:
    """From the side to above the thing; unless it is only reached for, down around it, and what then is done.

    What goes on at the end has no end here.
    """
    x, y = spot
    start = float(rng.uniform(0.5, 1.0))
    side = float(rng.choice([-1, 1]))
    mount = Route((x - side * 0.22, y, HOME[2], 0.0)).rest(start).go((x, y, REACH + HALF + CLEAR, 0.0), 1.3, "eased")
    close = Route((0.15,)).until(mount.time)
    thing = Route((x, y, HALF))
    events = [Event("reaches", "hand", start, mount.time, "thing 1")]
    if what == "reach":
        mount.rest(0.8).go((x - side * 0.22, y, HOME[2], 0.0), 1.3, "eased")
        return _Plan(mount, close, thing, None, events, [])
    mount.go((x, y, REACH + HALF, 0.0), 0.5, "eased")
    around, t0 = mount.time - 0.1, mount.time + 0.5
    close.until(mount.time).go((1.0,), 0.5)
    mount.go((x, y, HELD + HALF, 0.0), 0.5).rest(0.1)  # down a little as the fingers bend
    events.append(Event("grasps", "hand", t0 - 0.5, t0, "thing 1"))
    held = Touch("hand", "thing 1", "hold", t0, math.inf)
    touched = Touch("hand", "thing 1", "touch", around, math.inf)
    if what == "grasp":
        mount.rest(1.2)
        return _Plan(mount, close, thing, (t0, math.inf), events, [touched, held])
    high = HELD + HALF + float(rng.uniform(0.1, 0.16))
    lifted = mount.time
    mount.go((x, y, high, 0.0), 1.0, "eased")
    events.append(Event("lifts", "hand", lifted, mount.time, "thing 1"))
    if what == "rotate":
        turned = mount.time + 0.3
        angle = side * math.radians(float(rng.uniform(70, 120)))
        mount.rest(0.3).go((x, y, high, angle), 1.6, "eased")
        events.append(Event("rotates", "hand", turned, mount.time, "thing 1"))
    elif what == "release":
        over = float(np.clip(x + side * 0.2, -0.25, 0.25))
        mount.go((over, y, high, 0.0), 1.3, "eased").go((over, y, HELD + HALF, 0.0), 0.9, "eased")
        t1 = mount.time + 0.1
        close.until(t1).go((0.15,), 0.3)
        mount.rest(0.4)
        leaves = mount.time + 0.2  # so long the finger tips are beside it as they rise
        mount.go((over - side * 0.22, y, HOME[2], 0.0), 1.0, "eased")
        events.append(Event("releases", "hand", t1, t1 + 0.3, "thing 1"))
        contacts = [replace(touched, t1=leaves), replace(held, t1=t1)]
        return _Plan(mount, close, thing, (t0, t1), events, contacts)
    mount.rest(0.8)
    return _Plan(mount, close, thing, (t0, math.inf), events, [touched, held])


def _points(rig: Rig) -> Mapping[str, Floats]:
    """The 21 points of the hand: wrist, then thumb to little finger, each from its root to its tip."""

    def body(name: str) -> Floats:
        return np.array(rig.data.body(f"h/robot0:{name}").xpos)

    points = [body("wrist")]
    for finger, parts in FINGERS.items():
        points += [body(part) for part in parts]
        points.append(np.array(rig.data.site(f"h/robot0:S_{finger}tip").xpos))
    return {"hand": np.array(points)}


def _eye(rng: np.random.Generator, seconds: float) -> tuple[Eye, str]:
    place = (float(rng.uniform(-0.2, 0.2)), -1.05 + float(rng.uniform(-0.1, 0.1)), float(rng.uniform(0.4, 0.6)))
    eye = Eye.fixed(place, (0.0, 0.0, 0.24), 42.0, SIZE)
    if rng.random() < 0.2:
        way = 0.05 * float(rng.choice([-1, 1]))
        return Eye(eye.place, Route((-way, 0.0, 0.24)).go((way, 0.0, 0.24), seconds), eye.lens, SIZE), "pan"
    return eye, "static"


def _table(rng: np.random.Generator, kinds: list[str]) -> list[str]:
    bodies = ['<body name="mount" mocap="true"/>']
    parts = f'<geom type="box" pos="0 0.1 -0.02" size="0.6 0.45 0.02" rgba="{colour(rng, 0.4)}"/>'
    parts += f'<geom type="box" pos="0 0.9 0.5" size="2 0.02 1.2" rgba="{colour(rng, 0.25)}"/>'
    for i in range(int(rng.integers(3, 8))):
        x, z, w = float(rng.uniform(-1, 1)), float(rng.uniform(0.2, 0.9)), float(rng.uniform(0.04, 0.15))
        shape = f'pos="{x:.2f} {0.87 - 0.004 * i:.3f} {z:.2f}" size="{w:.2f} 0.01 {w:.2f}"'
        parts += f'<geom type="box" {shape} rgba="{colour(rng, 0.6)}"/>'
    bodies.append(f"<body>{parts}</body>")
    for i, kind in enumerate(kinds):
        size = f"{HALF} {HALF} {HALF}" if kind == "block" else str(HALF) if kind == "ball" else f"{HALF} {HALF}"
        geom = f'<geom type="{THINGS[kind]}" size="{size}" rgba="{colour(rng)}"/>'
        bodies.append(f'<body name="thing {i + 1}" mocap="true">{geom}</body>')
    return bodies
