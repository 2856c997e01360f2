"""When two things part or come together, from drawn paths whose moments are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_builders.parting import together

T = np.arange(61) / 10


def seen(arrives: float, leaves: float, speed: float, noise: float, seed: int) -> np.ndarray:
    """A place that comes from the left until ``arrives`` seconds, stays, and goes down from ``leaves`` on."""
    path = np.stack([speed * np.minimum(T - arrives, 0.0), speed * np.maximum(T - leaves, 0.0)], 1)
    return path + np.random.default_rng(seed).normal(0, noise, path.shape)


@pytest.mark.parametrize("noise", [0.0, 2.0, 4.0])
def test_the_moments_are_found_although_the_place_trembles(noise: float) -> None:
    late = []
    for seed in range(40):
        arrives, leaves = np.random.default_rng([seed, 1]).uniform([1.0, 3.5], [2.0, 5.0])
        start, stop = together(T, seen(arrives, leaves, 14.0, noise, seed), 8.0, 8.0)
        late += [T[start] - arrives, T[stop - 1] - leaves]
    assert abs(float(np.median(late))) <= 0.1
    assert float(np.quantile(np.abs(late), 0.9)) <= 0.11 + 0.15 * noise


@given(st.floats(0.0, 0.4), st.integers(0, 10_000), st.floats(0.0, 3.0))
def test_what_stays_or_drifts_slower_than_a_parting_is_whole(noise: float, seed: int, drift: float) -> None:
    place = np.outer(T, [drift, 0.0]) + np.random.default_rng(seed).normal(0, noise, (len(T), 2))
    assert together(T, place, 8.0, 4.0) == (0, len(T))


def test_what_only_trembles_hardly_ever_parts() -> None:
    whole = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        noise = rng.uniform(1.0, 8.0)
        place = rng.normal(0, noise, (len(T), 2))
        whole.append(together(T, place, 6.0 + 12 * noise, 4.0 + 2 * noise) == (0, len(T)))
    assert np.mean(whole) >= 0.98, "two or three frames in a row may lie far off"


@given(st.floats(-500, 500), st.floats(-500, 500), st.integers(0, 1000), st.booleans())
def test_nothing_depends_on_where_or_on_the_direction_of_time(x: float, y: float, seed: int, swap: bool) -> None:
    place = seen(1.5, 4.2, 14.0, 2.0, seed)
    start, stop = together(T, place, 8.0, 8.0)
    moved = (place[:, ::-1] if swap else place) + [x, y]
    assert together(T, moved, 8.0, 8.0) == (start, stop)
    assert together(-T[::-1], place[::-1], 8.0, 8.0) == (len(T) - stop, len(T) - start)


@given(st.integers(0, 1000), st.booleans(), st.booleans())
def test_nothing_is_taken_off_where_it_is_not_looked_for(seed: int, meet: bool, part: bool) -> None:
    start, stop = together(T, seen(1.5, 4.2, 14.0, 2.0, seed), 8.0, 8.0, meet=meet, part=part)
    assert (start > 0) <= meet
    assert (stop < len(T)) <= part


def test_a_few_frames_part_nothing() -> None:
    assert together(T[:5], seen(0, 0.1, 50.0, 0.0, 0)[:5], 1.0, 1.0) == (0, 5)
