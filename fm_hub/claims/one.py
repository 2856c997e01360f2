"""Predicates of one track (``docs/claims.md`` §3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fm_hub.claims.scene import Scene, Window, jitter, median, once, third
from fm_hub.claims.verdict import UNCHECKED, Verdict, both, trend
from fm_hub.records import Claim, Floats

__all__ = ["DIRECTIONS", "angle_off", "depth", "direction", "moves", "path", "region", "reversals"]
__all__ += ["sequence", "speed", "speed_change", "travels"]

DIRECTIONS = {
    "right": 0.0,
    "up-right": 45.0,
    "up": 90.0,
    "up-left": 135.0,
    "left": 180.0,
    "down-left": -135.0,
    "down": -90.0,
    "down-right": -45.0,
}
Args = Mapping[str, Any]


def heading(d: Floats) -> float:
    """The direction of a displacement (dx, dy) as seen, in degrees: 0 right, 90 up."""
    return math.degrees(math.atan2(-d[1], d[0]))


def angle_off(a: float, b: float) -> float:
    """The angle between two directions, 0 to 180 degrees."""
    return abs((a - b + 180.0) % 360.0 - 180.0)


def _window(scene: Scene, args: Args, claim: Claim) -> Window | None:
    return scene.window(args["track"], claim.t0, claim.t1, claim.frame)


def moves(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Whether the track leaves its place at all."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    rests = (0.03 * scene.diagonal - w.extent) / w.tau
    return Verdict(w.extent / scene.diagonal, w.tau / scene.diagonal, w.moves if args["is"] else rests)


def direction(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Where the track ends, seen from where it starts, in 8 directions."""
    w = _window(scene, args, claim)
    return UNCHECKED if w is None else _direction(w, args["is"])


def _direction(w: Window, word: str) -> Verdict:
    angle, delta, far, direct = _course(w)
    lead = Verdict(angle, delta, (22.5 - angle_off(angle, DIRECTIONS[word])) / delta)
    return both(lead, far, direct)


@once
def _course(w: Window) -> tuple[float, float, float, float]:
    """Angle of the displacement and its tolerance, degrees; margins of "far enough" and of "by a direct way"."""
    length, extent = w.length, max(w.extent, 1e-6)
    delta = max(3.0, math.degrees(math.atan2(w.tau, length)))
    far = (length - 0.06 * w.scene.diagonal) / w.tau
    direct = (length / extent - 0.7) / max(0.05, w.tau / extent)
    return heading(w.d), delta, far, direct


