"""Predicates of one track (``docs/claims.md`` §3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fm_hub.claims.circle import circle
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import highest, jitter, legs, mean, measured, med, med_point, of_thirds, thirds
from fm_hub.claims.verdict import UNCHECKED, Verdict, Words, affirmed, agree, both, trend
from fm_hub.claims.window import Window
from fm_hub.records import Claim, Floats

__all__ = ["DIRECTIONS", "angle_off", "bows", "depth", "direction", "heading", "lengths", "moves", "once_over", "path"]
__all__ += ["region", "reversals", "sequence", "speed", "speed_change", "straight", "to_and_fro", "travels"]

QUARTERS = {"top-left": (-1, -1), "top-right": (1, -1), "bottom-left": (-1, 1), "bottom-right": (1, 1)}
"""Whether it is to the right of the middle, and below it."""
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


def heading(d: tuple[float, float]) -> float:
    """The direction of a displacement (dx, dy) as seen, in degrees: 0 right, 90 up."""
    return math.degrees(math.atan2(-d[1], d[0]))


def angle_off(a: float, b: float) -> float:
    """The angle between two directions, 0 to 180 degrees."""
    return abs((a - b + 180.0) % 360.0 - 180.0)


def _window(scene: Scene, args: Args, claim: Claim) -> Window | None:
    return scene.window(args["track"], claim.t0, claim.t1, claim.frame)


def moves(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether the track leaves its place at all."""
    w = _window(scene, args, claim)
    return None if w is None else _moves(w)


@measured
def _moves(w: Window) -> Words:
    share, tol = w.extent / w.scene.diagonal, w.tau / w.scene.diagonal
    rests = (0.03 * w.scene.diagonal - w.extent) / w.tau_smoothed
    return {True: Verdict(share, tol, w.moves), False: Verdict(share, tol, rests)}


