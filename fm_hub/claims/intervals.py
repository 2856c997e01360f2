"""How two stretches of time lie to each other, after Allen (``docs/claims.md`` §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fm_hub.claims.contact import BOUND_TOLERANCE, spell
from fm_hub.claims.events import START_SPEED, TIME_TOLERANCE
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import highest, measured, med
from fm_hub.claims.verdict import Verdict, Words, agree
from fm_hub.claims.window import Window
from fm_hub.records import Claim

__all__ = ["EPISODES", "RELATIONS", "when"]

EPISODES = {"moves": ("track",), "contact": ("a", "b"), "seen": ("track",)}
RELATIONS = ("before", "after", "during", "contains", "overlaps", "overlapped")
Args = Mapping[str, Any]


class Stretch(NamedTuple):
    """From when to when, and the margin that it is so."""

    start: float
    end: float
    margin: float


def when(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """How the first episode lies to the second: the seconds from the start of the first to that of the second."""
    first, then = (_episode(scene, args[key], claim) for key in ("first", "then"))
    if first is None or then is None:
        return None
    (a, b, sure), (c, d, certain) = first, then
    gaps = {
        "before": c - b,
        "after": a - d,
        "during": min(a - c, d - b),
        "contains": min(c - a, b - d),
        "overlaps": min(c - a, b - c, d - b),
        "overlapped": min(a - c, d - a, b - d),
    }
    touch = "contact" in (args["first"]["episode"], args["then"]["episode"])
    tol = BOUND_TOLERANCE if touch else TIME_TOLERANCE
    known = min(sure, certain)
    if known <= 0:
        return dict.fromkeys(RELATIONS, Verdict(c - a, tol, 0.0))
    return {word: Verdict(c - a, tol, agree(g / tol, math.copysign(known, g))) for word, g in gaps.items()}


def _episode(scene: Scene, of: Args, claim: Claim) -> Stretch | None:
    if of["episode"] == "contact":
        one = spell(scene, of["a"], of["b"], claim.t0, claim.t1)
        return None if one is None else Stretch(*one)
    w = scene.window(of["track"], claim.t0, claim.t1, claim.frame)
    if w is None:
        return None
    if of["episode"] == "seen":
        return _sight(w)
    return None if w.cut else _motion(w)


@measured
def _sight(w: Window) -> Stretch:
    """From the first to the last sighting, which must have no long gap between them."""
    gap = highest(np.diff(w.t)) - w.scene.step
    return Stretch(float(w.t[0]), float(w.t[-1]), (0.45 - gap) / 0.1)


@measured
def _motion(w: Window) -> Stretch | None:
    """From the first to the last three speeds in a row at the threshold; None if it rests between."""
    v, theta = w.speeds, START_SPEED * w.scene.diagonal
    weakest = np.minimum(np.minimum(v[:-2], v[1:-1]), v[2:])
    runs = np.nonzero(weakest >= theta)[0]
    if not len(runs):
        return None
    i, j = int(runs[0]), int(runs[-1]) + 2
    rest = np.maximum(np.maximum(v[:-2], v[1:-1]), v[2:])[i : j - 1] < theta
    if rest.any():
        return None
    tol = max(0.15 * theta, 0.5 * w.tau)
    return Stretch(float(w.t[i + 1]), float(w.t[j + 1]), (med(v[i : j + 1]) - theta) / tol)
