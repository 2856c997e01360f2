"""How two tracks move with regard to each other: behind, ahead, past, across (``docs/claims.md`` §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fm_hub.claims.one import angle_off, heading, straight
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import measured, med, thirds
from fm_hub.claims.verdict import UNCHECKED, Verdict, Words, agree, both
from fm_hub.claims.window import Pair, Window
from fm_hub.records import Claim

__all__ = ["FORMATIONS", "crosses", "displaced", "formation", "overtakes"]

FORMATIONS = ("follows", "leads", "alongside", "opposite")
Args = Mapping[str, Any]


class Along(NamedTuple):
    """Two tracks seen along their common way: angle between their ways, its tolerance, places of ``a`` from ``b``."""

    angle: float
    delta: float
    first: float
    middle: float
    last: float
    beside: float
    apart: float


@measured
def _along(pair: Pair) -> Along:
    a, b = pair.a, pair.b
    la, lb = max(a.length, 1e-6), max(b.length, 1e-6)
    delta = max(3.0, math.hypot(*(math.degrees(math.atan2(x.tau, x.length)) for x in (a, b))))
    ex, ey = a.d[0] / la + b.d[0] / lb, a.d[1] / la + b.d[1] / lb
    norm = max(math.hypot(ex, ey), 1e-6)
    ex, ey = ex / norm, ey / norm
    ahead = pair.delta[:, 0] * ex + pair.delta[:, 1] * ey
    beside = abs(pair.delta[:, 0] * ey - pair.delta[:, 1] * ex)
    first, middle, last = map(med, thirds(ahead))
    angle = angle_off(heading(a.d), heading(b.d))
    return Along(angle, delta, first, middle, last, med(beside), med(pair.apart))


def displaced(w: Window) -> float:
    """The margin of "it gets somewhere"."""
    least = 0.06 * w.scene.diagonal
    return agree((w.length - least) / w.tau, (math.hypot(*w.ends) - least) / w.tau)


def _both_go(pair: Pair) -> float:
    return min(displaced(pair.a), displaced(pair.b))


def formation(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether ``a`` goes behind ``b``, ahead of it, beside it, or the other way."""
    pair = scene.pair(args["a"], args["b"], claim.t0, claim.t1, claim.frame)
    return None if pair is None else _formations(pair)


@measured
def _formations(pair: Pair) -> Words:
    x = _along(pair)
    same = Verdict(x.angle, x.delta, (45.0 - x.angle) / x.delta)
    counter = Verdict(x.angle, x.delta, (x.angle - 135.0) / x.delta)
    both_go, tau = _both_go(pair), pair.tau
    behind = min(-x.first, -x.middle, -x.last) / tau
    ahead = min(x.first, x.middle, x.last) / tau
    in_line = (0.5 * x.apart - x.beside) / tau
    abreast = (x.beside - 0.87 * x.apart) / tau
    near = (0.35 * pair.a.scene.diagonal - x.apart) / tau
    return {
        "follows": both(same, behind, in_line, near, both_go),
        "leads": both(same, ahead, in_line, near, both_go),
        "alongside": both(same, abreast, near, both_go),
        "opposite": both(counter, both_go),
    }


def overtakes(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Both go the same way, ``a`` is behind ``b`` at first and ahead of it at last."""
    pair = scene.pair(args["a"], args["b"], claim.t0, claim.t1, claim.frame)
    if pair is None:
        return UNCHECKED
    x = _along(pair)
    same = Verdict(x.angle, x.delta, (45.0 - x.angle) / x.delta)
    return both(same, -x.first / pair.tau, x.last / pair.tau, _both_go(pair))


def crosses(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The ways of ``a`` and ``b``, both nearly straight, cross each other (not at the same time, perhaps)."""
    pair = scene.pair(args["a"], args["b"], claim.t0, claim.t1, claim.frame)
    if pair is None:
        return UNCHECKED
    direct = min(straight(w, 0.2) for w in (pair.a, pair.b))
    if direct < 2.0:
        return UNCHECKED
    q = _crossing(pair)
    return both(Verdict(q / scene.diagonal, pair.tau / scene.diagonal, q / pair.tau), direct, _both_go(pair))


@measured
def _crossing(pair: Pair) -> float:
    """How far the ends of each way lie on different sides of the other, pixels; negative if they do not."""
    least = math.inf
    for way, other in ((pair.a, pair.b), (pair.b, pair.a)):
        start, (dx, dy), length = way.path[0], way.d, max(way.length, 1e-6)
        ends = (((p - start)[0] * dy - (p - start)[1] * dx) / length for p in (other.path[0], other.path[-1]))
        s, e = (float(x) for x in ends)
        apart = min(abs(s), abs(e))
        least = min(least, apart if s * e < 0 else -apart)
    return least