def path(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The shape of the way: straight, curved, or back and forth."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    b, beta, bend = _shape(w)
    if args["is"] == "back-and-forth":
        return both(Verdict(b, beta, (b - 1.5) / beta), w.slim, w.moves)
    return both(Verdict(b, beta, (1.5 - b) / beta), bend if args["is"] == "curved" else -bend, w.moves)


@once
def _shape(w: Window) -> tuple[float, float, float]:
    """The way in spans of the main axis, its tolerance, and the margin of "bent"."""
    span = float(np.ptp(w.along))
    legs = w.legs(max(2 * w.tau, 0.2 * span))
    b = float(legs.sum()) / max(span, 1e-6) if len(legs) else 1.0
    beta = max(0.1, w.tau / max(span, 1e-6))
    return b, beta, (_bow(w) - 0.1) / max(0.02, w.tau / max(w.extent, 1e-6))


def _bow(w: Window) -> float:
    """The largest distance of the path from its chord, in chord lengths."""
    rel = w.path - w.path[0]
    if w.length < 1e-9:
        far = np.hypot(rel[:, 0], rel[:, 1])
    else:
        far = np.abs(rel[:, 0] * w.d[1] - rel[:, 1] * w.d[0]) / w.length
    return float(far.max()) / max(w.length, 1e-6)


def travels(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Which share of the frame's width (axis x) or height (axis y) lies between start and end."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    i, side = (0, scene.width) if args["axis"] == "x" else (1, scene.height)
    q, tol = abs(float(w.d[i])) / side, w.tau / side
    return Verdict(q, tol, min(q - args["lo"], args["hi"] - q) / tol)


def region(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The quarter of the frame in which the track is at the start, at the end, or all in all."""
    if claim.frame != "image":
        return UNCHECKED
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    x, y = {"start": w.c[:5], "end": w.c[-5:], "all": w.c}[args["at"]].T
    dx, dy = median(x) - scene.width / 2, median(y) - scene.height / 2
    vertical, horizontal = args["is"].split("-")
    parts = dx * (1 if horizontal == "right" else -1), dy * (1 if vertical == "bottom" else -1)
    value = min(abs(dx) / scene.width, abs(dy) / scene.height)
    return Verdict(float(value), w.tau / scene.width, float(min(parts)) / w.tau)


def depth(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Whether the track grows in the picture (approaches), shrinks (recedes) or keeps its size."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    growth = _growth(w)
    if growth is None:
        return UNCHECKED
    q, m, tol = growth
    margins = dict(zip(("approaches", "recedes", "keeps"), trend(q, m, math.log(1.4), tol), strict=True))
    return Verdict(q, tol, margins[args["is"]])


@once
def _growth(w: Window) -> tuple[float, float, float] | None:
    """The change of log size from the first third to the last, to the middle, and its tolerance."""
    x1, y1, x2, y2 = w.bbox.T
    wide, high = w.scene.width, w.scene.height
    whole = (x1 > 0.01 * wide) & (y1 > 0.01 * high) & (x2 < 0.99 * wide) & (y2 < 0.99 * high)
    g = np.log(w.s[whole])
    if len(g) < 5:
        return None
    k = third(len(g))
    first = median(g[:k])
    return median(g[-k:]) - first, median(g[k:-k]) - first, max(0.1, 2 * jitter(g[:, None]))


def speed(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How fast the track moves, in frame diagonals per second."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    q = w.pace / scene.diagonal
    tol = max(0.15 * q, w.tau / (scene.diagonal * w.seconds))
    margins = {"slow": 0.08 - q, "medium": min(q - 0.08, 0.25 - q), "fast": q - 0.25}
    return both(Verdict(q, tol, margins[args["is"]] / tol), w.moves)


def speed_change(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Whether the track is faster at the end than at the start."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    q, m, tol = _speeding(w)
    margins = dict(zip(("speeds-up", "slows-down", "steady"), trend(q, m, math.log(1.6), tol), strict=True))
    return both(Verdict(q, tol, margins[args["is"]]), w.moves)


@once
def _speeding(w: Window) -> tuple[float, float, float]:
    """The change of log speed from the first third to the last, to the middle, and its tolerance."""
    k, seconds = third(len(w.speeds)), w.seconds
    floor = w.tau / seconds
    parts = w.speeds[:k], w.speeds[k:-k], w.speeds[-k:]
    a, middle, b = (max(median(part), floor) for part in parts)
    tol = max(0.12, math.hypot(3 * w.tau / (a * seconds), 3 * w.tau / (b * seconds)))
    return math.log(b / a), math.log(middle / a), tol


def reversals(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How often the track turns back on its way; only if every swing is a large one."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    turns = _turns(w)
    if turns is None:
        return UNCHECKED
    n, m = turns
    return Verdict(float(n), 1.0, m if n == args["is"] else -m)


@once
def _turns(w: Window) -> tuple[int, float] | None:
    """How often the track turns back, and how surely; None where that cannot be told."""
    legs = w.legs(2 * w.tau)
    if not len(legs):
        return None
    m = min(float(legs.min() - 0.25 * np.ptp(w.along)) / w.tau, w.slim, w.moves)
    return (len(legs) - 1, m) if m > 0 else None


def sequence(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """One direction up to ``at``, another one after it."""
    first = scene.window(args["track"], claim.t0, args["at"], claim.frame)
    then = scene.window(args["track"], args["at"], claim.t1, claim.frame)
    if first is None and then is None:
        return UNCHECKED
    a = UNCHECKED if first is None else _direction(first, args["first"])
    b = UNCHECKED if then is None else _direction(then, args["then"])
    return both(a, b.margin)
