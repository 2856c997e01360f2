"""How the view itself moves, from the camera table (``docs/claims.md`` §6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fm_hub.claims.scene import Scene
from fm_hub.claims.series import med
from fm_hub.claims.verdict import Verdict, Words, both
from fm_hub.records import Claim, Floats

__all__ = ["VIEWS", "view"]

VIEWS = ("static", "left", "right", "up", "down", "in", "out", "clockwise", "anticlockwise", "shakes")
PARTS = {"x": (0.01, 0.08), "y": (0.01, 0.08), "zoom": (0.03, 0.15), "roll": (2.0, 10.0)}
"""Of what the view's motion is made: the tolerance of each, and the least that is told of it."""
WORDS = {
    "right": ("x", 1),
    "left": ("x", -1),
    "down": ("y", 1),
    "up": ("y", -1),
    "in": ("zoom", 1),
    "out": ("zoom", -1),
    "anticlockwise": ("roll", 1),
    "clockwise": ("roll", -1),
}
"""The part that a word speaks of, and its sign."""
MIN_STEPS = 8
Args = Mapping[str, Any]


def view(scene: Scene, args: Args, claim: Claim) -> Words | None:
    """Which way the view goes: where the camera looks, not where the picture's contents go."""
    del args  # there is one view
    if claim.frame != "image" or scene.camera.label == "unknown":
        return None
    key = ("view", claim.t0, claim.t1)
    if key not in scene.memo:
        scene.memo[key] = _views(scene, claim.t0, claim.t1)
    verdicts: Words | None = scene.memo[key]
    return verdicts


def _views(scene: Scene, t0: float, t1: float) -> Words | None:
    """A verdict a word; None where the view's motion is not known all through the window."""
    cam = scene.camera
    steps = np.nonzero(scene.inside(scene.t, t0, t1))[0][1:]
    if len(steps) < MIN_STEPS or not cam.ok[steps].all():
        return None
    trust = (med(cam.inliers[steps]) - 0.3) / 0.1
    if trust < 2.0:
        return None
    # What shows on the screen moves against the view: a view that goes right has contents that go left.
    dx, dy = -cam.dx[steps] / scene.diagonal, -cam.dy[steps] / scene.diagonal
    sums = np.zeros((4, len(steps) + 1))
    np.cumsum([dx, dy, cam.dlogs[steps], np.degrees(cam.droll[steps])], axis=1, out=sums[:, 1:])
    net = dict(zip(PARTS, sums[:, -1].tolist(), strict=True))
    span = dict(zip(PARTS, (sums.max(axis=1) - sums.min(axis=1)).tolist(), strict=True))
    still = min((least / 2.5 - span[n]) / tol for n, (tol, least) in PARTS.items())
    alone = {}
    for n, (tol, _) in PARTS.items():
        margins = alone[n] = [_straight(net[n], span[n], tol)]
        for other, (t, bound) in PARTS.items():
            if other != n:  # of shifts, much smaller than this one; of another sort, too small to speak of
                limit = 0.5 * abs(net[n]) if {n, other} == {"x", "y"} else bound
                margins.append((limit - span[other]) / t)
    out: dict[str | bool, Verdict] = {}
    for word, (n, sign) in WORDS.items():
        tol, least = PARTS[n]
        out[word] = both(Verdict(net[n], tol, (sign * net[n] - least) / tol), *alone[n])
    tremble = max(_tremble(dx), _tremble(dy))
    small = (0.08 - max(abs(net["x"]), abs(net["y"]))) / 0.01
    shakes, calm = (tremble - 0.005) / 0.001, (0.0015 - tremble) / 0.0004
    if shakes < 0:  # a little is neither
        shakes = min(0.0, -calm)
    return out | {
        "shakes": both(Verdict(tremble, 0.001, shakes), small),
        "static": both(Verdict(span["x"], 0.01, still), calm),
    }


def _straight(net: float, span: float, tol: float) -> float:
    """The margin of "goes one way": what it goes back is less than a quarter of its range."""
    return (abs(net) - 0.75 * span) / tol


def _tremble(steps: Floats) -> float:
    """The median change from step to step: a smooth pan has none."""
    change = med(np.abs(np.diff(steps)))
    return change if math.isfinite(change) else 0.0
