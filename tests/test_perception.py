"""What the embedded tier sees in real clips, against coarse boxes written by eye (``fixtures/truth``)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders import perceive as perception
from fm_builders.boxes import centre, iou
from fm_builders.detectors import nanodet
from fm_builders.detectors.memory import Memory, remembered, remembering
from fm_builders.perceive import perceive, with_parents
from fm_builders.perception_models import model_ids
from fm_builders.recipe import Compose, Perception
from fm_hub.errors import UnknownName
from fm_hub.records import Camera, Keypoints, Track
from fm_hub.tables import to_table
from fm_hub.video import encode_clip, index_video, iter_frames, sample_times

FIXTURES = Path(__file__).parent / "fixtures"
MIN_IOU = 0.4  # with boxes interpolated between every tenth frame, of people who walk and wave


@dataclass(frozen=True)
class Seen:
    """A perceived clip; the sampled frames' numbers in the original; and its size as a share of the original's."""

    original: NDArray[np.int64]
    camera: Camera
    tracks: list[Track]
    keypoints: list[Keypoints]
    scale: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, original: NDArray[np.int64], found: perception.Seen, scale: tuple[float, float] = (1.0, 1.0)) -> Seen:
        return cls(original, found.camera, list(found.tracks), list(found.keypoints), scale)


@dataclass(frozen=True)
class Person:
    """An object of the truth: boxes at ``frame`` (K,), and the first and last frame in which it is visible."""

    frame: NDArray[np.int64]
    bbox: NDArray[np.float64]
    visible: tuple[int, int]

    def at(self, frame: float) -> NDArray[np.float64]:
        return np.array([np.interp(frame, self.frame, self.bbox[:, k]) for k in range(4)])


def truth(clip: str, name: str) -> Person:
    told = json.loads((FIXTURES / "truth" / f"{clip}.json").read_text())["objects"][name]
    frames = np.array([int(f) for f in told["boxes"]])
    return Person(frames, np.array(list(told["boxes"].values()), float), tuple(told["visible"]))


@cache
def seen_in(clip: str) -> Seen:
    index = index_video(FIXTURES / "videos" / f"{clip}.mp4")
    _, t = sample_times(index, 10.0)
    return Seen.of(np.searchsorted(index.times, t), perceive(index, t, clip, "test"))


def sports() -> Seen:
    return seen_in("sports2d_demo")


def cup() -> Seen:
    return seen_in("cup")


@pytest.fixture(scope="session")
def half(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The same clip at half the size, encoded again."""
    index = index_video(FIXTURES / "videos" / "sports2d_demo.mp4")
    _, t = sample_times(index, 10.0)
    path = tmp_path_factory.mktemp("half") / "half.mp4"
    encode_clip((f for _, f in iter_frames(index, t.tolist(), size=(884, 496))), t.tolist(), path)
    smaller = index_video(path)
    frames = np.searchsorted(index.times, t)
    return Seen.of(frames, perceive(smaller, smaller.times, "half", "test"), scale=(884 / 1768, 496 / 994))


@pytest.fixture(params=["full", "half"])
def street(request: pytest.FixtureRequest) -> Seen:
    return sports() if request.param == "full" else request.getfixturevalue("half")


def matching(seen: Seen, told: Person, last: int | None = None) -> tuple[dict[str, list[int]], int]:
    """The sampled frames in which each track is visible on the told object, and how many frames there are."""
    lo, hi = told.visible[0], told.visible[1] if last is None else last
    hits: dict[str, list[int]] = {}
    frames = [i for i, f in enumerate(seen.original) if lo <= f <= hi]
    for i in frames:
        box = told.at(seen.original[i]) * np.tile(seen.scale, 2)
        for track in seen.tracks:
            row = np.flatnonzero((track.frame == i) & (track.state == 0))
            if len(row) and iou(track.bbox[row], box[None])[0, 0] >= MIN_IOU:
                hits.setdefault(track.track_id, []).append(i)
    return hits, len(frames)


def test_the_walker_is_one_track(street: Seen) -> None:
    hits, frames = matching(street, truth("sports2d", "walker"))
    assert len(hits) == 1
    assert max(len(h) for h in hits.values()) >= 0.95 * frames


def test_the_jumper_is_one_track_on_the_roof(street: Seen) -> None:
    hits, frames = matching(street, truth("sports2d", "jumper"), last=138)
    assert len(hits) == 1
    assert max(len(h) for h in hits.values()) >= 0.9 * frames


def test_after_landing_the_jumper_is_one_track(street: Seen) -> None:
    told = truth("sports2d", "jumper")
    hits, frames = matching(street, Person(told.frame, told.bbox, (190, 225)))
    assert len(hits) == 1
    assert max(len(h) for h in hits.values()) >= 0.9 * frames


