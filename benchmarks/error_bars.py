"""How often the 95 % interval covers the truth, and how often the paired test finds what is not there.

Made models on made videos: a video has its own difficulty, 1 to 12 questions, and favours one model or the
other, so that questions about it go together. 2000 data sets a line (``--simulations``).
"""

from __future__ import annotations

import argparse

import numpy as np
from bench import Row, show
from numpy.typing import NDArray

from fm_eval_harness.statistics import cluster_bootstrap, detectable, mcnemar, sign_flip

DRAWS = 1000
LONGEST = 12


def videos(rng: np.random.Generator, k: int) -> NDArray[np.int64]:
    """The video of each question: k videos with 1 to 12 questions."""
    return np.repeat(np.arange(k), rng.integers(1, LONGEST + 1, k))


def answers(rng: np.random.Generator, clusters: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Right and wrong answers of a model whose true accuracy is ``share``; videos differ in difficulty."""
    per_video = rng.beta(5 * share, 5 * (1 - share), clusters.max() + 1)
    return np.asarray(rng.random(len(clusters)) < per_video[clusters], np.float64)


def pair(rng: np.random.Generator, clusters: NDArray[np.int64], gap: float) -> NDArray[np.float64]:
    """Differences of two models, whose true accuracies differ by ``gap`` and that each have videos they like."""
    k = clusters.max() + 1
    base = rng.beta(3, 3, k)
    liked = rng.normal(0, 0.12, k)
    both = rng.random(len(clusters)) < 0.5  # half of the questions are hard or easy for either
    luck = rng.random((3, len(clusters)))
    one, two = (np.clip(base + sign * liked / 2 + g, 0, 1)[clusters] for sign, g in ((1, gap), (-1, 0.0)))
    a = np.where(both, luck[2] < one, luck[0] < one)
    b = np.where(both, luck[2] < two, luck[1] < two)
    gaps: NDArray[np.float64] = a.astype(np.float64) - b.astype(np.float64)
    return gaps


def coverage(rng: np.random.Generator, k: int, share: float, n: int) -> float:
    """The share of intervals that hold the true accuracy, in per cent."""
    inside = 0
    for i in range(n):
        clusters = videos(rng, k)
        low, high = cluster_bootstrap(list(answers(rng, clusters, share)), list(clusters), i, DRAWS).ci95 or (1, 0)
        inside += low <= share <= high
    return 100 * inside / n


def rejected(rng: np.random.Generator, k: int, gap: float, n: int) -> tuple[float, float, float]:
    """Per cent of comparisons found different at 5 %: the clustered test, McNemar's, the interval without 0."""
    found = np.zeros(3)
    for i in range(n):
        clusters = videos(rng, k)
        gaps = pair(rng, clusters, gap)
        low, high = cluster_bootstrap(list(gaps), list(clusters), i, DRAWS).ci95 or (-1, 1)
        found += [
            sign_flip(list(gaps), list(clusters), i, DRAWS) <= 0.05,
            mcnemar(int((gaps > 0).sum()), int((gaps < 0).sum())) <= 0.05,
            low > 0 or high < 0,
        ]
    one, two, three = 100 * found / n
    return float(one), float(two), float(three)


def smallest(rng: np.random.Generator, k: int) -> float:
    """The minimum detectable difference of such comparisons: the median of 200 estimates without a difference."""
    found = []
    for _ in range(200):
        clusters = videos(rng, k)
        found.append(detectable(list(pair(rng, clusters, 0.0)), list(clusters)) or np.nan)
    return float(np.median(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    rows, told = [], []
    for k, share in ((8, 0.5), (15, 0.5), (40, 0.3), (40, 0.7), (150, 0.5)):
        value = coverage(rng, k, share, chosen.simulations)
        name = f"coverage of the 95 % interval, {k} videos, accuracy {share:.0%}"
        rows += [Row(name, value, "%", ">=", 93), Row(name, value, "%", "<=", 97)]
    for k in (10, 40, 150):
        ours, plain, interval = rejected(rng, k, 0.0, chosen.simulations)
        rows.append(Row(f"false positives of the paired test at 5 %, {k} videos", ours, "%", "<=", 6))
        rows.append(Row(f"false positives of the interval without 0, {k} videos", interval, "%", "<=", 7))
        told.append(f"{k} videos: {plain:.3g} %")
    gap = smallest(rng, 100)
    power = rejected(rng, 100, gap, chosen.simulations)[0]
    rows += [
        Row("power at the minimum detectable difference, 100 videos", power, "%", op, t)
        for op, t in ((">=", 72), ("<=", 90))
    ]
    print(f"McNemar's test, which takes questions as independent, on the same comparisons: {', '.join(told)}.\n")
    show("error_bars", rows, chosen)
