"""A Fetch robot at a table: it reaches, pushes, picks up, places, and slides things. Metres, seconds, z up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.eye import Eye, view_of
from fm_builders.simulate.film import EVERY, Event, Film, Shot, Touch, frame_times
from fm_builders.simulate.models import FETCH, compiled
from fm_builders.simulate.motion import Route
from fm_builders.simulate.scenery import colour, fixed_points, model_text
from fm_builders.simulate.stage import SIZE, Rig, Stage, mujoco

__all__ = ["film"]

Floats = NDArray[np.float64]
WHAT = ("reach", "push", "pick", "place", "slide")
TABLE = 0.42  # its height
HALF = 0.035  # of a thing on it
ARM = ("shoulder_pan", "shoulder_lift", "upperarm_roll", "elbow_flex", "forearm_roll", "wrist_flex", "wrist_roll")
NEARLY = 2e-4  # metres and a third of radians: so close the gripper is where it was planned to be
BEGIN = (0.2, 0.9, 0.0, 0.9, 0.0, 0.9, 0.0)  # the arm before it is put anywhere: bent, the gripper down
BASE = (0.45, 0.75, 0.0)
THINGS = {"block": "box", "ball": "sphere", "can": "cylinder"}


def film(seed: int, number: int) -> Film:
    """Plan clip ``number`` of the set with this seed."""
    mujoco()
    rng = np.random.default_rng([seed, number, 13])
    what = WHAT[number % len(WHAT)]
    kinds = [str(k) for k in rng.permutation(list(THINGS))][: int(rng.integers(1, 4))]
    spot = float(rng.uniform(1.12, 1.32)), float(rng.uniform(0.45, 1.05)), TABLE + HALF
    hand, thing, grip, events, touches = _plan(rng, what, spot)
    others = _spots(rng, len(kinds) - 1, thing.at(np.linspace(0, thing.time, 40)))
    kinds = kinds[: 1 + len(others)]
    seconds = math.ceil(max(hand.time, thing.time)) + 0.5 * float(rng.integers(0, 2))
    hand.until(seconds)
    thing.until(seconds)
    names = {"arm": "robot arm", "gripper": "gripper", **{f"thing {i + 1}": kind for i, kind in enumerate(kinds)}}
    eye, kind = _eye(rng, seconds)
    text = model_text(rng, _room(rng, kinds), ground="0.45 0.42 0.4", sky="0.6 0.65 0.7", scale=1.2)
    grid = np.arange(round(seconds * 10) + 1) / 10

    @lru_cache(maxsize=1)
    def joints() -> Floats:
        return _arm_angles(hand.at(grid))

    def script(rig: Rig, t: float) -> None:
        rig.place("base", BASE)
        for i, name in enumerate(ARM):
            rig.joint(f"r/robot0:{name}_joint", float(np.interp(t, grid, joints()[:, i])))
        for side in ("l", "r"):
            rig.joint(f"r/robot0:{side}_gripper_finger_joint", float(grip.at(t)[0][0]))
        rig.place("thing 1", thing.at(t)[0])
        for i, place in enumerate(others):
            rig.place(f"thing {i + 2}", place)

    bodies = {name: name for name in names}
    bodies |= {"arm": "r/robot0:shoulder_pan_link", "gripper": "r/robot0:gripper_link"}
    stage = Stage(lambda: compiled(text, [("base", FETCH, "r/")]), bodies, eye, script)

    def shoot(pictures: bool) -> Iterator[Shot]:
        return stage.shoot(seconds, pictures)

    return Film(
        scene="robots",
        seed=seed,
        number=number,
        size=SIZE,
        seconds=seconds,
        things=names,
        events=[*events, *thing.events("thing 1")],
        view=view_of(eye, kind, frame_times(seconds)[::EVERY], fixed_points(3, 1.5)),
        shoot=shoot,
        touches=[replace(c, t1=min(c.t1, seconds)) for c in touches],
        parents={"gripper": "arm"},
        tags={"what": what, "camera": kind},
    )


def _spots(rng: np.random.Generator, count: int, way: Floats) -> list[tuple[float, float, float]]:
    """Up to ``count`` places on the table, far enough from each other and from the way (N, 3) of what moves."""
    spots: list[tuple[float, float, float]] = []
    taken = [(float(x), float(y)) for x, y, _ in way]
    for _ in range(200):
        x, y = float(rng.uniform(1.08, 1.36)), float(rng.uniform(0.42, 1.08))
        if len(spots) < count and all(math.hypot(x - a, y - b) > 0.13 for a, b in taken):
            spots.append((x, y, TABLE + HALF))
            taken.append((x, y))
    return spots


def _plan(
    rng: np.random.Generator, what: str, spot: tuple[float, float, float]
) -> tuple[Route, Route, Route, list[Event], list[Touch]]:
    """The routes of the gripper's tip, of the first thing and of the fingers (metres apart from the middle).

    A contact that goes on at the end has no end here.
    """
    home = (1.1, 0.75, TABLE + 0.35)
    x, y, z = spot
    above = (x, y, TABLE + 0.28)
    goal_y = float(np.clip(y + float(rng.choice([-1, 1])) * float(rng.uniform(0.25, 0.4)), 0.42, 1.08))
    if abs(goal_y - y) < 0.2:
        goal_y = y - 0.3 if y > 0.75 else y + 0.3
    hand, thing = Route(home).rest(float(rng.uniform(0.4, 0.9))), Route(spot)
    grip = Route((0.05,))
    name, events, touches = "thing 1", [], []
    if what in ("pick", "place"):
        hand.go(above, 1.2, "eased").go((x, y, z + 0.01), 0.8, "eased")
        t0 = hand.time
        grip.rest(t0).go((HALF - 0.004,), 0.3)
        hand.rest(0.3)
        thing.until(hand.time)
        lift = float(rng.uniform(0.18, 0.3))
        hand.go((x, y, z + lift), 1.0, "eased")
        thing.go((x, y, z + lift - 0.01), 1.0, "eased")
        events.append(Event("picks up", "arm", t0, hand.time, name))
        if what == "place":
            hand.go((x, goal_y, z + lift), 1.4, "eased").go((x, goal_y, z + 0.01), 0.9, "eased")
            thing.go((x, goal_y, z + lift - 0.01), 1.4, "eased").go((x, goal_y, z), 0.9, "eased")
            t1 = hand.time
            grip.until(t1).go((0.05,), 0.3)
            hand.rest(0.3).go((x, goal_y, z + 0.25), 0.7, "eased")
            events.append(Event("places", "arm", t1 - 0.9, t1, name))
            touches += [Touch("gripper", name, "touch", t0, t1 + 0.3), Touch("gripper", name, "hold", t0 + 0.3, t1)]
        else:
            hand.rest(0.6)
            thing.rest(0.6)
            touches += [Touch("gripper", name, "touch", t0, math.inf)]
            touches += [Touch("gripper", name, "hold", t0 + 0.3, math.inf)]
        return hand, thing, grip, events, touches
    grip.rest(0.1).go((0.0,), 0.4)
    side = math.copysign(1.0, goal_y - y)
    behind = (x, y - side * (HALF + 0.07), z + 0.02)
    hand.go((behind[0], behind[1], TABLE + 0.28), 1.2, "eased").go(behind, 0.8, "eased")
    if what == "reach":
        hand.rest(0.8).go(home, 1.0, "eased")
        events.append(Event("reaches", "arm", 0.9, hand.time - 1.8, name))
        return hand, thing.until(hand.time), grip, events, touches
    hand.go((x, y - side * (HALF + 0.02), z + 0.02), 0.3)
    t0 = hand.time
    thing.until(t0)
    if what == "push":
        hand.go((x, goal_y - side * (HALF + 0.02), z + 0.02), 1.6)
        thing.go((x, goal_y, z), 1.6)
        touches.append(Touch("gripper", name, "touch", t0, math.inf))
        events.append(Event("pushes", "arm", t0, hand.time, name))
        hand.rest(0.5)
    else:  # a short push, and it goes on by itself
        hand.go((x, y + side * 0.1 - side * (HALF + 0.02), z + 0.02), 0.5).rest(0.8)
        thing.go((x, y + side * 0.1, z), 0.5).go((x, goal_y, z), 0.9, "down")
        touches.append(Touch("gripper", name, "touch", t0, t0 + 0.5))
        events.append(Event("slides", name, t0 + 0.5, thing.time))
    return hand, thing, grip, events, touches


def _arm_angles(tips: Floats) -> Floats:
    """(N, 7) the joints that bring the gripper to each place (N, 3), pointing down: damped least squares."""
    m = mujoco()
    model = compiled(
        '<mujoco><worldbody><body name="base" mocap="true"/></worldbody></mujoco>', [("base", FETCH, "r/")]
    )
    data = m.MjData(model)
    data.mocap_pos[0] = BASE
    address = [model.joint(f"r/robot0:{name}_joint").qposadr[0] for name in ARM]
    column = [model.joint(f"r/robot0:{name}_joint").dofadr[0] for name in ARM]
    site = model.site("r/robot0:grip").id
    data.qpos[address] = BEGIN
    out = []
    move, turn = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    for i, tip in enumerate(tips):
        for _ in range(200 if i == 0 else 12):
            m.mj_kinematics(model, data)
            m.mj_comPos(model, data)
            m.mj_jacSite(model, data, move, turn, site)
            axis = np.array(data.site_xmat[site]).reshape(3, 3)[:, 0]  # along the fingers
            error = np.concatenate([tip - data.site_xpos[site], [-0.3 * axis[1], 0.3 * axis[0], 0.0]])  # axis x down
            if np.abs(error).max() < NEARLY:
                break
            jacobian = np.concatenate([move[:, column], 0.3 * turn[:, column]])
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-3 * np.eye(6), error)
            data.qpos[address] += np.clip(step, -0.2, 0.2)
        out.append(np.array(data.qpos[address]))
    return np.array(out)


def _eye(rng: np.random.Generator, seconds: float) -> tuple[Eye, str]:
    side = float(rng.uniform(-0.35, 0.35))
    place, target = (2.55 + float(rng.uniform(-0.2, 0.2)), 0.75 + side, 0.95), (1.05, 0.75, 0.52)
    eye = Eye.fixed(place, target, 42.0, SIZE)
    if rng.random() < 0.2:
        zoomed = Route((44.0, 0.0)).go((34.0, 0.0), seconds)
        return Eye(eye.place, eye.target, zoomed, SIZE), "zoom"
    return eye, "static"


def _room(rng: np.random.Generator, kinds: list[str]) -> list[str]:
    bodies: list[Any] = ['<body name="base" mocap="true"/>']
    table = f'<geom type="box" pos="1.22 0.75 {TABLE / 2}" size="0.22 0.42 {TABLE / 2}" rgba="{colour(rng, 0.3)}"/>'
    wall = f'<geom type="box" pos="-0.9 0.75 1" size="0.05 4 1.2" rgba="{colour(rng, 0.25)}"/>'
    for _ in range(int(rng.integers(2, 6))):
        y, z, w = float(rng.uniform(-1, 2.5)), float(rng.uniform(0.5, 1.4)), float(rng.uniform(0.1, 0.3))
        wall += f'<geom type="box" pos="-0.84 {y:.2f} {z:.2f}" size="0.02 {w:.2f} 0.15" rgba="{colour(rng)}"/>'
    bodies.append(f"<body>{table}{wall}</body>")
    for i, kind in enumerate(kinds):
        size = f"{HALF} {HALF} {HALF}" if kind == "block" else str(HALF) if kind == "ball" else f"{HALF} {HALF}"
        geom = f'<geom type="{THINGS[kind]}" size="{size}" rgba="{colour(rng)}"/>'
        bodies.append(f'<body name="thing {i + 1}" mocap="true">{geom}</body>')
    return bodies
