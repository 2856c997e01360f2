"""The samples of one or two tracks in a window of time, and what claims measure on them (``docs/claims.md`` §2).

Everything is measured once: windows are kept by their scene, and what is measured by its window.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.claims.series import (
    breadth,
    highest,
    kept,
    legs,
    lowest,
    mean_point,
    med,
    noise_of,
    of_thirds,
    roughness,
    running_median,
    smooth_ends,
    spread,
    thirds,
    turning_points,
)
from fm_hub.claims.verdict import agree
from fm_hub.records import Floats

if TYPE_CHECKING:
    from fm_hub.claims.scene import Scene

__all__ = ["Couple", "Course", "Pair", "Window"]

MIN_SAMPLES = 5
MIN_SECONDS = 0.4
MOVES_SHARE = 0.06


class Course:
    """All sightings of one track, and what is worked out of each: windows are stretches of it."""

    def __init__(
        self, scene: Scene, frames: NDArray[np.int32], bbox: Floats, hidden: Floats, *, stabilised: bool
    ) -> None:
        self.scene = scene
        self.frames = frames
        self.bbox = bbox
        self.hidden = hidden
        self.t: Floats = scene.t[frames]
        self.c: Floats = (bbox[:, :2] + bbox[:, 2:]) / 2
        wh = bbox[:, 2:] - bbox[:, :2]
        self.s: Floats = np.sqrt(np.maximum(wh[:, 0] * wh[:, 1], 1.0))
        self.plain = self.s
        self.grown: Floats | None = None
        if stabilised and len(frames):
            self.c, self.s = scene.carry_back(frames, self.c, self.plain)
            self.grown = self.s / self.plain
        self.place = np.full(len(scene.t), -1)
        self.place[frames] = np.arange(len(frames))

    def common(self, other: Course) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The places of the frames that both have, in each."""
        theirs = other.place[self.frames]
        mine = np.nonzero(theirs >= 0)[0]
        return mine, theirs[mine]

    @kept
    def rough(self) -> Floats:
        """How far each inner centre lies from the middle of its neighbours, (N - 2, 2)."""
        return roughness(self.c)

    @kept
    def calm(self) -> Floats:
        """The running median of the inner centres, (N - 4, 2)."""
        return running_median(self.c)

    @kept
    def whole(self) -> NDArray[np.bool_]:
        """(N,) samples whose box the frame's border does not cut."""
        x1, y1, x2, y2 = self.bbox.T
        wide, high = self.scene.width, self.scene.height
        out: NDArray[np.bool_] = (x1 > 0.01 * wide) & (y1 > 0.01 * high) & (x2 < 0.99 * wide) & (y2 < 0.99 * high)
        return out

    @kept
    def clear(self) -> NDArray[np.bool_]:
        """(N,) samples whose box shows nearly all of the thing."""
        out: NDArray[np.bool_] = self.whole & (self.hidden <= 0.05 * self.plain)
        return out


