"""How two things lie and move to each other, and how they touch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fm_builders.simulate.judge.one import change, speeds, way
from fm_builders.simulate.judge.sight import MOVES, RESTS, Args, Floats, Rule, Sight, Unsure, extent, thirds
from fm_hub.records import Claim

__all__ = ["RULES"]

SIDES = ("right", "above", "left", "below")
IN_LINE = 30.0  # degrees off the way within which one is behind the other; beyond 60 it is beside it
NEAR = 0.35  # of the diagonal: what is further away goes by itself
MOSTLY = 0.8  # of the time
CONTACT = 0.2  # seconds: a shorter one may be missed


def _relation(sight: Sight, args: Args, claim: Claim) -> bool:
    a, b = sight.both(args, claim)
    delta = (a - b)[:, 1:]
    return all(way(np.mean(part, axis=0), SIDES) == args["is"] for part in (delta, *thirds(delta)))


def _order_change(sight: Sight, args: Args, claim: Claim) -> bool:
    a, b = sight.both(args, claim)
    first, middle, last = (float(np.mean(part)) for part in thirds((a - b)[:, 1]))
    sides = ["right" if x > 0 else "left" for x in (first, middle, last)]
    steady = args["from"] != args["to"] or sides[1] == args["from"]
    return bool(sides[0] == args["from"] and sides[2] == args["to"] and steady)


def _distance_change(sight: Sight, args: Args, claim: Claim) -> bool:
    a, b = sight.both(args, claim)
    found = change(np.hypot(*(a - b)[:, 1:].T), 1.3)
    return found == {"closer": "down", "apart": "up", "same": "same"}[args["is"]]


def _speed_order(sight: Sight, args: Args, claim: Claim) -> bool:
    paths = [sight.path(args, claim, key) for key in ("a", "b")]
    if any(extent(p) < MOVES * sight.diagonal for p in paths):
        return False
    a, b = (float(np.median(speeds(p))) for p in paths)
    word = "faster" if a > 1.25 * b else "slower" if b > 1.25 * a else "same"
    return bool(word == args["is"])


def _ways(sight: Sight, args: Args, claim: Claim) -> tuple[Floats, Floats, float, Floats] | None:
    """Both paths, the angle between their ways in degrees, and the common way; None unless both go somewhere."""
    a, b = sight.both(args, claim)
    steps = [p[-1, 1:] - p[0, 1:] for p in (a, b)]
    long = [float(np.hypot(*s)) for s in steps]
    if min(long) < MOVES * sight.diagonal:
        return None
    u, v = (s / n for s, n in zip(steps, long, strict=True))
    return a, b, float(np.degrees(np.arccos(np.clip(u @ v, -1, 1)))), u + v


def _formation(sight: Sight, args: Args, claim: Claim) -> bool:
    found = _ways(sight, args, claim)
    if found is None:
        return False
    a, b, angle, common = found
    if args["is"] == "opposite":
        return angle > 135
    to = (b - a)[:, 1:]
    apart = np.hypot(to[:, 0], to[:, 1])
    if angle > 45 or np.median(apart) > NEAR * sight.diagonal:
        return False
    off = np.degrees(np.arccos(np.clip(to @ common / np.maximum(apart * np.hypot(*common), 1e-9), -1, 1)))
    fits = {"follows": off < IN_LINE, "leads": off > 180 - IN_LINE, "alongside": np.abs(off - 90) < IN_LINE}
    share = float(np.mean(fits[args["is"]]))
    if 1 - MOSTLY < share < MOSTLY:
        raise Unsure
    return share >= MOSTLY


def _overtakes(sight: Sight, args: Args, claim: Claim) -> bool:
    found = _ways(sight, args, claim)
    if found is None or found[2] > 45:
        return False
    ahead = (found[0] - found[1])[:, 1:] @ found[3]
    first, _, last = (float(np.mean(x)) for x in thirds(ahead))
    return first < 0 < last


def _crosses(sight: Sight, args: Args, claim: Claim) -> bool:
    """Whether the two ways meet, be it at different times."""
    found = _ways(sight, args, claim)
    if found is None:
        return False
    a, b = (p[:, 1:] for p in found[:2])
    p, r = a[:-1, None], np.diff(a, axis=0)[:, None]
    q, s = b[None, :-1], np.diff(b, axis=0)[None]

    def cross(x: Floats, y: Floats) -> Floats:
        return np.asarray(x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0])

    under = cross(r, s)
    safe = np.where(np.abs(under) < 1e-12, np.inf, under)
    t, u = cross(q - p, s) / safe, cross(q - p, r) / safe
    return bool(((t >= 0) & (t <= 1) & (u >= 0) & (u <= 1) & np.isfinite(safe)).any())


def _in_contact(kind: str) -> Rule:
    def rule(sight: Sight, args: Args, claim: Claim) -> bool:
        seconds = sum(min(x.t1, claim.t1) - max(x.t0, claim.t0) for x in sight.touches(args, claim, kind))
        if 0 < seconds < CONTACT:
            raise Unsure
        return seconds > 0

    return rule


def _carries(sight: Sight, args: Args, claim: Claim) -> bool:
    held = sight.touches(args, claim, "hold")
    if not held:
        return False
    longest = max(held, key=lambda x: min(x.t1, claim.t1) - max(x.t0, claim.t0))
    path = sight.path(args, claim, "b", max(longest.t0, claim.t0), min(longest.t1, claim.t1))
    share = float(np.hypot(*(path[-1, 1:] - path[0, 1:]))) / sight.diagonal
    if RESTS < share < MOVES:
        raise Unsure
    return share >= MOVES


RULES: Mapping[str, Rule] = {
    "relation": _relation,
    "order_change": _order_change,
    "distance_change": _distance_change,
    "speed_order": _speed_order,
    "formation": _formation,
    "overtakes": _overtakes,
    "crosses": _crosses,
    "touches": _in_contact(""),
    "holds": _in_contact("hold"),
    "carries": _carries,
}
