"""Numbers along time: medians, noise, smoothing, turning points (``docs/claims.md`` §2).

Windows hold some tens of samples, where a sort in place of ``numpy.median`` is ten times as fast, and to look up where
the largest value lies takes half the time of ``x.max()``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import Floats

__all__ = ["breadth", "highest", "jitter", "kept", "legs", "longest", "lowest", "mean", "mean_point", "measured"]
__all__ += ["med", "med_point", "noise_by_axis", "noise_of", "of_thirds", "roughness", "running_median", "smooth"]
__all__ += ["smooth_ends", "spread", "third", "thirds", "turning_points"]

MAD_TO_SIGMA = 1.4826
ROOT = math.sqrt(1.5)


class Remembers(Protocol):
    """Something that keeps what was measured on it, by name."""

    memo: dict[Any, Any]


R = TypeVar("R", bound=Remembers)
T = TypeVar("T")
S = TypeVar("S", bound=np.generic)


class kept(Generic[T]):  # a decorator, as the one that it stands for
    """``functools.cached_property`` without its lock, which costs more than many a measure (Python 3.12 has none)."""

    def __init__(self, measure: Callable[[Any], T]) -> None:
        self.measure = measure
        self.__doc__ = measure.__doc__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, of: Any, owner: type[Any]) -> T:
        value = of.__dict__[self.name] = self.measure(of)
        return value


def measured(measure: Callable[[R], T]) -> Callable[[R], T]:
    """Let a measure be taken once on each thing: the next word of the same predicate costs a look-up."""

    def once(of: R) -> T:
        memo = of.memo
        if measure not in memo:
            memo[measure] = measure(of)
        value: T = memo[measure]
        return value

    return once


def med(x: Floats) -> float:
    """The median of a series (N,), N ≥ 1: the mean of the two middle values for an even count."""
    y = x.copy()
    y.sort()
    n = len(y)
    return float(y[n // 2] + y[(n - 1) // 2]) / 2


def mean(x: Floats) -> float:
    """The mean of a series (N,), N ≥ 1."""
    return float(np.add.reduce(x)) / len(x)  # what ``x.mean()`` does, at half its price


def mean_point(x: Floats) -> Floats:
    """The mean of points (N, 2), N ≥ 1."""
    out: Floats = np.add.reduce(x) / len(x)
    return out


def med_point(x: Floats) -> tuple[float, float]:
    """The componentwise median of points (N, 2)."""
    y = x.copy()
    y.sort(axis=0)
    n = len(y)
    across, down = ((y[n // 2] + y[(n - 1) // 2]) / 2).tolist()
    return across, down


def highest(x: Floats) -> float:
    """The largest of a series (N,), N ≥ 1."""
    return float(x[x.argmax()])


def lowest(x: Floats) -> float:
    """The smallest of a series (N,), N ≥ 1."""
    return float(x[x.argmin()])


def spread(x: Floats) -> float:
    """From the smallest to the largest of a series (N,), N ≥ 1."""
    return float(x[x.argmax()] - x[x.argmin()])


def breadth(x: Floats) -> float:
    """The diagonal of the box around points (N, 2), N ≥ 1."""
    return math.hypot(spread(x[:, 0]), spread(x[:, 1]))


def of_thirds(n: int) -> float:
    """By how much less than one of ``n`` values the medians of their thirds tremble, and no more than they."""
    return min(1.0, math.sqrt(8 / n))


def third(n: int) -> int:
    """How many of ``n`` items make the first or the last third (at least 1)."""
    return max(1, n // 3)


def thirds(x: NDArray[S]) -> tuple[NDArray[S], NDArray[S], NDArray[S]]:
    """The first third, what is between, and the last third of a series."""
    k = third(len(x))
    return x[:k], x[k:-k], x[-k:]


def roughness(x: Floats) -> Floats:
    """How far each inner value of a series, or of points (N, D), lies from the middle of its neighbours, (N - 2, D)."""
    out: Floats = np.abs(x[1:-1] - (x[:-2] + x[2:]) / 2)
    return out


def noise_of(rough: Floats) -> float:
    """The robust deviation of what :func:`roughness` gives: of points, in the worse direction."""
    worst = med(rough) if rough.ndim == 1 else max(med_point(rough))
    return MAD_TO_SIGMA * worst / ROOT


def noise_by_axis(x: Floats) -> Floats:
    """The noise of each column of a series (N, D), N ≥ 3: (D,)."""
    return np.array([jitter(column) for column in x.T])


def jitter(x: Floats) -> float:
    """The noise of a series (N,) or of points (N, 2), N ≥ 3."""
    return noise_of(roughness(x))


def running_median(c: Floats) -> Floats:
    """The median of each five points in a row, (N - 4, D) of (N, D); empty below five."""
    if len(c) < 5:
        return np.empty((0, *c.shape[1:]))
    a, b, c, d, e = (c[k : len(c) - 4 + k] for k in range(5))
    low = np.maximum(np.minimum(a, b), np.minimum(d, e))  # of two pairs, without the lowest and without the highest
    high = np.minimum(np.maximum(a, b), np.maximum(d, e))
    out: Floats = np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), c))
    return out


def smooth(c: Floats) -> Floats:
    """The running median over 5 points (N, D), with shorter windows at the ends."""
    out = np.empty_like(c)
    if len(c) < 5:
        for k in range(len(c)):
            out[k] = np.median(c[max(0, k - 2) : k + 3], axis=0)
        return out
    out[2:-2] = running_median(c)
    smooth_ends(c, out)
    return out


def smooth_ends(c: Floats, out: Floats) -> None:
    """The two first and two last of a running median of points (N ≥ 5, D), over three and four points."""
    for first, second, ends in ((0, 1, c[:4]), (-1, -2, c[:-5:-1])):
        for k, four in enumerate(ends.T.tolist()):
            out[first, k] = sorted(four[:3])[1]
            four.sort()
            out[second, k] = (four[1] + four[2]) / 2


def turning_points(u: Floats, h: float) -> tuple[list[float], list[int]]:
    """The start of the walk, its turning values and its end, and their places; empty if it stays in a band of ``h``."""
    if spread(u) <= h:
        return [], []
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
    return [*points, extreme], [*places, at]


def legs(u: Floats, h: float) -> list[float]:
    """The lengths of the swings of a series, with turning-point threshold ``h``."""
    points, _ = turning_points(u, h)
    return [abs(b - a) for a, b in pairwise(points)]


def longest(lengths: Sequence[float], k: int) -> float:
    """The ``k``-th longest (k ≥ 1), 0 if there are not so many."""
    return sorted(lengths, reverse=True)[k - 1] if len(lengths) >= k else 0.0