class Window:
    """The visible samples of one track in one window: the stretch ``at`` of its course, of five samples or more."""

    def __init__(self, course: Course, at: slice) -> None:
        self.scene = course.scene
        self.course, self.at = course, at
        self.memo: dict[Any, Any] = {}
        self.frames = course.frames[at]
        self.bbox = course.bbox[at]
        self.hidden = course.hidden[at]
        self.t: Floats = course.t[at]
        self.c: Floats = course.c[at]
        self.s: Floats = course.s[at]
        self.grown = None if course.grown is None else course.grown[at]

    @kept
    def path(self) -> Floats:
        """The smoothed centres, (N, 2)."""
        out = np.empty_like(self.c)
        out[2:-2] = self.course.calm[self.at.start : self.at.stop - 4]
        smooth_ends(self.c, out)
        return out

    @kept
    def size(self) -> float:
        """The median size, pixels."""
        return med(self.s)

    @kept
    def tau(self) -> float:
        """The tolerance of place, pixels."""
        return self._tolerance(self.noise)

    @property
    def tau_of_thirds(self) -> float:
        """The tolerance of what is measured by the medians of thirds, which tremble less, pixels."""
        return self._tolerance(self.noise * of_thirds(len(self.c)))

    @property
    def tau_smoothed(self) -> float:
        """The tolerance of the smoothed path where it only shows that a thing stays, pixels: noise makes it go."""
        return self._tolerance(0.6 * self.noise)

    def _tolerance(self, noise: float) -> float:
        floor, share, hidden = 0.005 * self.scene.diagonal, 0.03 * self.size, highest(self.hidden)
        return math.sqrt(noise * noise + floor * floor + share * share + hidden * hidden)

    @kept
    def noise(self) -> float:
        """Two deviations of the centres' noise, pixels."""
        return 2 * noise_of(self.course.rough[self.at.start : self.at.stop - 2])

    @kept
    def d(self) -> tuple[float, float]:
        """The displacement from the first to the last smoothed centre."""
        x, y = (self.path[-1] - self.path[0]).tolist()
        return x, y

    @kept
    def length(self) -> float:
        """``L``: the length of the displacement."""
        return math.hypot(*self.d)

    @kept
    def ends(self) -> tuple[float, float]:
        """The displacement from the first to the last centre, not smoothed: a median of three lags behind a motion."""
        x, y = (self.c[-1] - self.c[0]).tolist()
        return x, y

    @kept
    def extent(self) -> float:
        """``E``: the diagonal of the box around the smoothed path."""
        return breadth(self.path)

    @property
    def seconds(self) -> float:
        """``T``: from the first to the last sample."""
        return float(self.t[-1] - self.t[0])

    @kept
    def moves(self) -> float:
        """The margin of "it moves"; it does not where even the centres, not smoothed, are close to each other."""
        least = MOVES_SHARE * self.scene.diagonal
        whole = breadth(self.c)
        return agree((self.extent - least) / self.tau, (whole - least) / self.tau)

    @kept
    def _turn(self) -> Floats:
        """The lesser and the main axis of the smoothed path, as columns (2, 2)."""
        x, y = (self.path - mean_point(self.path)).T
        turn = math.atan2(2 * float(x @ y), float(x @ x) - float(y @ y)) / 2
        return np.array([[-math.sin(turn), math.cos(turn)], [math.cos(turn), math.sin(turn)]])

    @kept
    def _axes(self) -> Floats:
        """The smoothed path along its lesser and its main axis, (N, 2)."""
        out: Floats = self.path @ self._turn
        return out

    @property
    def raw_along(self) -> Floats:
        """The centres, not smoothed, projected on the main axis of the smoothed path, (N,)."""
        out: Floats = self.c @ self._turn[:, 1]
        return out

    @property
    def raw_across(self) -> Floats:
        """The same on its other axis, (N,)."""
        out: Floats = self.c @ self._turn[:, 0]
        return out

    @property
    def along(self) -> Floats:
        """``u``: the smoothed path projected on its main axis, (N,)."""
        out: Floats = self._axes[:, 1]
        return out

    @property
    def across(self) -> Floats:
        """``w``: the smoothed path projected on its other axis, (N,)."""
        out: Floats = self._axes[:, 0]
        return out

    @kept
    def long(self) -> float:
        """``U``: the range along the main axis."""
        return spread(self.along)

    @kept
    def wide(self) -> float:
        """``range(w)``: the range across the main axis."""
        return spread(self.across)

    @property
    def slim(self) -> float:
        """The margin of "much longer than wide": a path to and fro, not one round and round."""
        length = max(self.long, 1e-6)
        return (0.5 - self.wide / length) / max(0.1, self.tau / length)

    def legs(self, h: float) -> list[float]:
        """The lengths of the swings along the main axis, with turning-point threshold ``h`` pixels."""
        return legs(self.along, h)

    def turns(self, h: float) -> tuple[list[float], list[int]]:
        """The turning points along the main axis, and their samples."""
        return turning_points(self.along, h)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """(N,) samples whose box the frame's border does not cut."""
        return self.course.whole[self.at]

    @property
    def clear(self) -> NDArray[np.bool_]:
        """(N,) samples whose box shows nearly all of the thing."""
        return self.course.clear[self.at]

    @kept
    def cut(self) -> bool:
        """Whether so many samples are cut that the middles of their boxes tell no speed."""
        return bool(10 * np.count_nonzero(self.whole) < 9 * len(self.whole))

    @kept
    def speeds(self) -> Floats:
        """Pixels per second at the inner samples, (N - 2,)."""
        step = self.path[2:] - self.path[:-2]
        out: Floats = np.hypot(step[:, 0], step[:, 1]) / (self.t[2:] - self.t[:-2])
        return out

    @kept
    def usual(self) -> tuple[float, float, float]:
        """The median speed, pixels per second, and the speeds below which 40 and 60 of 100 lie.

        These leave out the ends, where the smoothed path is slow, if enough is left.
        """
        v = self.speeds
        ordered = np.sort(v[2:-2] if len(v) >= 9 else v)
        last = len(ordered) - 1
        low, high = ordered[[math.floor(0.4 * last), math.ceil(0.6 * last)]].tolist()
        return med(v), low, high

    @kept
    def raw_speeds(self) -> Floats:
        """The same as ``speeds`` of the centres that are not smoothed, (N - 2,)."""
        step = self.c[2:] - self.c[:-2]
        out: Floats = np.hypot(step[:, 0], step[:, 1]) / (self.t[2:] - self.t[:-2])
        return out

    def shown(self, x: Floats) -> tuple[Floats, Floats, Floats] | None:
        """The thirds of a series (N,), of each its clear samples; None where half of one third or more is not clear."""
        parts = tuple(zip(thirds(x), thirds(self.clear), strict=True))
        if len(x) < 3 or any(2 * np.count_nonzero(clear) <= len(clear) for _, clear in parts):
            return None
        first, middle, last = (part[clear] for part, clear in parts)
        return first, middle, last


