"""The slow oracle's third part: bodies and hands, from their keypoints. From `docs/claims.md` alone."""

import itertools
import math
from typing import Any

from oracle.slow_claims import (
    CannotCheck,
    Point,
    Result,
    View,
    affirmed,
    both_axes,
    diagonal,
    find_track,
    in_window,
    legs,
    m_moves,
    m_slim,
    med,
    minus,
    noise,
    norm,
    smoothed,
    spread,
    step_of,
    supported_samples,
    tau,
    third,
    wrap,
)
from oracle.slow_tracks import ROUND, sign

JOINTS = {
    "left_wrist": 9,
    "right_wrist": 10,
    "left_knee": 13,
    "right_knee": 14,
    "left_ankle": 15,
    "right_ankle": 16,
}
LIMBS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
REPEATING = ("centre", *JOINTS)
GESTURES = (
    *(f"{verb}-{side}-hand" for verb in ("raises", "lowers", "waves") for side in ("left", "right")),
    *("bends-down", "straightens-up", "sits-down", "stands-up", "jumps", "turns-away", "turns-to-camera"),
)
ONE_TRACK: dict[str, dict[str, tuple[str, ...] | str]] = {
    "rotation": {"is": (*ROUND, "none")},
    "rotation_by": {"lo": "number", "hi": "number"},
    "gesture": {"is": GESTURES},
    "repeats": {"joint": REPEATING, "is": "int"},
    "period": {"joint": REPEATING, "lo": "number", "hi": "number"},
    "limb": {"is": LIMBS},
    "hand_side": {"is": ("left", "right")},
}
Pose = dict[int, Point]
TORSO = (5, 6, 11, 12)


def rows_of(view: View, track_id: str) -> tuple[str, list[dict[str, Any]]]:
    """The kind and the rows of the window: `frame`, `t`, `xy` and `conf`."""
    if view.frame != "image":
        raise CannotCheck("keypoints are of the image only")
    find_track(view.scene, track_id)
    for points in view.scene["keypoints"]:
        if points["track_id"] == track_id:
            rows = []
            for frame, xy, conf in zip(points["frame"], points["xy"], points["conf"], strict=True):
                t = view.scene["t"][frame]
                if in_window(t, view.t0, view.t1):
                    rows.append({"frame": frame, "t": t, "xy": xy, "conf": conf})
            return points["kind"], rows
    raise CannotCheck("no keypoints")


def poses_of(rows: list[dict[str, Any]], joints: tuple[int, ...], least: int = 9) -> list[dict[str, Any]]:
    sure = [row for row in rows if all(row["conf"][j] >= 0.3 for j in joints)]
    if len(sure) < least:
        raise CannotCheck(f"fewer than {least} poses")
    return sure


def joint(row: dict[str, Any], *which: int) -> Point:
    xs = [row["xy"][j][0] for j in which]
    ys = [row["xy"][j][1] for j in which]
    return sum(xs) / len(xs), sum(ys) / len(ys)


def body_of(view: View, track_id: str) -> tuple[list[dict[str, Any]], float]:
    """The rows of a body and B."""
    kind, rows = rows_of(view, track_id)
    if kind != "coco17":
        raise CannotCheck("not a body")
    length = med([norm(minus(joint(r, 5, 6), joint(r, 11, 12))) for r in poses_of(rows, TORSO)])
    if length < 8.0:
        raise CannotCheck("too small")
    return rows, length


def change(x: list[float], low: float, high: float, floor: float, upwards: bool) -> Result:
    part = third(len(x))
    a, b = med(x[:part]), med(x[-part:])
    tol = max(floor, noise(x))
    return b, tol, (min(low - a, b - high) if upwards else min(a - high, low - b)) / tol


