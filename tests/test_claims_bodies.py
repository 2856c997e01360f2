"""Claims about figures, comings and goings, company, contacts, bodies and the view, where the truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bodies_made import MOVES, body_of
from fm_hub.claims import Scene, check
from fm_hub.claims.body import GESTURES
from fm_hub.claims.shape import SHAPES
from fm_hub.claims.view import VIEWS
from fm_hub.records import Annotation, Camera, Claim, Contact
from lively_scenes import swung
from scenes_made import annotation, clock, line, make_track, rest

T = clock()
CLEAR = 2.0


def scene_of(*tracks: Any, contacts: Any = (), keypoints: Any = (), **how: Any) -> Scene:
    return Scene.of(replace(annotation(list(tracks), T, **how), contacts=contacts, keypoints=keypoints))


def margin(scene: Scene, predicate: str, t0: float = 0.0, t1: float = 6.0, **args: Any) -> float:
    return check(scene, Claim.of(predicate, args, t0, t1)).margin


def ring(turns: float) -> Any:
    return lambda t: np.stack(
        [320 + 110 * np.cos(2 * np.pi * turns * t / 6), 180 - 110 * np.sin(2 * np.pi * turns * t / 6)], axis=1
    )


FIGURES: dict[str, Any] = {
    "straight": line((80, 100), (560, 260)),
    "arc": ring(0.5),
    "circle": ring(1.3),
    "zigzag": lambda t: np.stack([80 + 80 * t, 180 + 60 * np.sin(2 * np.pi * t / 1.8)], axis=1),
    "back-and-forth": lambda t: np.stack([320 - 200 * np.cos(2 * np.pi * t / 3), 180 + 0 * t], axis=1),
}


@pytest.mark.parametrize("figure", SHAPES)
def test_a_figure_is_known_and_no_other_is_said(figure: str) -> None:
    track = make_track("x", "ball", T, FIGURES[figure], size=(24, 24))
    scene = scene_of(track)
    for word in SHAPES:
        m = margin(scene, "shape", track=track.track_id, **{"is": word})
        assert (m >= CLEAR) if word == figure else (m <= -CLEAR), (word, m)


def test_the_way_round_is_seen_from_the_front() -> None:
    track = make_track("x", "ball", T, ring(1.3), size=(24, 24))
    scene = scene_of(track)
    assert margin(scene, "winding", track=track.track_id, **{"is": "anticlockwise"}) >= CLEAR
    assert margin(scene, "winding", track=track.track_id, **{"is": "clockwise"}) <= -CLEAR


@pytest.mark.parametrize("word", GESTURES)
def test_a_gesture_is_known_and_no_other_is_said(word: str) -> None:
    track = make_track("p", "person", T, rest((320, 180)), size=(60, 120))
    scene = scene_of(track, keypoints=[body_of(track, word, jitter=0.4)])
    margins = {w: margin(scene, "gesture", track=track.track_id, **{"is": w}) for w in GESTURES}
    assert margins[word] >= CLEAR, margins
    assert all(m < CLEAR for w, m in margins.items() if w != word), margins
    assert sum(m <= -CLEAR for m in margins.values()) >= 9, margins


def test_a_body_that_does_nothing_makes_no_gesture() -> None:
    track = make_track("p", "person", T, rest((320, 180)), size=(60, 120))
    scene = scene_of(track, keypoints=[body_of(track, "nothing", jitter=0.4)])
    assert all(margin(scene, "gesture", track=track.track_id, **{"is": w}) <= -CLEAR for w in GESTURES)
    assert "nothing" in MOVES


@pytest.mark.parametrize("times", [2, 4, 6])
def test_repetitions_of_a_joint_are_counted_and_timed(times: int) -> None:
    track = make_track("p", "person", T, rest((320, 180)), size=(60, 120))
    scene = scene_of(track, keypoints=[swung(track, times)])
    x = {"track": track.track_id}
    for n in range(8):
        m = margin(scene, "repeats", **x, joint="right_wrist", **{"is": n})
        assert (m >= CLEAR) if n == times else (m <= -CLEAR)
    seconds = 6.0 / times
    assert margin(scene, "period", **x, joint="right_wrist", lo=0.7 * seconds, hi=1.3 * seconds) >= CLEAR
    for limb in ("left_wrist", "right_wrist", "left_ankle", "right_ankle"):
        m = margin(scene, "limb", **x, **{"is": limb})
        assert (m >= CLEAR) if limb == "right_wrist" else (m <= -CLEAR)


def test_a_cartwheel_turns_and_a_lean_does_not() -> None:
    track = make_track("p", "person", T, rest((320, 180)), size=(60, 120))
    body = body_of(track, "nothing")
    for whole, word in ((360.0, "clockwise"), (-360.0, "anticlockwise"), (10.0, "none")):
        angle = np.radians(whole) * np.linspace(0, 1, len(T))
        c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
        middle = np.array([320, 180])
        p = body.xy - middle
        turned = np.stack([c * p[..., 0] - s * p[..., 1], s * p[..., 0] + c * p[..., 1]], axis=-1) + middle
        scene = scene_of(track, keypoints=[replace(body, xy=turned)])
        for other in ("clockwise", "anticlockwise", "none"):
            m = margin(scene, "rotation", track=track.track_id, **{"is": other})
            assert (m >= CLEAR) if word == other else (m <= -CLEAR), (word, other, m)


def test_hidden_behind_something() -> None:
    way = line((60, 180), (580, 180))
    a = make_track("a", "person", T, way, size=(30, 60))
    seen = (a.frame < 25) | (a.frame > 35)
    a = replace(a, frame=a.frame[seen], bbox=a.bbox[seen], score=a.score[seen], state=a.state[seen])
    b = make_track("b", "truck", T, rest((320, 180)), size=(170, 140))
    far = make_track("c", "car", T, rest((320, 60)), size=(60, 30))
    scene = scene_of(a, b, far)
    assert check(scene, Claim.of("hidden", {"track": a.track_id}, 0, 6)).value == pytest.approx(2.4)
    assert check(scene, Claim.of("reappears", {"track": a.track_id}, 0, 6)).value == pytest.approx(3.6)
    assert margin(scene, "hides", a=a.track_id, b=b.track_id) >= CLEAR
    assert margin(scene, "hides", a=a.track_id, b=far.track_id) <= -CLEAR
    assert margin(scene, "hidden", track=b.track_id) <= -CLEAR
    assert margin(scene_of(a, far), "hidden", track=a.track_id) == 0.0, "unseen, but behind nothing"
    assert margin(scene, "appears", track=a.track_id) <= -CLEAR
    late = make_track("d", "person", T, rest((500, 100)), size=(30, 60), seen=(2.0, 4.0))
    wall = make_track("w", "truck", T, rest((470, 120)), size=(60, 100))
    for beside, proved in ((wall, True), (far, False)):  # behind nothing, it may only have been missed
        scene = scene_of(late, beside)
        for event in ("appears", "disappears"):
            m = margin(scene, event, track=late.track_id)
            assert m >= CLEAR if proved else m == 0.0


def test_company() -> None:
    lead = make_track("a", "car", T, line((200, 100), (560, 100)), size=(50, 30))
    tail = make_track("b", "car", T, line((60, 100), (420, 100)), size=(50, 30))
    fast = make_track("c", "car", T, line((40, 250), (600, 250)), size=(50, 30))
    slow = make_track("d", "car", T, line((250, 300), (400, 300)), size=(50, 30))
    across = make_track("e", "car", T, line((300, 30), (310, 330)), size=(30, 30))
    scene = scene_of(lead, tail, fast, slow, across)
    pair = {"a": tail.track_id, "b": lead.track_id}
    for word in ("follows", "leads", "alongside", "opposite"):
        m = margin(scene, "formation", **pair, **{"is": word})
        assert (m >= CLEAR) if word == "follows" else (m <= -CLEAR)
    assert margin(scene, "overtakes", a=fast.track_id, b=slow.track_id) >= CLEAR
    assert margin(scene, "overtakes", a=slow.track_id, b=fast.track_id) <= -CLEAR
    assert margin(scene, "overtakes", **pair) <= -CLEAR
    assert margin(scene, "crosses", a=fast.track_id, b=across.track_id) >= CLEAR
    assert margin(scene, "crosses", a=fast.track_id, b=lead.track_id) <= -CLEAR


def test_contacts_prove_and_distance_denies() -> None:
    def lifted(t: Any) -> Any:
        return np.stack([np.where(t < 2, 300, np.where(t < 4, 300 + 100 * (t - 2), 500)), 200 + 0 * t], axis=1)

    hand = make_track("h", "hand", T, lifted, size=(30, 30))
    cup = make_track("c", "cup", T, lambda t: lifted(t) + 10.0, size=(30, 30))
    book = make_track("b", "book", T, rest((100, 60)), size=(40, 20))
    near = make_track("n", "bowl", T, rest((300, 215)), size=(40, 30))
    held = Contact("clip", hand.track_id, cup.track_id, "hold", 0.8, 5.2, 0.9)
    scene = scene_of(hand, cup, book, near, contacts=[held])
    at_cup, at_book = {"a": hand.track_id, "b": cup.track_id}, {"a": hand.track_id, "b": book.track_id}
    for predicate in ("touches", "holds", "carries", "grasps", "releases"):
        assert margin(scene, predicate, **at_cup) >= CLEAR
        assert margin(scene, predicate, **at_book) <= -CLEAR
    assert margin(scene, "touches", a=hand.track_id, b=near.track_id) == 0.0, "near, but no contact published"
    moves = {"episode": "moves", "track": cup.track_id}
    contact = {"episode": "contact", **at_cup}
    assert margin(scene, "when", first=moves, then=contact, **{"is": "during"}) >= CLEAR
    assert margin(scene, "when", first=contact, then=moves, **{"is": "contains"}) >= CLEAR
    assert margin(scene, "when", first=moves, then=contact, **{"is": "before"}) <= -CLEAR
    grasps, stops = {"event": "grasps", **at_cup}, {"event": "stops", "track": cup.track_id}
    assert margin(scene, "before", first=grasps, then=stops) >= CLEAR
    close = replace(held, t0=1.6, t1=4.4)  # whose begin is perhaps 0.4 s off
    scene = scene_of(hand, cup, contacts=[close])
    assert 0 < margin(scene, "when", first=moves, then=contact, **{"is": "during"}) < 2
    assert 0 < margin(scene, "before", first=grasps, then={"event": "starts", "track": cup.track_id}) < 2
    assert margin(scene, "grasps", t0=1.8, **at_cup) == pytest.approx(-0.5), "perhaps after all"
    assert margin(scene, "grasps", t0=3.0, **at_cup) <= -CLEAR


def test_a_hand_is_left_or_right_by_its_wrist() -> None:
    person = make_track("p", "person", T, rest((320, 180)), size=(60, 120))
    body = body_of(person, "nothing")
    x, y = body.xy[0, 9]
    hand = replace(make_track("h", "hand", T, rest((float(x), float(y))), size=(20, 20)), parent=person.track_id)
    scene = scene_of(person, hand, keypoints=[body])
    assert margin(scene, "hand_side", track=hand.track_id, **{"is": "left"}) >= CLEAR
    assert margin(scene, "hand_side", track=hand.track_id, **{"is": "right"}) <= -CLEAR


def test_a_pause_is_a_rest_between_two_motions() -> None:
    def way(t: Any) -> Any:
        return np.stack([80 + 100 * np.minimum(t, 2) + 100 * np.maximum(0, t - 4), 180 + 0 * t], axis=1)

    stays = make_track("a", "person", T, way)
    goes = make_track("b", "person", T, line((80, 300), (560, 300)))
    scene = scene_of(stays, goes)
    assert margin(scene, "pauses", track=stays.track_id) >= CLEAR
    assert margin(scene, "pauses", track=goes.track_id) <= -CLEAR
    denied = {"predicate": "pauses", "args": {"track": goes.track_id}}
    assert check(scene, Claim.of("not", denied, 0.0, 6.0)).true


def test_what_trembles_does_not_pause() -> None:
    """A slow motion under boxes that tremble: smoothed, four speeds in a row may be small."""
    for seed in range(20):
        slow = make_track("a", "person", T, line((200, 180), (430, 180)), size=(36, 36), jitter=8.0, seed=seed)
        assert margin(scene_of(slow), "pauses", track=slow.track_id) < 2


def test_what_falls_over_lies() -> None:
    track = make_track("v", "vase", T, rest((320, 180)), size=(30, 90))
    bbox = track.bbox.copy()
    half = T >= 3
    bbox[half] = bbox[half][:, [0, 1, 2, 3]] + np.array([-30, 30, 30, -30])
    scene = scene_of(replace(track, bbox=bbox))
    assert margin(scene, "tips", track=track.track_id, **{"is": "over"}) >= CLEAR
    assert margin(scene, "tips", track=track.track_id, **{"is": "up"}) <= -CLEAR


def viewed(**steps: Any) -> Scene:
    made = annotation([], T, camera="moving")
    n = len(T)
    zero = np.zeros(n)
    columns = {k: np.broadcast_to(steps.get(k, zero), n) for k in ("dx", "dy", "dlogs", "droll")}
    camera = Camera("clip", "moving", made.frames.frame, **columns, inliers=np.full(n, 0.9), ok=np.ones(n, bool))  # type: ignore[arg-type]
    return Scene.of(Annotation(made.clip, made.frames, camera, made.tracks))


SHAKE = np.where(np.arange(len(T)) % 2, 8.0, -8.0)
SEEN_VIEWS: dict[str, dict[str, Any]] = {
    "static": {},
    "right": {"dx": -4.0},
    "left": {"dx": 4.0},
    "down": {"dy": -4.0},
    "up": {"dy": 4.0},
    "in": {"dlogs": 0.01},
    "out": {"dlogs": -0.01},
    "anticlockwise": {"droll": 0.01},
    "clockwise": {"droll": -0.01},
    "shakes": {"dx": SHAKE},
}


@pytest.mark.parametrize("word", VIEWS)
def test_the_view_is_said_as_the_camera_looks(word: str) -> None:
    scene = viewed(**SEEN_VIEWS[word])
    for other in VIEWS:
        m = margin(scene, "view", **{"is": other})
        assert (m >= CLEAR) if other == word else (m <= -CLEAR), (other, m)


def test_a_view_of_few_points_proves_nothing() -> None:
    scene = viewed(dx=-4.0)
    scene.camera = replace(scene.camera, inliers=np.full(len(T), 0.35))
    assert all(margin(scene, "view", **{"is": w}) == 0.0 for w in VIEWS)


def test_lengths_are_the_things_own() -> None:
    track = make_track("x", "car", T, line((100, 180), (400, 180)), size=(100, 40))
    scene = scene_of(track)
    assert margin(scene, "lengths", track=track.track_id, lo=2.0, hi=4.0) >= CLEAR
    assert margin(scene, "lengths", track=track.track_id, lo=4.0, hi=9.0) <= -CLEAR
