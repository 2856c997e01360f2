"""The figure that a path draws: arc, circle, zigzag; which way round; from upright to lying (``docs/claims.md`` §3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fm_hub.claims.one import bow, legs_share
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import jitter, legs, longest, measured, med, thirds
from fm_hub.claims.verdict import UNCHECKED, Verdict, Words, both
from fm_hub.claims.window import Window
from fm_hub.records import Claim

__all__ = ["SHAPES", "shape", "tips", "winding"]

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
    ring = _ring(w)
    if ring is None:
        return UNCHECKED
    turned = ring.sweep * (1 if args["is"] == "anticlockwise" else -1)
    return both(Verdict(ring.sweep, ring.delta, (turned - 300.0) / ring.delta), _round(w, ring), w.moves)


class Ring(NamedTuple):
    """The circle through a path: sweep in degrees (anticlockwise positive), what it goes back of it, and errors."""

    sweep: float
    back: float
    delta: float
    off: float


@measured
def _ring(w: Window) -> Ring | None:
    """The least-squares circle (Kåsa) of the smoothed path; None where the path is too slender to have one."""
    if w.wide / max(w.long, 1e-6) < 0.05:
        return None
    scale = max(w.extent, 1e-6)
    x, y = ((w.path - w.path.mean(axis=0)) / scale).T
    square = x * x + y * y
    xx, yy, xy = float(x @ x), float(y @ y), float(x @ y)
    fx, fy = -float(x @ square), -float(y @ square)
    det = xx * yy - xy * xy
    a, b = (fx * yy - fy * xy) / det, (fy * xx - fx * xy) / det
    px, py = x + a / 2, y + b / 2
    radius = math.sqrt(float(square.mean()) + (a * a + b * b) / 4)
    off = math.sqrt(float(np.mean((np.hypot(px, py) - radius) ** 2)))
    turn = np.degrees(np.arctan2(-py, px))
    swept = np.concatenate([[0.0], np.cumsum((np.diff(turn) + 180.0) % 360.0 - 180.0)])
    sweep = float(swept[-1])
    back = float(swept.max() - swept.min()) - abs(sweep)
    return Ring(sweep, back, max(10.0, math.degrees(math.atan2(w.tau, radius * scale))), off)


def _round(w: Window, ring: Ring) -> float:
    """The margin of "as good as on a circle"."""
    return (0.1 - ring.off) / max(0.02, w.tau / max(w.extent, 1e-6))


@measured
def _shapes(w: Window) -> Words:
    (b, beta), (v, nu) = legs_share(w), bow(w)
    long = max(w.long, 1e-6)
    once = Verdict(b, beta, (1.5 - b) / beta)
    weave = (longest(legs(w.across, 2 * w.tau), 4) - 0.1 * long) / w.tau
    broad = (w.wide / long - 0.1) / max(0.02, w.tau / long)
    ring = _ring(w)
    if ring is None:
        arc = circle = Verdict(math.nan, math.nan, min(broad, -weave, w.moves))
    else:
        sweep, near = abs(ring.sweep), _round(w, ring)
        part = Verdict(sweep, ring.delta, min(sweep - 40.0, 270.0 - sweep) / ring.delta)
        arc = both(part, broad, (30.0 - ring.back) / ring.delta, near, -weave, w.moves)
        circle = both(Verdict(sweep, ring.delta, (sweep - 300.0) / ring.delta), broad, near, w.moves)
    return {
        "straight": both(once, (0.1 - v) / nu, -weave, w.moves),
        "arc": arc,
        "circle": circle,
        "zigzag": both(once, weave, w.moves),
        "back-and-forth": both(Verdict(b, beta, (b - 1.5) / beta), w.slim, w.moves),
    }


def tips(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Whether a long thing goes from upright to lying, or gets up, by the sides of its box."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    return None if w is None else _tips(w)


@measured
def _tips(w: Window) -> Words | None:
    box = w.bbox[w.clear]
    if len(box) < 5:
        return None
    sides = np.maximum(box[:, 2:] - box[:, :2], 1.0)
    g = np.log(sides[:, 1] / sides[:, 0])
    first, _, last = map(med, thirds(g))
    tol, theta = max(0.1, 2 * jitter(g)), math.log(1.25)
    return {
        "over": Verdict(last, tol, min(first - theta, -theta - last) / tol),
        "up": Verdict(last, tol, min(-theta - first, last - theta) / tol),
    }