def check_gesture(view: View, args: dict[str, Any]) -> Result:
    rows, big_b = body_of(view, args["track"])
    word = args["is"]
    if word.endswith("-hand"):
        verb, side, _ = word.split("-")
        sh, el, wr = (5, 7, 9) if side == "left" else (6, 8, 10)
        poses = poses_of(rows, (*TORSO, el, wr))
        if verb != "waves":
            x = [(joint(r, sh)[1] - joint(r, wr)[1]) / big_b for r in poses]
            return change(x, -0.2, 0.2, 0.08, verb == "raises")
        x = [(joint(r, wr)[0] - joint(r, el)[0]) / big_b for r in poses]
        tol = max(0.08, noise(x))
        lengths = sorted(legs(x, 2.0 * tol), reverse=True)
        fourth = lengths[3] if len(lengths) > 3 else 0.0
        lift = [(joint(r, el)[1] - joint(r, wr)[1]) / big_b for r in poses]
        usual, ever = (med(lift) - 0.1) / 0.1, (max(lift) - 0.1) / 0.1
        return fourth, tol, affirmed(min((fourth - 0.3) / tol, ever), [usual])
    if word in ("bends-down", "straightens-up"):
        lean = []
        for r in poses_of(rows, TORSO):
            x, y = minus(joint(r, 5, 6), joint(r, 11, 12))
            lean.append(math.degrees(math.atan2(abs(x), -y)))
        return change(lean, 25.0, 40.0, 5.0, word == "bends-down")
    if word in ("turns-away", "turns-to-camera"):
        facing = [(joint(r, 5)[0] - joint(r, 6)[0]) / big_b for r in poses_of(rows, TORSO)]
        return change(facing, -0.25, 0.25, 0.08, word == "turns-to-camera")
    if word in ("sits-down", "stands-up"):
        poses = poses_of(rows, (*TORSO, 13, 14))
        thigh = [(joint(r, 13, 14)[1] - joint(r, 11, 12)[1]) / big_b for r in poses]
        return change(thigh, 0.4, 0.65, 0.08, word == "stands-up")
    if view.scene["camera"]["label"] != "static":
        raise CannotCheck("jumps: static camera only")
    poses = poses_of(rows, (*TORSO, 15, 16))
    part = third(len(poses))
    rises = []
    for pair in ((15, 16), (11, 12)):
        y = [joint(r, *pair)[1] for r in poses]
        rises.append([(med(y[:part]) - value) / big_b for value in y])
    e, f = rises
    q = max(min(p, q) for p, q in zip(e, f, strict=True))
    tol = max(0.08, noise(e), noise(f))
    return q, tol, min((q - 0.25) / tol, (0.3 - abs(med(e[-part:]))) / tol)


def turned(view: View, track_id: str) -> tuple[float, float, float]:
    """q, tol and range of the angle."""
    kind, rows = rows_of(view, track_id)
    if kind == "coco17":
        axes = [minus(joint(r, 5, 6), joint(r, 11, 12)) for r in poses_of(rows, TORSO)]
    else:
        axes = [minus(joint(r, 9), joint(r, 0)) for r in poses_of(rows, (0, 9))]
    if med([norm(a) for a in axes]) < 8.0:
        raise CannotCheck("too short")
    angles = [math.degrees(math.atan2(-y, x)) for x, y in axes]
    phi = [0.0]
    for a, b in itertools.pairwise(angles):
        if abs(wrap(b - a)) >= 100.0:
            raise CannotCheck("too fast")
        phi.append(phi[-1] + wrap(b - a))
    part = third(len(phi))
    return med(phi[-part:]) - med(phi[:part]), max(10.0, noise(phi)), spread(phi)


def check_rotation(view: View, args: dict[str, Any]) -> Result:
    q, tol, reach = turned(view, args["track"])
    if args["is"] == "none":
        return q, tol, min(30.0 - abs(q), 45.0 - reach) / tol
    return q, tol, (sign(args["is"], "anticlockwise") * q - 45.0) / tol


def check_rotation_by(view: View, args: dict[str, Any]) -> Result:
    q, tol, _ = turned(view, args["track"])
    return abs(q), tol, min(abs(q) - args["lo"], args["hi"] - abs(q)) / tol


def turning(u: list[float], h: float) -> list[tuple[float, int]]:
    """First point, turning points and last point, each with its place: the walk of `legs`, told by place."""
    lows = highs = 0
    heading = extreme = 0
    points: list[tuple[float, int]] = []
    for k in range(len(u)):
        if heading == 0:
            lows = k if u[k] < u[lows] else lows
            highs = k if u[k] > u[highs] else highs
            if u[k] - u[lows] > h:
                heading, extreme = 1, k
                points.append((u[lows], lows))
            elif u[highs] - u[k] > h:
                heading, extreme = -1, k
                points.append((u[highs], highs))
        elif heading * (u[k] - u[extreme]) > 0:
            extreme = k
        elif heading * (u[extreme] - u[k]) > h:
            points.append((u[extreme], extreme))
            heading, extreme = -heading, k
    return [*points, (u[extreme], extreme)] if heading else []