def test_a_lost_jumper_is_not_called_visible(street: Seen) -> None:
    """In the air, before the dark tree, he is detected in some frames: the others must not say visible.

    His path is known at the jump and the landing alone; between them he must be within his height of the line.
    """
    frames = street.original
    told = truth("sports2d", "jumper")
    for track in street.tracks:
        for i, box, state in zip(track.frame, track.bbox, track.state, strict=True):
            if state == 0 and 156 < frames[i] < 186:  # detected: then on him, or on the walker
                people = [told.at(frames[i]), truth("sports2d", "walker").at(frames[i])]
                boxes = np.array(people) * np.tile(street.scale, 2)
                near = np.linalg.norm(centre(box[None]) - centre(boxes[:1])) < boxes[0, 3] - boxes[0, 1]
                assert near or iou(box[None], boxes[1:]).max() >= 0.3


def test_no_false_persons(street: Seen) -> None:
    """Every visible box called a person lies on one of the two people."""
    frames = street.original
    people = [truth("sports2d", name) for name in ("walker", "jumper")]
    for track in street.tracks:
        if track.label == "person":
            for i, box in zip(track.frame[track.state == 0], track.bbox[track.state == 0], strict=True):
                if 156 < frames[i] < 186:  # the jumper is in the air, where his box is not known
                    continue
                boxes = np.array([p.at(frames[i]) for p in people]) * np.tile(street.scale, 2)
                assert iou(box[None], boxes).max() >= 0.25, (track.track_id, frames[i], box)


def test_the_street_has_no_other_tracks(street: Seen) -> None:
    assert {t.label for t in street.tracks} == {"person"}
    assert 2 <= len(street.tracks) <= 3


def test_persons_have_keypoints_inside_their_boxes(street: Seen) -> None:
    for points in street.keypoints:
        track = next(t for t in street.tracks if t.track_id == points.track_id)
        rows = np.searchsorted(track.frame, points.frame)
        assert (track.state[rows] == 0).all()
        size = np.sqrt((track.bbox[rows, 2:] - track.bbox[rows, :2]).prod(1))
        shoulders_and_hips = points.xy[:, [5, 6, 11, 12]].mean(1)
        assert np.median(np.linalg.norm(shoulders_and_hips - centre(track.bbox[rows]), axis=1) / size) < 0.35


def test_the_walkers_path_is_smooth(street: Seen) -> None:
    """Her centre moves left all the time: median speed within a factor of the truth, and no jumps."""
    hits, _ = matching(street, truth("sports2d", "walker"))
    track = next(t for t in street.tracks if t.track_id in hits)
    x = centre(track.bbox)[:, 0] / street.scale[0]
    assert x[0] - x[-1] > 1300
    assert np.diff(x).max() < 25
    assert np.diff(x).min() > -90
    assert track.quality > 0.8


def test_the_hand_is_one_track() -> None:
    seen = cup()
    hits, frames = matching(seen, truth("cup", "hand"))
    assert len(hits) == 1
    assert max(len(h) for h in hits.values()) >= 0.95 * frames
    assert [t.label for t in seen.tracks].count("hand") == 1
    assert next(t for t in seen.tracks if t.label == "hand").side == "right"
    points = next(k for k in seen.keypoints if k.kind == "hand21")
    assert len(points.frame) >= 0.95 * len(seen.original)


def test_an_arm_is_not_a_person_and_the_bottle_has_no_wrong_name() -> None:
    labels = {t.label for t in cup().tracks}
    assert "person" not in labels
    assert labels <= {"hand", "object", "bottle", "cup"}


@pytest.mark.parametrize("clip", ["sports", "cup"])
def test_still_views_are_static(clip: str) -> None:
    camera = {"sports": sports, "cup": cup}[clip]().camera
    assert camera.label == "static"
    assert camera.ok.mean() >= 0.8


def test_cars_behind_a_fence() -> None:
    index = index_video(FIXTURES / "videos" / "bikes.mp4")
    _, t = sample_times(index, 10.0)
    times = index.times
    t = t[(t >= times[137]) & (t <= times[186])]
    found = perceive(index, t, "bikes", "test")
    tracks = found.tracks
    assert len(found.camera.frame) == len(t)
    cars = [track for track in tracks if track.label in ("car", "truck", "bus")]
    assert len(cars) >= 3
    parked = np.array([[515, 103, 610, 165]])  # at the right, all the time
    steady = [c for c in cars if np.median(iou(c.bbox, parked)) > 0.6]
    assert len(steady) == 1
    assert (steady[0].state == 0).sum() == len(t)
    sure = [track for track in tracks if track.quality >= Compose().min_quality]
    assert {track.label for track in sure} <= {"car", "truck", "bus"}  # a bollard far off is taken for a person


