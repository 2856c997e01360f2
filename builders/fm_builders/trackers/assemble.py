"""From which detection belongs to whom to the rows of the tables: boxes, states, labels by vote, ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import KEYPOINT_KINDS, Detections
from fm_builders.trackers.quality import quality
from fm_hub.records import Keypoints, Track, content_id

__all__ = ["Hits", "Run", "assemble", "run_of"]

INTERPOLATED_GAP = 1.0
"""Seconds between two detections up to which the boxes between them are trusted.

On 30 clips with exact truth 89 of 100 are right (IoU 0.5 or more) in gaps of 0.6 to 1.0 s, and 87 in shorter ones;
in longer ones it depends on the clip.
"""

LEAST_SIDE = 0.3
"""Mean of what a hand's detections say of its side (-1 left, 1 right), below which it is not known."""

Hits = Sequence[tuple[int, int]]
"""The detections of one thing: (frame, index in that frame), frames rising."""


def assemble(
    things: Sequence[Hits], detections: Sequence[Detections], t: NDArray[np.float64], clip_id: str, artifact: str
) -> tuple[list[Track], list[Keypoints]]:
    """The tracks of these things, and the keypoints of those that have some, as :meth:`Tracker.track` promises them.

    Boxes are the detections' own to the last bit, and lie on straight lines between them. The label is voted by score.
    """
    ordered = sorted(things, key=lambda hits: _order(hits, detections))
    ids = [content_id(clip_id, artifact, ordinal) for ordinal in range(len(ordered))]
    tracks = [_track(hits, detections, t, clip_id, i) for hits, i in zip(ordered, ids, strict=True)]
    points = [_keypoints(hits, detections, clip_id, i) for hits, i in zip(ordered, ids, strict=True)]
    return tracks, [p for p in points if p is not None]


def _order(hits: Hits, detections: Sequence[Detections]) -> tuple[float, ...]:
    frame, index = hits[0]
    return (frame, *(float(v) for v in detections[frame].bbox[index]))


def _track(hits: Hits, detections: Sequence[Detections], t: NDArray[np.float64], clip_id: str, id_: str) -> Track:
    rows = [detections[frame].take([index]) for frame, index in hits]
    boxes, scores = (np.concatenate(parts) for parts in ([r.bbox for r in rows], [r.score for r in rows]))
    run = run_of(np.array([frame for frame, _ in hits]), boxes, scores, t)
    votes: Counter[str] = Counter()
    for row in rows:
        votes[row.label[0]] += float(row.score[0])  # type: ignore[assignment]  # Counter sums any number
    label, weight = max(votes.items(), key=lambda item: (item[1], item[0]))
    return Track(
        clip_id=clip_id,
        track_id=id_,
        label=label,
        label_score=round(float(weight) / len(rows), 4),
        quality=quality(run.bbox, run.score, run.state),
        detector=Counter(row.detector[0] for row in rows).most_common(1)[0][0],
        parent="",
        frame=run.frame,
        bbox=run.bbox,
        score=run.score,
        state=run.state,
        side=_side(float(np.mean([row.side[0] for row in rows]))),
    )


def _side(mean: float) -> Literal["", "left", "right"]:
    if abs(mean) < LEAST_SIDE:
        return ""
    return "right" if mean > 0 else "left"


class Run(NamedTuple):
    """The columns of a track: ``frame`` (N,) without a hole, ``bbox`` (N, 4), ``score`` (N,), ``state`` (N,)."""

    frame: NDArray[np.int32]
    bbox: NDArray[np.float32]
    score: NDArray[np.float32]
    state: NDArray[np.int8]


def run_of(at: NDArray[np.intp], boxes: NDArray[Any], scores: NDArray[Any], t: NDArray[np.float64]) -> Run:
    """What is known at frames ``at``, rising, with straight lines between; ``boxes`` (N, 4), ``t`` of every frame."""
    frames = np.arange(at[0], at[-1] + 1)
    bbox = np.stack([np.interp(t[frames], t[at], boxes[:, k]) for k in range(4)], 1).astype(np.float32)
    bbox[at - at[0]] = boxes  # to the last bit
    score = np.zeros(len(frames), np.float32)
    score[at - at[0]] = scores
    return Run(frames.astype(np.int32), bbox, score, _states(frames, at, t))


def _states(frames: NDArray[np.intp], at: NDArray[np.intp], t: NDArray[np.float64]) -> NDArray[np.int8]:
    """0 in the frames ``at`` of detections; between two of them 1 if they are near in time, else 2."""
    before = at[np.searchsorted(at, frames, side="right") - 1]
    after = at[np.searchsorted(at, frames, side="left")]
    gap = t[after] - t[before]
    return np.where(before == after, 0, np.where(gap <= INTERPOLATED_GAP + 1e-6, 1, 2)).astype(np.int8)


def _keypoints(hits: Hits, detections: Sequence[Detections], clip_id: str, id_: str) -> Keypoints | None:
    kinds = Counter(kind for frame, index in hits if (kind := detections[frame].kind[index]))
    if not kinds:
        return None
    kind = kinds.most_common(1)[0][0]
    own = [(frame, index) for frame, index in hits if detections[frame].kind[index] == kind]
    k = KEYPOINT_KINDS[kind]
    return Keypoints(
        clip_id=clip_id,
        track_id=id_,
        kind=cast('Literal["coco17", "hand21"]', kind),
        frame=np.array([frame for frame, _ in own], np.int32),
        xy=np.array([detections[frame].keypoints[index, :k] for frame, index in own], np.float32),
        conf=np.array([detections[frame].conf[index, :k] for frame, index in own], np.float32),
    )
