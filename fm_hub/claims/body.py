"""Gestures, rotations and repetitions of bodies and hands, from their keypoints (``docs/claims.md`` §3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from fm_hub.claims.scene import Scene
from fm_hub.claims.series import jitter, legs, longest, measured, med, third, thirds, turning_points
from fm_hub.claims.skeleton import JOINTS, TORSO, Skeleton
from fm_hub.claims.verdict import UNCHECKED, Verdict, Words, affirmed, both
from fm_hub.records import Claim, Floats

__all__ = ["GESTURES", "LIMBS", "REPEATING", "gesture", "limb", "period", "repeats", "rotation", "rotation_by"]

GESTURES = (
    *("raises-left-hand", "raises-right-hand", "lowers-left-hand", "lowers-right-hand"),
    *("waves-left-hand", "waves-right-hand", "bends-down", "straightens-up", "sits-down", "stands-up"),
    *("jumps", "turns-away", "turns-to-camera"),
)
LIMBS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
REPEATING = ("centre", "left_wrist", "right_wrist", "left_knee", "right_knee", "left_ankle", "right_ankle")
NOISE = 0.08
Args = Mapping[str, Any]


def _body(scene: Scene, args: Args, claim: Claim) -> Skeleton | None:
    body = scene.skeleton(args["track"], claim.t0, claim.t1) if claim.frame == "image" else None
    return body if body is not None and body.kind == "coco17" and not math.isnan(body.torso) else None


def _middle(poses: Floats, a: int, b: int) -> Floats:
    out: Floats = (poses[:, a] + poses[:, b]) / 2
    return out


def _noise(x: Floats, floor: float = NOISE) -> float:
    return max(floor, 2 * jitter(x))


def _change(x: Floats, low: float, high: float, floor: float = NOISE) -> tuple[Verdict, Verdict]:
    """Verdicts of "from below ``low`` to above ``high``" and of the way back, by first and last third."""
    first, _, last = map(med, thirds(x))
    tol = _noise(x, floor)
    return Verdict(last, tol, min(low - first, last - high) / tol), Verdict(
        last, tol, min(first - high, low - last) / tol
    )


def gesture(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Which gestures a person makes in the window: several words may be true."""
    body = _body(scene, args, claim)
    if body is None:
        return None
    return _gestures(body) if scene.camera.label == "static" else _gestures_on_the_ground(body)


@measured
def _gestures(body: Skeleton) -> Words:
    return {**_gestures_on_the_ground(body), "jumps": _jump(body)}


@measured
def _gestures_on_the_ground(body: Skeleton) -> Words:
    """Without jumps: where the view moves, nobody can tell who leaves the ground."""
    return {**_arms(body), **_trunk(body)}


def _arms(body: Skeleton) -> Words:
    out: dict[str | bool, Verdict] = {}
    for side, shoulder, elbow, wrist in (("left", 5, 7, 9), ("right", 6, 8, 10)):
        poses = body.poses((*TORSO, elbow, wrist))
        if poses is None:
            continue
        up, down = _change((poses[:, shoulder, 1] - poses[:, wrist, 1]) / body.torso, -0.2, 0.2)
        out[f"raises-{side}-hand"], out[f"lowers-{side}-hand"] = up, down
        x = (poses[:, wrist, 0] - poses[:, elbow, 0]) / body.torso
        tol = _noise(x)
        swing = longest(legs(x, 2 * tol), 4)
        lift = (poses[:, elbow, 1] - poses[:, wrist, 1]) / body.torso
        usual, ever = (med(lift) - 0.1) / 0.1, (float(lift.max()) - 0.1) / 0.1
        waves = (swing - 0.3) / tol
        out[f"waves-{side}-hand"] = Verdict(swing, tol, affirmed(min(waves, ever), usual))
    return out


def _trunk(body: Skeleton) -> Words:
    out: dict[str | bool, Verdict] = {}
    poses = body.poses(TORSO)
    if poses is not None:
        up = _middle(poses, 5, 6) - _middle(poses, 11, 12)
        lean = np.degrees(np.arctan2(np.abs(up[:, 0]), -up[:, 1]))
        out["bends-down"], out["straightens-up"] = _change(lean, 25.0, 40.0, 5.0)
        facing = (poses[:, 5, 0] - poses[:, 6, 0]) / body.torso
        out["turns-to-camera"], out["turns-away"] = _change(facing, -0.25, 0.25)
    poses = body.poses((*TORSO, 13, 14))
    if poses is not None:
        thigh = (_middle(poses, 13, 14)[:, 1] - _middle(poses, 11, 12)[:, 1]) / body.torso
        out["stands-up"], out["sits-down"] = _change(thigh, 0.4, 0.65)
    return out


def _jump(body: Skeleton) -> Verdict:
    poses = body.poses((*TORSO, 15, 16))
    if poses is None:
        return UNCHECKED
    rise = []
    for pair in ((15, 16), (11, 12)):
        y = _middle(poses, *pair)[:, 1]
        rise.append((med(y[: third(len(y))]) - y) / body.torso)
    tol = max(_noise(rise[0]), _noise(rise[1]))
    high = float(np.minimum(rise[0], rise[1]).max())
    landed = (0.3 - abs(med(thirds(rise[0])[2]))) / tol
    return both(Verdict(high, tol, (high - 0.25) / tol), landed)


