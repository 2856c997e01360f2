"""Planned motion: a route is rests and moves one after the other, whose times are known because they were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fm_builders.simulate.film import Event

__all__ = ["Pace", "Route"]

Pace = Literal["even", "eased", "up", "down"]
Floats = NDArray[np.float64]
RAMP = 0.25  # an accelerating thing begins at this share of the speed at which it ends


def _progress(u: Floats, pace: Pace) -> Floats:
    """How much of the way is done after the share ``u`` of the time, both 0..1.

    ``eased`` starts and ends at rest (3u² - 2u³); ``up`` and ``down`` change speed evenly.
    """
    if pace == "eased":
        return u * u * (3 - 2 * u)
    if pace == "even":
        return u
    v0, v1 = (RAMP, 1.0) if pace == "up" else (1.0, RAMP)
    done: Floats = (v0 * u + (v1 - v0) * u * u / 2) / ((v0 + v1) / 2)
    return done


@dataclass(frozen=True, slots=True)
class _Stretch:
    t0: float
    t1: float
    start: tuple[float, ...]
    end: tuple[float, ...]
    pace: Pace
    bow: tuple[float, ...]


@dataclass
class Route:
    """A path in space (any number of dimensions) over time, built from ``start`` by :meth:`rest` and :meth:`go`."""

    start: Sequence[float]
    stretches: list[_Stretch] = field(default_factory=list)

    @property
    def end(self) -> tuple[float, ...]:
        """Where it has come to."""
        return self.stretches[-1].end if self.stretches else tuple(map(float, self.start))

    @property
    def time(self) -> float:
        """Seconds so far."""
        return self.stretches[-1].t1 if self.stretches else 0.0

    def rest(self, seconds: float) -> Route:
        """Stay for some seconds."""
        return self._add(self.end, seconds, "even", ())

    def go(self, to: ArrayLike, seconds: float, pace: Pace = "even", bow: ArrayLike = ()) -> Route:
        """Move to a place; ``bow`` is how far the middle of the way lies off the straight line."""
        return self._add(tuple(np.asarray(to, float).tolist()), seconds, pace, tuple(np.asarray(bow, float).tolist()))

    def until(self, seconds: float) -> Route:
        """Rest up to a time."""
        return self.rest(seconds - self.time) if seconds > self.time else self

    def _add(self, to: tuple[float, ...], seconds: float, pace: Pace, bow: tuple[float, ...]) -> Route:
        if seconds > 0:
            self.stretches.append(_Stretch(self.time, self.time + seconds, self.end, to, pace, bow))
        return self

    def at(self, t: ArrayLike) -> Floats:
        """(N, dimensions) places at times (N,); before the start and after the end it rests."""
        times = np.atleast_1d(np.asarray(t, float))
        out = np.empty((len(times), len(self.end)))
        out[:] = self.start
        for s in self.stretches:
            on = times >= s.t0
            u = np.clip((times[on] - s.t0) / (s.t1 - s.t0), 0, 1)
            p = _progress(u, s.pace)[:, None]
            a, b = np.array(s.start), np.array(s.end)
            out[on] = a + (b - a) * p
            if s.bow:
                out[on] += np.array(s.bow) * (4 * p * (1 - p))
        return out

    def moving(self) -> list[tuple[float, float]]:
        """The times (from, to) in which it moves, joined where one move follows another."""
        spans: list[tuple[float, float]] = []
        for s in self.stretches:
            if s.start == s.end and not any(s.bow):
                continue
            if spans and abs(spans[-1][1] - s.t0) < 1e-9:
                spans[-1] = (spans[-1][0], s.t1)
            else:
                spans.append((s.t0, s.t1))
        return spans

    def events(self, who: str) -> list[Event]:
        """Its moves, as events."""
        return [Event("moves", who, t0, t1) for t0, t1 in self.moving()]
