"""Whether a claim is true of a clip, by the simulator: from whole, noiseless places and planned events.

It knows no tolerance and no margin, and nothing of :mod:`fm_hub.claims`: it says what a person with perfect eyes would
say of the same words. Where a claim speaks of something that it does not know, it says None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.tables import LEAST_SHARE
from fm_builders.simulate.truth import Thing, Truth
from fm_hub.records import Claim

__all__ = ["Judge"]

Floats = NDArray[np.float64]
Args = Mapping[str, Any]
WAYS = ("right", "up-right", "up", "up-left", "left", "down-left", "down", "down-right")
SIDES = ("right", "above", "left", "below")
MOVES, RESTS, STARTS = 0.06, 0.03, 0.05  # shares of the diagonal; the last a second
EASE = 1e-4


class Judge:
    """Judges claims about one clip."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.things = {x.track: x for x in truth.things if x.track}
        self.diagonal = math.hypot(*truth.size)

    def holds(self, claim: Claim) -> bool | None:
        """Whether the claim is true; None where that is not known."""
        rule = RULES.get(claim.predicate)
        if rule is None:
            return None
        try:
            return rule(self, claim.arguments, claim)
        except _NotSeen:
            return None

    def seen(self, thing: Thing, t0: float, t1: float) -> NDArray[np.bool_]:
        """(F,) the frames of a window in which a thing is seen."""
        t = self.truth.t
        return (t >= t0 - EASE) & (t <= t1 + EASE) & (thing.share >= LEAST_SHARE)

    def path(
        self, args: Args, claim: Claim, key: str = "track", t0: float | None = None, t1: float | None = None
    ) -> Floats:
        """(N, 3) time and middle of the whole thing, from the first to the last frame of the window that shows it."""
        thing = self._thing(args[key])
        at = np.flatnonzero(self.seen(thing, claim.t0 if t0 is None else t0, claim.t1 if t1 is None else t1))
        if len(at) < 3:
            raise _NotSeen
        at = np.arange(at[0], at[-1] + 1)
        return np.column_stack([self.truth.t[at], self._middles(thing, at, claim.frame)])

    def _thing(self, track: str) -> Thing:
        try:
            return self.things[track]
        except KeyError:
            raise _NotSeen from None

    def _middles(self, thing: Thing, at: NDArray[np.intp], frame: str) -> Floats:
        middle = (thing.whole[at, :2] + thing.whole[at, 2:]) / 2
        if frame == "image":
            return np.asarray(middle, float)
        view = self.truth.view
        if not view.ok[1 : at[-1] + 1].all():
            raise _NotSeen
        half = complex(self.truth.size[0] / 2, self.truth.size[1] / 2)
        z = (middle[:, 0] + 1j * middle[:, 1] - half - view.shift[at]) / view.turn[at] + half
        return np.column_stack([z.real, z.imag])

    def both(self, args: Args, claim: Claim) -> tuple[Floats, Floats]:
        """(N, 3) the paths of ``a`` and ``b`` in the frames that show both."""
        a, b = self._thing(args["a"]), self._thing(args["b"])
        at = np.flatnonzero(self.seen(a, claim.t0, claim.t1) & self.seen(b, claim.t0, claim.t1))
        if len(at) < 3:
            raise _NotSeen
        t = self.truth.t[at][:, None]
        return (np.hstack([t, self._middles(a, at, claim.frame)]), np.hstack([t, self._middles(b, at, claim.frame)]))


class _NotSeen(Exception):
    """What the clip does not show, or not so that there is one answer."""


def _extent(path: Floats) -> float:
    return float(np.hypot(*np.ptp(path[:, 1:], axis=0)))


