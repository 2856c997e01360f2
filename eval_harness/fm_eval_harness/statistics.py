"""Accuracy with error bars that know which questions share a video.

Questions about one source video are not independent, so the bootstrap draws whole sources, and the paired test
turns whole sources round. Under :data:`MIN_CLUSTERS` sources no interval is given, and a note says so.
``benchmarks/statistics.py`` shows how often the interval covers and how often the test is wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

__all__ = ["MIN_CLUSTERS", "Interval", "chance", "cluster_bootstrap", "detectable", "holm", "mcnemar"]
__all__ += ["sign_flip"]

MIN_CLUSTERS = 5
DRAWS = 5000
POWER = 0.8
_CHUNK = 1 << 22
_ALL = 13  # up to so many sources, every way of turning them round is looked at


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, or the reason why there is none."""

    ci95: tuple[float, float] | None
    note: str = ""


def chance(n_options: Sequence[int]) -> float | None:
    """The expected share of right answers of a blind guess: the mean of 1/n options."""
    return sum(1 / n for n in n_options) / len(n_options) if len(n_options) else None


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence[Hashable], seed: int = 0, draws: int = DRAWS
) -> Interval:
    """The 95 % interval of the mean of ``values``, drawing whole clusters with replacement.

    For a paired difference, pass the differences. The clusters are put in order of their text first, so that
    the order of the questions does not matter. The percentiles are Hesterberg's expanded ones (The American
    Statistician 69, 2015, section 4.3), as the plain ones are too narrow for few clusters.
    """
    sums, counts = _pooled(values, clusters)
    k = len(sums)
    if k < MIN_CLUSTERS:
        return Interval(None, f"{k} source video(s); an interval needs at least {MIN_CLUSTERS}")
    rng = np.random.default_rng(seed)
    means: list[NDArray[np.float64]] = []
    step = max(1, _CHUNK // k)  # bounds the memory; the stream of draws is the same for every step
    for start in range(0, draws, step):
        drawn = rng.integers(0, k, size=(min(step, draws - start), k))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    tail = 100 * float(ndtr(-np.sqrt(k / (k - 1)) * stdtrit(k - 1, 0.975)))
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return Interval((float(low), float(high)))


def _pooled(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sum and the number of the values of each cluster, clusters in order of their text."""
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values but {len(clusters)} clusters")
    place = {name: i for i, name in enumerate(sorted(set(clusters), key=str))}
    index = np.array([place[c] for c in clusters], dtype=np.int64)
    sums = np.bincount(index, weights=np.asarray(values, np.float64), minlength=len(place)).astype(np.float64)
    return sums, np.bincount(index, minlength=len(place)).astype(np.float64)


def sign_flip(differences: Sequence[float], clusters: Sequence[Hashable], seed: int = 0, draws: int = DRAWS) -> float:
    """The two-sided p-value of a paired difference of mean 0, turning the sign of whole clusters.

    If two models are equally good, the difference on a video is as likely in one direction as in the other. All
    ways are looked at where there are few clusters, else ``draws`` of them; 1.0 without any difference.
    """
    sums, _ = _pooled(differences, clusters)
    sums = sums[sums != 0]
    k = len(sums)
    if not k:
        return 1.0
    seen = abs(sums.sum()) - 1e-9
    if k <= _ALL:
        signs = 1 - 2 * ((np.arange(1 << k)[:, None] >> np.arange(k)) & 1)
        return float(np.mean(np.abs(signs @ sums) >= seen))
    rng = np.random.default_rng(seed)
    hits = 0
    step = max(1, _CHUNK // k)
    for start in range(0, draws, step):
        signs = 1 - 2 * rng.integers(0, 2, size=(min(step, draws - start), k))
        hits += int(np.sum(np.abs(signs @ sums) >= seen))
    return (hits + 1) / (draws + 1)


def detectable(differences: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """The smallest true difference that such a comparison finds with a chance of 80 %, at 5 %.

    From the spread of the differences between clusters (their cluster-robust standard error); None under
    :data:`MIN_CLUSTERS` clusters.
    """
    sums, counts = _pooled(differences, clusters)
    k, n = len(sums), counts.sum()
    if k < MIN_CLUSTERS:
        return None
    spread = sums - counts * (sums.sum() / n)
    error = np.sqrt(k / (k - 1) * float(spread @ spread)) / n
    return float((stdtrit(k - 1, 0.975) + stdtrit(k - 1, POWER)) * error)


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
