"""Accuracy with error bars that know which questions share a video.

Questions about one source video are not independent, so the bootstrap draws whole sources. Under
:data:`MIN_CLUSTERS` sources no interval is given, and a note says so.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_CLUSTERS", "Interval", "accuracy", "chance", "cluster_bootstrap", "holm", "mcnemar"]

MIN_CLUSTERS = 5
DRAWS = 5000
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval, or the reason why there is none."""

    ci95: tuple[float, float] | None
    note: str = ""


def accuracy(correct: Sequence[bool]) -> float | None:
    """The share of right answers; None if there is none to count."""
    return sum(map(bool, correct)) / len(correct) if len(correct) else None


def chance(n_options: Sequence[int]) -> float | None:
    """The expected share of right answers of a blind guess: the mean of 1/n options."""
    return sum(1 / n for n in n_options) / len(n_options) if len(n_options) else None


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence[Hashable], seed: int = 0, draws: int = DRAWS
) -> Interval:
    """The 95 % interval of the mean of ``values``, drawing whole clusters with replacement.

    For a paired difference, pass the differences. The clusters are put in order of their text first, so that
    the order of the questions does not matter.
    """
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values but {len(clusters)} clusters")
    names = sorted(set(clusters), key=str)
    k = len(names)
    if k < MIN_CLUSTERS:
        return Interval(None, f"{k} source video(s); an interval needs at least {MIN_CLUSTERS}")
    place = {name: i for i, name in enumerate(names)}
    index = np.array([place[c] for c in clusters])
    sums = np.bincount(index, weights=np.asarray(values, dtype=np.float64), minlength=k)
    counts = np.bincount(index, minlength=k)
    rng = np.random.default_rng(seed)
    means: list[NDArray[np.float64]] = []
    step = max(1, _CHUNK // k)  # bounds the memory; the stream of draws is the same for every step
    for start in range(0, draws, step):
        drawn = rng.integers(0, k, size=(min(step, draws - start), k))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval((float(low), float(high)))


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value of McNemar's test.

    ``only_a`` and ``only_b`` count the questions that one model alone has right. With none of them the
    models cannot be told apart: 1.0.
    """
    n, low = only_a + only_b, min(only_a, only_b)
    tail = sum(comb(n, i) for i in range(low + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 1 << n)))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction for several comparisons: adjusted p-values, in the order given."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    out, worst = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - rank) * p[i]))
        out[i] = worst
    return out