def _thirds(x: Floats) -> tuple[Floats, Floats, Floats]:
    k = max(1, len(x) // 3)
    return x[:k], x[k:-k], x[-k:]


def _way(vector: Floats, words: tuple[str, ...]) -> str:
    """The word whose direction is nearest; the first word is right, the others follow counter-clockwise."""
    turn = math.atan2(-vector[1], vector[0]) / (2 * math.pi)
    return words[round(turn * len(words)) % len(words)]


def _speeds(path: Floats) -> Floats:
    """(N-1,) pixels a second from each frame to the next."""
    step = np.diff(path, axis=0)
    speeds: Floats = np.hypot(step[:, 1], step[:, 2]) / step[:, 0]
    return speeds


def _change(series: Floats, ratio: float) -> str:
    """How a positive series goes from its first third to its last: up, down, same, or none of these."""
    first, middle, last = (max(float(np.mean(x)), 1e-6) for x in _thirds(series))
    q, m, bound = math.log(last / first), math.log(middle / first), math.log(ratio)
    if q >= bound:
        return "up"
    if q <= -bound:
        return "down"
    return "same" if abs(m) < bound else "none"


def _moves(judge: Judge, args: Args, claim: Claim) -> bool:
    extent = _extent(judge.path(args, claim)) / judge.diagonal
    if RESTS < extent < MOVES:  # a little: one may say either
        raise _NotSeen
    return bool(args["is"] == (extent >= MOVES))


def _goes(judge: Judge, path: Floats, word: str) -> bool:
    way = path[-1, 1:] - path[0, 1:]
    length = float(np.hypot(*way))
    direct = length >= 0.7 * _extent(path) and length >= MOVES * judge.diagonal
    return direct and _way(way, WAYS) == word


def _direction(judge: Judge, args: Args, claim: Claim) -> bool:
    return _goes(judge, judge.path(args, claim), args["is"])


def _sequence(judge: Judge, args: Args, claim: Claim) -> bool:
    first = judge.path(args, claim, t1=args["at"])
    then = judge.path(args, claim, t0=args["at"])
    return _goes(judge, first, args["first"]) and _goes(judge, then, args["then"])


def _along(path: Floats) -> Floats:
    """(N,) the places along the longest line through the path."""
    c = path[:, 1:] - path[:, 1:].mean(0)
    _, _, axes = np.linalg.svd(c, full_matrices=False)
    line: Floats = c @ axes[0]
    return line


def _turns(line: Floats, least: float) -> list[float]:
    """Start, turning points and end of a motion along a line; swings below ``least`` do not count."""
    ends, way = [float(line[0])], 0.0
    for x in line.tolist():
        if way == 0.0:
            if abs(x - ends[0]) > least:
                way = math.copysign(1.0, x - ends[0])
                ends.append(x)
        elif (x - ends[-1]) * way > 0:
            ends[-1] = x
        elif (ends[-1] - x) * way > least:
            ends.append(x)
            way = -way
    return ends


def _shape(judge: Judge, args: Args, claim: Claim) -> bool:
    path = judge.path(args, claim)
    if _extent(path) < MOVES * judge.diagonal:
        return False
    line = _along(path)
    legs = np.abs(np.diff(_turns(line, 0.2 * float(np.ptp(line)))))
    across = path[:, 1:] - path[0, 1:]
    chord = path[-1, 1:] - path[0, 1:]
    length = max(float(np.hypot(*chord)), 1e-6)
    bow = float(np.max(np.abs(across[:, 0] * chord[1] - across[:, 1] * chord[0]))) / length**2
    if args["is"] == "back-and-forth":
        return bool(legs.sum() > 1.5 * np.ptp(line))
    straight = bool(legs.sum() < 1.5 * np.ptp(line)) and bow < 0.1
    if args["is"] == "straight":
        return straight
    return bool(legs.sum() < 1.5 * np.ptp(line)) and bow >= 0.1


def _reversals(judge: Judge, args: Args, claim: Claim) -> bool:
    line = _along(judge.path(args, claim))
    return bool(len(_turns(line, 0.25 * float(np.ptp(line)))) - 2 == args["is"])


def _travels(judge: Judge, args: Args, claim: Claim) -> bool:
    path, i = judge.path(args, claim), 0 if args["axis"] == "x" else 1
    share = abs(path[-1, 1 + i] - path[0, 1 + i]) / judge.truth.size[i]
    return bool(args["lo"] <= share <= args["hi"])


def _region(judge: Judge, args: Args, claim: Claim) -> bool:
    path = judge.path(args, claim)
    part = {"start": path[:5], "end": path[-5:], "all": path}[args["at"]]
    x, y = np.mean(part[:, 1:], axis=0)
    high, wide = args["is"].split("-")
    right, low = x > judge.truth.size[0] / 2, y > judge.truth.size[1] / 2
    return bool(right == (wide == "right") and low == (high == "bottom"))


def _depth(judge: Judge, args: Args, claim: Claim) -> bool:
    thing = judge._thing(args["track"])
    box = thing.whole[judge.seen(thing, claim.t0, claim.t1)]
    if len(box) < 3:
        raise _NotSeen
    change = _change(np.sqrt(np.prod(box[:, 2:] - box[:, :2], axis=1)), 1.4)
    return change == {"approaches": "up", "recedes": "down", "keeps": "same"}[args["is"]]


def _speed(judge: Judge, args: Args, claim: Claim) -> bool:
    path = judge.path(args, claim)
    v = float(np.median(_speeds(path))) / judge.diagonal
    word = "slow" if v < 0.08 else "medium" if v < 0.25 else "fast"
    return _extent(path) >= MOVES * judge.diagonal and word == args["is"]


def _speed_change(judge: Judge, args: Args, claim: Claim) -> bool:
    path = judge.path(args, claim)
    if _extent(path) < MOVES * judge.diagonal:
        return False
    return _change(_speeds(path), 1.6) == {"speeds-up": "up", "slows-down": "down", "steady": "same"}[args["is"]]


def _start_times(judge: Judge, path: Floats) -> list[float]:
    """The times at which, after 0.3 s of rest, it goes for 0.3 s: by the speed of the whole thing in the picture."""
    fast = _speeds(path) >= STARTS * judge.diagonal
    return [float(path[i, 0]) for i in range(3, len(fast) - 2) if fast[i : i + 3].all() and not fast[i - 3 : i].any()]


def _starts(judge: Judge, args: Args, claim: Claim) -> bool:
    return bool(_start_times(judge, judge.path(args, claim)))


def _stop_times(judge: Judge, path: Floats) -> list[float]:
    back = path[::-1].copy()
    back[:, 0] = -back[:, 0]
    return [-t for t in _start_times(judge, back)]


def _stops(judge: Judge, args: Args, claim: Claim) -> bool:
    return bool(_stop_times(judge, judge.path(args, claim)))


def _outside(judge: Judge, thing: Thing) -> NDArray[np.str_]:
    """(F,) beyond which side a thing lies; empty where some of it is in the frame."""
    wide, high = judge.truth.size
    x1, y1, x2, y2 = thing.whole.T
    return np.select([x2 <= 0, x1 >= wide, y2 <= 0, y1 >= high], ["left", "right", "top", "bottom"], default="")


def _crossings(judge: Judge, args: Args, *, inward: bool) -> list[tuple[float, str]]:
    """(time, side) of every time that a thing comes into the frame, or goes out of it."""
    sides = _outside(judge, judge._thing(args["track"]))
    t = judge.truth.t
    steps = range(len(t) - 1)
    if inward:
        return [(float(t[i + 1]), str(sides[i])) for i in steps if sides[i] and not sides[i + 1]]
    return [(float(t[i]), str(sides[i + 1])) for i in steps if sides[i + 1] and not sides[i]]


def _enters(judge: Judge, args: Args, claim: Claim) -> bool:
    del claim
    return any(side == args["side"] for _, side in _crossings(judge, args, inward=True))


def _leaves(judge: Judge, args: Args, claim: Claim) -> bool:
    del claim
    return any(side == args["side"] for _, side in _crossings(judge, args, inward=False))


def _event_times(judge: Judge, event: Args, claim: Claim) -> list[float]:
    kind = event["event"]
    if kind not in ("enters", "leaves", "starts", "stops"):
        raise _NotSeen
    if kind in ("enters", "leaves"):
        found = _crossings(judge, event, inward=kind == "enters")
        return [t for t, side in found if side == event["side"]]
    times = _start_times if kind == "starts" else _stop_times
    return times(judge, judge.path(event, claim))


def _before(judge: Judge, args: Args, claim: Claim) -> bool:
    first, then = (_event_times(judge, args[key], claim) for key in ("first", "then"))
    return bool(first and then) and min(first) < min(then)


def _relation(judge: Judge, args: Args, claim: Claim) -> bool:
    a, b = judge.both(args, claim)
    delta = (a - b)[:, 1:]
    return all(_way(np.mean(part, axis=0), SIDES) == args["is"] for part in (delta, *_thirds(delta)))


def _order_change(judge: Judge, args: Args, claim: Claim) -> bool:
    a, b = judge.both(args, claim)
    first, middle, last = (float(np.mean(part)) for part in _thirds((a - b)[:, 1]))
    sides = ["right" if x > 0 else "left" for x in (first, middle, last)]
    steady = args["from"] != args["to"] or sides[1] == args["from"]
    return bool(sides[0] == args["from"] and sides[2] == args["to"] and steady)


def _distance_change(judge: Judge, args: Args, claim: Claim) -> bool:
    a, b = judge.both(args, claim)
    change = _change(np.hypot(*(a - b)[:, 1:].T), 1.3)
    return change == {"closer": "down", "apart": "up", "same": "same"}[args["is"]]


def _speed_order(judge: Judge, args: Args, claim: Claim) -> bool:
    paths = [judge.path(args, claim, key) for key in ("a", "b")]
    if any(_extent(p) < MOVES * judge.diagonal for p in paths):
        return False
    a, b = (float(np.median(_speeds(p))) for p in paths)
    word = "faster" if a > 1.25 * b else "slower" if b > 1.25 * a else "same"
    return bool(word == args["is"])


def _at_once(judge: Judge, args: Args, claim: Claim) -> bool:
    named = [judge.seen(x, claim.t0, claim.t1) for x in judge.truth.things if x.label == args["label"]]
    t = judge.truth.t
    inside = (t >= claim.t0 - EASE) & (t <= claim.t1 + EASE)
    count = np.sum(named, axis=0)[inside]
    # for an instant there may be more: it must be so for a tenth of the time
    return bool(args["is"] == max((n for n in range(len(named) + 1) if np.mean(count >= n) > 0.1), default=0))


def _moving_count(judge: Judge, args: Args, claim: Claim) -> bool:
    there = [x for x in judge.things.values() if x.label == args["label"] and judge.seen(x, claim.t0, claim.t1).any()]
    return bool(args["is"] == sum(_moves(judge, {"track": x.track, "is": True}, claim) for x in there))


def _exactly(judge: Judge, args: Args, claim: Claim) -> bool:
    rule = RULES.get(args["predicate"])
    if rule is None:
        raise _NotSeen
    true = {track for track in args["among"] if rule(judge, {**args["args"], "track": track}, claim)}
    return true == set(args["which"])


RULES: dict[str, Callable[[Judge, Args, Claim], bool]] = {
    "moves": _moves,
    "direction": _direction,
    "sequence": _sequence,
    "path": _shape,
    "reversals": _reversals,
    "travels": _travels,
    "region": _region,
    "depth": _depth,
    "speed": _speed,
    "speed_change": _speed_change,
    "starts": _starts,
    "stops": _stops,
    "enters": _enters,
    "leaves": _leaves,
    "before": _before,
    "relation": _relation,
    "order_change": _order_change,
    "distance_change": _distance_change,
    "speed_order": _speed_order,
    "at_once": _at_once,
    "moving_count": _moving_count,
    "exactly": _exactly,
}
