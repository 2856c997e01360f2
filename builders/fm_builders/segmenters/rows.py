"""From followed things to what the tables hold: their tracks, keypoints and masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped
from fm_builders.detectors import Detections
from fm_builders.segmenters.follow import Thing
from fm_builders.trackers.assemble import Hits, assemble
from fm_hub.records import Keypoints, Masks, Track

__all__ = ["masks_of", "tracks_of"]


def tracks_of(
    things: Sequence[Thing],
    segmenter: str,
    small: tuple[int, int],
    size: tuple[int, int],
    t: NDArray[np.float64],
    clip_id: str,
    artifact: str,
) -> tuple[list[Track], list[Keypoints]]:
    """The tracks of the things, in their order, and the keypoints of those that have some, in pixels of the clip.

    ``small`` and ``size`` are (width, height) of the analysed frames and of the clip, ``t`` (N,) the frames' times. A
    score is the thing's, times its chance to be seen in that frame; ``detector`` names both models. Frames in which
    it is not seen are interpolated or lost, as for any tracker.
    """
    rows: list[list[Detections]] = [[] for _ in t]
    hits: list[Hits] = []
    scale = np.array([size[0] / small[0], size[1] / small[1]])
    for thing in things:
        own, models = list[tuple[int, int]](), f"{thing.detectors.most_common(1)[0][0]}+{segmenter}"
        for frame, sight in sorted(thing.sights.items()):
            own.append((frame, len(rows[frame])))
            bbox = clipped(sight.bbox[None] * np.tile(scale, 2), *size)
            score, points = min(1.0, thing.score) * sight.seen, thing.points.get(frame)
            if points is None:
                rows[frame].append(Detections.of(models, bbox, [score], [thing.label]))
            else:
                xy, conf = points[0][None] * scale, points[1][None]
                rows[frame].append(Detections.of(models, bbox, [score], [thing.label], xy, conf, "coco17"))
        hits.append(own)
    return assemble(hits, [Detections.concat(row) for row in rows], t, clip_id, f"{artifact} objects")


def masks_of(thing: Thing, track: Track) -> Masks:
    """The masks of a thing, as those of its track, in pixels of the analysed frames."""
    frames = sorted(thing.sights)
    height, width = thing.sights[frames[0]].shape
    runs = tuple(thing.sights[f].runs for f in frames)
    return Masks(track.clip_id, track.track_id, height, width, np.array(frames, np.int32), runs)
