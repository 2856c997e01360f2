"""Events of one track and their order (``docs/claims.md`` §4 and ``before`` of §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fm_hub.claims.scene import MIN_SAMPLES, Scene, jitter, median
from fm_hub.claims.verdict import UNCHECKED, Verdict, both
from fm_hub.records import Claim, Floats

__all__ = ["EVENTS", "before", "enters", "leaves", "starts", "stops"]

EVENTS = ("starts", "stops", "enters", "leaves")
TIME_TOLERANCE = 0.2
START_SPEED = 0.05
Args = Mapping[str, Any]


def starts(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track rests, then moves: the time of the change, in seconds."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    return UNCHECKED if w is None else _start(w.speeds, w.t, w.tau, START_SPEED * scene.diagonal)


def stops(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track moves, then rests: ``starts`` with time reversed."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    if w is None:
        return UNCHECKED
    v = _start(w.speeds[::-1], -w.t[::-1], w.tau, START_SPEED * scene.diagonal)
    return Verdict(-v.value, v.tolerance, v.margin)


def _start(v: Floats, t: Floats, tau: float, theta: float) -> Verdict:
    """The first of three speeds in a row at ``theta`` or more; ``v[j]`` belongs to ``t[j + 1]``."""
    if len(v) < 3:
        return UNCHECKED
    tol = max(0.15 * theta, 0.5 * tau)
    weakest = np.minimum(np.minimum(v[:-2], v[1:-1]), v[2:])
    runs = np.nonzero(weakest >= theta)[0]
    if not len(runs):
        return Verdict(math.nan, TIME_TOLERANCE, (float(weakest.max()) - theta) / tol)
    i = int(runs[0])
    if i < 4:
        return UNCHECKED
    slow = np.maximum(np.maximum(v[:-2], v[1:-1]), v[2:]) < theta
    rests = np.nonzero(slow[i + 1 :])[0]
    if len(rests) and (runs > i + 1 + rests[0]).any():
        return UNCHECKED  # a second start: "it starts" would not say which
    rest, go = (theta - median(v[:i])) / tol, (median(v[i : i + 5]) - theta) / tol
    return Verdict(float(t[i + 1]), TIME_TOLERANCE, min(rest, go, (float(t[i + 1] - t[0]) - 0.3) / 0.1))


def enters(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track comes into the frame over a side: the time it is first seen, in seconds."""
    return _border(scene, args, claim, first=True)


def leaves(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track goes out of the frame over a side: the time it is last seen, in seconds."""
    return _border(scene, args, claim, first=False)


def _border(scene: Scene, args: Args, claim: Claim, *, first: bool) -> Verdict:
    track = scene.tracks.get(args["track"])
    if claim.frame != "image" or track is None:
        return UNCHECKED
    seen = track.state == 0
    frames, bbox = track.frame[seen], track.bbox[seen].astype(np.float64)
    if not first:
        frames, bbox = frames[::-1], bbox[::-1]
    if len(frames) < MIN_SAMPLES:
        return UNCHECKED
    t = float(scene.t[frames[0]])
    if not scene.inside(scene.t[frames[:1]], claim.t0, claim.t1)[0]:
        return UNCHECKED
    c = (bbox[:, :2] + bbox[:, 2:]) / 2
    side, (x1, y1, x2, y2) = args["side"], bbox[0]
    dist = {"left": x1, "right": scene.width - x2, "top": y1, "bottom": scene.height - y2}[side]
    way = c[:10][-1] - c[0]
    inward = {"left": way[0], "right": -way[0], "top": way[1], "bottom": -way[1]}[side]
    dim = scene.width if side in ("left", "right") else scene.height
    tau = max(0.01 * dim, 2 * jitter(c))
    gap = t - float(scene.t[0]) if first else float(scene.t[-1]) - t
    margin = min((gap - 0.25) / 0.1, (0.04 * dim - dist) / tau, (inward - 0.02 * dim) / tau)
    return Verdict(t, TIME_TOLERANCE, float(margin))


def before(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """One event, then another; the value is the time between them in seconds."""
    table = {"starts": starts, "stops": stops, "enters": enters, "leaves": leaves}
    a = table[args["first"]["event"]](scene, args["first"], claim)
    b = table[args["then"]["event"]](scene, args["then"], claim)
    gap = b.value - a.value
    lead = Verdict(gap, TIME_TOLERANCE, 0.0 if math.isnan(gap) else gap / TIME_TOLERANCE)
    return both(lead, a.margin, b.margin)
