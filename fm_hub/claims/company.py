"""How two tracks move with regard to each other: behind, ahead, past, across (``docs/claims.md`` §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fm_hub.claims.one import angle_off, heading, straight
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import measured, med, thirds
from fm_hub.claims.verdict import DECIDED, UNCHECKED, Verdict, Words, agree, both
from fm_hub.claims.window import Pair, Window
from fm_hub.records import Claim

__all__ = ["FORMATIONS", "crosses", "crossing", "displaced", "formation", "overtakes"]

FORMATIONS = ("follows", "leads", "alongside", "opposite")
Args = Mapping[str, Any]


class Along(NamedTuple):
    """Two tracks seen along their common way: angle between their ways, its tolerance, places of ``a`` from ``b``.

    These are medians: of the first five common samples, of the thirds, and of the last five.
    """

    angle: float
    delta: float
    start: float
    first: float
    middle: float
    last: float
    end: float
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
    start, end = med(ahead[:5]), med(ahead[-5:])
    return Along(angle, delta, start, first, middle, last, end, med(beside), med(pair.apart))


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
    """Both go the same way, ``a`` is behind ``b`` at first and ahead of it at last, for a third and for a moment."""
    pair = scene.pair(args["a"], args["b"], claim.t0, claim.t1, claim.frame)
    if pair is None:
        return UNCHECKED
    x = _along(pair)
    same = Verdict(x.angle, x.delta, (45.0 - x.angle) / x.delta)
    behind, ahead = agree(-x.first, -x.start), agree(x.last, x.end)
    return both(same, behind / pair.tau, ahead / pair.tau, _both_go(pair))


def crosses(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The ways of ``a`` and ``b``, both nearly straight, cross each other (not at the same time, perhaps)."""
    pair = scene.pair(args["a"], args["b"], claim.t0, claim.t1, claim.frame)
    return UNCHECKED if pair is None else _crosses(pair)


@measured
def _crosses(pair: Pair) -> Verdict:
    """Denied also of ways that are not straight, where they nowhere come near each other."""
    size, direct, chords = pair.a.scene.diagonal, min(map(_direct, (pair.a, pair.b))), UNCHECKED
    if direct >= DECIDED:
        q = crossing(pair)
        chords = both(Verdict(q / size, pair.tau / size, q / pair.tau), direct, _both_go(pair))
    if chords.true or chords.false or (room := _room_between(pair.a, pair.b)) <= 0:
        return chords
    return Verdict(-room / size, pair.tau / size, -room / pair.tau)


def _direct(w: Window) -> float:
    """The margin of "its way is its chord, and no longer": what comes back on a line is straight, but longer."""
    extent = max(w.extent, 1e-6)
    return min(straight(w, 0.2), (w.length / extent - 0.8) / max(0.02, w.tau / extent))


def _room_between(a: Window, b: Window) -> float:
    """How far two ways stay apart, pixels, at whatever times; what lies between two samples is half a step off them."""
    across, down = (a.c[:, None, i] - b.c[None, :, i] for i in (0, 1))
    nearest = (across * across + down * down).argmin()
    steps = (np.diff(w.c, axis=0) for w in (a, b))
    half = sum(float(np.hypot(step[:, 0], step[:, 1]).max()) / 2 for step in steps)
    return float(np.hypot(across.flat[nearest], down.flat[nearest])) - half


@measured
def crossing(pair: Pair) -> float:
    """How far the ends of each way lie on different sides of the other, pixels; negative if they do not."""
    least = math.inf
    for way, other in ((pair.a, pair.b), (pair.b, pair.a)):
        start, (dx, dy), length = way.path[0], way.d, max(way.length, 1e-6)
        ends = (((p - start)[0] * dy - (p - start)[1] * dx) / length for p in (other.path[0], other.path[-1]))
        s, e = (float(x) for x in ends)
        apart = min(abs(s), abs(e))
        least = min(least, apart if s * e < 0 else -apart)
    return least
