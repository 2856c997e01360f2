"""Events of one track and their order (``docs/claims.md`` §4 and ``before`` of §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.claims.contact import grasps, releases
from fm_hub.claims.presence import appears, disappears, hidden, reappears
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import highest, measured, med
from fm_hub.claims.verdict import DECIDED, UNCHECKED, Verdict, affirmed, agree, both
from fm_hub.claims.window import MIN_SAMPLES, Window
from fm_hub.records import Claim, Floats

__all__ = ["BORDERS", "EVENTS", "actor_of", "before", "enters", "leaves", "pauses", "starts", "stops"]

BORDERS = ("left", "right", "top", "bottom")
"""Sides of the frame, over which things come and go."""
TIME_TOLERANCE = 0.2
START_SPEED = 0.05
Args = Mapping[str, Any]


def actor_of(event: Args) -> str:
    """The track that does what the arguments of an event tell: of two, the first."""
    return str(event["track"] if "track" in event else event["a"])


def starts(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track rests, then moves: the time of the change, in seconds."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    return UNCHECKED if w is None or w.cut else _started(w)


def stops(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track moves, then rests: ``starts`` with time reversed."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    return UNCHECKED if w is None or w.cut else _stopped(w)


@measured
def _started(w: Window) -> Verdict:
    return _start(w, w.speeds, w.raw_speeds, w.t)


@measured
def _stopped(w: Window) -> Verdict:
    v = _start(w, w.speeds[::-1], w.raw_speeds[::-1], -w.t[::-1])
    return Verdict(-v.value, v.tolerance, v.margin)


def _start(w: Window, v: Floats, raw: Floats, t: Floats) -> Verdict:
    """Speed ``v[j]`` belongs to ``t[j + 1]``. What only sways where it is sets off for nowhere.

    Denied where no rest comes before any motion, if only of two speeds, or of one where the window begins.
    """
    if len(v) < 3:
        return UNCHECKED
    theta = START_SPEED * w.scene.diagonal
    tol = max(0.15 * theta, 0.5 * w.tau)
    i, sure = _setting_off(v, raw, t, theta, tol)
    if sure > 0:
        return Verdict(float(t[i + 1]), TIME_TOLERANCE, affirmed(sure, (w.extent - 0.03 * w.scene.diagonal) / w.tau))
    v, sure_of = v.copy(), raw - w.noise / w.scene.step  # smoothed ends are slow, others tremble
    v[:2], v[-2:] = np.maximum(v[:2], sure_of[:2]), np.maximum(v[-2:], sure_of[-2:])
    rest, go = np.maximum(v[:-1], v[1:])[:-1], np.maximum.accumulate(v[::-1])[::-1][2:]
    rest[0] = v[0]  # it may have rested before the window
    least = highest(np.minimum(theta - rest, go - theta)) / tol
    return Verdict(math.nan, TIME_TOLERANCE, least) if least < 0 else UNCHECKED


def _setting_off(v: Floats, raw: Floats, t: Floats, theta: float, tol: float) -> tuple[int, float]:
    """The first of three speeds in a row at ``theta`` or more, and the margin that all before is rest; 0 if unsure."""
    runs = np.nonzero(np.minimum(np.minimum(v[:-2], v[1:-1]), v[2:]) >= theta)[0]
    i = int(runs[0]) if len(runs) else 0
    if i < 4:
        return i, 0.0
    fast = v >= theta + 2 * tol
    if fast[i:].any():
        full = i + int(fast[i:].argmax())
        slow = np.nonzero(np.maximum(v[full:-1], v[full + 1 :]) < theta + tol)[0]
        if len(slow) and (runs > full + slow[0]).any():
            return i, 0.0  # perhaps a second start: "it starts" would not say which
    rest = agree((theta - med(v[:i])) / tol, (theta - med(raw[:i])) / tol)  # a median of five makes a turn a rest
    go = (med(v[i : i + 5]) - theta) / tol
    return i, min(rest, go, (float(t[i + 1] - t[0]) - 0.4) / 0.1)


def enters(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track comes into the frame over a side: the time it is first seen, in seconds."""
    return _border(scene, args, claim, first=True)


