"""Where one thing goes, how, and how fast; by its whole outline."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fm_builders.simulate.judge.sight import MOVES, RESTS, Args, Floats, Rule, Sight, Unsure, extent, thirds
from fm_hub.records import Claim

__all__ = ["RULES", "change", "moves", "speeds", "way"]

WAYS = ("right", "up-right", "up", "up-left", "left", "down-left", "down", "down-right")
CORNER = 0.25  # of all of its bend in one step: a corner
BROAD = 0.5  # as wide as long
UNEVEN = 0.25  # how much the distances from its middle differ, in terms of their mean
WHOLE_TURN = 300  # degrees: nearly one
ONE_WAY = 0.8  # of all bends
EVEN = 0.02  # of the path: the steps in which its bends are followed


def way(vector: Floats, words: tuple[str, ...]) -> str:
    """The word whose direction is nearest; the first word is right, the others follow counter-clockwise."""
    turn = math.atan2(-vector[1], vector[0]) / (2 * math.pi)
    return words[round(turn * len(words)) % len(words)]


def speeds(path: Floats) -> Floats:
    """(N-1,) pixels a second from each frame to the next."""
    step = np.diff(path, axis=0)
    return np.asarray(np.hypot(step[:, 1], step[:, 2]) / step[:, 0])


def change(series: Floats, ratio: float) -> str:
    """How a positive series goes from its first third to its last: up, down, same, or there and back ("none").

    Raises :class:`Unsure` where it ends elsewhere than it began, but has been further than either on its way.
    """
    first, middle, last = (max(float(np.mean(x)), 1e-6) for x in thirds(series))
    q, m, bound = math.log(last / first), math.log(middle / first), math.log(ratio)
    if abs(q) < bound:
        return "same" if abs(m) < bound else "none"
    if max(min(0.0, q) - m, m - max(0.0, q)) >= bound:
        raise Unsure
    return "up" if q > 0 else "down"


def moves(sight: Sight, args: Args, claim: Claim) -> bool:
    """Whether it leaves its place, or stays."""
    share = extent(sight.path(args, claim)) / sight.diagonal
    if RESTS < share < MOVES:  # a little: one may say either
        raise Unsure
    return bool(args["is"] == (share >= MOVES))


def _goes(sight: Sight, path: Floats, word: str) -> bool:
    vector = path[-1, 1:] - path[0, 1:]
    length = float(np.hypot(*vector))
    direct = length >= 0.7 * extent(path) and length >= MOVES * sight.diagonal
    return direct and way(vector, WAYS) == word


def _direction(sight: Sight, args: Args, claim: Claim) -> bool:
    return _goes(sight, sight.path(args, claim), args["is"])


def _sequence(sight: Sight, args: Args, claim: Claim) -> bool:
    first = sight.path(args, claim, t1=args["at"])
    then = sight.path(args, claim, t0=args["at"])
    return _goes(sight, first, args["first"]) and _goes(sight, then, args["then"])


def _lines(path: Floats) -> tuple[Floats, Floats]:
    """(N,) the places along the longest line through the path, and across it."""
    c = path[:, 1:] - path[:, 1:].mean(0)
    _, _, axes = np.linalg.svd(c, full_matrices=False)
    return c @ axes[0], c @ axes[1]


def _turns(line: Floats, least: float) -> list[float]:
    """Start, turning points and end of a motion along a line; swings below ``least`` do not count."""
    ends, heading = [float(line[0])], 0.0
    for x in line.tolist():
        if heading == 0.0:
            if abs(x - ends[0]) > least:
                heading = math.copysign(1.0, x - ends[0])
                ends.append(x)
        elif (x - ends[-1]) * heading > 0:
            ends[-1] = x
        elif (ends[-1] - x) * heading > least:
            ends.append(x)
            heading = -heading
    return ends


def _goes_back(path: Floats) -> bool:
    """Whether it goes over its own way again; who goes round and round does not."""
    if _goes_round(path):
        return False
    line, _ = _lines(path)
    legs = np.abs(np.diff(_turns(line, 0.2 * float(np.ptp(line)))))
    return bool(legs.sum() > 1.5 * np.ptp(line))


def _bow(path: Floats) -> float:
    """How far the way leaves the straight line between its ends, in lengths of that line."""
    across = path[:, 1:] - path[0, 1:]
    chord = path[-1, 1:] - path[0, 1:]
    length = max(float(np.hypot(*chord)), 1e-6)
    return float(np.max(np.abs(across[:, 0] * chord[1] - across[:, 1] * chord[0]))) / length**2


def _shape_of_way(sight: Sight, args: Args, claim: Claim) -> bool:
    path = sight.path(args, claim)
    if extent(path) < MOVES * sight.diagonal:
        return False
    if args["is"] == "back-and-forth":
        return _goes_back(path)
    return not _goes_back(path) and (_bow(path) < 0.1) == (args["is"] == "straight")


def _evenly(path: Floats) -> tuple[Floats, Floats]:
    """(K,) x and y of places along the way, as far from one to the next everywhere."""
    steps = np.hypot(*np.diff(path[:, 1:], axis=0).T)
    done = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.linspace(0, done[-1], round(1 / EVEN) + 1)
    return np.interp(even, done, path[:, 1]), np.interp(even, done, path[:, 2])


def _bends(path: Floats) -> Floats:
    """(K,) degrees by which the way bends, anticlockwise positive, after each even step of it."""
    x, y = _evenly(path)
    heading = np.degrees(np.arctan2(-np.diff(y), np.diff(x)))
    return np.asarray((np.diff(heading) + 180) % 360 - 180)


def _broad(path: Floats) -> bool:
    """Whether what a path goes round is nearer to a circle than to a line or to a long box."""
    along, across = _lines(path)
    x, y = _evenly(path)
    off = np.hypot(x - x.mean(), y - y.mean())
    return bool(np.ptp(across) >= BROAD * np.ptp(along) and off.std() <= UNEVEN * off.mean())


def _goes_round(path: Floats) -> bool:
    """Whether the way bends by a whole turn, one way nearly all of the time, and is no slender loop with corners."""
    if not _broad(path):
        return False
    bends = _bends(path)
    bent = abs(float(bends.sum()))
    size = np.abs(bends)
    return bent >= max(WHOLE_TURN, ONE_WAY * float(size.sum())) and float(size.max()) <= CORNER * bent


def _figure(sight: Sight, args: Args, claim: Claim) -> bool:
    path, word = sight.path(args, claim), args["is"]
    if extent(path) < MOVES * sight.diagonal:
        return False
    back, bow = _goes_back(path), _bow(path)
    if word == "back-and-forth":
        return back
    along, across = _lines(path)
    weaves = len(_turns(across, 0.1 * float(np.ptp(along)))) - 1 >= 4
    if word in ("straight", "zigzag"):
        return not back and weaves == (word == "zigzag") and (weaves or bow < 0.1)
    bends = _bends(path)
    bent = float(bends.sum())
    one_way = abs(bent) >= ONE_WAY * float(np.abs(bends).sum())
    least, most = (WHOLE_TURN, np.inf) if word == "circle" else (40, 290)
    if not one_way or weaves or not least <= abs(bent) <= most:
        return False
    if word == "circle" and not _broad(path):
        return False
    if np.abs(bends).max() > CORNER * abs(bent):  # corners between straight ways: some would call it round
        raise Unsure
    return True


def _winding(sight: Sight, args: Args, claim: Claim) -> bool:
    path = sight.path(args, claim)
    bent = float(_bends(path).sum()) if extent(path) >= MOVES * sight.diagonal else 0.0
    if abs(bent) >= WHOLE_TURN and not _goes_round(path):  # a whole turn in all, but round nothing
        raise Unsure
    return bent >= WHOLE_TURN if args["is"] == "anticlockwise" else bent <= -WHOLE_TURN


def _tips(sight: Sight, args: Args, claim: Claim) -> bool:
    thing = sight.thing(args["track"])
    wide, high = sight.sides(thing, sight.span(thing, claim), claim.frame).T
    first, _, last = (float(np.mean(part)) for part in thirds(np.log(high / wide)))
    before, after = (last, first) if args["is"] == "up" else (first, last)
    return before > math.log(1.25) and after < -math.log(1.25)


def _reversals(sight: Sight, args: Args, claim: Claim) -> bool:
    line, _ = _lines(sight.path(args, claim))
    return bool(len(_turns(line, 0.25 * float(np.ptp(line)))) - 2 == args["is"])


def _travels(sight: Sight, args: Args, claim: Claim) -> bool:
    path, i = sight.path(args, claim), 0 if args["axis"] == "x" else 1
    share = abs(path[-1, 1 + i] - path[0, 1 + i]) / sight.truth.size[i]
    return bool(args["lo"] <= share <= args["hi"])


def _lengths(sight: Sight, args: Args, claim: Claim) -> bool:
    thing, path = sight.thing(args["track"]), sight.path(args, claim)
    own = float(np.mean(sight.sides(thing, sight.span(thing, claim), claim.frame).max(1)))
    return bool(args["lo"] <= float(np.hypot(*(path[-1, 1:] - path[0, 1:]))) / own <= args["hi"])


def _region(sight: Sight, args: Args, claim: Claim) -> bool:
    path = sight.path(args, claim)
    part = {"start": path[:5], "end": path[-5:], "all": path}[args["at"]]
    x, y = np.mean(part[:, 1:], axis=0)
    high, wide = args["is"].split("-")
    right, low = x > sight.truth.size[0] / 2, y > sight.truth.size[1] / 2
    return bool(right == (wide == "right") and low == (high == "bottom"))


def _depth(sight: Sight, args: Args, claim: Claim) -> bool:
    """By how far it is from the eye: what bends or turns looks smaller too."""
    thing = sight.thing(args["track"])
    near = 1 / np.maximum(thing.depth[sight.span(thing, claim)], 1e-6)
    return change(near, 1.4) == {"approaches": "up", "recedes": "down", "keeps": "same"}[args["is"]]


def _speed(sight: Sight, args: Args, claim: Claim) -> bool:
    path = sight.path(args, claim)
    v = float(np.median(speeds(path))) / sight.diagonal
    word = "slow" if v < 0.08 else "medium" if v < 0.25 else "fast"
    return extent(path) >= MOVES * sight.diagonal and word == args["is"]


def _speed_change(sight: Sight, args: Args, claim: Claim) -> bool:
    path = sight.path(args, claim)
    if extent(path) < MOVES * sight.diagonal:
        return False
    return change(speeds(path), 1.6) == {"speeds-up": "up", "slows-down": "down", "steady": "same"}[args["is"]]


RULES: Mapping[str, Rule] = {
    "moves": moves,
    "direction": _direction,
    "sequence": _sequence,
    "path": _shape_of_way,
    "shape": _figure,
    "winding": _winding,
    "tips": _tips,
    "reversals": _reversals,
    "travels": _travels,
    "lengths": _lengths,
    "region": _region,
    "depth": _depth,
    "speed": _speed,
    "speed_change": _speed_change,
}
