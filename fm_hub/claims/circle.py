"""The circle that a path draws, if it draws one (``docs/claims.md`` §2)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fm_hub.claims.series import mean, mean_point, measured, spread
from fm_hub.claims.verdict import Verdict, both
from fm_hub.claims.window import Window

__all__ = ["Ring", "broad", "circle", "even_bend", "near_circle", "ring_of"]


class Ring(NamedTuple):
    """The circle through a path: sweep in degrees (anticlockwise positive), what it goes back of it, and errors."""

    sweep: float
    back: float
    delta: float
    off: float


@measured
def ring_of(w: Window) -> Ring | None:
    """The least-squares circle (Kåsa) of the smoothed path; None where the path is too slender to have one."""
    if w.wide / max(w.long, 1e-6) < 0.05:
        return None
    scale = max(w.extent, 1e-6)
    x, y = ((w.path - mean_point(w.path)) / scale).T
    square = x * x + y * y
    xx, yy, xy = float(x @ x), float(y @ y), float(x @ y)
    fx, fy = -float(x @ square), -float(y @ square)
    det = xx * yy - xy * xy
    a, b = (fx * yy - fy * xy) / det, (fy * xx - fx * xy) / det
    px, py = x + a / 2, y + b / 2
    radius = math.sqrt(mean(square) + (a * a + b * b) / 4)
    off = math.sqrt(mean((np.hypot(px, py) - radius) ** 2))
    turn = np.degrees(np.arctan2(-py, px))
    swept = np.concatenate([[0.0], np.cumsum((np.diff(turn) + 180.0) % 360.0 - 180.0)])
    sweep = float(swept[-1])
    back = spread(swept) - abs(sweep)
    return Ring(sweep, back, max(10.0, math.degrees(math.atan2(w.tau, radius * scale))), off)


def near_circle(w: Window, ring: Ring) -> float:
    """The margin of "as good as on a circle"."""
    return (0.1 - ring.off) / max(0.02, w.tau / max(w.extent, 1e-6))


def even_bend(w: Window, ring: Ring) -> float:
    """The margin of "bends all along its way": two straight legs with a corner between lie near a circle too."""
    return (0.04 - ring.off) / max(0.01, 0.5 * w.tau / max(w.extent, 1e-6))


def broad(w: Window) -> float:
    """The margin of "wider than a line"."""
    long = max(w.long, 1e-6)
    return (w.wide / long - 0.1) / max(0.02, w.tau / long)


@measured
def circle(w: Window) -> Verdict | None:
    """Whether it goes round at least once: the degrees; None where there is no circle to speak of."""
    ring = ring_of(w)
    if ring is None:
        return None
    lead = Verdict(abs(ring.sweep), ring.delta, (abs(ring.sweep) - 300.0) / ring.delta)
    return both(lead, broad(w), near_circle(w, ring), w.moves)