def leaves(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track goes out of the frame over a side: the time it is last seen, in seconds."""
    return _border(scene, args, claim, first=False)


def _border(scene: Scene, args: Args, claim: Claim, *, first: bool) -> Verdict:
    if claim.frame != "image" or args["track"] not in scene.tracks:
        return UNCHECKED
    key = ("border", args["track"], first, claim.t0, claim.t1)
    if key not in scene.memo:
        scene.memo[key] = _over(scene, args["track"], claim, first=first)
    verdict: Verdict = scene.memo[key].get(args["side"], UNCHECKED)
    return verdict


def _over(scene: Scene, track: str, claim: Claim, *, first: bool) -> dict[str, Verdict]:
    """Of the first or the last sighting in a window, for each side of the frame; those that are checked."""
    key = ("edge", track, first)
    if key not in scene.memo:
        scene.memo[key] = _edge(scene, track, first=first)
    out = {}
    for side, (t, tolerance, margin) in scene.memo[key].items():
        if claim.t0 - 0.0005 <= t <= claim.t1 + 0.0005:
            late = (t - claim.t0 if first else claim.t1 - t) - 0.25
            out[side] = Verdict(t, tolerance, affirmed(margin, late / 0.1))
    return out


def _edge(scene: Scene, track: str, *, first: bool) -> dict[str, Verdict]:
    """Of the first or the last sighting, for each side of the frame; empty where the track is seen too seldom."""
    frames, bbox = scene.sightings(track)
    if len(frames) < MIN_SAMPLES:
        return {}
    c = (bbox[:, :2] + bbox[:, 2:]) / 2
    noise = 2 * scene.noise(track)
    if not first:
        frames, bbox, c = frames[::-1], bbox[::-1], c[::-1]
    t = float(scene.t[frames[0]])
    gap = t - float(scene.t[0]) if first else float(scene.t[-1]) - t
    x, y = (c[:10][-1] - c[0]).tolist()
    wide, high = scene.width, scene.height
    boxes = bbox[_beside_gaps(scene, frames)].tolist()
    sides = {
        "left": ([x1 for x1, _, _, _ in boxes], x, wide),
        "right": ([wide - x2 for _, _, x2, _ in boxes], -x, wide),
        "top": ([y1 for _, y1, _, _ in boxes], y, high),
        "bottom": ([high - y2 for _, _, _, y2 in boxes], -y, high),
    }
    lost = gap > 0 and scene.crowded(track, int(frames[0]))  # what covers it hides how it goes on
    margins, again = {}, {}
    for side, (far, inward, dim) in sides.items():
        tau = max(0.01 * dim, noise)
        near, *others = ((0.04 * dim - x) / tau for x in far)
        margins[side] = min((gap - 0.25) / 0.1, near, (inward - 0.02 * dim) / tau)
        again[side] = any(x > -DECIDED for x in others)  # it may have been there and back before
    corner = sum(m > -1 for m in margins.values()) > 1
    return {
        side: UNCHECKED if (corner if m > 0 else lost or again[side]) else Verdict(t, TIME_TOLERANCE, m)
        for side, m in margins.items()
    }


def _beside_gaps(scene: Scene, frames: NDArray[np.int32]) -> NDArray[np.intp]:
    """The places of the first sighting, and of each that follows a time without one."""
    t = scene.t[frames]
    gaps = np.abs(t[1:] - t[:-1]) > 1.5 * scene.step
    return np.concatenate([[0], np.flatnonzero(gaps) + 1])


def pauses(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track moves, rests for a moment, and moves on: 1 where it does, 0 where not."""
    w = scene.window(args["track"], claim.t0, claim.t1, claim.frame)
    return UNCHECKED if w is None or w.cut else _paused(w)


@measured
def _paused(w: Window) -> Verdict:
    """The best of all rests of four speeds that have three speeds of motion before and after.

    It is denied where there is not even a rest of two speeds, with some motion before and after.
    """
    v, theta = w.speeds, START_SPEED * w.scene.diagonal
    if len(v) < 10:
        return UNCHECKED
    tol = max(0.15 * theta, 0.5 * w.tau)
    go = np.minimum(np.minimum(v[:-2], v[1:-1]), v[2:])
    usual = np.convolve(w.raw_speeds, np.full(4, 0.25), "valid")  # what trembles may look slow once it is smoothed
    rest = np.maximum(np.maximum(np.maximum(v[:-3], v[1:-2]), np.maximum(v[2:-1], v[3:])), usual)[3:-3]
    before = np.maximum.accumulate(go)[: len(rest)]
    after = np.maximum.accumulate(go[::-1])[::-1][7 : 7 + len(rest)]
    m = highest(np.minimum(np.minimum(theta - rest, before - theta), after - theta)) / tol
    if m > 0:
        return Verdict(1.0, 1.0, m)
    rest = np.maximum(v[:-1], v[1:])[1:-1]
    before, after = np.maximum.accumulate(v)[: len(rest)], np.maximum.accumulate(v[::-1])[::-1][3 : 3 + len(rest)]
    least = highest(np.minimum(np.minimum(theta - rest, before - theta), after - theta)) / tol
    return Verdict(0.0, 1.0, least) if least < 0 else UNCHECKED


def before(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """One event, then another; the value is the time between them in seconds."""
    a = EVENTS[args["first"]["event"]](scene, args["first"], claim)
    b = EVENTS[args["then"]["event"]](scene, args["then"], claim)
    gap = b.value - a.value
    tol = max(a.tolerance, b.tolerance)
    lead = Verdict(gap, tol, gap / tol) if gap == gap else Verdict(math.nan, TIME_TOLERANCE, 0.0)
    return both(lead, a.margin, b.margin)


EVENTS = {
    "starts": starts,
    "stops": stops,
    "enters": enters,
    "leaves": leaves,
    "appears": appears,
    "disappears": disappears,
    "hidden": hidden,
    "reappears": reappears,
    "grasps": grasps,
    "releases": releases,
}
