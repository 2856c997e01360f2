"""Claims on scenes whose motion is known by construction."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bodies_made import body_of
from fm_hub.claims import CLAIMS_VERSION, PREDICATES, Scene, check, tracks_of
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Annotation, Claim, Contact, Track, content_id
from golden_files import check_golden
from scenes_made import HEIGHT, WIDTH, annotation, clock, line, make_track, rest, street, swing

WALKER, CAR, DOG = (content_id("made", n) for n in ("walker", "car", "dog"))


def margin(scene: Scene, predicate: str, t0: float = 0.0, t1: float = 6.0, **args: Any) -> float:
    return check(scene, Claim.of(predicate, args, t0, t1)).margin


def one(path: Any, **how: Any) -> tuple[Scene, str]:
    t = clock()
    track = make_track("x", "person", t, path, **how)
    return Scene.of(annotation([track], t)), track.track_id


@settings(max_examples=40)
@given(st.sampled_from(sorted(DIRECTIONS)), st.floats(80, 150), st.floats(0, 2))
def test_the_true_direction_is_found_and_no_other(word: str, far: float, jitter: float) -> None:
    a = np.radians(DIRECTIONS[word])
    scene, x = one(line((320, 180), (320 + far * np.cos(a), 180 - far * np.sin(a))), jitter=jitter)
    for other in DIRECTIONS:
        m = margin(scene, "direction", track=x, **{"is": other})
        assert (m >= 2) if other == word else (m <= -2), (other, m)


@settings(max_examples=40)
@given(st.floats(0, 360), st.floats(30, 150), st.floats(0, 3), st.integers(0, 100))
def test_a_mirrored_world_mirrors_every_direction(angle: float, far: float, jitter: float, seed: int) -> None:
    a = np.radians(angle)
    t = clock()
    track = make_track("x", "person", t, line((320, 180), (320 + far * np.cos(a), 180 - far * np.sin(a))), seed=seed)
    flipped = Track(
        *[getattr(track, n) for n in ("clip_id", "track_id", "label", "label_score", "quality", "detector", "parent")],
        frame=track.frame,
        bbox=np.stack([WIDTH - track.bbox[:, 2], track.bbox[:, 1], WIDTH - track.bbox[:, 0], track.bbox[:, 3]], axis=1),
        score=track.score,
        state=track.state,
    )
    mirror = {"left": "right", "right": "left"}
    here, there = Scene.of(annotation([track], t)), Scene.of(annotation([flipped], t))
    for word in DIRECTIONS:
        seen = "-".join(mirror.get(part, part) for part in word.split("-"))
        a_, b_ = (margin(s, "direction", track=track.track_id, **{"is": w}) for s, w in ((here, word), (there, seen)))
        assert a_ == pytest.approx(b_, abs=0.01)


@settings(max_examples=30)
@given(st.integers(2, 6), st.floats(0, 1))
def test_turns_are_counted(swings: int, jitter: float) -> None:
    scene, x = one(swing((320, 180), 150, 12.0 / swings), jitter=jitter, size=(20, 20))
    turns = swings - 1
    assert margin(scene, "reversals", track=x, **{"is": turns}) >= 2
    for n in range(8):
        if n != turns:
            assert margin(scene, "reversals", track=x, **{"is": n}) <= -2


def test_rest_is_rest_and_says_nothing_of_direction() -> None:
    scene, x = one(rest((300, 200)))
    assert margin(scene, "moves", track=x, **{"is": False}) >= 2
    assert all(margin(scene, "direction", track=x, **{"is": w}) <= -2 for w in DIRECTIONS)


def test_entering_and_leaving() -> None:
    t = clock()
    comes = make_track("in", "car", t, line((-100, 180), (400, 180)), seen=(1.5, 6.0))
    goes = make_track("out", "car", t, line((320, 180), (760, 180)), seen=(0.0, 4.6))
    scene = Scene.of(annotation([comes, goes], t))
    for side in ("left", "right", "top", "bottom"):
        enters = margin(scene, "enters", track=comes.track_id, side=side)
        leaves = margin(scene, "leaves", track=goes.track_id, side=side)
        assert (enters >= 2) if side == "left" else (enters <= -2)
        assert (leaves >= 2) if side == "right" else (leaves <= -2)
    event = {"first": {"event": "enters", "track": comes.track_id, "side": "left"}}
    then = {"event": "leaves", "track": goes.track_id, "side": "right"}
    assert margin(scene, "before", **event, then=then) >= 2


def test_starting_and_stopping() -> None:
    t = clock()

    def stop_and_go(when: Any) -> Any:
        return np.stack([100 + 400 * np.clip((when - 2.0) / 2.0, 0, 1), np.full(len(when), 180.0)], axis=1)

    track = make_track("x", "person", t, stop_and_go)
    scene = Scene.of(annotation([track], t))
    started = check(scene, Claim.of("starts", {"track": track.track_id}, 0, 6))
    stopped = check(scene, Claim.of("stops", {"track": track.track_id}, 0, 6))
    assert started.true
    assert stopped.true
    assert started.value == pytest.approx(2.0, abs=0.2)
    assert stopped.value == pytest.approx(4.0, abs=0.2)


def test_a_second_start_is_no_start() -> None:
    t = clock(8.0)

    def twice(when: Any) -> Any:
        way = np.clip(when - 1.5, 0, 1) + np.clip(when - 5.0, 0, 1)
        return np.stack([100 + 180 * way, np.full(len(when), 180.0)], axis=1)

    track = make_track("x", "person", t, twice)
    scene = Scene.of(annotation([track], t))
    for event in ("starts", "stops"):
        assert margin(scene, event, 0.0, 8.0, track=track.track_id) == 0.0
        assert margin(scene, event, 0.0, 4.0, track=track.track_id) >= 2


def test_what_goes_from_the_outset_does_not_start() -> None:
    t = clock()
    goes = make_track("a", "person", t, line((60, 180), (580, 180)))
    halts = make_track("b", "person", t, lambda s: np.stack([60 + 130 * np.minimum(s, 4), 0 * s + 180], axis=1))
    scene = Scene.of(annotation([goes, halts], t))
    assert margin(scene, "starts", track=goes.track_id) <= -2
    assert margin(scene, "stops", track=goes.track_id) <= -2
    assert margin(scene, "starts", track=halts.track_id) <= -2
    assert margin(scene, "stops", track=halts.track_id) >= 2
    rests = lambda s: np.stack([60 + 130 * np.maximum(s - 0.3, 0), 0 * s + 180], axis=1)  # noqa: E731
    soon = make_track("c", "person", t, rests)
    scene = Scene.of(annotation([soon], t))
    assert margin(scene, "starts", track=soon.track_id) > -2, "it rests for 0.3 s"


def test_ways_cross_or_stay_apart() -> None:
    t = clock()
    across = make_track("a", "person", t, line((120, 180), (520, 180)), size=(30, 30), jitter=1.5)
    down = make_track("b", "person", t, line((320, 60), (320, 300)), size=(30, 30), jitter=1.5, seed=1)
    round_it = make_track("c", "dog", t, swing((320, 300), 150, 2.0), size=(30, 30), jitter=1.5, seed=2)
    # there and back on one line, and further than where it ends
    back = make_track("d", "dog", t, lambda s: np.stack([320 + 200 * np.sin(s), 60 + 0 * s], axis=1), size=(30, 30))
    scene = Scene.of(annotation([across, down, round_it, back], t))
    assert margin(scene, "crosses", a=across.track_id, b=down.track_id) >= 2
    assert margin(scene, "crosses", a=across.track_id, b=round_it.track_id) <= -2, "it is 120 px below all the time"
    assert margin(scene, "crosses", a=across.track_id, b=back.track_id) <= -2
    assert margin(scene, "crosses", a=down.track_id, b=back.track_id) > -2, "it goes where the other one began"


def test_who_passes_at_the_very_end_has_neither_overtaken_nor_not() -> None:
    t = clock()
    slow = make_track("b", "car", t, line((200, 180), (400, 180)), size=(40, 20))
    for ahead, says in ((60.0, 1), (22.0, 0), (-25.0, -1)):
        fast = make_track("a", "car", t, line((60, 215), (400 + ahead, 215)), size=(40, 20))
        scene = Scene.of(annotation([fast, slow], t))
        m = margin(scene, "overtakes", a=fast.track_id, b=slow.track_id)
        assert (m >= 2) if says > 0 else (m <= -2) if says < 0 else abs(m) < 2, (ahead, m)


def test_who_is_missed_all_the_time_is_not_hidden() -> None:
    t = clock()
    wall = make_track("w", "wall", t, rest((320, 180)), size=(240, 160))
    walker = make_track("p", "person", t, line((60, 180), (580, 180)), size=(36, 36))

    def seen(keep: Any) -> float:
        parts = {n: getattr(walker, n)[keep] for n in ("frame", "bbox", "score", "state")}
        scene = Scene.of(annotation([wall, replace(walker, **parts)], t))
        return margin(scene, "hidden", track=walker.track_id)

    assert seen(np.abs(t - 3) > 0.65) >= 2
    missed = [seen(np.random.default_rng(k).random(len(t)) > 0.5) for k in range(150)]
    assert sum(m >= 2 for m in missed) <= 3, "by chance half a second and more"


def test_what_trembles_beside_another_is_not_hidden() -> None:
    t = clock()

    def tolerance(jitter: float, shown: float, near: bool) -> float:
        rests_here = make_track("a", "car", t, rest((300, 180)), size=(60, 60), jitter=jitter)
        bbox = rests_here.bbox.copy()
        late = t > 3.0
        bbox[late, 2] = bbox[late, 0] + shown * (bbox[late, 2] - bbox[late, 0])
        other = make_track("b", "car", t, lambda s: np.stack([500 - 174 * (s > 3), 0 * s + 180], 1), size=(40, 60))
        scene = Scene.of(annotation([replace(rests_here, bbox=bbox), *([other] if near else [])], t))
        return check(scene, Claim.of("moves", {"track": rests_here.track_id, "is": True}, 0.0, 6.0)).tolerance

    for jitter in (0.0, 1.0, 3.0):
        assert tolerance(jitter, 1.0, near=True) < 1.35 * tolerance(jitter, 1.0, near=False), "all of it is seen"
    assert tolerance(0.0, 0.6, near=True) > 2 * tolerance(0.0, 0.6, near=False), "a third of it is not"


@pytest.mark.parametrize("jitter", [0.0, 1.5, 3.0])
def test_what_comes_in_over_the_border_is_cut_although_it_trembles(jitter: float) -> None:
    """Half of it is out of the frame at first; boxes that tremble end beside the border, not at it."""
    t = clock()
    comes = make_track("a", "car", t, line((0, 180), (300, 180)), size=(150, 60), jitter=jitter)
    bbox = comes.bbox.copy()
    bbox[:, 0] += np.where(bbox[:, 0] < 1, np.random.default_rng(0).uniform(0, 4 * jitter, len(t)), 0)
    scene = Scene.of(annotation([replace(comes, bbox=bbox)], t))
    assert check(scene, Claim.of("moves", {"track": comes.track_id, "is": True}, 0.0, 6.0)).tolerance * 734 > 30
    assert margin(scene, "travels", track=comes.track_id, axis="x", lo=0.3, hi=0.42) < 2, "it travels 0.47 of the width"


@settings(max_examples=25)
@given(st.sampled_from(["approaches", "recedes", "keeps"]), st.integers(0, 1000))
def test_growth_is_seen_under_boxes_that_tremble(word: str, seed: int) -> None:
    growth = {"approaches": 1.1, "recedes": -1.1, "keeps": 0.0}[word]
    scene, x = one(rest((320, 180)), growth=growth, size=(70, 70), jitter=3.0, seed=seed)
    for other in ("approaches", "recedes", "keeps"):
        m = margin(scene, "depth", track=x, **{"is": other})
        assert (m >= 1) if other == word else (m <= -1)


def test_a_circle_is_not_to_and_fro() -> None:
    scene, x = one(lambda t: np.stack([320 + 120 * np.cos(t), 180 + 120 * np.sin(t)], axis=1), size=(30, 30))
    for word in ("straight", "back-and-forth"):
        assert margin(scene, "path", track=x, **{"is": word}) <= -2
    assert margin(scene, "reversals", track=x, **{"is": 1}) == 0.0


def test_an_excursion_is_not_staying() -> None:
    t = clock()
    away = make_track("a", "person", t, lambda s: np.stack([200 + 250 * np.sin(s * np.pi / 6), 0 * s + 180], axis=1))
    post = make_track("b", "car", t, rest((320, 180)), size=(30, 30))
    scene = Scene.of(annotation([away, post], t))
    sides = {"a": away.track_id, "b": post.track_id}
    assert margin(scene, "order_change", **sides, **{"from": "left", "to": "left"}) <= -2
    assert margin(scene, "relation", **sides, **{"is": "left"}) <= -2
    assert margin(scene, "distance_change", **sides, **{"is": "same"}) < 2


def test_growth_is_depth() -> None:
    for growth, word in ((0.9, "approaches"), (-0.9, "recedes"), (0.0, "keeps")):
        scene, x = one(rest((320, 180)), growth=growth)
        for other in ("approaches", "recedes", "keeps"):
            m = margin(scene, "depth", track=x, **{"is": other})
            assert (m >= 2) if other == word else (m <= -2)


@settings(max_examples=50)
@given(st.sampled_from(["relation", "order_change", "distance_change", "speed_order"]), st.integers(0, 1000))
def test_two_tracks_the_other_way_round(predicate: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = clock()
    ends = rng.uniform((60, 60), (WIDTH - 60, HEIGHT - 60), (4, 2))
    a, b = (
        make_track(n, n, t, line(tuple(p), tuple(q)), size=(30, 30)) for n, p, q in (("a", *ends[:2]), ("b", *ends[2:]))
    )
    scene = Scene.of(annotation([a, b], t))
    swap = {
        "left": "right",
        "right": "left",
        "above": "below",
        "below": "above",
        "faster": "slower",
        "slower": "faster",
    }
    for key in ("is", "from"):
        if key in PREDICATES[predicate].args:
            for word in PREDICATES[predicate].args[key]:
                args = {key: word, **({"to": word} if key == "from" else {})}
                back = {k: swap.get(v, v) for k, v in args.items()}
                there = margin(scene, predicate, a=a.track_id, b=b.track_id, **args)
                home = margin(scene, predicate, a=b.track_id, b=a.track_id, **back)
                assert there == pytest.approx(home, abs=1e-5)


def test_a_camera_that_moves_with_the_object_hides_its_motion_in_the_image_alone() -> None:
    t = clock()
    track = make_track("x", "person", t, rest((320, 180)))
    made = annotation([track], t, camera="moving")
    pan = np.where(np.arange(len(t)) > 0, -4.0, 0.0)  # the view's contents shift left: the camera pans right
    camera = type(made.camera)(
        "clip", "moving", made.frames.frame, pan, *[made.camera.dy] * 3, inliers=made.camera.inliers, ok=made.camera.ok
    )
    scene = Scene.of(Annotation(made.clip, made.frames, camera, made.tracks))
    still = Claim.of("moves", {"track": track.track_id, "is": False}, 0, 6)
    assert check(scene, still).true
    moved = Claim.of("direction", {"track": track.track_id, "is": "right"}, 0, 6, "stabilised")
    assert check(scene, moved).true


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0, 6))
def test_of_exclusive_words_at_most_one_is_true(seed: int, jitter: float) -> None:
    rng = np.random.default_rng(seed)
    t = clock()
    points = np.array([320, 180]) + np.cumsum(rng.normal(0, 40, (7, 2)), axis=0)

    def wander(when: Any) -> Any:
        return np.stack([np.interp(when, np.arange(7), points[:, i]) for i in (0, 1)], axis=1)

    track = make_track("x", "person", t, wander, jitter=jitter, seed=seed)
    assume(len(track.frame) > 10)
    scene = Scene.of(annotation([track], t))
    for predicate in ("direction", "path", "depth", "speed", "speed_change"):
        words = PREDICATES[predicate].args["is"]
        margins = [margin(scene, predicate, track=track.track_id, **{"is": w}) for w in words]
        assert sum(m > 0 for m in margins) <= 1, (predicate, margins)


def test_tracks_of_names_every_track() -> None:
    event = {"event": "starts", "track": "c"}
    assert tracks_of(Claim.of("relation", {"a": "x", "b": "y", "is": "left"}, 0, 1)) == {"x", "y"}
    assert tracks_of(Claim.of("before", {"first": event, "then": {**event, "track": "d"}}, 0, 1)) == {"c", "d"}
    among = {"which": ["x"], "among": ["x", "z"], "predicate": "moves", "args": {"is": True}}
    assert tracks_of(Claim.of("exactly", among, 0, 1)) == {"x", "z"}


def test_the_numbers_are_frozen() -> None:
    made = street()
    body = body_of(made.tracks[0], "raises-left-hand")
    held = Contact("clip", WALKER, DOG, "hold", 1.0, 4.0, 0.8)
    scene = Scene.of(replace(made, keypoints=[body], contacts=[held]))
    moving = {"episode": "moves", "track": WALKER}
    event = {"event": "stops", "track": WALKER}
    spoken = [
        ("moves", {"track": WALKER, "is": True}),
        ("direction", {"track": WALKER, "is": "right"}),
        ("path", {"track": DOG, "is": "back-and-forth"}),
        ("travels", {"track": CAR, "axis": "x", "lo": 0.75, "hi": 9.0}),
        ("region", {"track": CAR, "is": "bottom-left", "at": "end"}),
        ("depth", {"track": CAR, "is": "keeps"}),
        ("speed", {"track": DOG, "is": "medium"}),
        ("speed_change", {"track": WALKER, "is": "steady"}),
        ("reversals", {"track": DOG, "is": 3}),
        ("sequence", {"track": DOG, "first": "right", "then": "left", "at": 1.5}),
        ("starts", {"track": WALKER}),
        ("stops", {"track": WALKER}),
        ("enters", {"track": WALKER, "side": "left"}),
        ("leaves", {"track": CAR, "side": "left"}),
        ("relation", {"a": DOG, "b": CAR, "is": "above"}),
        ("order_change", {"a": WALKER, "b": CAR, "from": "left", "to": "right"}),
        ("distance_change", {"a": WALKER, "b": CAR, "is": "closer"}),
        ("speed_order", {"a": DOG, "b": CAR, "is": "faster"}),
        ("before", {"first": event, "then": {**event, "track": CAR}}),
        ("at_once", {"label": "person", "is": 1}),
        ("moving_count", {"label": "car", "is": 1}),
        ("exactly", {"which": [CAR], "among": [WALKER, CAR], "predicate": "direction", "args": {"is": "left"}}),
    ]
    spoken += [
        ("lengths", {"track": CAR, "lo": 4.0, "hi": 9.0}),
        ("shape", {"track": WALKER, "is": "straight"}),
        ("winding", {"track": WALKER, "is": "clockwise"}),
        ("tips", {"track": CAR, "is": "over"}),
        ("rotation", {"track": WALKER, "is": "none"}),
        ("rotation_by", {"track": WALKER, "lo": 0.0, "hi": 90.0}),
        ("gesture", {"track": WALKER, "is": "raises-left-hand"}),
        ("repeats", {"track": DOG, "joint": "centre", "is": 2}),
        ("period", {"track": DOG, "joint": "centre", "lo": 2.0, "hi": 4.0}),
        ("limb", {"track": WALKER, "is": "left_wrist"}),
        ("hand_side", {"track": WALKER, "is": "left"}),
        *[(p, {"track": WALKER}) for p in ("pauses", "appears", "disappears", "hidden", "reappears")],
        ("formation", {"a": WALKER, "b": CAR, "is": "opposite"}),
        *[(p, {"a": WALKER, "b": CAR}) for p in ("hides", "overtakes", "crosses")],
        *[(p, {"a": WALKER, "b": DOG}) for p in ("touches", "holds", "carries", "grasps", "releases")],
        ("when", {"first": moving, "then": {"episode": "contact", "a": WALKER, "b": DOG}, "is": "contains"}),
        ("view", {"is": "static"}),
        ("not", {"predicate": "pauses", "args": {"track": WALKER}}),
    ]
    assert {p for p, _ in spoken} == set(PREDICATES)
    rows = []
    for predicate, args in spoken:
        v = check(scene, Claim.of(predicate, args, 0.0, 6.0))
        numbers = (None if x != x else round(x, 4) + 0.0 for x in (v.value, v.tolerance, v.margin))
        rows.append(
            {"predicate": predicate, "args": args, **dict(zip(("value", "tolerance", "margin"), numbers, strict=True))}
        )
    lines = ",\n".join(json.dumps(row) for row in rows)
    check_golden("claims.json", f'{{"claims_version": {CLAIMS_VERSION}, "claims": [\n{lines}\n]}}\n')


def cut(track: Track, by: Any) -> Track:
    """The track with the right side of each box where ``by(t)`` says, as far as that is within it."""
    side = by(clock()[track.frame])
    bbox = track.bbox.copy()
    bbox[:, 2] = np.clip(side, bbox[:, 0] + 6, bbox[:, 2])
    return replace(track, bbox=bbox)


def test_what_is_uncovered_does_not_approach() -> None:
    t = clock()
    behind = make_track("behind", "car", t, rest((300, 180)), size=(120, 60))
    before = make_track("before", "car", t, line((330, 180), (480, 180)), size=(160, 80))
    shown = cut(behind, lambda s: 330 + 25 * s - 80)
    scene = Scene.of(annotation([shown, before], t))
    assert margin(scene, "depth", track=behind.track_id, **{"is": "approaches"}) < 2
    assert margin(scene, "depth", track=behind.track_id, **{"is": "keeps"}) > -2
    for way in DIRECTIONS:
        assert margin(scene, "direction", track=behind.track_id, **{"is": way}) < 2, "its box grows to the right"
    alone = Scene.of(annotation([make_track("behind", "car", t, rest((300, 180)), growth=0.9)], t))
    assert margin(alone, "depth", track=behind.track_id, **{"is": "approaches"}) >= 2


def test_who_bends_down_does_not_recede() -> None:
    scene, x = one(rest((320, 180)), size=(40, 120))
    (track,) = scene.tracks.values()
    bbox = track.bbox.copy()
    bbox[:, 1] = np.linspace(120, 190, len(bbox))
    bent = Scene.of(annotation([replace(track, bbox=bbox)], clock()))
    assert margin(bent, "depth", track=x, **{"is": "recedes"}) < 2
    assert margin(bent, "depth", track=x, **{"is": "keeps"}) > -2


def test_how_far_it_falls_is_not_what_the_smoothed_end_says() -> None:
    # 1.4 s of a fall that goes on at the end: the last step alone is a twentieth of the height
    t = clock()

    def path(s: Any) -> Any:
        return np.stack([np.full(len(s), 320.0), 40 + 45 * np.maximum(s - 4.1, 0) ** 2.2], 1)

    track = make_track("x", "ball", t, path, size=(14, 14), jitter=0.0)
    scene, true = Scene.of(annotation([track], t)), (path(t)[-1, 1] - 40) / HEIGHT
    wrong = {"axis": "y", "lo": 0.0, "hi": round(true - 0.01, 3)}
    assert margin(scene, "travels", track=track.track_id, **wrong) < 2


def test_a_view_that_trembles_a_little_is_not_called_static() -> None:
    t = clock()
    a = annotation([make_track("x", "person", t, rest((320, 180)))], t)
    sway = np.random.default_rng(3).normal(0, 1.0, len(t))
    trembling = Scene.of(replace(a, camera=replace(a.camera, dx=np.diff(sway, prepend=0.0))))
    assert margin(trembling, "view", **{"is": "static"}) < 2
    assert margin(Scene.of(a), "view", **{"is": "static"}) >= 2


def test_what_only_makes_a_word_doubtful_does_not_deny_it() -> None:
    t = clock()
    loop = one(lambda t: np.stack([320 - 150 * np.cos(2.1 * t), 180 + 110 * np.sin(1.05 * t)], axis=1))
    assert margin(loop[0], "path", track=loop[1], **{"is": "back-and-forth"}) == 0.0, "to and fro, but not slim"

    def halting(t: Any) -> Any:
        return np.stack([80 + 90 * (np.minimum(t, 3.0) + np.maximum(0.0, t - 3.3)), 180 + 0 * t], axis=1)

    scene, x = one(halting, jitter=0.0)
    assert margin(scene, "pauses", track=x) == 0.0, "a rest of 0.3 s: one may say either"
    late = make_track("x", "person", t, lambda t: np.stack([100 + 500 * (t > 3.2) + 0 * t, 90 + 0 * t], axis=1))
    scene = Scene.of(annotation([late], t))
    for word in ("top-left", "top-right"):
        args = {"track": late.track_id, "is": word}
        assert margin(scene, "region", at="all", **args) == 0.0, "first here, then there"
        assert abs(margin(scene, "region", at="end", **args)) >= 2


def test_two_legs_with_a_corner_are_no_arc() -> None:
    def corner(t: Any) -> Any:
        return np.stack([120 + 120 * np.minimum(t, 3), 60 + 80 * np.maximum(0, t - 3)], axis=1)

    def bend(t: Any) -> Any:
        return np.stack([120 + 240 * np.sin(t * np.pi / 12), 300 - 240 * np.cos(t * np.pi / 12)], axis=1)

    for path, least, most in ((corner, -2.0, 2.0), (bend, 2.0, 99.0)):
        scene, x = one(path, size=(20, 20), jitter=0.2)
        assert least <= margin(scene, "shape", track=x, **{"is": "arc"}) <= most


def test_it_may_go_out_behind_what_covers_it() -> None:
    t = clock()
    goes = make_track("x", "person", t, line((100, 180), (600, 180)), seen=(0.0, 4.0))
    wall = make_track("w", "truck", t, rest((480, 180)), size=(80, 160))
    for tracks, denied in (([goes], True), ([goes, wall], False)):
        m = margin(Scene.of(annotation(tracks, t)), "leaves", track=goes.track_id, side="right")
        assert (m <= -2) if denied else m == 0.0


def test_what_moves_half_of_the_time_has_no_one_speed() -> None:
    def rests_then_runs(t: Any) -> Any:
        return np.stack([80 + 110 * np.maximum(0.0, t - 3.1), 180 + 0 * t], axis=1)

    scene, x = one(rests_then_runs)
    for word in ("slow", "medium"):
        assert abs(margin(scene, "speed", track=x, **{"is": word})) < 2
    assert margin(scene, "speed", t0=3.5, track=x, **{"is": "medium"}) >= 2


def test_what_turns_does_not_start() -> None:
    scene, x = one(swing((320, 180), 150, 4.3), jitter=0.0)
    assert margin(scene, "starts", t0=1.8, t1=4.2, track=x) < 2, "it turns at 2.15 s: smoothed, that looks like a rest"
