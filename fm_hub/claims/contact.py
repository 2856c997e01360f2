"""Touch and hold, from the published table of contacts (``docs/claims.md`` §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fm_hub.claims.scene import Scene
from fm_hub.claims.series import med
from fm_hub.claims.verdict import UNCHECKED, Verdict, agree, both
from fm_hub.records import Claim

__all__ = ["BOUND_TOLERANCE", "carries", "grasps", "hand_side", "holds", "releases", "spell", "touches"]

BOUND_TOLERANCE = 0.4
"""Seconds: of contacts that are found on trembling boxes, the begin and the end are up to twice as far off."""
BRIDGE = 0.3
"""Seconds of no contact that do not end one."""
Args = Mapping[str, Any]


class Touch(NamedTuple):
    """The contacts of two tracks in a window: seconds in all, best score, and the spells, joined over short gaps.

    ``span`` is from the start of the first to the end of the last, not cut to the window.
    """

    seconds: float
    score: float
    spells: tuple[tuple[float, float], ...]
    span: tuple[float, float]


def _touch(scene: Scene, a: str, b: str, kind: str, t0: float, t1: float) -> Touch:
    """Contacts of ``kind`` ("hold", or any for "touch"), whichever of the two is named first."""
    key = ("touch", a, b, kind, t0, t1)
    if key not in scene.memo:
        found = [
            c
            for c in scene.contacts
            if {c.a, c.b} == {a, b} and (kind == "touch" or c.kind == "hold") and c.t1 > t0 and c.t0 < t1
        ]
        rows = sorted((max(c.t0, t0), min(c.t1, t1), c.score) for c in found)
        span = min((c.t0 for c in found), default=t0), max((c.t1 for c in found), default=t1)
        spells: list[tuple[float, float]] = []
        seconds, end = 0.0, -math.inf
        for start, stop, _ in rows:
            seconds += max(0.0, stop - max(start, end))
            end = max(end, stop)
            if spells and start - spells[-1][1] <= BRIDGE:
                spells[-1] = spells[-1][0], max(spells[-1][1], stop)
            else:
                spells.append((start, stop))
        scene.memo[key] = Touch(seconds, max((s for *_, s in rows), default=0.0), tuple(spells), span)
    touch: Touch = scene.memo[key]
    return touch


def spell(scene: Scene, a: str, b: str, t0: float, t1: float) -> tuple[float, float, float] | None:
    """The one spell of contact in a window, and the margin that it is one; None if there is none or more than one."""
    touch = _touch(scene, a, b, "touch", t0, t1)
    return (*touch.spells[0], _sure(touch)) if len(touch.spells) == 1 else None


def _sure(touch: Touch) -> float:
    return min((touch.seconds - 0.2) / 0.1, (touch.score - 0.4) / 0.1)


def touches(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Two tracks are in contact: the seconds of it. Denied only where their boxes stay apart."""
    return _contact(scene, args, claim, "touch")


def holds(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """One track holds the other: the seconds of it. Denied only where their boxes stay apart."""
    return _contact(scene, args, claim, "hold")


def _contact(scene: Scene, args: Args, claim: Claim, kind: str) -> Verdict:
    a, b, t0, t1 = args["a"], args["b"], claim.t0, claim.t1
    touch = _touch(scene, a, b, kind, t0, t1)
    if touch.spells:
        sure = _sure(touch)
        return Verdict(touch.seconds, 0.1, sure) if sure > 0 else UNCHECKED
    pair = scene.pair(a, b, t0, t1, claim.frame)
    if pair is None:
        return UNCHECKED
    away = (pair.gap - 0.01 * scene.diagonal) / pair.tau
    return Verdict(0.0, 0.1, -away) if away > 0 else UNCHECKED


def carries(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Track ``a`` holds ``b``, and both go the same way while it does."""
    held = _contact(scene, args, claim, "hold")
    if held.margin <= 0:
        return held
    start, stop = max(_touch(scene, args["a"], args["b"], "hold", claim.t0, claim.t1).spells, key=_length)
    pair = scene.pair(args["a"], args["b"], start, stop, claim.frame)
    if pair is None:
        return UNCHECKED
    a, b = pair.a, pair.b
    apart = math.hypot(a.d[0] - b.d[0], a.d[1] - b.d[1]) / max(b.length, 1e-6)
    same = (0.5 - apart) / max(0.1, pair.tau / max(b.length, 1e-6))
    least = 0.06 * scene.diagonal
    far = agree((b.length - least) / b.tau, (math.hypot(*b.ends) - least) / b.tau)
    return both(Verdict(b.length / scene.diagonal, b.tau / scene.diagonal, far), same, held.margin)


def _length(spell: tuple[float, float]) -> float:
    return spell[1] - spell[0]


def grasps(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The one contact of two tracks begins inside the window: the time, in seconds."""
    return _change(scene, args, claim, first=True)


def releases(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The one contact of two tracks ends inside the window: the time, in seconds."""
    return _change(scene, args, claim, first=False)


def _change(scene: Scene, args: Args, claim: Claim, *, first: bool) -> Verdict:
    one = spell(scene, args["a"], args["b"], claim.t0, claim.t1)
    if one is None:
        none = touches(scene, args, claim)
        return Verdict(math.nan, BOUND_TOLERANCE, none.margin) if none.margin < 0 else UNCHECKED
    start, stop, sure = one
    if sure <= 0:
        return UNCHECKED
    inside = ((start - claim.t0 if first else claim.t1 - stop) - 0.25) / 0.1
    if inside <= 0:  # it was so before the window, or is so after it
        begun, ended = _touch(scene, args["a"], args["b"], "touch", claim.t0, claim.t1).span
        inside = min(0.0, (begun - claim.t0 if first else claim.t1 - ended) / BOUND_TOLERANCE)
    return both(Verdict(start if first else stop, BOUND_TOLERANCE, inside), sure)


def hand_side(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Whether a hand is its person's left or right one, by the wrist that it is near."""
    w = scene.window(args["track"], claim.t0, claim.t1, "image")
    track = scene.tracks.get(args["track"])
    if w is None or track is None or claim.frame != "image":
        return UNCHECKED
    body = scene.skeleton(track.parent, claim.t0, claim.t1) if track.parent else None
    if body is None or body.kind != "coco17":
        return UNCHECKED
    sure = body.sure[:, (9, 10)].all(axis=1)
    _, ih, ib = np.intersect1d(w.frames, body.frames[sure], assume_unique=True, return_indices=True)
    if len(ih) < 5:
        return UNCHECKED
    wrists = body.xy[sure][ib]
    left, right = (med(np.hypot(*(wrists[:, j] - w.c[ih]).T)) for j in (9, 10))
    q = (right - left) if args["is"] == "left" else (left - right)
    near = (1.5 * w.size - min(left, right)) / w.tau
    return both(Verdict(q / scene.diagonal, w.tau / scene.diagonal, q / w.tau), near)