def swings(view: View, args: dict[str, Any]) -> tuple[list[float], list[float], float, float]:
    """Values and times of the points, range and tol."""
    if args["joint"] == "centre":
        samples = supported_samples(view, args["track"])
        path, place = smoothed(samples), tau(view.scene, samples)
        if m_slim(path, place) <= 0.0 or m_moves(view.scene, samples) <= 0.0:
            raise CannotCheck("no swing")
        u, times, reach, tol = both_axes(path)[0], [k.t for k in samples], 0.0, place
        reach = spread(u)
    else:
        rows, big_b = body_of(view, args["track"])
        which = JOINTS[args["joint"]]
        poses = poses_of(rows, (*TORSO, which))
        places = []
        for r in poses:
            x, y = minus(joint(r, which), joint(r, 11, 12))
            places.append((x / big_b, y / big_b))
        u, times = both_axes(places)[0], [r["t"] for r in poses]
        tol, reach = max(0.08, noise(u)), spread(u)
        if reach < 0.3:
            raise CannotCheck("too small a swing")
    points = turning(u, 2.0 * tol)
    return [p for p, _ in points], [times[k] for _, k in points], reach, tol


def check_repeats(view: View, args: dict[str, Any]) -> Result:
    points, _, reach, tol = swings(view, args)
    sizes = [abs(b - a) for a, b in itertools.pairwise(points)]
    if not sizes or len(sizes) % 2 == 1:
        raise CannotCheck("no whole number of repetitions")
    m = (min(sizes) - 0.5 * reach) / tol
    if m <= 0.0:
        raise CannotCheck("swings are not alike")
    n = len(sizes) // 2
    return float(n), 1.0, m if n == args["is"] else -m


def check_period(view: View, args: dict[str, Any]) -> Result:
    points, times, reach, tol = swings(view, args)
    if len(points) < 5:
        raise CannotCheck("too few turning points")
    inner, moments = points[1:-1], times[1:-1]
    m = (min(abs(b - a) for a, b in itertools.pairwise(inner)) - 0.5 * reach) / tol
    if m <= 0.0:
        raise CannotCheck("swings are not alike")
    halves = len(inner) - 1
    q = 2.0 * (moments[-1] - moments[0]) / halves
    error = max(0.05 * q, 2.0 * step_of(view.scene) / halves)
    return q, error, min(min(q - args["lo"], args["hi"] - q) / error, m)


def check_limb(view: View, args: dict[str, Any]) -> Result:
    rows, big_b = body_of(view, args["track"])
    reach, tol = {}, 0.08
    for name in LIMBS:
        sides = []
        for axis in (0, 1):
            poses = poses_of(rows, (*TORSO, JOINTS[name]))
            values = [(joint(r, JOINTS[name])[axis] - joint(r, 11, 12)[axis]) / big_b for r in poses]
            tol = max(tol, noise(values))
            last = len(values) - 1
            ordered = sorted(values)
            sides.append(ordered[math.floor(0.9 * last)] - ordered[math.ceil(0.1 * last)])
        reach[name] = math.sqrt(sides[0] ** 2 + sides[1] ** 2)
    own = reach[args["is"]]
    others = max(r for name, r in reach.items() if name != args["is"])
    return own, tol, affirmed((own - others) / tol, [(own - 0.4) / tol, (own - 1.5 * others) / tol])


def check_hand_side(view: View, args: dict[str, Any]) -> Result:
    if view.frame != "image":
        raise CannotCheck("image only")
    samples = supported_samples(view, args["track"])
    parent = find_track(view.scene, args["track"])["parent"]
    if not parent:
        raise CannotCheck("a hand of nobody")
    kind, rows = rows_of(view, parent)
    if kind != "coco17":
        raise CannotCheck("not a body")
    wrists = {r["frame"]: r for r in rows if r["conf"][9] >= 0.3 and r["conf"][10] >= 0.3}
    near: dict[int, list[float]] = {9: [], 10: []}
    for k in samples:
        if k.frame in wrists:
            for j in near:
                near[j].append(norm(minus(joint(wrists[k.frame], j), (k.x, k.y))))
    if len(near[9]) < 5:
        raise CannotCheck("fewer than 5 frames")
    left, right = med(near[9]), med(near[10])
    q = right - left if args["is"] == "left" else left - right
    place, big_d = tau(view.scene, samples), diagonal(view.scene)
    at_hand = (1.5 * med([k.s for k in samples]) - min(left, right)) / place
    return q / big_d, place / big_d, min(q / place, at_hand)


CHECKS = {
    "rotation": check_rotation,
    "rotation_by": check_rotation_by,
    "gesture": check_gesture,
    "repeats": check_repeats,
    "period": check_period,
    "limb": check_limb,
    "hand_side": check_hand_side,
}