def direction(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Where the track ends, seen from where it starts, in 8 directions."""
    w = _window(scene, args, claim)
    return None if w is None else _directions(w)


@measured
def _directions(w: Window) -> Words:
    extent, angle = max(w.extent, 1e-6), heading(w.d)
    delta = max(3.0, math.degrees(math.atan2(w.tau, w.length)))

    def margins(d: tuple[float, float]) -> list[float]:
        length, way = math.hypot(*d), heading(d)
        far = (length - 0.06 * w.scene.diagonal) / w.tau
        direct = (length / extent - 0.7) / max(0.05, w.tau / extent)
        return [min((22.5 - angle_off(way, centre)) / delta, far, direct) for centre in DIRECTIONS.values()]

    words = zip(DIRECTIONS, margins(w.d), margins(w.ends), strict=True)
    return {word: Verdict(angle, delta, agree(m, other)) for word, m, other in words}


def path(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """The shape of the way: straight, curved, or back and forth."""
    w = _window(scene, args, claim)
    return None if w is None else _paths(w)


@measured
def once_over(w: Window) -> Verdict:
    """Whether it goes no way twice: ``B``, the way along the main axis in ranges of it."""
    swings = w.legs(max(2 * w.tau, 0.2 * w.long))
    b, beta = sum(swings) / max(w.long, 1e-6) if swings else 1.0, max(0.1, w.tau / max(w.long, 1e-6))
    lost = b < 1.5 and 2 * w.tau > w.long / 3  # swings of a third of the way are not seen
    return Verdict(b, beta, 0.0 if lost else (1.5 - b) / beta)


@measured
def to_and_fro(w: Window) -> Verdict:
    """Whether it goes over its own way again; what is broad may do so too, but for a circle."""
    once, ring = once_over(w), circle(w)
    if ring is not None and ring.margin > 0:
        return once._replace(margin=-ring.margin)
    return once._replace(margin=affirmed(min(-once.margin, w.moves), w.slim))


def straight(w: Window, bound: float) -> float:
    """The margin of "it leaves its chord by less than ``bound`` chord lengths", by smoothed ends and by others."""
    leaves, nu = bows(w)
    return agree(*((bound - v) / nu for v in leaves))


@measured
def bows(w: Window) -> tuple[tuple[float, float], float]:
    """``V``, the largest distance of the path from a chord in chord lengths, for both chords, and its tolerance."""
    chords = (w.path[0], w.d), (w.c[0], w.ends)
    first, second = (_bow(w.path - start, d) for start, d in chords)
    return (first, second), max(0.02, w.tau / max(w.extent, 1e-6))


def _bow(rel: Floats, d: tuple[float, float]) -> float:
    """How far points (N, 2) lie from the line through 0 along ``d``, at most, in lengths of ``d``."""
    length = math.hypot(*d)
    if length < 1e-9:
        far = np.hypot(rel[:, 0], rel[:, 1])
    else:
        far = np.abs(rel[:, 0] * d[1] - rel[:, 1] * d[0]) / length
    return highest(far) / max(length, 1e-6)


@measured
def _paths(w: Window) -> Words:
    bend, once = -straight(w, 0.1), once_over(w)
    round_it = once.margin < 0 and w.slim <= 0  # it need not come back on its way
    return {
        "straight": both(once, -bend, w.moves),
        "curved": both(once._replace(margin=0.0) if round_it else once, bend, w.moves),
        "back-and-forth": to_and_fro(w),
    }


def travels(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Which share of the frame's width (axis x) or height (axis y) lies between start and end."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    i, side = (0, scene.width) if args["axis"] == "x" else (1, scene.height)
    q, raw, tol, lo, hi = abs(w.d[i]) / side, abs(w.ends[i]) / side, w.tau / side, args["lo"], args["hi"]
    return Verdict(q, tol, agree(min(q - lo, hi - q) / tol, min(raw - lo, hi - raw) / tol))


def lengths(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How many of its own lengths lie between start and end."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    (q, *others), tol = _own_lengths(w)
    lo, hi = args["lo"], args["hi"]
    return Verdict(q, tol, agree(min(q - lo, hi - q) / tol, *[min(x - lo, hi - x) / tol for x in others]))


@measured
def _own_lengths(w: Window) -> tuple[tuple[float, float, float], float]:
    """How many there are by smoothed ends, and by others with the median and the mean of its side; tolerance."""
    sides = (w.bbox[:, 2:] - w.bbox[:, :2]).max(axis=1)
    sides = sides if w.grown is None else sides * w.grown
    own, whole, raw = max(med(sides), 1.0), max(mean(sides), 1.0), math.hypot(*w.ends)
    q = w.length / own
    return (q, raw / own, raw / whole), max(0.1 * q, w.tau / own)


def region(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """The quarter of the frame in which the track is at the start, at the end, or all in all."""
    w = _window(scene, args, claim) if claim.frame == "image" else None
    return None if w is None else _regions(w)[args["at"]]


@measured
def _regions(w: Window) -> dict[str, Words]:
    """By the median and by the mean: what rests here, then goes there, is in no one place all in all."""
    out: dict[str, Words] = {}
    wide, high, tau = w.scene.width, w.scene.height, w.tau
    for at, c in {"start": w.c[:5], "end": w.c[-5:], "all": w.c}.items():
        (x, y), mx, my = med_point(c), mean(c[:, 0]) - wide / 2, mean(c[:, 1]) - high / 2
        dx, dy = x - wide / 2, y - high / 2
        value = min(abs(dx) / wide, abs(dy) / high)
        out[at] = {
            word: Verdict(value, tau / wide, agree(min(i * dx, j * dy) / tau, min(i * mx, j * my) / tau))
            for word, (i, j) in QUARTERS.items()
        }
    return out


def depth(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether the track grows in the picture (approaches), shrinks (recedes) or keeps its size."""
    w = _window(scene, args, claim)
    return None if w is None else _depths(w)


@measured
def _depths(w: Window) -> Words | None:
    """By the size, and by width and height alike: what bends or turns changes one of them."""
    words = ("approaches", "recedes", "keeps")
    if np.count_nonzero(w.clear) < 5:
        return None
    sides = np.log(np.maximum(w.bbox[:, 2:] - w.bbox[:, :2], 1.0))
    if w.grown is not None:
        sides = sides + np.log(w.grown)[:, None]
    out: list[Verdict] = []
    for g in (np.log(w.s), *sides.T):
        g = g[w.clear]
        first, middle, last = map(med, thirds(g))
        tol = max(0.1, 2 * jitter(g) * of_thirds(len(g)))
        margins = trend(last - first, middle - first, math.log(1.4), tol)
        if not out:
            out = [Verdict(last - first, tol, m) for m in margins]
        else:
            out = [Verdict(v.value, v.tolerance, agree(v.margin, m)) for v, m in zip(out, margins, strict=True)]
    return dict(zip(words, out, strict=True))


def speed(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """How fast the track moves, in frame diagonals per second."""
    w = _window(scene, args, claim)
    if w is None or w.cut:
        return None
    q = w.usual[0] / scene.diagonal
    tol = max(0.15 * q, w.tau / (scene.diagonal * w.seconds))
    out: dict[str | bool, Verdict] = {}
    for word, (low, high) in {"slow": (-math.inf, 0.08), "medium": (0.08, 0.25), "fast": (0.25, math.inf)}.items():
        m = agree(*(min(v / scene.diagonal - low, high - v / scene.diagonal) / tol for v in w.usual))
        out[word] = both(Verdict(q, tol, m), w.moves)
    return out


def speed_change(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether the track is faster at the end than at the start."""
    w = _window(scene, args, claim)
    return None if w is None or w.cut else _paces(w)


@measured
def _paces(w: Window) -> Words:
    floor = w.tau / w.seconds

    def margins(of: Floats, middle_of: Callable[[Floats], float]) -> tuple[float, float, tuple[float, float, float]]:
        a, middle, b = (max(middle_of(part), floor) for part in thirds(of))
        q, m = math.log(b / a), math.log(middle / a)
        tol = max(0.15, math.hypot(3 * w.tau / (a * w.seconds), 3 * w.tau / (b * w.seconds)))
        return q, tol, trend(q, m, math.log(1.6), tol)

    (q, tol, usual), (_, _, means) = margins(w.speeds, med), margins(w.raw_speeds, mean)
    words = zip(("speeds-up", "slows-down", "steady"), usual, means, strict=True)
    return {word: both(Verdict(q, tol, agree(m, other)), w.moves) for word, m, other in words}


def reversals(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How often the track turns back on its way; only if every swing is a large one."""
    w = _window(scene, args, claim)
    if w is None:
        return UNCHECKED
    n, m = _turns(w)
    return Verdict(float(n), 1.0, m if n == args["is"] else -m) if m > 0 else UNCHECKED


@measured
def _turns(w: Window) -> tuple[int, float]:
    if w.moves <= 0 or 2 * w.tau > 0.25 * w.long:  # a swing that would count is lost in the noise
        return 0, 0.0
    swings = w.legs(2 * w.tau)
    if not swings or len(swings) != len(legs(w.raw_along, 2 * w.tau)):  # a median of five cuts the tip of a swing
        return 0, 0.0
    return len(swings) - 1, min((min(swings) - 0.25 * w.long) / w.tau, w.slim, w.moves)


def sequence(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """One direction up to ``at``, another one after it."""
    first = scene.window(args["track"], claim.t0, args["at"], claim.frame)
    then = scene.window(args["track"], args["at"], claim.t1, claim.frame)
    if first is None and then is None:
        return UNCHECKED
    a = UNCHECKED if first is None else _directions(first)[args["first"]]
    b = UNCHECKED if then is None else _directions(then)[args["then"]]
    return both(a, b.margin)
