"""Contacts from drawn tracks whose truth is known: reach, lift, push, pass by, carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders.contacts import find_contacts
from fm_hub.records import Camera, Contact, Frames, Keypoints, Track
from scenes_made import HEIGHT, WIDTH, clock, make_track

T = clock(6.0)
N = len(T)
Path2D = Callable[[NDArray[np.float64]], NDArray[np.float64]]
STILL = (320.0, 200.0)


def camera(pan: float = 0.0, label: str = "static") -> Camera:
    """A view whose content moves by ``pan`` pixels a frame."""
    zero, dx = np.zeros(N), np.r_[0.0, np.full(N - 1, pan)]
    ok = np.full(N, label != "unknown")
    return Camera("clip", label, np.arange(N), dx, zero, zero, zero, np.ones(N), ok)  # type: ignore[arg-type]


FRAMES = Frames("clip", np.arange(N, dtype=np.int32), np.arange(N), T)


def contacts(*tracks: Track, keypoints: tuple[Keypoints, ...] = (), view: Camera | None = None) -> list[Contact]:
    return find_contacts(FRAMES, view or camera(), tracks, keypoints, (WIDTH, HEIGHT))


def through(*points: tuple[float, float, float]) -> Path2D:
    """A path through (second, x, y)."""
    s, x, y = np.array(points).T
    return lambda t: np.stack([np.interp(t, s, x), np.interp(t, s, y)], 1)


def hand(path: Path2D, **kwargs: float) -> Track:
    return make_track("hand", "hand", T, path, size=(50, 40), **kwargs)  # type: ignore[arg-type]


def thing(path: Path2D, label: str = "object", size: tuple[float, float] = (40, 40), **kwargs: float) -> Track:
    return make_track("thing", label, T, path, size=size, **kwargs)  # type: ignore[arg-type]


# the hand comes from the left, is at the thing from 2 s, lifts it from 3 to 4 s, and leaves it from 5 s
REACH = through((0, 60, 200), (2, 280, 200), (3, 280, 200), (4, 280, 80), (5, 280, 80), (6, 60, 80))
LIFTED = through((0, *STILL), (3, *STILL), (4, 320, 80), (6, 320, 80))


def span(found: list[Contact], kind: str) -> tuple[float, float]:
    (one,) = [c for c in found if c.kind == kind]
    return one.t0, one.t1


@pytest.mark.parametrize("jitter", [0.5, 3.0])
def test_reach_lift_and_let_go(jitter: float) -> None:
    found = contacts(hand(REACH, jitter=jitter), thing(LIFTED, jitter=jitter))
    assert span(found, "touch") == pytest.approx((2.0, 5.0), abs=0.35)
    held, touched = span(found, "hold"), span(found, "touch")
    assert touched[0] <= held[0] <= 3.0
    assert 4.0 <= held[1] <= touched[1]
    assert all(0.5 < c.score <= 1 for c in found)
    assert {(c.a, c.b) for c in found} == {(hand(REACH).track_id, thing(LIFTED).track_id)}


def test_a_tenth_of_the_boxes_missing_changes_little() -> None:
    rng = np.random.default_rng(1)

    def thinned(track: Track) -> Track:
        keep = rng.random(len(track.frame)) > 0.1
        parts = {n: getattr(track, n)[keep] for n in ("frame", "bbox", "score", "state")}
        return replace(track, **parts)

    found = contacts(thinned(hand(REACH, jitter=3)), thinned(thing(LIFTED, jitter=3)))
    assert span(found, "touch") == pytest.approx((2.0, 5.0), abs=0.4)


def test_touching_what_stays_is_no_hold() -> None:
    found = contacts(
        hand(through((0, 60, 200), (2, 285, 200), (4, 285, 200), (6, 60, 200))), thing(through((0, *STILL)))
    )
    assert [c.kind for c in found] == ["touch"]
    assert span(found, "touch") == pytest.approx((2.0, 4.0), abs=0.4)


def test_a_hand_that_passes_over_does_not_touch() -> None:
    assert (
        contacts(hand(through((0, 40, 200), (2, 40, 200), (3, 600, 200), (6, 600, 200))), thing(through((0, *STILL))))
        == []
    )


def test_what_is_pushed_is_touched_and_not_held() -> None:
    pushed = through((0, *STILL), (2, *STILL), (4, 480, 200), (6, 480, 200))
    pushing = through((0, 60, 200), (2, 276, 200), (4, 436, 200), (6, 436, 200))
    assert {c.kind for c in contacts(hand(pushing), thing(pushed))} == {"touch"}


def test_things_that_are_large_or_alive_and_bodies_are_not_held() -> None:
    both = through((0, 100, 200), (6, 500, 200))
    assert contacts(hand(both), thing(both, "couch", size=(400, 200))) == []
    assert contacts(hand(both), thing(both, "person", size=(60, 150))) == []
    walker = make_track("walker", "person", T, both, size=(60, 160))
    assert contacts(walker, thing(both, "dog")) == []
    assert {c.kind for c in contacts(walker, thing(both, "suitcase"))} == {"touch", "hold"}
    assert contacts(walker, thing(through((0, 300, 200)), "suitcase")) == []


def test_the_views_own_motion_is_no_carrying() -> None:
    """Both stand still while the view pans: they touch; nothing is held. Nor is it where the view is unknown."""
    drift = through((0, 100, 200), (6, 100 + 5.0 * (N - 1), 200))
    found = contacts(hand(drift), thing(drift), view=camera(5.0, "moving"))
    assert [c.kind for c in found] == ["touch"]
    assert [c.kind for c in contacts(hand(drift), thing(drift), view=camera(0, "unknown"))] == ["touch"]
    assert [c.kind for c in contacts(hand(drift), thing(drift))] == ["hold", "touch"]


def test_wrists_touch_where_a_persons_hands_have_no_track() -> None:
    walker = make_track("walker", "person", T, through((0, 300, 180)), size=(80, 240))
    xy, wrist = np.zeros((N, 17, 2)), REACH(T)
    xy[:, 10], xy[:, 8] = wrist, wrist - [60, 0]
    xy[:, 9], xy[:, 7] = [300, 300], [300, 250]
    there = np.arange(N, dtype=np.int32) % 10 != 3  # not in every frame of the track
    frames = np.arange(N, dtype=np.int32)[there]
    points = Keypoints("clip", walker.track_id, "coco17", frames, xy[there], np.ones((len(frames), 17)))
    found = contacts(walker, thing(LIFTED), keypoints=(points,))
    assert span(found, "touch") == pytest.approx((2.0, 5.0), abs=0.5)
    assert {c.kind for c in found} == {"touch", "hold"}
    owned = replace(hand(through((0, 60, 60))), parent=walker.track_id)
    assert contacts(walker, thing(LIFTED), owned, keypoints=(points,)) == []  # the hand that is seen is elsewhere


def test_landmarks_say_where_in_its_box_a_hand_is() -> None:
    """A long arm's box lies on the thing; the fingers are far from it."""
    resting = hand(through((0, 290, 200)))
    far = np.tile([[200.0, 120.0]], (N, 21, 1)).reshape(N, 21, 2)
    points = Keypoints("clip", resting.track_id, "hand21", np.arange(N, dtype=np.int32), far, np.ones((N, 21)))
    other = thing(through((0, *STILL)))
    assert [c.kind for c in contacts(resting, other)] == ["touch"]
    assert contacts(resting, other, keypoints=(points,)) == []


