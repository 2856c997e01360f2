"""What is where at any moment: boxes and points between the sampled frames, names, colours, the view's pace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import centre
from fm_hub.masks import decode
from fm_hub.records import VISIBLE, Annotation, Keypoints, Masks, Track

__all__ = ["BONES", "COLOURS", "Moment", "Style", "styles_of"]

COLOURS = ("#ff5a36", "#22b8ff", "#ffd23f", "#5fd97a", "#c77dff", "#ff8fb3", "#2fd6b5", "#f4a259")
BONES = {
    "coco17": (
        *((5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (5, 11), (6, 12), (11, 12)),
        *((11, 13), (13, 15), (12, 14), (14, 16), (0, 5), (0, 6)),
    ),
    "hand21": (
        *((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (5, 9), (9, 10), (10, 11), (11, 12)),
        *((9, 13), (13, 14), (14, 15), (15, 16), (13, 17), (17, 18), (18, 19), (19, 20), (0, 17)),
    ),
}
"""Which points are joined, by kind."""
ALMOST = 0.01  # share of the way between two frames below which it is the one
POINT_FLOOR = 0.2  # confidence of a point that is drawn
TRAIL_S = 1.5  # seconds of a track's past that are drawn
PACE_S = 0.3  # seconds around a moment over which the view's pace is taken


@dataclass(frozen=True)
class Style:
    """How one track is shown."""

    name: str
    colour: str


def styles_of(annotation: Annotation) -> dict[str, Style]:
    """A name and a colour for each track, in order of first sight; numbered where several have the same name."""
    tracks = sorted(annotation.tracks, key=lambda t: (int(t.frame[0]) if len(t.frame) else 0, t.track_id))
    plain = {t.track_id: f"{t.side} {t.label}".strip() for t in tracks}
    names, counted = list(plain.values()), dict.fromkeys(plain.values(), 0)
    styles = {}
    for k, track in enumerate(tracks):
        name = plain[track.track_id]
        counted[name] += 1
        shown = f"{name} {counted[name]}" if names.count(name) > 1 else name
        styles[track.track_id] = Style(shown, COLOURS[k % len(COLOURS)])
    return styles


class Moment:
    """One moment of a clip; ``t`` in seconds of the clip."""

    def __init__(self, annotation: Annotation, t: float) -> None:
        self.annotation, self.t = annotation, t
        clock = annotation.frames.t
        self.before = int(np.clip(np.searchsorted(clock, t + 1e-6, side="right") - 1, 0, len(clock) - 1))
        self.after = min(self.before + 1, len(clock) - 1)
        span = float(clock[self.after] - clock[self.before])
        self.share = float(np.clip((t - clock[self.before]) / span, 0, 1)) if span else 0.0

    def box(self, track: Track) -> tuple[NDArray[np.float64], int] | None:
        """The box (4,) and the state of a track; None where it is not."""
        i, j = self._rows(track.frame)
        if i is None or j is None:
            return None
        box = (1 - self.share) * track.bbox[i].astype(np.float64) + self.share * track.bbox[j]
        rows = [k for k, share in ((i, 1 - self.share), (j, self.share)) if share > ALMOST]
        return box, max(int(track.state[k]) for k in rows)

    def points(self, keypoints: Keypoints) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
        """The points (K, 2) and which of them are drawn; None where there are none."""
        i, j = self._rows(keypoints.frame)
        if i is None or j is None:
            return None
        xy = (1 - self.share) * keypoints.xy[i].astype(np.float64) + self.share * keypoints.xy[j]
        return xy, np.minimum(keypoints.conf[i], keypoints.conf[j]) >= POINT_FLOOR

    def mask(self, masks: Masks) -> NDArray[np.bool_] | None:
        """The mask (H, W), of any size over the whole frame, of the sampled frame before; None where there is none."""
        k = int(np.searchsorted(masks.frame, self.before))
        if k == len(masks.frame) or masks.frame[k] != self.before:
            return None
        return decode(masks.counts[k], masks.height, masks.width)

    def trail(self, track: Track) -> NDArray[np.float64]:
        """(N, 2) the centres of the sightings of the last moments, oldest first."""
        t = self.annotation.frames.t[track.frame]
        keep = (track.state == VISIBLE) & (t >= self.t - TRAIL_S) & (t <= self.t + 1e-6)
        boxes = track.bbox[keep].astype(np.float64)
        return centre(boxes)

    def pace(self) -> tuple[float, float, float, float] | None:
        """The view's motion a second: the picture's shift in x and y (pixels), log scale, roll (radians).

        None where it is not known.
        """
        camera, clock = self.annotation.camera, self.annotation.frames.t
        near = np.flatnonzero(np.abs(clock - self.t) <= PACE_S)
        near = near[near > 0]
        if camera.label == "unknown" or not len(near) or not camera.ok[near].all():
            return None
        seconds = float(clock[near[-1]] - clock[near[0] - 1])
        dx, dy, dlogs, droll = (
            float(a[near].sum()) / seconds for a in (camera.dx, camera.dy, camera.dlogs, camera.droll)
        )
        return dx, dy, dlogs, droll

    def _rows(self, frames: NDArray[np.int32]) -> tuple[int | None, int | None]:
        """The rows of the sampled frames before and after; the one for the other at the ends of a track."""
        at = [int(np.searchsorted(frames, frame)) for frame in (self.before, self.after)]
        i, j = (
            k if k < len(frames) and frames[k] == frame else None
            for k, frame in zip(at, (self.before, self.after), strict=True)
        )
        if i is None and j is not None and self.share >= 0.5:
            return j, j
        return (i, i) if j is None and self.share < 0.5 else (i, j)
