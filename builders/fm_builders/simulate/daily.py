"""People of capsules and things of every day: they walk, wave, pick up and pass on; things fall and roll.

Metres, seconds; x runs along the picture, y away from the camera, z up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.eye import Eye, view_of
from fm_builders.simulate.film import EVERY, Event, Film, Shot, Touch, frame_times
from fm_builders.simulate.models import HUMANOID, compiled
from fm_builders.simulate.motion import Route
from fm_builders.simulate.scenery import colour, fixed_points, model_text, yaw
from fm_builders.simulate.stage import SIZE, Rig, Stage, mujoco

__all__ = ["film"]

Floats = NDArray[np.float64]
WHAT = ("walk", "wave", "pick up", "pass", "fall", "roll")
STANDS = 1.27  # height of the torso
STRIDE = 1.2  # metres of two steps
WAVE_S = 0.8  # seconds of one wave
BALL = 0.11
THINGS = {"ball": f'type="sphere" size="{BALL}"', "box": 'type="box" size="0.13 0.1 0.11"'}
# The right arm in degrees (the left is its mirror image): hanging, held out before the body, raised beside the head.
DOWN = {"shoulder1": 42.0, "shoulder2": -36.0, "elbow": -87.0}
OUT = {"shoulder1": 19.0, "shoulder2": 4.0, "elbow": -22.0}
UP = {"shoulder1": -85.0, "shoulder2": -7.0, "elbow": -67.0}
COCO = {
    0: ("head", (0.09, 0, 0)),
    5: ("left_upper_arm", (0, 0, 0)),
    6: ("right_upper_arm", (0, 0, 0)),
    7: ("left_lower_arm", (0, 0, 0)),
    8: ("right_lower_arm", (0, 0, 0)),
    9: ("left_hand", (0, 0, 0)),
    10: ("right_hand", (0, 0, 0)),
    11: ("left_thigh", (0, 0, 0)),
    12: ("right_thigh", (0, 0, 0)),
    13: ("left_shin", (0, 0, 0)),
    14: ("right_shin", (0, 0, 0)),
    15: ("left_foot", (0, 0, 0)),
    16: ("right_foot", (0, 0, 0)),
}


@dataclass
class _Person:
    """Where a person goes (x, y), which way it faces, and what its arms and back do (0..1 each)."""

    name: str
    route: Route
    faces: float  # radians; 0 looks along x
    out: Route = field(default_factory=lambda: Route((0.0,)))  # both arms held out
    bow: Route = field(default_factory=lambda: Route((0.0,)))  # bent down
    waves: tuple[float, int] | None = None  # when, and how often

    def pose(self, rig: Rig, prefix: str, t: float) -> None:
        """Put the body where it is at a time."""
        x, y = self.route.at(t)[0]
        way = self.route.at([max(0.0, t - 0.05), t + 0.05])
        v = way[1] - way[0]
        walked = float(np.hypot(*np.diff(self.route.at(np.linspace(0, t, 60)), axis=0).T).sum())
        goes = float(np.hypot(*v)) / 0.1 > 0.1
        faces = math.atan2(v[1], v[0]) if goes else self.faces
        swing = math.sin(2 * math.pi * walked / STRIDE) if goes else 0.0
        bow = float(self.bow.at(t)[0][0])
        rig.place(self.name, (x, y, STANDS - 0.35 * bow), yaw(faces))
        rig.joint(f"{prefix}abdomen_y", math.radians(-70 * bow))
        for side, sign in (("right", 1.0), ("left", -1.0)):
            bent = max(0.0, -sign * swing)
            rig.joint(f"{prefix}{side}_hip_y", math.radians(-28 * sign * swing - 75 * bow))
            rig.joint(f"{prefix}{side}_knee", math.radians(-8 - 40 * bent - 85 * bow))
            arm = self._arm(t, side)
            rig.joint(f"{prefix}{side}_shoulder1", math.radians(sign * arm["shoulder1"]))
            rig.joint(f"{prefix}{side}_shoulder2", math.radians(sign * arm["shoulder2"] + 14 * swing))
            rig.joint(f"{prefix}{side}_elbow", math.radians(arm["elbow"]))

    def _arm(self, t: float, side: str) -> dict[str, float]:
        out = float(self.out.at(t)[0][0])
        arm = {k: DOWN[k] + out * (OUT[k] - DOWN[k]) for k in DOWN}
        if self.waves and side == "right":
            t0, count = self.waves
            end = t0 + count * WAVE_S
            if t0 < t < end:
                up = 0.5 - 0.5 * math.cos(2 * math.pi * (t - t0) / WAVE_S)
                arm = {k: arm[k] + up * (UP[k] - arm[k]) for k in arm}
        return arm

    def events(self) -> list[Event]:
        """What it does, as events."""
        found = [Event("walks", self.name, t0, t1) for t0, t1 in self.route.moving()]
        if self.waves:
            t0, count = self.waves
            found.append(Event("waves", self.name, t0, t0 + count * WAVE_S, count=count))
        return found


@dataclass
class _Play:
    """Who is there, and how the thing moves: by itself on a route, or in the hands of ``holders`` from, to, whose."""

    people: list[_Person]
    thing: str
    route: Route
    holders: list[tuple[float, float, int]]
    events: list[Event]
    touches: list[Touch]
    spin: bool = False
    found: bool = False  # whether the place to pick it up from is known


def film(seed: int, number: int) -> Film:
    """Plan clip ``number`` of the set with this seed."""
    mujoco()
    rng = np.random.default_rng([seed, number, 19])
    seconds = float(rng.choice([6.0, 7.0, 8.0]))
    what = WHAT[number % len(WHAT)]
    play = _play(rng, what, seconds)
    eye, kind = _eye(rng, seconds)
    text = model_text(rng, _room(rng, play), ground="0.5 0.45 0.38", sky="0.6 0.65 0.75", scale=3)
    prefixes = [f"p{i}/" for i in range(len(play.people))]

    def script(rig: Rig, t: float) -> None:
        if what == "pick up" and not play.found:  # the thing stands where the hands will come to
            t0, _, who = play.holders[0]
            play.people[who].pose(rig, prefixes[who], t0)
            play.route, play.found = Route(_between_hands(rig, prefixes[who]).tolist()), True
        for person, prefix in zip(play.people, prefixes, strict=True):
            person.pose(rig, prefix, t)
        rig.place("thing", *_thing(play, rig, prefixes, t))
        rig.place("stand", _stand(play))

    guests = [(p.name, HUMANOID, prefix) for p, prefix in zip(play.people, prefixes, strict=True)]
    bodies = {**{p.name: p.name for p in play.people}, "thing": "thing"}

    def points(rig: Rig) -> Mapping[str, Floats]:
        return {p.name: _body_points(rig, prefix) for p, prefix in zip(play.people, prefixes, strict=True)}

    stage = Stage(lambda: compiled(text, guests), bodies, eye, script, points)

    def shoot(pictures: bool) -> Iterator[Shot]:
        return stage.shoot(seconds, pictures)

    moves = [] if play.holders else play.route.events("thing")
    return Film(
        scene="daily",
        seed=seed,
        number=number,
        size=SIZE,
        seconds=seconds,
        things={**{p.name: "person" for p in play.people}, "thing": play.thing},
        events=[*play.events, *(e for p in play.people for e in p.events()), *moves],
        view=view_of(eye, kind, frame_times(seconds)[::EVERY], fixed_points(6, 3)),
        shoot=shoot,
        touches=play.touches,
        points={p.name: "coco17" for p in play.people},
        tags={"what": what, "camera": kind},
    )


def _play(rng: np.random.Generator, what: str, seconds: float) -> _Play:
    side = float(rng.choice([-1, 1]))
    y = float(rng.uniform(-0.3, 0.5))
    aside = float(rng.uniform(1.2, 1.8)) * -side
    facing = -math.pi / 2  # towards the camera
    kind = str(rng.choice(list(THINGS)))
    rests = Route((aside, y + 0.5, 0.11)).rest(seconds)
    events: list[Event] = []
    touches: list[Touch] = []
    if what == "walk":
        wait = float(rng.choice([0.0, 1.2]))
        route = Route((side * 1.7, y)).rest(wait).go((-side * 1.6, y), (seconds - wait) * float(rng.uniform(0.6, 1.0)))
        people = [_Person("person 1", route, facing)]
        if rng.random() < 0.5:
            other = Route((-side * 1.5, y + 0.8)).go((side * 1.4, y + 0.8), seconds * float(rng.uniform(0.7, 1.0)))
            people.append(_Person("person 2", other, facing))
        return _Play(people, kind, rests, [], events, touches)
    if what == "wave":
        count = int(rng.integers(2, 6))
        people = [_Person("person 1", Route((side * 0.3, y)), facing, waves=(float(rng.uniform(0.6, 1.4)), count))]
        return _Play(people, kind, rests, [], events, touches)
    if what == "pick up":
        walk = float(rng.uniform(1.6, 2.4))
        spot = (side * 0.2, y, 0.5)
        route = Route((side * 1.6, y)).go((side * 0.62, y), walk)
        person = _Person("person 1", route, math.pi if side > 0 else 0.0)
        person.bow.rest(walk + 0.3).go((1.0,), 0.8, "eased").rest(0.3).go((0.0,), 0.9, "eased")
        person.out.rest(walk + 0.3).go((1.0,), 0.8)
        t0 = walk + 1.2
        events.append(Event("picks up", person.name, walk + 0.3, t0 + 1.1, "thing"))
        touches.append(Touch(person.name, "thing", "hold", t0, seconds))
        return _Play([person], kind, Route(spot), [(t0, math.inf, 0)], events, touches)
    if what == "pass":
        t0, takes = float(rng.uniform(1.0, 1.8)), 1.0
        giver = _Person("person 1", Route((side * 0.55, y)), math.pi if side > 0 else 0.0)
        taker = _Person("person 2", Route((-side * 0.55, y)), 0.0 if side > 0 else math.pi)
        giver.out = Route((1.0,)).until(t0 + takes).go((0.0,), 0.6)
        taker.out.until(t0 - 0.6).go((1.0,), 0.6)
        events.append(Event("passes", giver.name, t0, t0 + takes, "thing"))
        touches += [
            Touch("person 1", "thing", "hold", 0.0, t0),
            Touch("person 2", "thing", "hold", t0 + takes, seconds),
        ]
        holders = [(0.0, t0, 0), (t0 + takes, math.inf, 1)]
        return _Play([giver, taker], kind, Route((0.0, y, 1.2)), holders, events, touches)
    person = _Person("person 1", Route((aside, y + 0.6)), facing)
    if what == "fall":
        high, t0 = float(rng.uniform(1.6, 2.1)), float(rng.uniform(1.0, 2.5))
        x = side * float(rng.uniform(0.2, 0.9))
        takes = math.sqrt(2 * (high - BALL) / 9.81) * 2.2  # slow enough for ten pictures a second: a light ball
        route = Route((x, y, high)).rest(t0).go((x, y, BALL), takes, "up").until(seconds)
        events.append(Event("falls", "thing", t0, t0 + takes))
        return _Play([person], "ball", route, [], events, touches)
    wait, takes = float(rng.uniform(0.5, 1.5)), float(rng.uniform(2.5, 4.0))
    route = Route((side * 1.5, y - 0.3, BALL)).rest(wait).go((-side * 1.2, y - 0.3, BALL), takes, "down").until(seconds)
    events.append(Event("rolls", "thing", wait, wait + takes))
    return _Play([person], "ball", route, [], events, touches, spin=True)


def _thing(play: _Play, rig: Rig, prefixes: list[str], t: float) -> tuple[Floats, Floats]:
    """The place and turn of the thing: in hands, on its way between them, or by itself."""
    place = play.route.at(t)[0]
    spans = play.holders
    for i, (t0, t1, who) in enumerate(spans):
        if t0 <= t <= t1:
            return _between_hands(rig, prefixes[who]), yaw(0.0)
        if t1 < t < (spans[i + 1][0] if i + 1 < len(spans) else -math.inf):
            u = (t - t1) / (spans[i + 1][0] - t1)
            a, b = (_between_hands(rig, prefixes[w]) for w in (who, spans[i + 1][2]))
            return a + (b - a) * u, yaw(0.0)
    angle = (place[0] - play.route.at(0)[0][0]) / BALL / 2 if play.spin else 0.0
    return place, np.array([math.cos(angle), 0.0, math.sin(angle), 0.0])


def _stand(play: _Play) -> Floats:
    """The place of the stand: under the thing that is to be picked up, else behind the wall."""
    if not play.found:
        return np.array([0.0, 9.0, 0.0])
    under: Floats = play.route.at(0)[0] - np.array([0.0, 0.0, BALL + 0.6])
    return under


def _between_hands(rig: Rig, prefix: str) -> Floats:
    mujoco().mj_kinematics(rig.model, rig.data)
    left, right = (np.array(rig.data.body(f"{prefix}{side}_hand").xpos) for side in ("left", "right"))
    middle: Floats = (left + right) / 2
    return middle


def _body_points(rig: Rig, prefix: str) -> Floats:
    """(17, 3) COCO's points of a body; not a number for eyes and ears, which it has not."""
    points = np.full((17, 3), np.nan)
    for k, (name, offset) in COCO.items():
        body = rig.data.body(f"{prefix}{name}")
        points[k] = np.array(body.xpos) + np.array(body.xmat).reshape(3, 3) @ np.array(offset)
    return points


