"""Two-stage association: sure detections choose their tracks first, weak ones may only continue tracks.

The idea is ByteTrack's (Zhang et al., ECCV 2022); the code, the Kalman filter and the costs are ours, made for
frames 0.1 s apart, in which a thing can move by its own width: overlap alone would lose it, so the distance of
the centres counts too, within a reach that follows from what is known of its velocity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import area, best_pairs, centre, iou
from fm_builders.detectors import Detections
from fm_builders.trackers import Tracker
from fm_builders.trackers.assemble import assemble
from fm_builders.trackers.crossing import uncrossed
from fm_builders.trackers.motion import Motion
from fm_hub.records import Keypoints, Track

__all__ = ["TwoStageTracker"]

START = 0.45  # a detection that may begin a track
HIGH = 0.4  # a detection of the first stage
MAX_GAP = 1.0  # seconds without a detection after which a track has ended
WEAK_GAP = 0.35  # seconds: weak detections continue only what was seen a moment ago
MIN_HITS, MIN_THING_HITS = 3, 5  # things are detected less surely; claims need five samples anyway
LEAST_SEEN = 0.3  # share of a track's frames in which it is detected: what flickers is a mistake
MIN_SCORE = 0.3  # mean of a track's detections
MAX_GROWTH = 1.8  # of the size, from one detection to the next
STOPPED = 0.6  # weight of the last box against the expected one
MEET = 0.3  # IoU at which boxes may be joined however far the centres are
EXTEND_IOU = 0.4
SAME_LOOK, UNLIKE = 0.8, 0.4  # likeness below which a detection looks like another thing, and the weight of what lacks
SURE_LOOK, LONG_GAP = 0.95, 2.0  # likeness by which a thing is known again after this many seconds
LEAST = 0.15  # similarity of a pair that is worth joining


Look = NDArray[np.float32]


class _Open:
    """A track that is being built: the detections (frame, index in the frame) that are its own."""

    def __init__(self, group: str, label: str, frame: int, index: int, motion: Motion, look: Look) -> None:
        self.group, self.label, self.motion = group, label, motion
        self.hits = [(frame, index)]
        self.look = look


# Labels within a group may follow each other in one track, because detectors waver between them.
GROUPS = {
    **dict.fromkeys(("car", "truck", "bus", "train"), "vehicle"),
    **dict.fromkeys(("bicycle", "motorcycle"), "cycle"),
    **dict.fromkeys(("dog", "cat", "horse", "sheep", "cow", "bear", "elephant", "zebra", "giraffe"), "animal"),
    **dict.fromkeys(("chair", "couch", "bench", "bed"), "seat"),
    **dict.fromkeys(("tv", "laptop"), "screen"),
}


def _group(label: str) -> str:
    return GROUPS.get(label, label)


class TwoStageTracker(Tracker):
    """The default tracker; deterministic: equal input, equal tracks."""

    name = "two_stage"

    def track(
        self,
        detections: Sequence[Detections],
        t: NDArray[np.float64],
        size: tuple[int, int],  # noqa: ARG002 - boxes come clipped, and reach is measured in sizes of the thing
        clip_id: str,
        artifact: str,
    ) -> tuple[list[Track], list[Keypoints]]:
        """See :meth:`Tracker.track`. Dropped: tracks of under 3 detections (things: 5), weak or flickering ones."""
        if len(detections) != len(t) or np.any(np.diff(t) <= 0):
            raise ValueError(f"{len(detections)} frames of detections for {len(t)} times, which must rise")
        tracks: list[_Open] = []
        for frame, found in enumerate(detections):
            _advance(tracks, found, frame, float(t[frame]))
        _extend_back(tracks, detections, t)
        kept = [track for track in tracks if _believed(track, detections)]
        things = uncrossed([(track.group, track.hits) for track in kept], detections, t)
        return assemble(things, detections, t, clip_id, artifact)


def _believed(track: _Open, detections: Sequence[Detections]) -> bool:
    least = MIN_HITS if track.group in ("person", "hand") else MIN_THING_HITS
    if len(track.hits) < LEAST_SEEN * (track.hits[-1][0] - track.hits[0][0] + 1):
        return False
    score = np.mean([detections[frame].score[index] for frame, index in track.hits])
    return len(track.hits) >= least and bool(score >= MIN_SCORE)


def _advance(tracks: list[_Open], found: Detections, frame: int, t: float) -> None:
    """Continue tracks with the detections of one frame, then begin new ones."""
    free = np.ones(len(found), bool)
    waiting = [track for track in tracks if t - track.motion.time <= LONG_GAP]
    for chosen, longest in ((found.score >= HIGH, LONG_GAP), (found.score < HIGH, WEAK_GAP)):
        index = np.flatnonzero(free & chosen)
        able = [track for track in waiting if t - track.motion.time <= longest]
        for track, i in _pairs(able, found.take(index), t):
            track.motion.seen(found.bbox[index[i]], t)
            track.hits.append((frame, int(index[i])))
            track.look = found.look[index[i]] if not track.look.any() else 0.8 * track.look + 0.2 * found.look[index[i]]
            free[index[i]] = False
            waiting.remove(track)
    for new in np.flatnonzero(free & (found.score >= START)).tolist():
        label = found.label[new]
        tracks.append(_Open(_group(label), label, frame, new, Motion(found.bbox[new], t), found.look[new]))


def _pairs(tracks: list[_Open], found: Detections, t: float) -> list[tuple[_Open, int]]:
    """The best set of pairs of a track and a detection that may be one thing."""
    if not tracks or not len(found):
        return []
    return [(tracks[r], c) for r, c in best_pairs(_similarity(tracks, found, t), LEAST)]


def _similarity(tracks: list[_Open], found: Detections, t: float) -> NDArray[np.float64]:
    """(tracks, detections): how well each detection continues each track; -1: not at all.

    IoU plus nearness within reach, less change of size and of label. It is measured against the expected box
    and, for less, against the last one: a thing that stops dead is not where it was expected.
    """
    expected = [track.motion.expected(t) for track in tracks]
    reach = np.array([r for _, r in expected])
    size = np.sqrt(np.maximum(area(found.bbox), 1.0))
    growth = np.abs(np.log(size[None] / np.array([track.motion.size for track in tracks])[:, None]))
    group = np.array([[track.group == _group(word) for word in found.label] for track in tracks])
    label = np.array([[track.label == word for word in found.label] for track in tracks])
    similar = np.full(group.shape, -1.0)
    boxes = np.array([[box, track.motion.box] for track, (box, _) in zip(tracks, expected, strict=True)])
    for k, weight in ((0, 1.0), (1, STOPPED)):
        overlap = iou(boxes[:, k], found.bbox)
        distance = np.linalg.norm(centre(boxes[:, k])[:, None] - centre(found.bbox)[None], axis=2)
        near = np.clip(1 - distance / reach[:, None], 0, 1)
        value = weight * (overlap + 0.5 * near - 0.2 * growth - 0.1 * ~label)
        similar = np.maximum(similar, np.where((near > 0) | (overlap >= MEET), value, -1.0))
    gap = np.array([t - track.motion.time for track in tracks])[:, None]
    like, known = _likeness(tracks, found)
    unlike = (
        UNLIKE * np.clip(SAME_LOOK - like, 0, None) * np.where(gap > WEAK_GAP, 2, 1)
    )  # after a loss, looks count more
    similar = np.where(similar > 0, similar - np.where(known, unlike, 0.0), similar)
    lasting = (gap <= MAX_GAP) | (known & (like >= SURE_LOOK))
    return np.where(group & (growth <= np.log(MAX_GROWTH)) & lasting, similar, -1.0)


def _likeness(tracks: list[_Open], found: Detections) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(tracks, detections): how alike they look in 0..1 (Bhattacharyya's coefficient), and where both are known."""
    mine = np.sqrt(np.array([track.look for track in tracks], np.float64))
    like: NDArray[np.float64] = mine @ np.sqrt(found.look.astype(np.float64)).T
    known = (mine.sum(1) > 0)[:, None] & (found.look.sum(1) > 0)[None]
    return like, known


def _extend_back(tracks: list[_Open], detections: Sequence[Detections], t: NDArray[np.float64]) -> None:
    """Give tracks the weak detections before their first sure one: time has no preferred direction."""
    used = {hit for track in tracks for hit in track.hits}
    for track in sorted(tracks, key=lambda track: track.hits[0]):
        first, index = track.hits[0]
        last_box, last_t = detections[first].bbox[index], t[first]
        for frame in range(first - 1, -1, -1):
            if last_t - t[frame] > WEAK_GAP:
                break
            found = detections[frame]
            same = [i for i in range(len(found)) if _group(found.label[i]) == track.group and (frame, i) not in used]
            overlap = iou(last_box[None], found.bbox[same])[0]
            if len(same) and overlap.max() >= EXTEND_IOU:
                best = same[int(overlap.argmax())]
                track.hits.insert(0, (frame, best))
                used.add((frame, best))
                last_box, last_t = found.bbox[best], t[frame]
