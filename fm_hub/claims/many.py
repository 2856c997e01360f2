"""Predicates of two and of many tracks (``docs/claims.md`` §5 and §6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fm_hub.claims.one import angle_off, heading
from fm_hub.claims.scene import Pair, Scene, median, once, third
from fm_hub.claims.verdict import UNCHECKED, Verdict, both, three_way, trend
from fm_hub.records import Claim

__all__ = ["SIDES", "at_once", "distance_change", "moving_count", "order_change", "relation", "speed_order"]

SIDES = {"right": 0.0, "above": 90.0, "left": 180.0, "below": -90.0}
Args = Mapping[str, Any]


def _pair(scene: Scene, args: Args, claim: Claim) -> Pair | None:
    return scene.pair(args["a"], args["b"], claim.t0, claim.t1, claim.frame)


def relation(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Where ``a`` is seen from ``b``, all through the window."""
    pair = _pair(scene, args, claim)
    if pair is None:
        return UNCHECKED
    centre = SIDES[args["is"]]
    margins = [(45.0 - angle_off(angle, centre)) / tol for angle, tol in _bearings(pair)]
    return both(Verdict(*_bearings(pair)[0], margins[0]), *margins[1:])


@once
def _bearings(pair: Pair) -> list[tuple[float, float]]:
    """Where ``a`` is seen from ``b``, degrees, with tolerance: over all, at first, at last, between."""
    k, found = third(pair.n), []
    for part in (pair.delta, pair.delta[:k], pair.delta[-k:], pair.delta[k:-k]):
        delta = np.array([median(part[:, 0]), median(part[:, 1])])
        found.append((heading(delta), max(3.0, math.degrees(math.atan2(pair.tau, math.hypot(*delta))))))
    return found


def order_change(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """On which side of ``b`` the track ``a`` is at first and at last."""
    pair = _pair(scene, args, claim)
    if pair is None:
        return UNCHECKED
    first, middle, last = _across(pair)
    parts = [first * (1 if args["from"] == "right" else -1), last * (1 if args["to"] == "right" else -1)]
    if args["from"] == args["to"]:
        parts.append(middle * (1 if args["to"] == "right" else -1))
    return Verdict(last / scene.width, pair.tau / scene.width, min(parts) / pair.tau)


@once
def _across(pair: Pair) -> tuple[float, float, float]:
    """How far right of ``b`` the track ``a`` is, pixels: at first, between, at last."""
    k, x = third(pair.n), pair.delta[:, 0]
    return median(x[:k]), median(x[k:-k]), median(x[-k:])


def distance_change(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Whether two tracks come closer, move apart, or keep their distance."""
    pair = _pair(scene, args, claim)
    if pair is None:
        return UNCHECKED
    q, m, tol = _parting(pair)
    apart, closer, same = trend(q, m, math.log(1.3), tol)
    return Verdict(q, tol, {"apart": apart, "closer": closer, "same": same}[args["is"]])


@once
def _parting(pair: Pair) -> tuple[float, float, float]:
    """The change of log distance from the first third to the last, to the middle, and its tolerance."""
    k, far = third(pair.n), np.hypot(pair.delta[:, 0], pair.delta[:, 1])
    first, middle, last = (max(median(part), 1e-6) for part in (far[:k], far[k:-k], far[-k:]))
    tol = max(0.08, math.hypot(pair.tau / first, pair.tau / last))
    return math.log(last / first), math.log(middle / first), tol


def speed_order(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Whether ``a`` moves faster across the picture than ``b``, slower, or as fast."""
    a = scene.window(args["a"], claim.t0, claim.t1, claim.frame)
    b = scene.window(args["b"], claim.t0, claim.t1, claim.frame)
    if a is None or b is None:
        return UNCHECKED
    va, vb = max(a.pace, 1e-6), max(b.pace, 1e-6)
    q = math.log(va / vb)
    tol = max(0.1, math.hypot(a.tau / (va * a.seconds), b.tau / (vb * b.seconds)))
    faster, slower, same = three_way(q, math.log(1.25), tol)
    margin = {"faster": faster, "slower": slower, "same": same}[args["is"]]
    return both(Verdict(q, tol, margin), a.moves, b.moves)


def at_once(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How many tracks of a label are seen at the same time."""
    inside = scene.inside(scene.t, claim.t0, claim.t1)
    if claim.frame != "image" or not inside.any():
        return UNCHECKED
    seen = np.zeros(len(scene.t), dtype=int)
    for track in scene.tracks.values():
        if track.label == args["label"]:
            seen[scene.visible(track)] += 1
    n = args["is"]
    share = [float(np.mean(seen[inside] >= k)) for k in range(int(seen.max()) + 1)]
    value = max((k for k, f in enumerate(share) if f > 0.1), default=0)
    at, more = (share[k] if k < len(share) else 0.0 for k in (n, n + 1))
    return Verdict(float(value), 1.0, min((at - 0.1) / 0.05, (0.1 - more) / 0.05))


def moving_count(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How many tracks of a label leave their place."""
    margins = []
    for track_id, track in scene.tracks.items():
        if track.label == args["label"] and scene.window(track_id, claim.t0, claim.t1, "image"):
            w = scene.window(track_id, claim.t0, claim.t1, claim.frame)
            if w is None:  # seen, but the view's motion is not known: it may move or not
                return UNCHECKED
            margins.append(w.moves)
    if not margins:
        return UNCHECKED
    n, m = sum(x > 0 for x in margins), min(map(abs, margins))
    return Verdict(float(n), 1.0, m if n == args["is"] else -m)