def test_a_hand_belongs_to_the_person_whose_wrist_is_in_it() -> None:
    frames = np.arange(4, dtype=np.int32)

    def track(track_id: str, label: str, box: list[float]) -> Track:
        ones = np.ones(4, np.float32)
        return Track("c", track_id, label, 1.0, 1.0, "", "", frames, np.array([box] * 4, np.float32), ones, ones * 0)

    tracks = [
        track("a", "person", [0, 0, 100, 200]),
        track("b", "person", [200, 0, 300, 200]),
        track("h", "hand", [280, 90, 310, 120]),
    ]
    points = np.zeros((4, 17, 2), np.float32)
    points[:, 10] = [295, 100]
    keypoints = [
        Keypoints("c", "a", "coco17", frames, np.zeros((4, 17, 2)), np.ones((4, 17))),
        Keypoints("c", "b", "coco17", frames, points, np.ones((4, 17))),
    ]
    assert [t.parent for t in with_parents(tracks, keypoints)] == ["", "", "b"]
    assert with_parents(tracks, [])[2].parent == ""
    assert [t.side for t in with_parents(tracks, keypoints)] == ["", "", "right"]
    looks_left = [*tracks[:2], replace(tracks[2], side="left")]
    assert with_parents(looks_left, keypoints)[2].side == ""  # its look and its owner disagree
    assert with_parents(looks_left, [])[2].side == "left"


def test_two_detectors_of_persons_check_each_other() -> None:
    assert model_ids(Perception(detectors=("nanodet", "movenet"))) == model_ids(Perception(detectors=("embedded",)))
    assert len(model_ids(Perception())) == 4
    assert model_ids(Perception(detectors=("fake",))) == []
    with pytest.raises(UnknownName, match="did you mean 'nanodet'"):
        model_ids(Perception(detectors=("nanodte",)))


def test_drawn_blocks_are_tracked_without_weights(tmp_path: Path) -> None:
    """A red block moves right, a blue one stands; half-size decoding gives pixels of the clip all the same."""
    t = np.arange(12) / 10
    frames = np.full((12, 240, 320, 3), 120, np.uint8)
    for i in range(12):
        frames[i, 40:80, 20 + 20 * i : 60 + 20 * i] = (220, 30, 30)
        frames[i, 160:200, 200:260] = (30, 30, 220)
    encode_clip(iter(frames), t.tolist(), tmp_path / "drawn.mp4")
    index = index_video(tmp_path / "drawn.mp4")
    for side in (1280, 160):
        found = perceive(index, index.times, "drawn", "test", Perception(detectors=("fake",), max_side=side))
        tracks, keypoints = found.tracks, found.keypoints
        assert [(track.label, len(track.frame)) for track in tracks] == [("red block", 12), ("blue block", 12)]
        assert np.abs(tracks[0].bbox[:, 0] - (20 + 20 * np.arange(12))).max() <= 4
        assert np.abs(tracks[1].bbox - [200, 160, 260, 200]).max() <= 4
        assert all(track.quality > 0.85 for track in tracks)
        assert keypoints == []


def test_what_was_seen_in_the_same_pixels_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later stretch of a clip that was seen already gives what it gives alone, and costs a few second looks."""
    index = index_video(FIXTURES / "videos" / "cup.mp4")
    _, t = sample_times(index, 10.0)
    alone = perceive(index, t[5:13], "cup", "test")
    memory: Memory = {}
    with remembering(memory):
        perceive(index, t[:13], "cup", "test")

    def no_session(name: str) -> None:
        raise AssertionError(f"{name} looked at pixels it had seen")

    monkeypatch.setattr(nanodet, "onnx_session", no_session)
    before = len(memory)
    with remembering(memory):
        again = perceive(index, t[5:13], "cup", "test")
    assert len(memory) - before <= 4
    assert to_table("tracks", again.tracks).equals(to_table("tracks", alone.tracks))
    assert to_table("keypoints", again.keypoints).equals(to_table("keypoints", alone.keypoints))


def test_nothing_is_remembered_unless_it_is_asked_for() -> None:
    calls: list[int] = []

    @remembered
    def look(frame: NDArray[np.uint8], side: int) -> int:
        calls.append(side)
        return int(frame.sum()) + side

    frame = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert look(frame, 1) == look(frame, 1)
    assert len(calls) == 2
    with remembering({}):
        found = [look(frame, 1), look(frame.copy(), 1), look(frame, 2), look(frame.reshape(1, 4, 3), 2)]
    assert found == [67, 67, 68, 68]
    assert calls == [1, 1, 1, 2, 2]
