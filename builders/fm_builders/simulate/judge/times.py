"""When things happen: when they set off and halt, come and go, are hidden, are touched; and which is first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fm_builders.simulate.judge.one import speeds
from fm_builders.simulate.judge.sight import EASE, Args, Flags, Floats, Rule, Sight, Unsure, runs
from fm_builders.simulate.tables import LEAST_SHARE
from fm_builders.simulate.truth import Thing
from fm_hub.records import Claim

__all__ = ["RULES"]

STARTS = 0.05  # diagonals a second
AWAY = 0.015  # diagonals: as far as this speed takes one in 0.3 s
LEAST = 3  # steps of a rest or of a movement: 0.3 s; shorter ones are no event
UNSEEN = 0.35  # seconds out of sight that anybody notices
SHOWS = 0.2  # of a thing: less in the frame is no visit
BORDER = 0.02  # of the frame: what is nearer to its side may have come over it
COVERED = 0.5  # of a hidden thing, by what hides it


def _goes(sight: Sight, path: Floats) -> list[tuple[bool, int, int]]:
    """Rests (False) and movements (True) one after the other, as steps ``start <= i < stop``; each at least 0.3 s."""
    fast: Flags = np.asarray(speeds(path) >= STARTS * sight.diagonal)
    for start, stop in runs(fast):  # what only sways does not get away
        away = np.hypot(*(path[start : stop + 1, 1:] - path[start, 1:]).T)
        fast[start:stop] = away.max() >= AWAY * sight.diagonal
    parts = [(True, *run) for run in runs(fast)] + [(False, *run) for run in runs(~fast)]
    joined: list[tuple[bool, int, int]] = []
    for goes, start, stop in sorted(parts, key=lambda x: x[1]):
        if stop - start < LEAST:
            continue
        if joined and joined[-1][0] == goes:
            start = joined.pop()[1]
        joined.append((goes, start, stop))
    return joined


def _starts(sight: Sight, args: Args, claim: Claim) -> list[float]:
    path = sight.path(args, claim)
    parts = _goes(sight, path)
    return [float(path[parts[i][1], 0]) for i in range(1, len(parts)) if parts[i][0]]


def _stops(sight: Sight, args: Args, claim: Claim) -> list[float]:
    path = sight.path(args, claim)
    parts = _goes(sight, path)
    return [float(path[parts[i][2], 0]) for i in range(len(parts) - 1) if parts[i][0]]


def _pauses(sight: Sight, args: Args, claim: Claim) -> list[float]:
    path = sight.path(args, claim)
    parts = _goes(sight, path)
    return [float(path[parts[i][1], 0]) for i in range(1, len(parts) - 1) if not parts[i][0]]


def _within(claim: Claim, times: list[float]) -> list[float]:
    return [t for t in times if claim.t0 - 0.1 - EASE <= t <= claim.t1 + 0.1 + EASE]


def _beyond(sight: Sight, thing: Thing) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """(F,) beyond which side a thing lies; empty where some of it is in the frame."""
    wide, high = sight.truth.size
    x1, y1, x2, y2 = thing.whole.T
    return np.select([x2 <= 0, x1 >= wide, y2 <= 0, y1 >= high], ["left", "right", "top", "bottom"], default="")


def _visits(thing: Thing, sides: np.ndarray[tuple[int], np.dtype[np.str_]]) -> list[tuple[int, int]]:
    """The frames ``start <= f < stop`` in which a thing is in the frame and shows itself: a foot that swings into the
    picture for an instant is no visit."""
    return [(a, b) for a, b in runs(sides == "") if (thing.share[a:b] >= SHOWS).any()]


def _enters(sight: Sight, args: Args, claim: Claim) -> list[float]:
    """The times at which it comes into the frame over a side."""
    thing, t = sight.thing(args["track"]), sight.truth.t
    sides = _beyond(sight, thing)
    return _within(claim, [float(t[a]) for a, _ in _visits(thing, sides) if a and sides[a - 1] == args["side"]])


def _leaves(sight: Sight, args: Args, claim: Claim) -> list[float]:
    """The times at which it goes out of the frame over a side."""
    thing, t = sight.thing(args["track"]), sight.truth.t
    sides = _beyond(sight, thing)
    gone = [b for _, b in _visits(thing, sides) if b < len(t) and sides[b] == args["side"]]
    return _within(claim, [float(t[b - 1]) for b in gone])


def _amid(sight: Sight, thing: Thing) -> Flags:
    """(F,) whether the whole thing lies within the frame, clear of its sides."""
    x1, y1, x2, y2 = thing.whole.T
    wide, high = sight.truth.size
    dx, dy = BORDER * wide, BORDER * high
    return np.asarray((x1 > dx) & (y1 > dy) & (x2 < wide - dx) & (y2 < high - dy))


def _appears(sight: Sight, args: Args, claim: Claim) -> list[float]:
    """When it is first seen, if that is in the middle of the picture, and not at once."""
    thing, t = sight.thing(args["track"]), sight.truth.t
    first = int(np.flatnonzero(thing.share >= LEAST_SHARE)[0])
    late = first > 0 and t[first] - t[0] >= UNSEEN and _amid(sight, thing)[first]
    return _within(claim, [float(t[first])] if late else [])


def _disappears(sight: Sight, args: Args, claim: Claim) -> list[float]:
    """When it is last seen, if that is in the middle of the picture, and not at the end."""
    thing, t = sight.thing(args["track"]), sight.truth.t
    last = int(np.flatnonzero(thing.share >= LEAST_SHARE)[-1])
    early = last < len(t) - 1 and t[-1] - t[last] >= UNSEEN and _amid(sight, thing)[last]
    return _within(claim, [float(t[last])] if early else [])


def _gaps(sight: Sight, thing: Thing, claim: Claim) -> list[tuple[int, int]]:
    """The frames ``start <= f < stop`` in which a thing is hidden within the picture, between two sights of it."""
    seen, t, amid = sight.seen(thing, claim.t0, claim.t1), sight.truth.t, _amid(sight, thing)
    at = np.flatnonzero(seen)
    if not len(at):
        raise Unsure
    lost = ~seen
    lost[: at[0]] = lost[at[-1] :] = False
    return [(a, b) for a, b in runs(lost) if t[b] - t[a - 1] > UNSEEN and amid[a:b].all()]


def _hidden(sight: Sight, args: Args, claim: Claim) -> list[float]:
    return [float(sight.truth.t[a - 1]) for a, _ in _gaps(sight, sight.thing(args["track"]), claim)]


def _reappears(sight: Sight, args: Args, claim: Claim) -> list[float]:
    return [float(sight.truth.t[b]) for _, b in _gaps(sight, sight.thing(args["track"]), claim)]


def _hides(sight: Sight, args: Args, claim: Claim) -> bool:
    """``a`` is out of sight behind ``b``, which is nearer and where ``a`` is."""
    a, b = sight.thing(args["a"]), sight.thing(args["b"])
    for start, stop in _gaps(sight, a, claim):
        own, other = a.whole[start:stop], b.whole[start:stop]
        common = np.minimum(own[:, 2:], other[:, 2:]) - np.maximum(own[:, :2], other[:, :2])
        share = np.prod(np.maximum(common, 0), axis=1) / np.prod(own[:, 2:] - own[:, :2], axis=1)
        if np.median(share) >= COVERED and np.median((b.depth - a.depth)[start:stop]) < 0:
            return True
    return False


def _grasps(sight: Sight, args: Args, claim: Claim) -> list[float]:
    """The planned begin of a contact, where it lies in the window."""
    return [t0 for t0, _ in sight.spells(args, claim) if t0 > claim.t0 + 0.05]


def _releases(sight: Sight, args: Args, claim: Claim) -> list[float]:
    """The planned end of a contact, where it lies in the window."""
    return [t1 for _, t1 in sight.spells(args, claim) if t1 < claim.t1 - 0.05]


EVENTS = {
    "starts": _starts,
    "stops": _stops,
    "pauses": _pauses,
    "enters": _enters,
    "leaves": _leaves,
    "appears": _appears,
    "disappears": _disappears,
    "hidden": _hidden,
    "reappears": _reappears,
    "grasps": _grasps,
    "releases": _releases,
}


def _happens(kind: str) -> Rule:
    return lambda sight, args, claim: bool(EVENTS[kind](sight, args, claim))


def _before(sight: Sight, args: Args, claim: Claim) -> bool:
    first, then = (EVENTS[args[key]["event"]](sight, args[key], claim) for key in ("first", "then"))
    return bool(first and then) and min(first) < min(then)


def _episode(sight: Sight, episode: Args, claim: Claim) -> tuple[float, float]:
    """When something goes on in the window: the one movement or contact, or all of the time that a thing is seen."""
    if episode["episode"] == "contact":
        spells = sight.spells(episode, claim)
        if len(spells) != 1:
            raise Unsure
        return max(spells[0][0], claim.t0), min(spells[0][1], claim.t1)
    path = sight.path(episode, claim)
    if episode["episode"] == "seen":
        return float(path[0, 0]), float(path[-1, 0])
    moving = [part for part in _goes(sight, path) if part[0]]
    if len(moving) != 1:
        raise Unsure
    _, start, stop = moving[0]
    return float(path[start, 0]), float(path[stop, 0])


def _when(sight: Sight, args: Args, claim: Claim) -> bool:
    (a, b), (c, d) = (_episode(sight, args[key], claim) for key in ("first", "then"))
    holds = {
        "before": b < c,
        "after": a > d,
        "during": c < a and b < d,
        "contains": a < c and d < b,
        "overlaps": a < c < b < d,
        "overlapped": c < a < d < b,
    }
    return holds[args["is"]]


RULES: Mapping[str, Rule] = {
    **{kind: _happens(kind) for kind in EVENTS},
    "hides": _hides,
    "before": _before,
    "when": _when,
}
