"""A second look at where people should be: what a detector overlooks in one frame, the frames around it give away.

A person who is small, cut by the edge or half covered gets scores that mean nothing elsewhere: NanoDet gives a part of
the frame in which someone is overlooked 0.1 or more in two of three looks, and one of fifty other parts. So once the
tracks are known, the places where a sure one should go on, before its first sight, after its last one and between two
of them, are enlarged and shown to the detector again, four at a time. What is found fits the way, the size and the
pixels of the track, is nobody else's, and has state 1: claims do not rest on it. Before a still view the boxes of
state 1 are fitted to what is not background.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fm_builders.again.strangers import continued, overlooked
from fm_builders.again.places import Found, Look, Person, Walk, between, beyond
from fm_builders.again.still import Still
from fm_builders.boxes import iou
from fm_builders.detectors import Detections
from fm_builders.trackers.assemble import run_of
from fm_hub.records import INTERPOLATED, VISIBLE, Camera, Track

__all__ = ["SIDE", "looked_again"]

SIDE = 640  # pixels of the longer side of the frames that are held for it
FEWEST = 8  # sights that make a track sure
LONG = 3  # frames from one sight to the next from which a gap is looked into: one frame between is as interpolated
AT_ONCE = 4  # looks that share a forward pass
ONE_VIEW, TINY = 0.5, (32, 18)  # correlation of two tiny grey frames below which another shot begins, and their size
FITS = 0.4  # IoU with the box that was expected, of what is not background
A_FRAME = 0.5  # forward passes a frame of the clip, at most

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
See = Callable[[Sequence[Pixels]], Sequence[Detections]]


def looked_again(
    tracks: Sequence[Track],
    seen: Sequence[Detections],
    t: NDArray[np.float64],
    scale: Floats,
    frames: Sequence[Pixels],
    camera: Camera,
    see: See,
) -> list[Track]:
    """The tracks, those of people completed where a second look finds them, and people who were overlooked.

    ``frames`` are the clip's, uint8 RGB (H, W, 3), small, ``t`` (N,) their times, ``seen`` (N,) what was seen in each;
    ``scale`` (2,) is how many pixels of the clip one of theirs is. ``see`` says what a detector sees in parts of them;
    ``camera`` how the view moves. Nothing but people is changed.
    """
    if not frames:
        return list(tracks)
    whole = _looked_for(tracks, tracks, t, scale, frames, camera, see)
    new = overlooked(seen, whole, t, scale, frames, camera, see)
    parts = {x.track_id: continued(x, [y for y in whole if y.label == "person"], t) for x in new}
    for x in new:
        known = parts[x.track_id]
        if known is not None:
            whole = [_joined(y, x, t) if y.track_id == known.track_id else y for y in whole]
    strangers = [x for x in new if parts[x.track_id] is None]
    whole += _looked_for(strangers, [*whole, *strangers], t, scale, frames, camera, see)
    return _refined(whole, frames, scale) if camera.label == "static" and not _cuts(frames) else whole


def _looked_for(
    tracks: Sequence[Track],
    everyone: Sequence[Track],
    t: NDArray[np.float64],
    scale: Floats,
    frames: Sequence[Pixels],
    camera: Camera,
    see: See,
) -> list[Track]:
    """The tracks, with what is seen of people where their tracks say that they should be."""
    people = [track for track in everyone if track.label == "person"]
    mine = [track for track in tracks if track.label == "person"]
    cuts = _cuts(frames)
    found: dict[str, list[Found]] = {track.track_id: [] for track in mine}
    before = Still(frames, _may_be(people, scale, len(frames))) if camera.label == "static" and not cuts else None
    walks = [
        walk for track in mine for walk in _walks(track, people, frames, cuts, before, scale, found[track.track_id])
    ]
    _walk(walks, frames, see, math.ceil(A_FRAME * len(frames)))
    return [_completed(x, found[x.track_id], t, scale) if found.get(x.track_id) else x for x in tracks]


def _joined(track: Track, part: Track, t: NDArray[np.float64]) -> Track:
    """A track with the sights of another part of it."""
    at = np.flatnonzero(part.state == VISIBLE)
    found = [Found(int(part.frame[k]), part.bbox[k].astype(np.float64), float(part.score[k])) for k in at]
    return _completed(track, found, t, np.ones(2))


def _walks(
    track: Track,
    people: Sequence[Track],
    frames: Sequence[Pixels],
    cuts: frozenset[int],
    still: Still | None,
    scale: Floats,
    found: list[Found],
) -> list[Walk]:
    """The places and ways to look at for one track; what is found there is added to ``found``."""
    seen = track.state == VISIBLE
    if seen.sum() < FEWEST:
        return []
    at = track.frame[seen].tolist()
    boxes = dict(zip(at, track.bbox[seen] / np.tile(scale, 2), strict=True))
    person = Person(at, boxes, _boxes([x for x in people if x is not track], scale), frames, cuts, still)
    gaps = [gap for gap in pairwise(at) if gap[1] - gap[0] >= LONG]
    inside = [between(person, gap, frame, found) for gap in gaps for frame in range(gap[0] + 1, gap[1])]
    return [beyond(person, -1, found), beyond(person, 1, found), *inside]


def _cuts(frames: Sequence[Pixels]) -> frozenset[int]:
    """The frames that show something else than the one before: nobody goes on there.

    :mod:`fm_builders.shots` looks at every frame of a video; these are few a second, and at hand.
    """
    import cv2

    tiny = [cv2.cvtColor(cv2.resize(f, TINY, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for f in frames]
    flat = np.array(tiny, np.float64).reshape(len(frames), -1)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1.0)
    varied = np.linalg.norm(flat, axis=1) > 0.5  # a frame without any contrast says nothing
    alike = (flat[1:] * flat[:-1]).sum(1)
    return frozenset((np.flatnonzero((alike < ONE_VIEW) & varied[1:] & varied[:-1]) + 1).tolist())


def _boxes(people: Iterable[Track], scale: Floats, most: int = VISIBLE) -> dict[int, Floats]:
    """The boxes (N, 4) of people in each frame in which there are some, in states up to ``most``."""
    boxes: dict[int, list[Floats]] = {}
    for one in people:
        for k in np.flatnonzero(one.state <= most):
            boxes.setdefault(int(one.frame[k]), []).append(one.bbox[k] / np.tile(scale, 2))
    return {frame: np.array(some, np.float64) for frame, some in boxes.items()}


def _may_be(people: Iterable[Track], scale: Floats, count: int) -> dict[int, Floats]:
    """The boxes (N, 4) in each of ``count`` frames where people are, or may be: who was lost may stand there still."""
    boxes: dict[int, list[Floats]] = {}
    for one in people:
        around = zip(np.clip(np.arange(count) - one.frame[0], 0, len(one.frame) - 1), range(count), strict=True)
        for k, frame in around:
            boxes.setdefault(frame, []).append(one.bbox[k] / np.tile(scale, 2))
    return {frame: np.array(some, np.float64) for frame, some in boxes.items()}


def _walk(walks: Sequence[Walk], frames: Sequence[Pixels], see: See, most: int) -> None:
    """Let all go on, step by step, as long as there are forward passes."""
    waiting: deque[tuple[Walk, Look]] = deque()

    def go_on(walk: Walk, there: Detections | None) -> None:
        with suppress(StopIteration):
            waiting.append((walk, next(walk) if there is None else walk.send(there)))

    for walk in walks:
        go_on(walk, None)
    for _ in range(most):
        now = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
        if not now:
            break
        squares = [look.square for _, look in now]
        parts = [frames[look.frame][y1:y2, x1:x2] for (_, look), (x1, y1, x2, y2) in zip(now, squares, strict=True)]
        for (walk, _), (x1, y1, _, _), there in zip(now, squares, see(parts), strict=True):
            go_on(walk, replace(there, bbox=there.bbox + np.array([x1, y1, x1, y1], np.float32)))


def _completed(track: Track, found: Sequence[Found], t: NDArray[np.float64], scale: Floats) -> Track:
    """The track with what was found, and with straight lines between all that is known of it."""
    known = {one.frame: (one.box * np.tile(scale, 2), one.score) for one in found}
    seen = track.state == VISIBLE
    own = zip(track.frame[seen].tolist(), track.bbox[seen], track.score[seen].tolist(), strict=True)
    known.update({frame: (box, score) for frame, box, score in own})
    at = sorted(known)
    boxes, scores = (np.array([known[f][k] for f in at], np.float64) for k in (0, 1))
    run = run_of(np.array(at), boxes, scores, t)
    run.state[(run.state == VISIBLE) & ~np.isin(run.frame, track.frame[seen])] = INTERPOLATED
    return replace(track, **run._asdict())


def _refined(tracks: Sequence[Track], frames: Sequence[Pixels], scale: Floats) -> list[Track]:
    """The tracks, with boxes of people that were only led to (state 1) fitted to what is not background there."""
    people = [track for track in tracks if track.label == "person"]
    still = Still(frames, _may_be(people, scale, len(frames)))
    return [_fitted(x, people, still, scale) if x.label == "person" else x for x in tracks]


def _fitted(track: Track, people: Sequence[Track], still: Still, scale: Floats) -> Track:
    others = _boxes([x for x in people if x is not track], scale, INTERPOLATED)
    boxes = track.bbox / np.tile(scale, 2)
    better: dict[int, Floats] = {}
    for k in np.flatnonzero(track.state == INTERPOLATED).tolist():
        frame = int(track.frame[k])
        part = still.part(frame, boxes[k], others.get(frame, np.empty((0, 4))))
        if part is not None and float(iou(part[None], boxes[k][None])[0, 0]) >= FITS:
            better[k] = part * np.tile(scale, 2)
    if not better:
        return track
    bbox = track.bbox.copy()
    bbox[list(better)] = np.array(list(better.values()))
    return replace(track, bbox=bbox)
