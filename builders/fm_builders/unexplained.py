"""Which of the things that merely moved are things of their own: not a known one, its shadow, or where one has been."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import area, centre, overlap
from fm_builders.detectors import Detections
from fm_hub.records import Track

__all__ = ["own_movers", "unexplained"]

SHARED = 0.2  # of the smaller of two boxes
GROWN = 1.2  # boxes of known things, for swinging arms and shadows
WENT = 1.0  # sizes of itself that a thing must move: what left its place leaves a ghost there, which does not
LEAST_QUALITY = 0.3  # of 0.5 that a blob's track can have: shadows and arms come and go
CONTINUES_S, NEAR = 1.0, 1.5  # seconds and sizes from the end of a known track within which a mover is that thing


def unexplained(movers: Detections, known: Detections) -> Detections:
    """The movers of one frame that share nothing with what other detectors see there."""
    half = GROWN * (known.bbox[:, 2:] - known.bbox[:, :2]) / 2
    grown = np.concatenate([centre(known.bbox) - half, centre(known.bbox) + half], 1)
    return movers.take(np.flatnonzero(overlap(movers.bbox, grown).max(1, initial=0.0) <= SHARED))


def own_movers(tracks: Sequence[Track], label: str, t: NDArray[np.float64]) -> list[Track]:
    """The tracks without those of ``label`` that stay in their place, or are what a known thing did while unseen."""
    known = [track for track in tracks if track.label != label]
    return [
        x
        for x in tracks
        if x.label != label or (x.quality >= LEAST_QUALITY and _went(x) and not any(_same(x, k, t) for k in known))
    ]


def _size(track: Track) -> float:
    return float(np.median(np.sqrt(np.maximum(area(track.bbox), 1.0))))


def _went(track: Track) -> bool:
    path = centre(track.bbox)
    return float(np.hypot(*np.ptp(path, axis=0))) >= WENT * _size(track)


def _same(mover: Track, known: Track, t: NDArray[np.float64]) -> bool:
    _, i, j = np.intersect1d(mover.frame, known.frame, return_indices=True)
    if len(i) and any(
        overlap(mover.bbox[a : a + 1], known.bbox[b : b + 1])[0, 0] > SHARED for a, b in zip(i, j, strict=True)
    ):
        return True
    reach = NEAR * max(_size(mover), _size(known))
    # the end of the one and the beginning of the other: 0 is a track's first row, -1 its last
    for a, b in ((0, -1), (-1, 0)):
        apart = float(np.linalg.norm(centre(mover.bbox[[a]]) - centre(known.bbox[[b]])))
        if abs(float(t[mover.frame[a]] - t[known.frame[b]])) <= CONTINUES_S and apart <= reach:
            return True
    return False