class Couple:
    """Two tracks in all frames that both are seen in: pairs are stretches of it."""

    def __init__(self, a: Course, b: Course) -> None:
        self.ia, self.ib = a.common(b)
        self.delta: Floats = a.c[self.ia] - b.c[self.ib]

    def pair(self, a: Window, b: Window) -> Pair:
        """Their windows of the same time."""
        start = max(self.ia.searchsorted(a.at.start), self.ib.searchsorted(b.at.start))
        stop = min(self.ia.searchsorted(a.at.stop), self.ib.searchsorted(b.at.stop))
        at = slice(int(start), int(max(start, stop)))
        return Pair(a, b, self.ia[at] - a.at.start, self.ib[at] - b.at.start, self.delta[at])


class Pair:
    """Two tracks in one window: the places of their common frames in each, and ``delta`` (N, 2), a minus b, there."""

    def __init__(self, a: Window, b: Window, ia: NDArray[np.intp], ib: NDArray[np.intp], delta: Floats) -> None:
        self.a, self.b = a, b
        self.memo: dict[Any, Any] = {}
        self.ia, self.ib = ia, ib
        self.n = len(ia)
        self.delta = delta
        self.tau = math.hypot(a.tau, b.tau)

    @property
    def supported(self) -> bool:
        """Whether there are enough frames in which both were seen."""
        return self.n >= MIN_SAMPLES

    @kept
    def apart(self) -> Floats:
        """The distance of the centres, (N,)."""
        out: Floats = np.hypot(self.delta[:, 0], self.delta[:, 1])
        return out

    @kept
    def gap(self) -> float:
        """The least distance between the edges of the two boxes, pixels, 0 where they overlap (in the image)."""
        p, q = self.a.bbox[self.ia], self.b.bbox[self.ib]
        dx = np.maximum(np.maximum(p[:, 0] - q[:, 2], q[:, 0] - p[:, 2]), 0.0)
        dy = np.maximum(np.maximum(p[:, 1] - q[:, 3], q[:, 1] - p[:, 3]), 0.0)
        return lowest(np.hypot(dx, dy))
