"""Error bars: against a slow reference, against scipy, and by properties."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t

from fm_eval_harness.statistics import (
    MIN_CLUSTERS,
    chance,
    cluster_bootstrap,
    detectable,
    holm,
    mcnemar,
    sign_flip,
)

items = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=60)


def slow_bootstrap(values: list[float], clusters: list[str], seed: int, draws: int) -> tuple[float, float]:
    """The definition, spelled out: draw sources, pool their questions, take the mean."""
    names = sorted(set(clusters))
    rng = np.random.default_rng(seed)
    means = []
    for row in rng.integers(0, len(names), size=(draws, len(names))):
        pooled = [v for i in row for v, c in zip(values, clusters, strict=True) if c == names[i]]
        means.append(sum(pooled) / len(pooled))
    k = len(names)
    tail = 100 * float(norm.cdf(-math.sqrt(k / (k - 1)) * t.ppf(0.975, k - 1)))
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_bootstrap_is_the_slow_one(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    clusters = [f"v{int(i)}" for i in rng.integers(0, 8, 70)]
    values = [float(x) for x in rng.random(70) < 0.6]
    got = cluster_bootstrap(values, clusters, seed, draws=300).ci95
    assert got == pytest.approx(slow_bootstrap(values, clusters, seed, 300))


def test_the_memory_bound_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, clusters = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0], list("abcdef")
    whole = cluster_bootstrap(values, clusters, 3, draws=500)
    monkeypatch.setattr("fm_eval_harness.statistics._CHUNK", 7)
    assert cluster_bootstrap(values, clusters, 3, draws=500) == whole


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for i in range(200):
        per_video = rng.beta(4, 4, 40)  # videos differ in difficulty: the mean is 0.5
        values = [float(rng.random() < p) for p in per_video for _ in range(6)]
        low, high = cluster_bootstrap(values, [k // 6 for k in range(240)], i, draws=400).ci95 or (1, 0)
        inside += low <= 0.5 <= high
    assert 0.88 <= inside / 200 <= 0.99


@given(items, st.integers(0, 5))
@settings(max_examples=60)
def test_properties_of_the_interval(made: list[tuple[bool, int]], seed: int) -> None:
    values, clusters = [float(c) for c, _ in made], [k for _, k in made]
    got = cluster_bootstrap(values, clusters, seed, draws=200)
    shuffled = sorted(zip(values, clusters, strict=True), key=lambda x: (x[0], -x[1]))
    again = cluster_bootstrap([v for v, _ in shuffled], [c for _, c in shuffled], seed, draws=200)
    if len(set(clusters)) < MIN_CLUSTERS:
        assert got.ci95 is None
        assert str(MIN_CLUSTERS) in got.note
        return
    assert got.ci95 is not None
    assert again.ci95 is not None
    assert 0 <= got.ci95[0] <= got.ci95[1] <= 1
    assert got.ci95 == pytest.approx(again.ci95)  # the order of the questions does not matter
    if len(set(values)) == 1:
        assert got.ci95 == (values[0], values[0])


def test_questions_of_one_video_are_worth_less_than_of_many() -> None:
    right = [1.0, 0.0] * 30
    many = cluster_bootstrap(right, list(range(60))).ci95 or (0, 0)
    few = cluster_bootstrap(sorted(right), [i // 10 for i in range(60)]).ci95 or (0, 0)
    assert few[1] - few[0] > 2 * (many[1] - many[0])


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="clusters"):
        cluster_bootstrap([1.0], [])


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(a: int, b: int) -> None:
    expected = binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(a, b) == mcnemar(b, a)


def test_mcnemar_of_thousands_does_not_overflow() -> None:
    assert mcnemar(3000, 3000) == 1.0
    assert 0 <= mcnemar(4000, 2000) < 1e-100


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(x <= y <= 1 for x, y in zip(p, adjusted, strict=True))
    assert [adjusted[i] for i in sorted(range(len(p)), key=lambda i: p[i])] == sorted(adjusted)


def test_holm_of_a_known_case() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_chance() -> None:
    assert chance([2, 4]) == 0.375
    assert chance([]) is None


def slow_sign_flip(values: list[float], clusters: list[int]) -> float:
    """The definition: every way of turning the videos round, those as far from 0 as what was seen."""
    names = sorted(set(clusters))
    sums = [sum(v for v, c in zip(values, clusters, strict=True) if c == n) for n in names]
    ways = [abs(sum(s * x for s, x in zip(sums, way, strict=True))) for way in product((1, -1), repeat=len(sums))]
    return sum(w >= abs(sum(sums)) - 1e-9 for w in ways) / len(ways)


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 7)), min_size=1, max_size=40))
@settings(max_examples=60)
def test_the_paired_test_is_the_slow_one(made: list[tuple[float, int]]) -> None:
    values, clusters = [v for v, _ in made], [c for _, c in made]
    got = sign_flip(values, clusters)
    assert got == pytest.approx(slow_sign_flip(values, clusters))
    assert got == sign_flip([-v for v in values], clusters)
    assert 0 < got <= 1


def test_drawn_ways_agree_with_all_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    values = [float(x) for x in rng.choice([-1, 0, 1, 1], 60)]
    clusters = [i // 5 for i in range(60)]
    exact = sign_flip(values, clusters)
    monkeypatch.setattr("fm_eval_harness.statistics._ALL", 0)
    assert sign_flip(values, clusters, draws=20_000) == pytest.approx(exact, abs=0.015)


def test_one_video_alone_shows_nothing() -> None:
    assert sign_flip([1.0] * 50, ["v"] * 50) == 1.0
    assert sign_flip([], []) == 1.0
    assert sign_flip([0.0, 0.0], ["a", "b"]) == 1.0


def test_the_smallest_difference_that_can_be_found() -> None:
    rng = np.random.default_rng(1)

    def at(videos: int, each: int) -> float:
        per_video = np.repeat(rng.normal(0, 0.3, videos), each)
        return detectable(list(per_video), [i // each for i in range(videos * each)]) or math.inf

    assert at(400, 5) < at(100, 5) < at(25, 5)
    assert at(100, 50) == pytest.approx(at(100, 5), rel=0.35)  # more questions a video do not help
    assert detectable([1.0, 0.0], ["a", "b"]) is None
    same = detectable([0.5] * 10, list(range(10)))
    assert same == pytest.approx(0.0)
