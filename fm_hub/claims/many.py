"""Predicates of two and of many tracks (``docs/claims.md`` §5 and §6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fm_hub.claims.one import angle_off, heading
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import mean, measured, med, med_point, third, thirds
from fm_hub.claims.verdict import UNCHECKED, Verdict, Words, agree, both, three_way, trend
from fm_hub.claims.window import MIN_SAMPLES, Pair
from fm_hub.records import Claim, Floats

__all__ = ["SIDES", "at_once", "distance_change", "moving_count", "order_change", "relation", "speed_order"]

SIDES = {"right": 0.0, "above": 90.0, "left": 180.0, "below": -90.0}
Args = Mapping[str, Any]


def _pair(scene: Scene, args: Args, claim: Claim) -> Pair | None:
    return scene.pair(args["a"], args["b"], claim.t0, claim.t1, claim.frame)


def relation(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Where ``a`` is seen from ``b``, all through the window."""
    pair = _pair(scene, args, claim)
    return None if pair is None else _relations(pair)


@measured
def _relations(pair: Pair) -> Words:
    k = third(pair.n)
    seen = []
    for part in (pair.delta, pair.delta[:k], pair.delta[-k:], pair.delta[k:-k]):
        by_median, by_mean = med_point(part), (mean(part[:, 0]), mean(part[:, 1]))
        tol = max(3.0, math.degrees(math.atan2(pair.tau, math.hypot(*by_median))))
        seen.append((heading(by_median), heading(by_mean), tol))
    angle, _, tol = seen[0]

    def margin(centre: float) -> float:
        return min(agree(*((45.0 - angle_off(x, centre)) / d for x in (usual, whole))) for usual, whole, d in seen)

    return {side: Verdict(angle, tol, margin(centre)) for side, centre in SIDES.items()}


def order_change(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """On which side of ``b`` the track ``a`` is at first and at last."""
    pair = _pair(scene, args, claim)
    if pair is None:
        return UNCHECKED
    margins = []
    for first, middle, last in _sides(pair):
        parts = [first * (1 if args["from"] == "right" else -1), last * (1 if args["to"] == "right" else -1)]
        if args["from"] == args["to"]:
            parts.append(middle * (1 if args["to"] == "right" else -1))
        margins.append(min(parts) / pair.tau)
    return Verdict(_sides(pair)[0][2] / scene.width, pair.tau / scene.width, agree(*margins))


@measured
def _sides(pair: Pair) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """How far ``a`` is to the right of ``b`` over the thirds: by the medians, and by the means."""
    a, b, c = thirds(pair.delta[:, 0])
    return (med(a), med(b), med(c)), (mean(a), mean(b), mean(c))


def distance_change(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether two tracks come closer, move apart, or keep their distance."""
    pair = _pair(scene, args, claim)
    return None if pair is None else _distances(pair)


@measured
def _distances(pair: Pair) -> Words:
    tau = math.hypot(pair.a.tau_of_thirds, pair.b.tau_of_thirds)

    def margins(middle_of: Callable[[Floats], float]) -> tuple[float, float, tuple[float, float, float]]:
        first, middle, last = (max(middle_of(part), 1e-6) for part in thirds(pair.apart))
        q, m = math.log(last / first), math.log(middle / first)
        tol = max(0.08, math.hypot(tau / first, tau / last))
        return q, tol, trend(q, m, math.log(1.3), tol)

    (q, tol, usual), (_, _, means) = margins(med), margins(mean)
    words = zip(("apart", "closer", "same"), usual, means, strict=True)
    return {word: Verdict(q, tol, agree(m, other)) for word, m, other in words}


def speed_order(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether ``a`` moves faster across the picture than ``b``, slower, or as fast."""
    a = scene.window(args["a"], claim.t0, claim.t1, claim.frame)
    b = scene.window(args["b"], claim.t0, claim.t1, claim.frame)
    if a is None or b is None or a.cut or b.cut:
        return None
    (va, *some_a), (vb, *some_b) = ([max(v, 1e-6) for v in w.usual] for w in (a, b))
    q = math.log(va / vb)
    tol = max(0.1, math.hypot(a.tau / (va * a.seconds), b.tau / (vb * b.seconds)))
    least, most = math.log(some_a[0] / some_b[1]), math.log(some_a[1] / some_b[0])
    ratios = (q, least, most, 0.0) if least < 0 < most else (q, least, most)
    margins = zip(*(three_way(r, math.log(1.25), tol) for r in ratios), strict=True)
    words = zip(("faster", "slower", "same"), margins, strict=True)
    return {word: both(Verdict(q, tol, agree(*ms)), a.moves, b.moves) for word, ms in words}


def at_once(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How many tracks of a label are seen at the same time."""
    share = _shares(scene, args["label"], claim.t0, claim.t1) if claim.frame == "image" else []
    if not share:
        return UNCHECKED
    n = args["is"]
    value = max((k for k, f in enumerate(share) if f > 0.1), default=0)
    at, more = (share[k] if k < len(share) else 0.0 for k in (n, n + 1))
    return Verdict(float(value), 1.0, min((at - 0.1) / 0.05, (0.1 - more) / 0.05))


def _shares(scene: Scene, label: str, t0: float, t1: float) -> list[float]:
    """The share of the window's frames in which at least 0, 1, 2 ... tracks of a label are seen."""
    key = ("shares", label, t0, t1)
    if key not in scene.memo:
        inside = scene.inside(scene.t, t0, t1)
        seen = np.zeros(len(scene.t), dtype=int)
        for track in scene.tracks.values():
            if track.label == label:
                seen[scene.visible(track)] += 1
        most = int(seen.max()) + 1 if inside.any() else 0
        scene.memo[key] = [np.count_nonzero(seen[inside] >= k) / np.count_nonzero(inside) for k in range(most)]
    shares: list[float] = scene.memo[key]
    return shares


def moving_count(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """How many tracks of a label leave their place."""
    key = ("moving", args["label"], claim.t0, claim.t1, claim.frame)
    if key not in scene.memo:
        scene.memo[key] = _moving(scene, args["label"], claim)
    found: Verdict = scene.memo[key]
    return found if found.value == args["is"] else found._replace(margin=-found.margin)


def _moving(scene: Scene, label: str, claim: Claim) -> Verdict:
    """The verdict of the number that is the right one."""
    margins = []
    for track_id, track in scene.tracks.items():
        frames = scene.visible(track)
        if track.label != label or len(frames) < MIN_SAMPLES:  # what flickers up once is not counted
            continue
        seen = scene.range(frames, claim.t0, claim.t1)
        if seen.start < seen.stop:
            w = scene.window(track_id, claim.t0, claim.t1, claim.frame)
            if w is None:  # seen for a moment, or the view's motion is not known: it may move or not
                return UNCHECKED
            margins.append(w.moves)
    if not margins:
        return UNCHECKED
    return Verdict(float(sum(x > 0 for x in margins)), 1.0, min(map(abs, margins)))
