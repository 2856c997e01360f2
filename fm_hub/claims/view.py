"""How the view itself moves, from the camera table (``docs/claims.md`` §6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fm_hub.claims.scene import Scene
from fm_hub.claims.series import med, spread
from fm_hub.claims.verdict import Verdict, Words, both
from fm_hub.records import Claim, Floats

__all__ = ["VIEWS", "view"]

VIEWS = ("static", "left", "right", "up", "down", "in", "out", "clockwise", "anticlockwise", "shakes")
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
    parts = {
        "x": (-cam.dx[steps] / scene.diagonal, 0.01, 0.08),
        "y": (-cam.dy[steps] / scene.diagonal, 0.01, 0.08),
        "zoom": (cam.dlogs[steps], 0.03, 0.15),
        "roll": (np.degrees(cam.droll[steps]), 2.0, 10.0),
    }
    sums = {n: np.concatenate([[0.0], np.cumsum(x)]) for n, (x, _, _) in parts.items()}
    net = {n: float(s[-1]) for n, s in sums.items()}
    span = {n: spread(s) for n, s in sums.items()}
    still = min((parts[n][2] / 2.5 - span[n]) / parts[n][1] for n in parts)
    words = {"right": ("x", 1), "left": ("x", -1), "down": ("y", 1), "up": ("y", -1)}
    words |= {"in": ("zoom", 1), "out": ("zoom", -1), "anticlockwise": ("roll", 1), "clockwise": ("roll", -1)}
    out: dict[str | bool, Verdict] = {}
    for word, (n, sign) in words.items():
        _, tol, least = parts[n]
        margins = [_straight(net[n], span[n], tol)]
        for other, (_, t, bound) in parts.items():
            if other != n:  # of shifts, much smaller than this one; of another sort, too small to speak of
                limit = 0.5 * abs(net[n]) if {n, other} == {"x", "y"} else bound
                margins.append((limit - span[other]) / t)
        out[word] = both(Verdict(net[n], tol, (sign * net[n] - least) / tol), *margins)
    tremble = max(_tremble(parts["x"][0]), _tremble(parts["y"][0]))
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
