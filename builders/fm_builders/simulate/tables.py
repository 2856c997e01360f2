"""From what was seen while a film was shot to our own tables: exact tracks of the visible parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.film import EVERY, Film, Seen
from fm_builders.simulate.truth import Truth, truth_of
from fm_hub.records import VISIBLE, Annotation, Clip, Contact, Frames, Keypoints, Track, content_id

__all__ = ["DETECTOR", "Measured", "measure"]

DETECTOR = "simulator"
LEAST_PIXELS = 30  # less of a thing is a speck, not a sight of it
LEAST_SHARE = 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """The tables of a clip and its truth."""

    annotation: Annotation
    truth: Truth


def measure(
    film: Film, clip: Clip, seen: Sequence[Mapping[str, Seen]], artifact: str, pts: NDArray[np.int64] | None = None
) -> Measured:
    """The tables of a film: ``clip`` is the row of its file, ``artifact`` the key that is part of every track id.

    A thing is in a frame if at least 30 of its pixels, and a tenth of it, are seen there. Quality and scores are 1.
    """
    t = film.times[::EVERY]
    if pts is None:
        pts = np.arange(len(t), dtype=np.int64)
    frames = Frames(clip.clip_id, np.arange(len(t), dtype=np.int32), pts, t)
    camera = film.view.camera(clip.clip_id, film.size)
    found = {name: _sights(name, seen) for name in film.things}
    found = {name: at for name, at in found.items() if len(at)}
    order = sorted(found, key=lambda name: (found[name][0], *_box(seen[found[name][0]][name])))
    ids = {name: content_id(clip.clip_id, artifact, ordinal) for ordinal, name in enumerate(order)}
    tracks = [_track(film, name, ids, clip.clip_id, found[name], seen) for name in order]
    points = [
        _keypoints(film, name, ids[name], clip.clip_id, found[name], seen) for name in order if name in film.points
    ]
    contacts = [
        Contact(clip.clip_id, ids[c.a], ids[c.b], c.kind, round(c.t0, 3), round(c.t1, 3), 1.0)
        for c in film.touches
        if c.a in ids and c.b in ids
    ]
    annotation = Annotation(clip, frames, camera, tracks, points, contacts)
    return Measured(annotation, truth_of(film, clip.clip_id, t, seen, ids))


def _sights(name: str, seen: Sequence[Mapping[str, Seen]]) -> NDArray[np.int32]:
    """The sampled frames in which a thing is seen."""
    sights = (s[name] for s in seen)
    flags = [s.box is not None and s.pixels >= LEAST_PIXELS and s.share >= LEAST_SHARE for s in sights]
    return np.flatnonzero(flags).astype(np.int32)


def _box(seen: Seen) -> tuple[float, float, float, float]:
    if seen.box is None:
        raise ValueError("a thing that is not seen has no box")
    return seen.box


def _track(
    film: Film,
    name: str,
    ids: Mapping[str, str],
    clip_id: str,
    at: NDArray[np.int32],
    seen: Sequence[Mapping[str, Seen]],
) -> Track:
    return Track(
        clip_id=clip_id,
        track_id=ids[name],
        label=film.things[name],
        label_score=1.0,
        quality=1.0,
        detector=DETECTOR,
        parent=ids.get(film.parents.get(name, ""), ""),
        frame=at,
        bbox=np.array([_box(seen[i][name]) for i in at], np.float32),
        score=np.ones(len(at), np.float32),
        state=np.full(len(at), VISIBLE, np.int8),
    )


def _keypoints(
    film: Film, name: str, track: str, clip_id: str, at: NDArray[np.int32], seen: Sequence[Mapping[str, Seen]]
) -> Keypoints:
    """Named points; where a scene does not know one, it is the middle of the others with confidence 0."""
    raw = np.array([seen[i][name].points for i in at], np.float64)
    known = np.asarray(np.isfinite(raw).all(2))
    filled = np.where(known[..., None], raw, np.nanmean(raw, axis=1, keepdims=True))
    xy, conf = np.asarray(filled, np.float32), np.asarray(known, np.float32)
    return Keypoints(clip_id, track, film.points[name], at, xy, conf)
