"""What comes into sight and goes out of it inside the picture, and what hides it (``docs/claims.md`` §4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fm_hub.claims.scene import Scene
from fm_hub.claims.series import jitter, med
from fm_hub.claims.verdict import UNCHECKED, Verdict, affirmed, both
from fm_hub.claims.window import MIN_SAMPLES
from fm_hub.records import Claim, Floats

__all__ = ["appears", "disappears", "hidden", "hides", "reappears"]

TIME_TOLERANCE = 0.2
EITHER_SIDE = 3
Args = Mapping[str, Any]


def appears(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track comes out from behind another one, after the clip's start: the time, in seconds."""
    return _first_seen(scene, args, claim, first=True)


def disappears(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track goes behind another one and is not seen again: the time, in seconds."""
    return _first_seen(scene, args, claim, first=False)


def _first_seen(scene: Scene, args: Args, claim: Claim, *, first: bool) -> Verdict:
    if claim.frame != "image" or args["track"] not in scene.tracks:
        return UNCHECKED
    key = ("seen", args["track"], first)
    if key not in scene.memo:
        frames, bbox = scene.sightings(args["track"])
        verdict = UNCHECKED
        if len(frames) >= MIN_SAMPLES:
            at = 0 if first else -1
            t = float(scene.t[frames[at]])
            gap = t - float(scene.t[0]) if first else float(scene.t[-1]) - t
            room = (_room(scene, bbox[at]) - 0.05) / _noise(scene, scene.noise(args["track"]))
            away, behind = min((gap - 0.5) / 0.1, room), _behind(scene, args["track"], int(frames[at]), bbox[at])
            verdict = Verdict(t, TIME_TOLERANCE, min(away, behind))
            if away > 0 and behind <= 0:  # a late detection looks the same
                verdict = Verdict(t, math.nan, math.nan)
        scene.memo[key] = verdict
    seen: Verdict = scene.memo[key]
    if math.isnan(seen.margin) or not claim.t0 - 0.0005 <= seen.value <= claim.t1 + 0.0005:
        return UNCHECKED
    late = (seen.value - claim.t0 if first else claim.t1 - seen.value) - 0.25
    return Verdict(seen.value, seen.tolerance, affirmed(seen.margin, late / 0.1))


def _behind(scene: Scene, track: str, frame: int, box: Floats) -> float:
    """The margin of "at the edge of another thing", by the share of the box that lies within another track's box."""
    shares = zip(scene.tracks, _shares(box[None], scene.boxes(frame)).tolist(), strict=True)
    most = max((share for other, share in shares if other != track and share == share), default=0.0)
    return (most - 0.1) / 0.05


def _shares(box: Floats, other: Floats) -> Floats:
    """The share of the area of each box (N, 4), or of one (1, 4), that lies within the other one."""
    common = np.maximum(np.minimum(box[:, 2:], other[:, 2:]) - np.maximum(box[:, :2], other[:, :2]), 0.0)
    sides = np.maximum(box[:, 2:] - box[:, :2], 1e-6)
    out: Floats = common[:, 0] * common[:, 1] / (sides[:, 0] * sides[:, 1])
    return out


def _room(scene: Scene, box: Floats) -> float:
    """The distance of a box from the nearest side of the frame, as a share of the frame."""
    x1, y1, x2, y2 = map(float, box)
    wide, high = scene.width, scene.height
    return min(x1 / wide, (wide - x2) / wide, y1 / high, (high - y2) / high)


def _noise(scene: Scene, noise: float) -> float:
    return max(0.01, 2 * noise / min(scene.width, scene.height))


class Gap(NamedTuple):
    """The longest time without a sighting: between which frames and times, and the margin of "out of sight"."""

    before: int
    after: int
    lost: float
    back: float
    margin: float


def _gap(scene: Scene, track: str, t0: float, t1: float) -> Gap | None:
    key = ("gap", track, t0, t1)
    if key not in scene.memo:
        scene.memo[key] = _longest_gap(scene, track, t0, t1)
    gap: Gap | None = scene.memo[key]
    return gap


def _longest_gap(scene: Scene, track: str, t0: float, t1: float) -> Gap | None:
    if track not in scene.tracks:
        return None
    frames, bbox = scene.sightings(track)
    at = scene.range(frames, t0, t1)
    frames, bbox = frames[at], bbox[at]
    if len(frames) < 2 * EITHER_SIDE:
        return None
    t = scene.t[frames]
    times = np.diff(t)
    k = int(np.argmax(times))
    if k + 1 < EITHER_SIDE or len(frames) - k - 1 < EITHER_SIDE:
        return None
    often = float(np.sort(times)[math.floor(0.9 * (len(times) - 1))])  # what is missed all the time is not hidden
    room = min(_room(scene, bbox[k]), _room(scene, bbox[k + 1]))
    long, usual = ((float(times[k]) - other - 0.45) / 0.1 for other in (scene.step, often))
    margin = affirmed(min(long, (room - 0.03) / _noise(scene, jitter((bbox[:, :2] + bbox[:, 2:]) / 2))), usual)
    return Gap(int(frames[k]), int(frames[k + 1]), float(t[k]), float(t[k + 1]), margin)


def hidden(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The track is out of sight behind another one for a while: the time it is lost, in seconds."""
    gap = _gap(scene, args["track"], claim.t0, claim.t1) if claim.frame == "image" else None
    return UNCHECKED if gap is None else _out_of_sight(scene, args["track"], gap, gap.lost)


def reappears(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """The same; the time it is seen again, in seconds."""
    gap = _gap(scene, args["track"], claim.t0, claim.t1) if claim.frame == "image" else None
    return UNCHECKED if gap is None else _out_of_sight(scene, args["track"], gap, gap.back)


def _out_of_sight(scene: Scene, track: str, gap: Gap, at: float) -> Verdict:
    """Unseen, and behind some other track: a thing that is only missed by the detector is not hidden."""
    if gap.margin <= 0:
        return Verdict(at, TIME_TOLERANCE, gap.margin)
    covers = [c for b in scene.tracks if b != track and (c := _cover(scene, track, b, gap)) is not None]
    cover = (max(covers, default=0.0) - 0.5) / 0.1
    return Verdict(at, TIME_TOLERANCE, min(gap.margin, cover)) if cover > 0 else UNCHECKED


def hides(scene: Scene, args: Args, claim: Claim) -> Verdict:
    """Track ``a`` is out of sight behind ``b``: the share of its place that ``b`` covers meanwhile."""
    gap = _gap(scene, args["a"], claim.t0, claim.t1) if claim.frame == "image" else None
    if gap is None or args["b"] not in scene.tracks:
        return UNCHECKED
    cover = _cover(scene, args["a"], args["b"], gap)
    if cover is None:
        return Verdict(math.nan, 0.1, gap.margin) if gap.margin < 0 else UNCHECKED
    lead = Verdict(cover, 0.1, (cover - 0.5) / 0.1)
    if lead.margin < 0 <= gap.margin and _beside(scene, args["a"], args["b"], gap):
        return UNCHECKED  # of what is about to be hidden, a sliver shows beside what hides it
    return both(lead, gap.margin)


def _cover(scene: Scene, a: str, b: str, gap: Gap) -> float | None:
    """The median share of the box of ``a``, drawn between its sightings, that lies within ``b``, if seen enough."""
    boxes = _meanwhile(scene, a, b, gap)
    missing = gap.after - gap.before - 1
    if not missing or 2 * len(boxes[0]) < missing:
        return None
    return med(_shares(*boxes))


def _meanwhile(scene: Scene, a: str, b: str, gap: Gap) -> tuple[Floats, Floats]:
    """(N, 4) the boxes of ``a``, drawn between its sightings, and those of ``b``, where that is seen in the gap."""
    frames, bbox = scene.sightings(b)
    inside = (frames > gap.before) & (frames < gap.after)
    own, boxes = scene.sightings(a)
    start, end = boxes[np.searchsorted(own, gap.before)], boxes[np.searchsorted(own, gap.after)]
    share = ((scene.t[frames[inside]] - gap.lost) / (gap.back - gap.lost))[:, None]
    return start + share * (end - start), bbox[inside]


def _beside(scene: Scene, a: str, b: str, gap: Gap) -> bool:
    """Whether ``b`` comes near the place of ``a`` meanwhile."""
    box, other = _meanwhile(scene, a, b, gap)
    common = np.minimum(box[:, 2:], other[:, 2:]) - np.maximum(box[:, :2], other[:, :2])
    return bool((common.min(axis=1) > -0.01 * scene.diagonal).any())
