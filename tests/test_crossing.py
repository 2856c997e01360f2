"""Identities after a meeting: exchanged where the whole of it says so, and only there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import Detections
from fm_builders.trackers.crossing import Hit, uncrossed

T = np.arange(41) / 10
Floats = NDArray[np.float64]


def scene(
    a: Floats, b: Floats, looks: tuple[int, int], *, merged: bool = True
) -> tuple[list[Detections], list[Hit], list[Hit]]:
    """Two of 40 x 80 pixels at (x, 100), one detection while they overlap by half (``merged``), and whose each is."""
    frames, hits = [], ([], [])
    for f in range(len(T)):
        apart = abs(a[f] - b[f])
        rows = [(0, a[f]), (1, b[f])] if apart > 20 or not merged else [(0, a[f])]
        boxes = [[x - 20, 60, x + 20, 140] for _, x in rows]
        found = Detections.of("planted", boxes, [0.8] * len(rows), ["person"] * len(rows))
        for k, (who, _) in enumerate(rows):
            found.look[k, looks[who]] = 1.0
            hits[who].append((f, k))
        frames.append(found)
    return frames, *hits


def swapped(a: list[Hit], b: list[Hit], at: int) -> list[tuple[str, list[Hit]]]:
    """What a tracker says that took the one for the other from frame ``at`` on."""
    early, late = ([h for h in own if h[0] < at] for own in (a, b)), ([h for h in own if h[0] >= at] for own in (b, a))
    return [("person", [*e, *g]) for e, g in zip(early, late, strict=True)]


def places(hits: list[Hit], frames: list[Detections]) -> Floats:
    return np.array([frames[f].bbox[k, [0, 2]].mean() for f, k in hits])


def test_two_alike_who_pass_get_their_own_ways_back() -> None:
    frames, a, b = scene(100 + 80 * T, 420 - 80 * T, (3, 3))
    first, second = uncrossed(swapped(a, b, 20), frames, T)
    assert np.all(np.diff(places(first, frames)) > 0)
    assert np.all(np.diff(places(second, frames)) < 0)
    assert uncrossed([("person", a), ("person", b)], frames, T) == [a, b]


def test_two_of_unlike_colours_who_turn_back_stay_themselves() -> None:
    way = 80 * np.minimum(T, 4 - T)
    frames, a, b = scene(100 + way, 420 - way, (3, 9))
    assert uncrossed([("person", a), ("person", b)], frames, T) == [a, b]
    first = uncrossed(swapped(a, b, 20), frames, T)[0]
    assert {int(frames[f].look[k].argmax()) for f, k in first} == {3}


def test_two_alike_who_are_seen_apart_all_along_are_left_alone() -> None:
    way = 68 * np.minimum(T, 4 - T)
    frames, a, b = scene(100 + way, 400 - way, (3, 3), merged=False)
    assert uncrossed([("person", a), ("person", b)], frames, T) == [a, b]


def test_other_groups_and_short_sights_are_left_alone() -> None:
    frames, a, b = scene(100 + 80 * T, 420 - 80 * T, (3, 3))
    one, other = (hits for _, hits in swapped(a, b, 20))
    assert uncrossed([("person", one), ("hand", other)], frames, T) == [one, other]
    brief = [h for h in other if 15 <= h[0] <= 24]
    assert uncrossed([("person", one), ("person", brief)], frames, T) == [one, brief]


def test_who_takes_over_from_one_that_was_lost_behind_them_is_that_one() -> None:
    """Two in other colours pass; the one behind is lost, the other goes on as theirs, and a third begins."""
    frames, a, b = scene(100 + 80 * T, 420 - 80 * T, (3, 9))
    met = [f for f in range(len(T)) if len(frames[f]) == 1]
    first, last = met[0], met[-1]
    wrong = [h for h in a if h[0] <= last] + [h for h in b if h[0] > last]
    lost, third = [h for h in b if h[0] < first], [h for h in a if h[0] > last + 3]
    own, other = uncrossed([("person", wrong), ("person", lost), ("person", third)], frames, T)
    for hits, colour, way in ((own, 3, 1), (other, 9, -1)):
        assert {int(frames[f].look[k].argmax()) for f, k in hits if not first <= f <= last} == {colour}
        assert way * (places(hits, frames)[-1] - places(hits, frames)[0]) > 250
    right = [("person", a), ("person", lost), ("person", [h for h in b if h[0] > last])]
    assert uncrossed(right, frames, T) == [own for _, own in right]
    cars = [("person", wrong), ("car", lost), ("person", third)]
    assert len(uncrossed(cars, frames, T)) == 3
