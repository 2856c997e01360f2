"""Numbers along time: medians, noise, smoothing, turning points (``docs/claims.md`` §2).

Windows hold some tens of samples, where a sort in place of ``numpy.median`` is ten times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np

from fm_hub.records import Floats

__all__ = ["jitter", "longest", "mean", "measured", "med", "med_point", "smooth", "third", "thirds", "turning_points"]

MAD_TO_SIGMA = 1.4826
ROOT = math.sqrt(1.5)


class Remembers(Protocol):
    """Something that keeps what was measured on it, by name."""

    memo: dict[Any, Any]


R = TypeVar("R", bound=Remembers)
T = TypeVar("T")


def measured(measure: Callable[[R], T]) -> Callable[[R], T]:
    """Let a measure be taken once on each thing: the next word of the same predicate costs a look-up."""
    key = (measure.__module__, measure.__qualname__)

    def once(of: R) -> T:
        memo = of.memo
        if key not in memo:
            memo[key] = measure(of)
        value: T = memo[key]
        return value

    return once


def med(x: Floats) -> float:
    """The median of a series (N,), N ≥ 1: the mean of the two middle values for an even count."""
    y = np.sort(x)
    n = len(y)
    return float(y[n // 2] + y[(n - 1) // 2]) / 2


def mean(x: Floats) -> float:
    """The mean of a series (N,), N ≥ 1."""
    return float(x.mean())


def med_point(x: Floats) -> tuple[float, float]:
    """The componentwise median of points (N, 2)."""
    y = np.sort(x, axis=0)
    n = len(y)
    mid = (y[n // 2] + y[(n - 1) // 2]) / 2
    return float(mid[0]), float(mid[1])


def third(n: int) -> int:
    """How many of ``n`` items make the first or the last third (at least 1)."""
    return max(1, n // 3)


def thirds(x: Floats) -> tuple[Floats, Floats, Floats]:
    """The first third, what is between, and the last third of a series."""
    k = third(len(x))
    return x[:k], x[k:-k], x[-k:]


def jitter(x: Floats) -> float:
    """The noise of a series (N,) or of points (N, 2), N ≥ 3: the robust deviation of its high-passed values."""
    r = np.abs(x[1:-1] - (x[:-2] + x[2:]) / 2)
    worst = med(r) if r.ndim == 1 else max(med_point(r))
    return MAD_TO_SIGMA * worst / ROOT


def smooth(c: Floats) -> Floats:
    """The running median over 5 points (N, D), with shorter windows at the ends."""
    out = np.empty_like(c)
    if len(c) < 5:
        for k in range(len(c)):
            out[k] = np.median(c[max(0, k - 2) : k + 3], axis=0)
        return out
    windows = np.lib.stride_tricks.sliding_window_view(c, 5, axis=0)
    out[2:-2] = np.sort(windows, axis=2)[:, :, 2]
    for few, at in ((c[:3], 0), (c[-3:], -1)):
        out[at] = np.sort(few, axis=0)[1]
    for few, at in ((c[:4], 1), (c[-4:], -2)):
        ends = np.sort(few, axis=0)
        out[at] = (ends[1] + ends[2]) / 2
    return out


def turning_points(u: Floats, h: float) -> tuple[list[float], list[int]]:
    """The start of the walk, its turning values and its end, and their places; empty if it stays in a band of ``h``."""
    heading = 0
    values: list[float] = u.tolist()
    low = high = extreme = values[0]
    low_at = high_at = at = 0
    points: list[float] = []  # the walk starts at the extreme it left, which need not be the first sample
    places: list[int] = []
    for k, x in enumerate(values):
        if heading == 0:
            if x < low:
                low, low_at = x, k
            if x > high:
                high, high_at = x, k
            if x - low > h:
                heading, extreme, at, points, places = 1, x, k, [low], [low_at]
            elif high - x > h:
                heading, extreme, at, points, places = -1, x, k, [high], [high_at]
        elif (x - extreme) * heading > 0:
            extreme, at = x, k
        elif (extreme - x) * heading > h:
            points.append(extreme)
            places.append(at)
            heading, extreme, at = -heading, x, k
    return ([*points, extreme], [*places, at]) if heading else ([], [])


def legs(u: Floats, h: float) -> list[float]:
    """The lengths of the swings of a series, with turning-point threshold ``h``."""
    points, _ = turning_points(u, h)
    return [abs(b - a) for a, b in pairwise(points)]


def longest(lengths: Sequence[float], k: int) -> float:
    """The ``k``-th longest (k ≥ 1), 0 if there are not so many."""
    return sorted(lengths, reverse=True)[k - 1] if len(lengths) >= k else 0.0