def test_two_hands_that_meet_are_one_contact() -> None:
    left, right = hand(through((0, 300, 200))), make_track("right", "hand", T, through((0, 340, 200)), size=(50, 40))
    found = contacts(left, right)
    assert len(found) == 1
    assert found[0].a < found[0].b


def test_nothing_gives_nothing() -> None:
    assert contacts() == []
    assert contacts(hand(REACH)) == []


def test_a_small_hand_that_trembles_by_more_than_its_size_still_touches() -> None:
    small = make_track("hand", "hand", T, through((0, 40, 200), (1, *STILL), (6, *STILL)), size=(9, 9), jitter=3.5)
    found = contacts(small, thing(through((0, *STILL)), size=(26, 26), jitter=3.5))
    assert span(found, "touch") == pytest.approx((1.0, 6.0), abs=0.6)


def test_what_leaves_a_small_trembling_hand_slowly_leaves_it_when_it_begins_to() -> None:
    """Given from hand to hand: for a second the thing goes a hand and a half, and their boxes meet most of it."""
    given = through((0, 320, 200), (2.5, 320, 200), (3.5, 332, 204), (6, 360, 214))
    ends = []
    for seed in range(12):
        small = make_track("hand", "hand", T, through((0, 316, 198)), size=(8, 8), jitter=2.5, seed=seed)
        found = contacts(small, thing(given, size=(14, 14), jitter=2.5, seed=100 + seed))
        ends += [c.t1 for c in found if c.kind == "touch"]
    assert len(ends) >= 10
    assert float(np.median(ends)) == pytest.approx(2.5, abs=0.2)


def test_what_hovers_at_an_edge_and_moves_nothing_does_not_touch() -> None:
    hovers = through((0, 60, 200), (2, 280, 200), (4, 280, 200), (6, 60, 200))
    assert contacts(hand(hovers), thing(through((0, *STILL)))) == [], "their boxes share a few pixels"
