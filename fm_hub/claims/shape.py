"""The figure that a path draws: arc, circle, zigzag; which way round; from upright to lying (``docs/claims.md`` §3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fm_hub.claims.circle import broad, circle, even_bend, near_circle, ring_of
from fm_hub.claims.one import once_over, straight, to_and_fro
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import jitter, legs, longest, measured, med, of_thirds
from fm_hub.claims.verdict import UNCHECKED, Verdict, Words, affirmed, agree, both
from fm_hub.claims.window import Window
from fm_hub.records import Claim

__all__ = ["LONG", "SHAPES", "shape", "tips", "winding"]

LONG = 1.25
"""A box that is so many times as long as the other way is upright, or lies."""
SHAPES = ("straight", "arc", "circle", "zigzag", "back-and-forth")
Args = Mapping[str, Any]


def shape(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Which figure the path draws; the words exclude each other."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    return None if w is None else _shapes(w)


def winding(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Which way round a track circles, as seen on the screen."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    if w is None:
        return UNCHECKED
    ring = ring_of(w)
    if ring is None:
        return UNCHECKED
    turned = ring.sweep * (1 if args["is"] == "anticlockwise" else -1)
    around, near = (turned - 300.0) / ring.delta, near_circle(w, ring)
    if w.moves <= 0:
        m = w.moves
    elif near <= 0:  # what draws no circle has no sweep to speak of
        m = 0.0
    else:
        m = min(around, near, w.moves) if around > 0 else -min(-around, near)
    return Verdict(ring.sweep, ring.delta, m)


@measured
def _shapes(w: Window) -> Words:
    once, long = once_over(w), max(w.long, 1e-6)
    weave = agree(*((longest(legs(x, 2 * w.tau), 4) - 0.1 * long) / w.tau for x in (w.across, w.raw_across)))
    ring, round_it = ring_of(w), circle(w)
    if ring is None or round_it is None:
        arc = round_it = Verdict(math.nan, math.nan, min(broad(w), -weave, w.moves))
    else:
        sweep = abs(ring.sweep)
        part = Verdict(sweep, ring.delta, min(sweep - 40.0, 270.0 - sweep) / ring.delta)
        arc = both(part, broad(w), (30.0 - ring.back) / ring.delta, near_circle(w, ring), -weave, w.moves)
        arc = arc._replace(margin=affirmed(arc.margin, even_bend(w, ring)))
    return {
        "straight": both(once, straight(w, 0.1), -weave, w.moves),
        "arc": arc,
        "circle": round_it,
        "zigzag": both(once, weave, w.moves),
        "back-and-forth": to_and_fro(w),
    }


def tips(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether a long thing goes from upright to lying, or gets up, by the sides of its box."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    return None if w is None else _tips(w)


@measured
def _tips(w: Window) -> Words | None:
    sides = np.maximum(w.bbox[:, 2:] - w.bbox[:, :2], 1.0)
    g = np.log(sides[:, 1] / sides[:, 0])
    shown = w.shown(g)
    if shown is None or np.count_nonzero(w.clear) < 5:
        return None
    first, _, last = map(med, shown)
    tol, theta = max(0.1, 2 * jitter(g[w.clear]) * of_thirds(int(w.clear.sum()))), math.log(LONG)
    return {
        "over": Verdict(last, tol, min(first - theta, -theta - last) / tol),
        "up": Verdict(last, tol, min(-theta - first, last - theta) / tol),
    }