def _eye(rng: np.random.Generator, seconds: float) -> tuple[Eye, str]:
    place = (float(rng.uniform(-0.6, 0.6)), -4.6 + float(rng.uniform(-0.4, 0.2)), float(rng.uniform(1.2, 1.9)))
    eye = Eye.fixed(place, (0.0, 0.3, 0.95), 42.0, SIZE)
    chance = rng.random()
    if chance < 0.12:
        way = 0.35 * float(rng.choice([-1, 1]))
        return Eye(eye.place, Route((-way, 0.3, 0.95)).go((way, 0.3, 0.95), seconds), eye.lens, SIZE), "pan"
    if chance < 0.24:
        return Eye(eye.place, eye.target, Route((44.0, 0.0)).go((35.0, 0.0), seconds), SIZE), "zoom"
    return eye, "static"


def _room(rng: np.random.Generator, play: _Play) -> list[str]:
    wall = f'<geom type="box" pos="0 3 2.5" size="7 0.05 2.5" rgba="{colour(rng, 0.25)}"/>'
    for i in range(int(rng.integers(3, 8))):
        x, z, w = float(rng.uniform(-3, 3)), float(rng.uniform(0.4, 2.2)), float(rng.uniform(0.15, 0.5))
        shape = f'pos="{x:.2f} {2.94 - 0.01 * i:.2f} {z:.2f}" size="{w:.2f} 0.03 {w:.2f}"'
        wall += f'<geom type="box" {shape} rgba="{colour(rng, 0.6)}"/>'
    bodies = [f"<body>{wall}</body>"]
    bodies += [f'<body name="{p.name}" mocap="true"/>' for p in play.people]
    stand = f'<geom type="box" size="0.16 0.16 0.6" rgba="{colour(rng, 0.3)}"/>'
    bodies.append(f'<body name="stand" mocap="true">{stand}</body>')
    bodies.append(f'<body name="thing" mocap="true"><geom {THINGS[play.thing]} rgba="{colour(rng)}"/></body>')
    return bodies