def rotation(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Which way a body or a hand turns on the screen: the degrees, anticlockwise positive."""
    verdicts = _turned(scene, args, claim)
    return verdicts[0] if verdicts else None


def rotation_by(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """By how much it turns, in degrees, either way round."""
    verdicts = _turned(scene, args, claim)
    if verdicts is None:
        return UNCHECKED
    turn, tol = verdicts[1]
    return Verdict(abs(turn), tol, min(abs(turn) - args["lo"], args["hi"] - abs(turn)) / tol)


def _turned(scene: Scene, args: Args, claim: Claim) -> tuple[Words, tuple[float, float]] | None:
    points = scene.skeleton(args["track"], claim.t0, claim.t1) if claim.frame == "image" else None
    return None if points is None else _spin(points)


@measured
def _spin(points: Skeleton) -> tuple[Words, tuple[float, float]] | None:
    """Of the axis from hips to shoulders, or from wrist to the middle finger's root."""
    if points.kind == "coco17":
        poses = points.poses(TORSO)
        axis = None if poses is None else _middle(poses, 5, 6) - _middle(poses, 11, 12)
    else:
        poses = points.poses((0, 9))
        axis = None if poses is None else poses[:, 9] - poses[:, 0]
    if axis is None or med(np.hypot(axis[:, 0], axis[:, 1])) < 8.0:
        return None
    steps = (np.diff(np.degrees(np.arctan2(-axis[:, 1], axis[:, 0]))) + 180.0) % 360.0 - 180.0
    if float(np.abs(steps).max()) >= 100.0:
        return None  # too fast for the samples: there is no telling which way round
    phi = np.concatenate([[0.0], np.cumsum(steps)])
    first, _, last = map(med, thirds(phi))
    turn, tol = last - first, _noise(phi, 10.0)
    spread = (45.0 - float(phi.max() - phi.min())) / tol
    words = {"anticlockwise": (turn - 45.0) / tol, "clockwise": (-turn - 45.0) / tol}
    words["none"] = min((30.0 - abs(turn)) / tol, spread)
    return {word: Verdict(turn, tol, m) for word, m in words.items()}, (turn, tol)


def _swings(scene: Scene, args: Args, claim: Claim) -> tuple[list[float], list[float], float, float] | None:
    """The turning points of a joint against its hips, or of the track itself, with their times, range and tolerance."""
    if args["joint"] == "centre":
        w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
        if w is None or min(w.slim, w.moves) <= 0:
            return None
        points, places = w.turns(2 * w.tau)
        return points, w.t[places].tolist(), w.long, w.tau
    body = _body(scene, args, claim)
    if body is None:
        return None
    key = ("swings", args["joint"])
    if key not in body.memo:
        body.memo[key] = _joint_swings(body, JOINTS[args["joint"]])
    swings: tuple[list[float], list[float], float, float] | None = body.memo[key]
    return swings


def _joint_swings(body: Skeleton, joint: int) -> tuple[list[float], list[float], float, float] | None:
    needed = (*TORSO, joint)
    poses = body.poses(needed)
    if poses is None:
        return None
    place = (poses[:, joint] - _middle(poses, 11, 12)) / body.torso
    centred = place - place.mean(axis=0)
    u = centred @ np.linalg.eigh(centred.T @ centred)[1][:, 1]
    tol, reach = _noise(u), float(u.max() - u.min())
    if reach < 0.3:
        return None
    points, places = turning_points(u, 2 * tol)
    return points, body.t[body.sure[:, needed].all(axis=1)][places].tolist(), reach, tol


def _sizes(points: list[float]) -> list[float]:
    return [abs(b - a) for a, b in pairwise(points)]


def repeats(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How many times something goes there and back; only where it ends as it began and all swings are alike."""
    swings = _swings(scene, args, claim)
    if swings is None:
        return UNCHECKED
    points, _, reach, tol = swings
    sizes = _sizes(points)
    if not sizes or len(sizes) % 2:
        return UNCHECKED
    m = (min(sizes) - 0.5 * reach) / tol
    n = len(sizes) // 2
    return Verdict(float(n), 1.0, m if n == args["is"] else -m) if m > 0 else UNCHECKED


def period(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How long one there-and-back takes, in seconds, by its turning points (the first and last place are none)."""
    swings = _swings(scene, args, claim)
    if swings is None or len(swings[0]) < 5:
        return UNCHECKED
    points, times, reach, tol = swings
    m = (min(_sizes(points[1:-1])) - 0.5 * reach) / tol
    if m <= 0:
        return UNCHECKED
    halves = len(points) - 3
    q = 2 * (times[-2] - times[1]) / halves
    error = max(0.05 * q, 2 * scene.step / halves)
    return both(Verdict(q, error, min(q - args["lo"], args["hi"] - q) / error), m)


def limb(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Which hand or foot moves most against the hips, in lengths of the torso."""
    body = _body(scene, args, claim)
    return None if body is None else _limbs(body)


@measured
def _limbs(body: Skeleton) -> Words | None:
    reach, noise = {}, [NOISE]
    for name in LIMBS:
        poses = body.poses((*TORSO, JOINTS[name]))
        if poses is None:
            return None
        place = (poses[:, JOINTS[name]] - _middle(poses, 11, 12)) / body.torso
        noise.append(2 * jitter(place))
        ordered = np.sort(place, axis=0)
        n = len(ordered) - 1
        reach[name] = math.hypot(*(ordered[math.floor(0.9 * n)] - ordered[math.ceil(0.1 * n)]).tolist())
    tol = max(noise)
    out: dict[str | bool, Verdict] = {}
    for name, own in reach.items():
        rest = max(r for other, r in reach.items() if other != name)
        out[name] = Verdict(own, tol, affirmed((own - rest) / tol, (own - 0.4) / tol, (own - 1.5 * rest) / tol))
    return out
