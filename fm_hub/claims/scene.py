"""What a claim is checked against: the published tables of one clip, and windows of its tracks.

Formulas: ``docs/claims.md`` §2. Places are pixels, x right, y down; times are seconds in the clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import VISIBLE, Annotation, Camera, Floats, Frames, Track

__all__ = ["Pair", "Scene", "Window", "jitter", "median", "once", "smooth", "third"]

T = TypeVar("T")

MIN_SAMPLES = 5
MIN_SECONDS = 0.4
TIME_SLACK = 0.0005
MOVES_SHARE = 0.06
MAD_TO_SIGMA = 1.4826


def third(n: int) -> int:
    """How many of ``n`` items make the first or the last third (at least 1)."""
    return max(1, n // 3)


def median(x: Floats) -> float:
    """The median of a short series (N,), N ≥ 1, of numbers: several times quicker than numpy's."""
    x = np.sort(x)
    n = len(x)
    return float(x[(n - 1) // 2] + x[n // 2]) / 2


def once(measure: Callable[[Any], T]) -> Callable[[Any], T]:
    """Measure a scene, window or pair once: the result is kept in its ``memo``. Words of one predicate share it."""
    name = f"{measure.__module__}.{measure.__qualname__}"

    def kept(thing: Any) -> T:
        memo: dict[Any, Any] = thing.memo
        if name not in memo:
            memo[name] = measure(thing)
        value: T = memo[name]
        return value

    return kept


def jitter(x: Floats) -> float:
    """The noise of a series (N, ...), N ≥ 3: the robust deviation of its high-passed values, worst axis."""
    r = np.abs(x[1:-1] - (x[:-2] + x[2:]) / 2)
    return max(median(column) for column in r.T) * MAD_TO_SIGMA / math.sqrt(1.5)


def smooth(c: Floats) -> Floats:
    """The running median over 5 samples, (N, 2), with shorter windows at the ends."""
    n = len(c)
    padded = np.full((n + 4, c.shape[1]), np.nan)
    padded[2:-2] = c
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0)
    out: Floats = np.nanmedian(windows, axis=2) if n < 5 else np.empty_like(c)
    if n >= 5:
        out[2:-2] = np.sort(windows[2:-2], axis=2)[:, :, 2]
        for k in (0, 1, n - 2, n - 1):
            out[k] = [median(column) for column in c[max(0, k - 2) : k + 3].T]
    return out


class Scene:
    """The tables of one clip, ready for claims.

    ``width`` and ``height`` are pixels; ``t`` (F,) the times of the sampled frames. Raises :class:`ValueError` if a
    track speaks of a frame that there is not.
    """

    def __init__(self, width: int, height: int, frames: Frames, camera: Camera, tracks: Sequence[Track]) -> None:
        self.width = float(width)
        self.height = float(height)
        self.t: Floats = frames.t
        self.camera = camera
        self.tracks = {t.track_id: t for t in tracks}
        for track in tracks:
            if len(track.frame) and not 0 <= track.frame.min() <= track.frame.max() < len(self.t):
                raise ValueError(f"track {track.track_id} speaks of frames that the clip does not have")
        self.diagonal = math.hypot(self.width, self.height)
        """The frame's diagonal in pixels, ``D``."""
        self.memo: dict[Any, Any] = {}
        self._windows: dict[tuple[str, float, float, str], Window | None] = {}
        self._pairs: dict[tuple[str, str, float, float, str], Pair | None] = {}

    @classmethod
    def of(cls, a: Annotation) -> Scene:
        """The scene of an annotated clip."""
        return cls(a.clip.width, a.clip.height, a.frames, a.camera, a.tracks)

    def inside(self, t: Floats, t0: float, t1: float) -> NDArray[np.bool_]:
        """Which times lie in the window (with half a millisecond to spare)."""
        return (t >= t0 - TIME_SLACK) & (t <= t1 + TIME_SLACK)

    def visible(self, track: Track) -> NDArray[np.int32]:
        """The frames in which a track was seen."""
        frames: NDArray[np.int32] = track.frame[track.state == VISIBLE]
        return frames

    def window(self, track_id: str, t0: float, t1: float, frame: str) -> Window | None:
        """The supported samples of a track, or None where a claim cannot be checked."""
        key = (track_id, t0, t1, frame)
        if key not in self._windows:
            self._windows[key] = self._build(*key)
        return self._windows[key]

    def pair(self, a: str, b: str, t0: float, t1: float, frame: str) -> Pair | None:
        """The common samples of two tracks, or None where a claim cannot be checked."""
        key = (a, b, t0, t1, frame)
        if key not in self._pairs:
            first, second = self.window(a, t0, t1, frame), self.window(b, t0, t1, frame)
            pair = Pair(first, second) if first is not None and second is not None else None
            self._pairs[key] = pair if pair is not None and pair.supported else None
        return self._pairs[key]

    def _build(self, track_id: str, t0: float, t1: float, frame: str) -> Window | None:
        track = self.tracks.get(track_id)
        if track is None:
            return None
        seen = track.state == VISIBLE
        keep = seen & self.inside(self.t[track.frame], t0, t1)
        w = Window(self, track.frame[keep], track.bbox[keep].astype(np.float64), stabilised=frame == "stabilised")
        supported = len(w.t) >= MIN_SAMPLES and w.t[-1] - w.t[0] >= MIN_SECONDS and w.known
        return w if supported else None

    @cached_property
    def _to_first_frame(self) -> tuple[Floats, Floats, Floats]:
        """Per frame: rotation and scale (F, 2, 2), offset (F, 2) and log scale (F,) back to frame 0."""
        n = len(self.t)
        a, b, s = np.empty((n, 2, 2)), np.empty((n, 2)), np.zeros(n)
        a[0], b[0] = np.eye(2), 0.0
        m = np.array([self.width / 2, self.height / 2])
        cam = self.camera
        for g in range(1, n):
            turn, zoom = float(cam.droll[g]), float(np.exp(-cam.dlogs[g]))
            back = zoom * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            shift = m - back @ (np.array([cam.dx[g], cam.dy[g]]) + m)
            a[g], b[g] = a[g - 1] @ back, a[g - 1] @ shift + b[g - 1]
            s[g] = s[g - 1] - cam.dlogs[g]
        return a, b, s

    def carry_back(self, frames: NDArray[np.int32], centres: Floats, sizes: Floats) -> tuple[Floats, Floats]:
        """Centres (N, 2) and sizes (N,) carried back through the view's motion to frame 0."""
        a, b, s = self._to_first_frame
        return np.einsum("nij,nj->ni", a[frames], centres) + b[frames], sizes * np.exp(s[frames])

    def view_known(self, last: int) -> bool:
        """Whether the view's motion is known for frames 1 to ``last``."""
        return self.camera.label != "unknown" and bool(np.all(self.camera.ok[1 : last + 1]))


class Window:
    """The visible samples of one track in one window, and what the claims measure on them."""

    def __init__(self, scene: Scene, frames: NDArray[np.int32], bbox: Floats, *, stabilised: bool) -> None:
        self.scene = scene
        self.memo: dict[Any, Any] = {}
        self.frames = frames
        self.bbox = bbox
        self.t: Floats = scene.t[frames]
        self.c: Floats = (bbox[:, :2] + bbox[:, 2:]) / 2
        self.s: Floats = np.sqrt(np.maximum((bbox[:, 2] - bbox[:, 0]) * (bbox[:, 3] - bbox[:, 1]), 1.0))
        self.known = True
        if stabilised and len(frames):
            self.known = scene.view_known(int(frames[-1]))
            self.c, self.s = scene.carry_back(frames, self.c, self.s)

    @cached_property
    def path(self) -> Floats:
        """The smoothed centres, (N, 2)."""
        return smooth(self.c)

    @cached_property
    def tau(self) -> float:
        """The tolerance of place, pixels."""
        d = self.scene.diagonal
        return math.hypot(2 * jitter(self.c), 0.005 * d, 0.03 * median(self.s))

    @cached_property
    def d(self) -> Floats:
        """The displacement from the first to the last smoothed centre, (2,)."""
        out: Floats = self.path[-1] - self.path[0]
        return out

    @cached_property
    def length(self) -> float:
        """``L``: the length of the displacement."""
        return math.hypot(*self.d)

    @cached_property
    def extent(self) -> float:
        """``E``: the diagonal of the box around the smoothed path."""
        return math.hypot(*(self.path.max(axis=0) - self.path.min(axis=0)))

    @property
    def seconds(self) -> float:
        """``T``: from the first to the last sample."""
        return float(self.t[-1] - self.t[0])

    @cached_property
    def moves(self) -> float:
        """The margin of "it moves"."""
        return (self.extent - MOVES_SHARE * self.scene.diagonal) / self.tau

    @cached_property
    def _axes(self) -> Floats:
        """The smoothed path along its lesser and its main axis, (N, 2)."""
        centred = self.path - self.path.mean(axis=0)
        out: Floats = self.path @ np.linalg.eigh(centred.T @ centred)[1]
        return out

    @cached_property
    def along(self) -> Floats:
        """``u``: the smoothed path projected on its main axis, (N,)."""
        out: Floats = self._axes[:, 1]
        return out

    @cached_property
    def slim(self) -> float:
        """The margin of "much longer than wide": a path to and fro, not one round and round."""
        wide, long = np.ptp(self._axes, axis=0)
        length = max(float(long), 1e-6)
        return (0.5 - float(wide) / length) / max(0.1, self.tau / length)

    def legs(self, h: float) -> Floats:
        """The lengths of the swings along the main axis, with turning-point threshold ``h`` pixels."""
        return np.abs(np.diff(turning_points(self.along, h)))

    @cached_property
    def speeds(self) -> Floats:
        """Pixels per second at the inner samples, (N - 2,)."""
        step = self.path[2:] - self.path[:-2]
        out: Floats = np.hypot(step[:, 0], step[:, 1]) / (self.t[2:] - self.t[:-2])
        return out

    @cached_property
    def pace(self) -> float:
        """The median speed, pixels per second."""
        return median(self.speeds)


def turning_points(u: Floats, h: float) -> Floats:
    """The start of the walk, its turning values and its end; empty if it never leaves a band of ``h``."""
    heading = 0
    low = high = extreme = float(u[0])
    points: list[float] = []  # the walk starts at the extreme it left, which need not be the first sample
    for x in map(float, u):
        if heading == 0:
            low, high = min(low, x), max(high, x)
            if x - low > h:
                heading, extreme, points = 1, x, [low]
            elif high - x > h:
                heading, extreme, points = -1, x, [high]
        elif (x - extreme) * heading > 0:
            extreme = x
        elif (extreme - x) * heading > h:
            points.append(extreme)
            heading, extreme = -heading, x
    return np.array([*points, extreme]) if heading else np.empty(0)


def common(a: NDArray[np.int32], b: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where two rising series of frames hold the same frames: indices into the first, and into the second."""
    at = np.searchsorted(b, a)
    ia = np.nonzero(b[np.minimum(at, len(b) - 1)] == a)[0] if len(b) else np.empty(0, np.intp)
    return ia, at[ia]


class Pair:
    """Two tracks in one window: their samples in common frames. ``delta`` (N, 2) is a minus b."""

    def __init__(self, a: Window, b: Window) -> None:
        self.a, self.b = a, b
        self.memo: dict[Any, Any] = {}
        ia, ib = common(a.frames, b.frames)
        self.n = len(ia)
        self.delta: Floats = a.c[ia] - b.c[ib]
        self.tau = float(np.hypot(a.tau, b.tau))

    @property
    def supported(self) -> bool:
        """Whether there are enough frames in which both were seen."""
        return self.n >= MIN_SAMPLES
