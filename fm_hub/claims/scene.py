"""What a claim is checked against: the published tables of one clip, and windows of its tracks.

Formulas: ``docs/claims.md`` §2. Places are pixels, x right, y down; times are seconds in the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.claims.series import jitter, kept, med, noise_by_axis
from fm_hub.claims.skeleton import Skeleton
from fm_hub.claims.verdict import Verdict
from fm_hub.claims.window import MIN_SAMPLES, MIN_SECONDS, Couple, Course, Pair, Window
from fm_hub.records import VISIBLE, Annotation, Camera, Claim, Contact, Floats, Frames, Keypoints, Track

__all__ = ["Scene"]

TIME_SLACK = 0.0005


class Scene:
    """The tables of one clip, ready for claims.

    ``width`` and ``height`` are pixels; ``t`` (F,) the times of the sampled frames. Raises :class:`ValueError` if a
    track speaks of a frame that there is not. ``verdicts`` keeps what was checked, ``memo`` what was worked out.
    """

    def __init__(
        self,
        width: int,
        height: int,
        frames: Frames,
        camera: Camera,
        tracks: Sequence[Track],
        keypoints: Sequence[Keypoints] = (),
        contacts: Sequence[Contact] = (),
    ) -> None:
        self.width = float(width)
        self.height = float(height)
        self.diagonal = float(np.hypot(width, height))  # D
        self.t: Floats = frames.t
        self.camera = camera
        self.tracks = {t.track_id: t for t in tracks}
        self.keypoints = {k.track_id: k for k in keypoints}
        self.contacts = tuple(contacts)
        for track_id, frame in [(x.track_id, x.frame) for x in tracks] + [(x.track_id, x.frame) for x in keypoints]:
            if len(frame) and not 0 <= frame.min() <= frame.max() < len(self.t):
                raise ValueError(f"track {track_id} speaks of frames that the clip does not have")
        self.verdicts: dict[Claim, Verdict] = {}
        self.memo: dict[Any, Any] = {}
        self._windows: dict[tuple[str, float, float, str], Window | None] = {}
        self._pairs: dict[tuple[str, str, float, float, str], Pair | None] = {}
        self._courses: dict[tuple[str, str], Course] = {}
        self._couples: dict[tuple[str, str, str], Couple] = {}
        self._visible: dict[str, tuple[NDArray[np.int32], Floats]] = {}

    @classmethod
    def of(cls, a: Annotation) -> Scene:
        """The scene of an annotated clip."""
        return cls(a.clip.width, a.clip.height, a.frames, a.camera, a.tracks, a.keypoints, a.contacts)

    def forget(self) -> None:
        """Let go of what was worked out; as windows hold their scene, only a search for such rings would free both."""
        for kept_here in (self.memo, self._windows, self._pairs, self._courses, self._couples):
            kept_here.clear()

    def inside(self, t: Floats, t0: float, t1: float) -> NDArray[np.bool_]:
        """Which times lie in the window (with half a millisecond to spare)."""
        return (t >= t0 - TIME_SLACK) & (t <= t1 + TIME_SLACK)

    def range(self, frames: NDArray[np.int32], t0: float, t1: float) -> slice:
        """The stretch of rising frames that lies in the window."""
        key = ("range", t0, t1)
        if key not in self.memo:
            self.memo[key] = self.t.searchsorted(t0 - TIME_SLACK), self.t.searchsorted(t1 + TIME_SLACK, "right")
        first, end = self.memo[key]
        return slice(int(frames.searchsorted(first)), int(frames.searchsorted(end)))

    def sightings(self, track_id: str) -> tuple[NDArray[np.int32], Floats]:
        """The frames in which a track of the clip was seen, and its boxes (N, 4) there, float64."""
        if track_id not in self._visible:
            track = self.tracks[track_id]
            seen = track.state == VISIBLE
            self._visible[track_id] = track.frame[seen], track.bbox[seen].astype(np.float64)
        return self._visible[track_id]

    def visible(self, track: Track) -> NDArray[np.int32]:
        """The frames in which a track was seen."""
        return self.sightings(track.track_id)[0]

    def hidden(self, track_id: str) -> Floats:
        """(N,) how far, in pixels, the middle of each sighting's box may lie off, for what of the thing is not seen.

        A box is cut at the frame's border, and where the box of another track comes near. The nearest sighting in time
        that is not tells how large it would be; where there is none, the largest.
        """
        key = ("hidden", track_id)
        if key not in self.memo:
            self.memo[key] = self._off(track_id)
        off: Floats = self.memo[key]
        return off

    def _off(self, track_id: str) -> Floats:
        frames, bbox = self.sightings(track_id)
        size, sides = np.array([self.width, self.height]), bbox[:, 2:] - bbox[:, :2]
        tremble = 2 * noise_by_axis(sides) if len(sides) >= 3 else np.zeros(2)
        edge = (bbox[:, :2] <= 0.01 * size + tremble) | (bbox[:, 2:] >= 0.99 * size - tremble)
        cut = edge[:, 0] | edge[:, 1] | self._crowd(track_id)[frames]
        if not cut.any():
            return np.zeros(len(frames))
        clear = np.flatnonzero(~cut)
        if not len(clear):
            large = sides.max(axis=0, initial=0.0)
        else:
            t = self.t[frames]
            after = np.minimum(np.searchsorted(clear, np.arange(len(frames))), len(clear) - 1)
            near = np.stack([clear[np.maximum(after - 1, 0)], clear[after]])
            large = sides[near[np.abs(t[near] - t).argmin(axis=0), np.arange(len(frames))]]
        grown = ((sides - tremble) / np.maximum(large, 1.0)).max(axis=1, initial=1.0)  # it comes nearer as it goes
        missing = np.maximum(large * grown[:, None] - sides - tremble, 0.0)
        return np.where(cut, np.hypot(missing[:, 0], missing[:, 1]) / 2, 0.0)

    def crowded(self, track_id: str, frame: int) -> bool:
        """Whether the box of another track comes near that of a track in a frame in which it was seen."""
        return bool(self._crowd(track_id)[frame])

    def _crowd(self, track_id: str) -> NDArray[np.bool_]:
        """(F,) where the box of another track comes near that of a track; what is not there is not near."""
        key = ("crowd", track_id)
        if key not in self.memo:
            own = list(self.tracks).index(track_id)
            low, high = self._boxes[..., :2], self._boxes[..., 2:]
            close = np.minimum(high[own], high) - np.maximum(low[own], low) > -0.01 * self.diagonal
            near = close[..., 0] & close[..., 1]
            near[own] = False
            self.memo[key] = near.any(axis=0)
        crowd: NDArray[np.bool_] = self.memo[key]
        return crowd

    def boxes(self, frame: int) -> Floats:
        """(tracks, 4) the box of each of ``tracks`` in a frame, in their order; not a number where it is not seen."""
        found: Floats = self._boxes[:, frame]
        return found

    def noise(self, track_id: str) -> float:
        """The noise of the middles of all boxes of a track, pixels; it has three or more."""
        key = ("noise", track_id)
        if key not in self.memo:
            _, bbox = self.sightings(track_id)
            self.memo[key] = jitter((bbox[:, :2] + bbox[:, 2:]) / 2)
        noise: float = self.memo[key]
        return noise

    @kept
    def _boxes(self) -> Floats:
        """(tracks, F, 4) the boxes of the sightings, not a number elsewhere."""
        out = np.full((len(self.tracks), len(self.t), 4), np.nan)
        for k, name in enumerate(self.tracks):
            frames, bbox = self.sightings(name)
            out[k, frames] = bbox
        return out

    def window(self, track_id: str, t0: float, t1: float, frame: str) -> Window | None:
        """The supported samples of a track, or None where a claim cannot be checked."""
        key = (track_id, t0, t1, frame)
        if key not in self._windows:
            self._windows[key] = self._build(*key)
        return self._windows[key]

    def _build(self, track_id: str, t0: float, t1: float, frame: str) -> Window | None:
        if track_id not in self.tracks:
            return None
        course = self._course(track_id, frame)
        t = course.t
        start, stop = t.searchsorted(t0 - TIME_SLACK), t.searchsorted(t1 + TIME_SLACK, "right")
        if stop - start < MIN_SAMPLES or t[stop - 1] - t[start] < MIN_SECONDS:
            return None
        if frame == "stabilised" and not self.view_known(int(course.frames[stop - 1])):
            return None
        return Window(course, slice(int(start), int(stop)))

    def _course(self, track_id: str, frame: str) -> Course:
        key = (track_id, frame)
        if key not in self._courses:
            self._courses[key] = Course(
                self, *self.sightings(track_id), self.hidden(track_id), stabilised=frame == "stabilised"
            )
        return self._courses[key]

    def pair(self, a: str, b: str, t0: float, t1: float, frame: str) -> Pair | None:
        """Two tracks in one window, or None where they are not both supported there, or not together."""
        key = (a, b, t0, t1, frame)
        if key not in self._pairs:
            first, second = self.window(a, t0, t1, frame), self.window(b, t0, t1, frame)
            pair = None
            if first is not None and second is not None:
                couple = self._couples.get((a, b, frame))
                if couple is None:
                    couple = self._couples[a, b, frame] = Couple(first.course, second.course)
                pair = couple.pair(first, second)
            self._pairs[key] = pair if pair is not None and pair.supported else None
        return self._pairs[key]

    def skeleton(self, track_id: str, t0: float, t1: float) -> Skeleton | None:
        """The named points of a track in a window; None if it has none there."""
        key = ("skeleton", track_id, t0, t1)
        if key not in self.memo:
            points = self.keypoints.get(track_id)
            made = None
            if points is not None and track_id in self.tracks:
                at = self.range(points.frame, t0, t1)
                made = Skeleton(points.kind, self.t[points.frame[at]], points.frame[at], points.xy[at], points.conf[at])
            self.memo[key] = made
        skeleton: Skeleton | None = self.memo[key]
        return skeleton

    @kept
    def step(self) -> float:
        """The median time between sampled frames, seconds; 0 for a single frame."""
        return med(np.diff(self.t)) if len(self.t) > 1 else 0.0

    @kept
    def _to_first_frame(self) -> tuple[Floats, Floats, Floats]:
        """Per frame: rotation and scale (F, 2, 2), offset (F, 2) and log scale (F,) back to frame 0."""
        n = len(self.t)
        a, b, s = np.empty((n, 2, 2)), np.empty((n, 2)), np.zeros(n)
        a[0], b[0] = np.eye(2), 0.0
        m = np.array([self.width / 2, self.height / 2])
        cam = self.camera
        zoom, cos, sin = np.exp(-cam.dlogs), np.cos(cam.droll), np.sin(cam.droll)
        backs = zoom[:, None, None] * np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1)
        moved = np.stack([cam.dx, cam.dy], 1) + m
        for g in range(1, n):
            a[g], b[g] = a[g - 1] @ backs[g], a[g - 1] @ (m - backs[g] @ moved[g]) + b[g - 1]
            s[g] = s[g - 1] - cam.dlogs[g]
        return a, b, s

    def carry_back(self, frames: NDArray[np.int32], centres: Floats, sizes: Floats) -> tuple[Floats, Floats]:
        """Centres (N, 2) and sizes (N,) carried back through the view's motion to frame 0."""
        a, b, s = self._to_first_frame
        return np.einsum("nij,nj->ni", a[frames], centres) + b[frames], sizes * np.exp(s[frames])

    def view_known(self, last: int) -> bool:
        """Whether the view's motion is known for frames 1 to ``last``."""
        return self.camera.label != "unknown" and bool(np.all(self.camera.ok[1 : last + 1]))
