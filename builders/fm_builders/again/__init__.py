"""A second look at where people should be: what a detector overlooks in one frame, the frames around it give away.

A person who is small, cut by the edge or half covered gets scores that mean nothing elsewhere: NanoDet gives a part of
the frame in which someone is overlooked 0.1 or more in two of three looks, and one of fifty other parts. So once the
tracks are known, the places where a sure one should go on, before its first sight, after its last one and between two
of them, are enlarged and shown to the detector again, four at a time. What is found fits the way, the size and the
pixels of the track, is nobody else's, and has state 1: claims do not rest on it. Boxes of state 1 are fitted to what is
not background. Then :mod:`~fm_builders.again.strangers` looks for those whom nobody named at all.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fm_builders.again.background import Background
from fm_builders.again.film import Film
from fm_builders.again.places import Found, Look, Person, Walk, between, beyond
from fm_builders.again.strangers import continued, overlooked
from fm_builders.boxes import iou
from fm_builders.detectors import Detections
from fm_builders.trackers.assemble import run_of
from fm_hub.records import INTERPOLATED, VISIBLE, Track

__all__ = ["SIDE", "Film", "looked_again"]

SIDE = 640  # pixels of the longer side of the frames that are held for it
FEWEST = 8  # sights that make a track sure
LONG = 3  # frames from one sight to the next from which a gap is looked into: one frame between is as interpolated
AT_ONCE = 4  # looks that share a forward pass
FITS = 0.4  # IoU with the box that was expected, of what is not background
A_FRAME = 0.5  # forward passes a frame of the clip, at most

Floats = NDArray[np.float64]


def looked_again(tracks: Sequence[Track], seen: Sequence[Detections], film: Film) -> list[Track]:
    """The tracks, those of people completed where a second look finds them, and of people whom nobody named.

    ``seen`` (N,) is what was seen in each frame of the film, in pixels of the clip. Nothing but people is changed. The
    tracks have their ids; a new one has an id that is no other's in the clip.
    """
    background = Background(film, _may_be(_people(tracks), film)) if not film.cuts else None
    whole = _looked_for(tracks, tracks, film, background)
    if background is None or not background.known:
        return whole
    strangers = []
    for new in overlooked(seen, whole, film, background):
        known = continued(new, _people(whole), film, background)
        if known is None:
            strangers.append(new)
        else:
            whole = [_joined(x, new, film) if x is known else x for x in whole]
    whole += _looked_for(strangers, [*whole, *strangers], film, background)
    people = _people(whole)
    return [_fitted(x, people, background, film) if x.label == "person" else x for x in whole]


def _people(tracks: Iterable[Track]) -> list[Track]:
    return [track for track in tracks if track.label == "person"]


def _looked_for(
    tracks: Sequence[Track], everyone: Sequence[Track], film: Film, background: Background | None
) -> list[Track]:
    """The tracks, with what is seen of people where their tracks say that they should be."""
    people, found = _people(everyone), {track.track_id: list[Found]() for track in _people(tracks)}
    walks = [
        walk for track in _people(tracks) for walk in _walks(track, people, film, background, found[track.track_id])
    ]
    _walk(walks, film, math.ceil(A_FRAME * len(film.frames)))
    return [_completed(x, found[x.track_id], film) if found.get(x.track_id) else x for x in tracks]


def _walks(
    track: Track, people: Sequence[Track], film: Film, background: Background | None, found: list[Found]
) -> list[Walk]:
    """The places and ways to look at for one track; what is found there is added to ``found``."""
    seen = track.state == VISIBLE
    if seen.sum() < FEWEST:
        return []
    at = track.frame[seen].tolist()
    boxes = dict(zip(at, track.bbox[seen] / film.sides, strict=True))
    others = _boxes([x for x in people if x is not track], film)
    person = Person(at, boxes, others, film.frames, film.cuts, background)
    gaps = [gap for gap in pairwise(at) if gap[1] - gap[0] >= LONG]
    inside = [between(person, gap, frame, found) for gap in gaps for frame in range(gap[0] + 1, gap[1])]
    return [beyond(person, -1, found), beyond(person, 1, found), *inside]


def _boxes(people: Iterable[Track], film: Film, most: int = VISIBLE) -> dict[int, Floats]:
    """The boxes (N, 4) of people in each frame in which there are some, in states up to ``most``."""
    boxes: dict[int, list[Floats]] = {}
    for one in people:
        for k in np.flatnonzero(one.state <= most):
            boxes.setdefault(int(one.frame[k]), []).append(one.bbox[k] / film.sides)
    return {frame: np.array(some, np.float64) for frame, some in boxes.items()}


def _may_be(people: Iterable[Track], film: Film) -> dict[int, Floats]:
    """The boxes (N, 4) in each frame where people are, or may be: who was lost before a still view may stand there."""
    boxes: dict[int, list[Floats]] = {}
    count, still = len(film.frames), film.camera.label == "static"
    for one in people:
        first, last = (0, count - 1) if still else (int(one.frame[0]), int(one.frame[-1]))
        for frame in range(first, last + 1):
            k = min(max(frame - int(one.frame[0]), 0), len(one.frame) - 1)
            boxes.setdefault(frame, []).append(one.bbox[k] / film.sides)
    return {frame: np.array(some, np.float64) for frame, some in boxes.items()}


def _walk(walks: Sequence[Walk], film: Film, most: int) -> None:
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
        parts = [
            film.frames[look.frame][y1:y2, x1:x2] for (_, look), (x1, y1, x2, y2) in zip(now, squares, strict=True)
        ]
        for (walk, _), (x1, y1, _, _), there in zip(now, squares, film.see(parts), strict=True):
            go_on(walk, replace(there, bbox=there.bbox + np.array([x1, y1, x1, y1], np.float32)))


def _completed(track: Track, found: Sequence[Found], film: Film) -> Track:
    """The track with what was found, and with straight lines between all that is known of it."""
    return _led(track, {one.frame: (one.box * film.sides, one.score) for one in found}, VISIBLE, film)


def _joined(track: Track, part: Track, film: Film) -> Track:
    """A track with another part of the same person, in state 1."""
    return _led(track, _rows(part, INTERPOLATED), INTERPOLATED, film)


def _led(track: Track, more: Mapping[int, tuple[Floats, float]], most: int, film: Film) -> Track:
    """A track with ``more`` boxes and scores by frame, in state 1, where its own, up to state ``most``, are silent."""
    known = {**more, **_rows(track, most)}
    at = sorted(known)
    boxes, scores = (np.array([known[f][k] for f in at], np.float64) for k in (0, 1))
    run = run_of(np.array(at), boxes, scores, film.t)
    run.state[(run.state == VISIBLE) & ~np.isin(run.frame, track.frame[track.state == VISIBLE])] = INTERPOLATED
    return replace(track, **run._asdict())


def _rows(track: Track, most: int) -> dict[int, tuple[Floats, float]]:
    """The boxes and scores by frame, in states up to ``most``."""
    return {int(track.frame[k]): (track.bbox[k], float(track.score[k])) for k in np.flatnonzero(track.state <= most)}


def _fitted(track: Track, people: Sequence[Track], background: Background, film: Film) -> Track:
    """A track, its boxes that were only led to (state 1) fitted to what is not background there."""
    others = _boxes([x for x in people if x is not track], film, INTERPOLATED)
    boxes = track.bbox / film.sides
    better: dict[int, Floats] = {}
    for k in np.flatnonzero(track.state == INTERPOLATED).tolist():
        frame = int(track.frame[k])
        part = background.part(frame, boxes[k], others.get(frame, np.empty((0, 4))))
        if part is not None and float(iou(part[None], boxes[k][None])[0, 0]) >= FITS:
            better[k] = part * film.sides
    if not better:
        return track
    bbox = track.bbox.copy()
    bbox[list(better)] = np.array(list(better.values()))
    return replace(track, bbox=bbox)
