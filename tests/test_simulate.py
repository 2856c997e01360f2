"""Simulated clips: what is promised of them, that they are the same every time, and that the judge can say no."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders.build import build, compose_folder
from fm_builders.recipe import load_recipe
from fm_builders.simulate import SCENES, films
from fm_builders.simulate.film import Event, Film, Seen, Shot, Touch, View
from fm_builders.simulate.judge import Judge
from fm_builders.simulate.motion import Route
from fm_builders.simulate.tables import measure
from fm_builders.simulate.truth import Truth, read_truths
from fm_builders.simulate.write import simulate
from fm_builders.sources import find_sources
from fm_hub.errors import BadDataset, UnknownName, UserError
from fm_hub.records import Claim, Clip
from fm_hub.tables import read_records
from fm_hub.verify import verify


def seen_in(film: Film) -> list[dict[str, Seen]]:
    return [dict(shot.seen) for shot in film.shoot(False) if shot.seen is not None]


def made(film: Film) -> Judge:
    clip = Clip(film.name, film.name, "v.mp4", "0", 0, film.seconds, True, 20, *film.size, 1, 1, "static", "test", "ok")
    return Judge(measure(film, clip, seen_in(film), "key").truth)


def test_a_route_is_where_it_was_told_to_be() -> None:
    route = Route((0, 0)).rest(1).go((10, 0), 2).rest(1).go((10, 8), 2, "up").until(8)
    assert route.at([0.5, 2.0, 3.5, 8.0]).tolist() == [[0, 0], [5, 0], [10, 0], [10, 8]]
    assert route.moving() == [(1, 3), (4, 6)]
    assert route.at(5)[0][1] < 4, "what speeds up has done less than half of its way in half of its time"


def test_copypaste_keeps_its_promises() -> None:
    crossing = moving = blurred = 0
    planned = films(["copypaste"], 20, 5)
    for film in planned:
        assert 2 <= len(film.things) <= 5
        seen = seen_in(film)
        halves = 0
        for name in film.things:
            longest = max(max(s[name].whole[2] - s[name].whole[0], s[name].whole[3] - s[name].whole[1]) for s in seen)
            assert 38 <= longest <= 300
            boxes = np.array([s[name].whole for s in seen])
            inside = (boxes[:, :2] > 0).all(1) & (boxes[:, 2:] < film.size).all(1)
            halves += any(s[name].share < 0.5 for s, whole in zip(seen, inside, strict=True) if whole)
        crossing += halves > 0
        moving += film.tags["camera"] != "static"
        blurred += film.tags["blur"] == "yes"
    assert crossing >= 0.3 * len(planned)
    assert moving >= 0.3 * len(planned)
    assert blurred >= 0.2 * len(planned)


def test_the_boxes_hold_what_is_painted() -> None:
    film = films(["copypaste"], 1, 3)[0]
    shots = [shot for shot in film.shoot(True) if shot.seen is not None]
    again = [shot for shot in film.shoot(True) if shot.seen is not None][:3]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(shots, again, strict=False))  # type: ignore[arg-type]
    changed = np.any([np.abs(np.asarray(s.image, int) - np.asarray(shots[0].image, int)).max(2) > 24 for s in shots], 0)
    covered = np.zeros(changed.shape, bool)
    for shot in shots:
        for s in (shot.seen or {}).values():
            if s.box is not None:
                x1, y1, x2, y2 = (int(v) for v in s.box)
                covered[max(0, y1 - 2) : y2 + 2, max(0, x1 - 2) : x2 + 2] = True
    assert changed.any()
    assert not (changed & ~covered).any(), "with a still camera only things change the picture"


def test_views_and_cameras_say_the_same() -> None:
    film = next(f for f in films(["copypaste"], 40, 2) if f.view.kind == "roll")
    camera = film.view.camera("c", film.size)
    z = np.array([100 + 50j, -200 - 80j])
    for g in range(1, len(camera.frame)):
        z = np.exp(camera.dlogs[g] + 1j * camera.droll[g]) * z + camera.dx[g] + 1j * camera.dy[g]
    assert np.allclose(z, film.view.turn[-1] * np.array([100 + 50j, -200 - 80j]) + film.view.shift[-1])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "truth"
    simulate(films(["copypaste"], 2, 0), load_recipe("simulated"), out)
    return out


def test_simulated_clips_are_a_dataset(simulated: Path) -> None:
    assert verify(simulated).failed == 0
    truths = read_truths(simulated)
    tracks = read_records(simulated, "tracks")
    assert {t.clip_id for t in tracks} == set(truths)
    for track in tracks:
        thing = next(x for x in truths[track.clip_id].things if x.track == track.track_id)
        whole = thing.whole[track.frame]
        slack = 1.5  # a mask begins and ends within a pixel of its outline
        assert (track.bbox[:, :2] >= whole[:, :2] - slack).all()
        assert (track.bbox[:, 2:] <= whole[:, 2:] + slack).all()
    assert compose_folder(simulated).manifest.models == ["simulator@1"]


def test_the_same_seed_gives_the_same_bytes(simulated: Path, tmp_path: Path) -> None:
    simulate(films(["copypaste"], 1, 0), load_recipe("simulated"), tmp_path / "again")
    (again,) = (tmp_path / "again" / "truth").iterdir()
    assert again.read_bytes() == (simulated / "truth" / again.name).read_bytes()
    clips = [c.video_file for c in read_records(tmp_path / "again", "clips")]
    assert all((simulated / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in clips)


def test_the_clips_are_clips_to_perception_too_and_truth_is_not_detected(simulated: Path, tmp_path: Path) -> None:
    recipe = load_recipe("simulated")
    build(find_sources([str(simulated / "videos")]), recipe, tmp_path / "o", engine="inline")
    clips = read_records(tmp_path / "o", "clips")
    assert {c.clip_id for c in clips} == set(read_truths(simulated)), "copied byte for byte, in one shot"
    assert {c.reason for c in clips} == {"ModelError"}


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="copypaste"):
        films(["copypast"], 1, 0)
    with pytest.raises(UserError, match="simulator"):
        simulate(films(["copypaste"], 1, 0), load_recipe("default"), tmp_path / "x")
    assert not (tmp_path / "x").exists()
    with pytest.raises(BadDataset, match="fm-hub simulate"):
        read_truths(tmp_path)
    with pytest.raises(BadDataset, match="truth"):
        Truth.from_json('{"clip_id": "x"}')


def walk(to: float, *, rest: float = 0.0, seconds: float = 4.0) -> Film:
    """A box of 20 x 20 that goes from x = 100 to ``to``, after a rest."""
    route = Route((100.0, 100.0)).rest(rest).go((to, 100.0), seconds - rest)
    t = np.arange(round(seconds * 10) + 1) / 10

    def shoot(pictures: bool) -> Iterator[Shot]:
        del pictures
        return _boxes(route.at(t))

    return Film(
        "made", 0, 0, (320, 240), seconds, {"a": "box"}, [Event("moves", "a", rest, seconds)], View.still(len(t)), shoot
    )


def _boxes(places: NDArray[np.float64]) -> Iterator[Shot]:
    for x, y in places:
        box = (float(x - 10), float(y - 10), float(x + 10), float(y + 10))
        inside = float(np.clip((min(box[2], 320) - max(box[0], 0)) / 20, 0, 1))
        yield Shot(None, {"a": Seen(box if inside else None, box, int(400 * inside), inside, 1.0)})


def peek() -> Film:
    """A box that comes into the picture by a twentieth, goes out again, and comes in later."""
    route = Route((340.0, 100.0)).go((329.0, 100.0), 1.0).go((340.0, 100.0), 1.0).go((200.0, 100.0), 2.0)
    film = walk(280)
    return replace(film, shoot=lambda pictures: _boxes(route.at(np.arange(41) / 10)))


@pytest.mark.parametrize(
    ("film", "predicate", "args", "holds"),
    [
        (walk(280), "direction", {"is": "right"}, True),
        (walk(280), "direction", {"is": "left"}, False),
        (walk(280), "moves", {"is": True}, True),
        (walk(104), "moves", {"is": False}, True),
        (walk(280), "speed_change", {"is": "steady"}, True),
        (walk(280, rest=2), "starts", {}, True),
        (walk(280), "starts", {}, False),
        (walk(400), "leaves", {"side": "right"}, True),
        (walk(400), "leaves", {"side": "left"}, False),
        (walk(280), "leaves", {"side": "right"}, False),
        (peek(), "leaves", {"side": "right"}, False),
        (walk(280), "path", {"is": "straight"}, True),
        (walk(280), "reversals", {"is": 0}, True),
        (walk(280), "reversals", {"is": 1}, False),
    ],
)
def test_the_judge(film: Film, predicate: str, args: dict[str, object], holds: bool) -> None:
    judge = made(film)
    (track,) = judge.things
    assert judge.holds(Claim.of(predicate, {**args, "track": track}, 0, film.seconds)) is holds
    assert judge.holds(Claim.of(predicate, {**args, "track": "no such"}, 0, film.seconds)) is None
    assert judge.holds(Claim.of("sings", {"track": track}, 0, film.seconds)) is None


def test_the_judge_of_many_things() -> None:
    film = two()
    judge = made(film)
    ids = {thing.name: track for track, thing in judge.things.items()}
    a, b = ids["a"], ids["b"]

    def holds(predicate: str, args: dict[str, object], t0: float = 0.0, t1: float = 4.0) -> bool | None:
        return judge.holds(Claim.of(predicate, args, t0, t1))

    assert holds("lengths", {"track": a, "lo": 8.0, "hi": 10.0}) is True  # 180 pixels of 20 each
    assert holds("lengths", {"track": a, "lo": 0.0, "hi": 1.0}) is False
    assert holds("hidden", {"track": b}) is True
    assert holds("hides", {"a": b, "b": a}) is True
    assert holds("hides", {"a": a, "b": b}) is False, "what is nearer is not hidden"
    assert holds("touches", {"a": a, "b": b}) is True
    assert holds("holds", {"a": a, "b": b}, 2.0, 4.0) is False
    assert holds("grasps", {"a": a, "b": b}, 0.5, 4.0) is True
    assert holds("grasps", {"a": a, "b": b}, 1.1, 4.0) is False, "a touch that a hold goes on from is one contact"
    assert holds("touches", {"a": b, "b": a}, 2.0, 4.0) is False
    grasp = {"event": "grasps", "a": a, "b": b}
    assert holds("before", {"first": grasp, "then": {"event": "releases", "a": a, "b": b}}) is True
    contact, moves = {"episode": "contact", "a": a, "b": b}, {"episode": "moves", "track": a}
    assert holds("when", {"first": contact, "then": moves, "is": "during"}) is True
    assert holds("when", {"first": contact, "then": moves, "is": "before"}) is False
    assert holds("not", {"predicate": "moves", "args": {"track": a, "is": True}}) is False
    assert holds("exactly", {"which": [a], "among": [a, b], "predicate": "moves", "args": {"is": True}}) is True
    assert holds("overtakes", {"a": a, "b": b}) is False, "what stays is not overtaken"
    assert holds("shape", {"track": a, "is": "straight"}) is True
    assert holds("shape", {"track": a, "is": "circle"}) is False
    assert holds("view", {"is": "static"}) is True
    assert holds("view", {"is": "left"}) is False
    assert holds("limb", {"track": a, "is": "left_wrist"}) is None, "a box has no limbs"


def two() -> Film:
    """Box ``a`` goes by before box ``b``, which stays; both touch for a moment."""
    route = Route((100.0, 100.0)).go((280.0, 100.0), 4.0)
    t = np.arange(41) / 10

    def shoot(pictures: bool):  # type: ignore[no-untyped-def]
        del pictures
        from fm_builders.simulate.film import Shot

        still = (185.0, 95.0, 195.0, 105.0)
        for x, y in route.at(t):
            box = (float(x - 10), float(y - 10), float(x + 10), float(y + 10))
            covered = box[0] <= still[0] and box[2] >= still[2]
            share = 0.0 if covered else 1.0
            b = Seen(None if covered else still, still, int(100 * share), share, 2.0)
            yield Shot(None, {"a": Seen(box, box, 400, 1.0, 1.0), "b": b})

    touches = (Touch("a", "b", "touch", 1.0, 1.8), Touch("a", "b", "hold", 1.3, 1.6))
    return Film(
        "made", 0, 0, (320, 240), 4.0, {"a": "box", "b": "ball"}, [], View.still(len(t)), shoot, touches=touches
    )


def test_truth_with_joints_comes_back_as_it_was_written() -> None:
    truth = made(walk(280)).truth
    points = np.full((len(truth.t), 3, 2), np.nan)
    points[:, 1] = 1.25
    thing = replace(truth.things[0], points=points)
    back = Truth.from_json(replace(truth, things=(thing,)).as_json()).things[0]
    assert np.array_equal(back.points, points, equal_nan=True)
    assert Truth.from_json(truth.as_json()).things[0].points.shape == (len(truth.t), 0, 2)


def test_every_scene_has_a_name() -> None:
    assert SCENES.names() == ["cars", "copypaste", "daily", "hands", "robots"]


def test_a_view_from_a_car_is_no_similarity_and_a_pan_is_one() -> None:
    from fm_builders.simulate.eye import Eye, view_of
    from fm_builders.simulate.scenery import fixed_points

    t = np.arange(41) / 10
    place, size = (0.0, -20.0, 5.0), (320, 240)
    turning = Eye(Route(place), Route((-2.0, 0, 1)).go((2.0, 0, 1), 4), Route((45.0, 0.0)), size)
    driving = Eye(Route(place).go((0, 10, 5), 4), Route((0.0, 60, 1)), Route((45.0, 0.0)), size)
    points = fixed_points(60, 12)
    pan, drive = view_of(turning, "pan", t, points), view_of(driving, "drives", t, points)
    assert pan.ok.all()
    assert not drive.ok[1:].any()
    flat, _ = turning.at(4.0).project(np.array([[3.0, 0.0, 0.0]]))
    first, _ = turning.at(0.0).project(np.array([[3.0, 0.0, 0.0]]))
    z = complex(*(first[0] - np.array(size) / 2))
    seen = pan.turn[-1] * z + pan.shift[-1] + complex(160, 120)
    assert abs(seen - complex(*flat[0])) < 8, "of 60; a turning eye is a similarity only nearly"
    assert view_of(Eye.fixed(place, (0, 0, 1), 45, size), "static", t, points).kind == "static"


@pytest.mark.parametrize("scene", ["cars", "daily", "hands", "robots"])
def test_rendered_boxes_lie_within_their_outlines(scene: str) -> None:
    pytest.importorskip("mujoco")
    pytest.importorskip("dm_control" if scene == "daily" else "gymnasium_robotics" if scene != "cars" else "mujoco")
    film = SCENES.load(scene)(0, 2)
    shots = []
    try:
        for shot in film.shoot(True):
            shots.append(shot)
            if len(shots) == 5:
                break
    except UserError as e:
        pytest.skip(str(e))
    assert {film.view.kind}
    for shot in shots[::2]:
        assert shot.image is not None
        assert shot.image.std() > 5, "a picture, not a blank"
        assert shot.seen is not None
        assert set(shot.seen) == set(film.things)
        shown = [s for s in shot.seen.values() if s.box is not None]
        assert shown
        for s in shown:
            assert s.box is not None
            x1, y1, x2, y2 = s.box
            assert s.whole[0] - 1.5 <= x1 < x2 <= s.whole[2] + 1.5
            assert s.whole[1] - 1.5 <= y1 < y2 <= s.whole[3] + 1.5
            assert 0 < s.share <= 1
            if s.share > 0.85 and s.whole[0] > 2 and s.whole[2] < film.size[0] - 2:
                assert abs((x2 - x1) - (s.whole[2] - s.whole[0])) < 6, "seen whole, the box is the outline's"
    assert shots[1].seen is None
