"""What every detector keeps to: shapes, types, boxes inside the frame, the same twice."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders import model_files
from fm_builders.detectors import DETECTORS, KEYPOINT_KINDS, Detections, Detector, fuse, movenet
from fm_builders.detectors.fuse import confirmed, distinct_things
from fm_hub.errors import ModelError, UnknownName
from fm_hub.video import read_frames
from tiny_plugins import MADE, plugin

VIDEOS = Path(__file__).parents[1] / "fixtures" / "videos"
RED, BLUE = (230, 20, 20), (20, 30, 220)


@cache
def street() -> tuple[NDArray[np.uint8], ...]:
    """Two consecutive sampled frames with two people."""
    frames = read_frames(VIDEOS / "sports2d_demo.mp4", [2.5, 2.6], size=(884, 496))
    return tuple(f for f in frames if f is not None)


@cache
def hand() -> tuple[NDArray[np.uint8], ...]:
    frames = read_frames(VIDEOS / "cup.mp4", [0.0, 0.1], size=(640, 480))
    return tuple(f for f in frames if f is not None)


def blocks() -> NDArray[np.uint8]:
    frame = np.full((120, 200, 3), 128, np.uint8)
    frame[10:40, 20:70] = RED
    frame[80:120, 150:200] = BLUE
    return frame


# "simulator" names exact truth, which comes with the clip: it never looks
@pytest.fixture(params=[name for name in DETECTORS.names() if name != "simulator"])
def detector(request: pytest.FixtureRequest) -> Detector:
    made: Detector = plugin(DETECTORS, request.param)
    made.reset()
    return made


def equal(a: Detections, b: Detections) -> bool:
    arrays = all(
        np.array_equal(getattr(a, k), getattr(b, k), equal_nan=True) for k in ("bbox", "score", "keypoints", "conf")
    )
    return arrays and (a.label, a.detector, a.kind) == (b.label, b.detector, b.kind)


def check_form(found: Detections, width: int, height: int) -> None:
    n = len(found)
    assert found.bbox.dtype == found.score.dtype == found.keypoints.dtype == found.conf.dtype == np.float32
    assert found.bbox.shape == (n, 4)
    assert found.score.shape == (n,)
    assert len(found.label) == len(found.detector) == len(found.kind) == n
    assert found.keypoints.shape[:2] == found.conf.shape
    assert (found.bbox >= 0).all()
    assert (found.bbox <= [width, height, width, height]).all()
    assert (found.bbox[:, 2:] > found.bbox[:, :2]).all()
    assert ((found.score >= 0) & (found.score <= 1)).all()
    assert ((found.conf >= 0) & (found.conf <= 1)).all()
    for kind, points in zip(found.kind, found.keypoints, strict=True):
        assert np.isfinite(points).all(1).sum() == KEYPOINT_KINDS[kind]


@pytest.mark.parametrize("frames", [street, hand], ids=["street", "hand"])
def test_form_and_repeatability(detector: Detector, frames) -> None:
    pictures = frames()
    first = [detector.detect(f) for f in pictures]
    for found, frame in zip(first, pictures, strict=True):
        check_form(found, frame.shape[1], frame.shape[0])
    detector.reset()
    assert all(equal(a, detector.detect(f)) for a, f in zip(first, pictures, strict=True))


def test_the_frame_is_left_alone(detector: Detector) -> None:
    frame = blocks()
    detector.detect(frame)
    assert np.array_equal(frame, blocks())


@pytest.mark.parametrize("shape", [(480, 640, 3), (31, 17, 3), (16, 300, 3)])
def test_nothing_in_a_grey_frame(detector: Detector, shape: tuple[int, int, int]) -> None:
    found = detector.detect(np.full(shape, 127, np.uint8))
    check_form(found, shape[1], shape[0])
    if detector.name not in MADE:  # random weights see things
        assert len(found) == 0 or found.score.max() < 0.45  # nothing that could begin a track


def test_names_and_models(detector: Detector) -> None:
    assert DETECTORS.load(detector.name) is type(detector)
    assert all("@" in model for model in detector.model_ids)
    assert bool(detector.model_ids) == (detector.name not in ("fake", "movers")), "these two have no weights"


@pytest.mark.parametrize(
    ("name", "frames", "label", "box"),
    [
        ("nanodet", street, "person", [581, 261, 691, 468]),
        ("movenet", street, "person", [581, 261, 691, 468]),
        ("embedded", street, "person", [581, 261, 691, 468]),
        ("hands", hand, "hand", [356, 174, 545, 293]),
    ],
)
def test_finds_what_is_there(name: str, frames, label: str, box: list[float]) -> None:
    found = DETECTORS.load(name)().detect(frames()[0])
    near = [i for i, b in enumerate(found.bbox) if np.abs(b - box).max() < 40]
    assert [found.label[i] for i in near] == [label]


def test_size_of_the_frame_does_not_matter() -> None:
    """The same picture at twice the size: the same people, at twice the place."""
    picture = street()[0]
    small, large = (DETECTORS.load("embedded")().detect(p) for p in (picture, picture.repeat(2, 0).repeat(2, 1)))
    assert len(small.take(small.score > 0.5)) == 2
    a, b = (d.bbox[np.argsort(d.bbox[:, 0])] for d in (small.take(small.score > 0.5), large.take(large.score > 0.5)))
    assert np.abs(a * 2 - b).max() < 12


def test_a_mirrored_frame_gives_mirrored_people() -> None:
    picture = street()[0]
    straight, mirrored = (DETECTORS.load("embedded")().detect(p) for p in (picture, picture[:, ::-1].copy()))
    a = straight.bbox[np.argsort(straight.bbox[:, 0])][:2]
    b = mirrored.bbox[np.argsort(-mirrored.bbox[:, 0])][:2]
    assert np.abs(a[:, [1, 3]] - b[:, [1, 3]]).max() < 15
    assert np.abs(a[:, 0] - (884 - b[:, 2])).max() < 25


def test_the_fake_detector_finds_blocks() -> None:
    found = DETECTORS.load("fake")().detect(blocks())
    assert found.label == ("red block", "blue block")
    assert found.bbox.tolist() == [[20, 10, 70, 40], [150, 80, 200, 120]]
    assert found.score.tolist() == [1, 1]


def test_hands_are_forgotten_on_reset() -> None:
    detector = DETECTORS.load("hands")()
    assert len(detector.detect(hand()[0])) == 1
    assert len(detector._points) == 1
    detector.reset()
    assert not detector._points


def persons(*rows: tuple[list[float], float]) -> Detections:
    boxes, scores = [r[0] for r in rows], [r[1] for r in rows]
    return Detections.of("x", boxes, scores, ["person"] * len(rows))


def test_a_person_needs_a_sure_look_or_to_be_known() -> None:
    here, there = [0, 0, 50, 100], [200, 0, 250, 100]
    assert len(confirmed(persons(), persons((here, 0.9)))) == 0
    assert len(confirmed(persons((here, 0.16)), persons((here, 0.9)))) == 0
    assert len(confirmed(persons((here, 0.16)), persons(), np.array([here], float))) == 1
    assert len(confirmed(persons((here, 0.16)), persons(), np.array([there], float))) == 0
    alone, both = (confirmed(persons((here, 0.3)), seen) for seen in (persons(), persons((here, 0.5))))
    assert alone.score.tolist() == pytest.approx([2 / 3])
    assert both.score.tolist() == pytest.approx([5 / 6])
    assert both.detector == ("movenet+nanodet",)


def body(box: list[float], score: float, points: list[float]) -> Detections:
    """A person in ``box`` whose points all lie on the diagonal of ``points``."""
    line = np.linspace(points[:2], points[2:], 17)
    return Detections.of("movenet", [box], [score], ["person"], line[None], np.full((1, 17), 0.6), "coco17")


def test_half_a_body_is_not_another_one() -> None:
    whole = body([0, 0, 60, 160], 0.7, [10, 10, 50, 150])
    half = body([0, 0, 60, 75], 0.5, [10, 11, 50, 149])
    beside = body([50, 0, 110, 160], 0.5, [60, 10, 100, 150])
    assert len(confirmed(Detections.concat([whole, half]), persons())) == 1
    assert len(confirmed(Detections.concat([whole, beside]), persons())) == 2


def test_who_is_small_or_faint_is_looked_at_again_and_found() -> None:
    """The people of the street, at half their size: the first look finds one of them."""
    import cv2

    picture = street()[0]
    height, width = picture.shape[:2]
    scene = np.full((height, width, 3), 96, np.uint8)
    small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    scene[height // 4 : height // 4 + small.shape[0], width // 4 : width // 4 + small.shape[1]] = small
    first = movenet.persons(scene, 512)
    assert len(first) == 1
    found = DETECTORS.load("embedded")().detect(scene)
    assert found.label.count("person") == 2


def test_who_is_sure_is_looked_for_in_the_frames_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A red block is the person; only a second look sees it in frames whose first pixel is not white."""

    def sees(image: NDArray[np.uint8], side: int) -> Detections:
        y, x = np.nonzero((image[..., 0] > 200) & (image[..., 1] < 100))
        if not len(x) or (side != fuse.LOOK_SIDE and image[0, 0, 1] < 255):
            return Detections.empty()
        return body([x.min(), y.min(), x.max() + 1, y.max() + 1], 0.5, [x.min(), y.min(), x.max(), y.max()])

    monkeypatch.setattr(fuse, "persons", sees)
    monkeypatch.setattr(fuse.MoveNet, "detect", lambda _, frame: sees(frame, 512))
    monkeypatch.setattr(fuse.NanoDet, "detect", lambda *_: Detections.empty())
    detector = fuse.EmbeddedDetector()
    found = []
    for i in range(10):
        frame = np.full((200, 400, 3), 90, np.uint8)
        frame[40:120, 40 + 12 * i : 70 + 12 * i] = RED
        frame[0, 0] = 255 if i >= 5 else 0
        found.append((len(detector.detect(frame)), detector.recalled()))
    assert [n for n, _ in found] == [0] * 5 + [1] * 5
    assert [len(late) for _, late in found] == [0] * 7 + [5] + [0] * 2
    for ago, late in found[7][1]:
        assert late.bbox.tolist() == [[40 + 12 * (7 - ago), 40, 70 + 12 * (7 - ago), 120]]
        assert late.look.sum() == pytest.approx(1)
    detector.reset()
    assert detector.recalled() == []


def test_a_person_on_all_fours_is_not_a_dog_and_parts_are_left_out() -> None:
    things = Detections.of(
        "n", [[0, 0, 100, 50], [200, 0, 300, 100], [220, 20, 260, 60]], [0.6, 0.7, 0.3], ["dog", "car", "car"]
    )
    kept = distinct_things(things, persons(([0, 0, 110, 55], 0.5)))
    assert kept.label == ("car",)
    assert distinct_things(things, persons()).label == ("car", "dog")


def test_detections_take_and_concat() -> None:
    a = Detections.of("a", [[0, 0, 1, 1]], [0.5], ["x"], np.ones((1, 17, 2)), np.ones((1, 17)), "coco17")
    b = Detections.of("b", [[2, 2, 3, 3]], [0.4], ["y"], np.ones((1, 21, 2)), np.ones((1, 21)), "hand21")
    both = Detections.concat([a, Detections.empty(), b])
    assert both.keypoints.shape == (2, 21, 2)
    assert np.isnan(both.keypoints[0, 17:]).all()
    assert both.take([1]).label == ("y",)
    assert both.take(np.array([True, False])).kind == ("coco17",)
    assert len(both.take([])) == len(Detections.empty().take([])) == 0
    with pytest.raises(ValueError, match="points of 'coco17'"):
        Detections.of("a", [[0, 0, 1, 1]], [0.5], ["x"], np.ones((1, 21, 2)), np.ones((1, 21)), "coco17")


def test_weights_are_listed_and_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = model_files.WEIGHTS
    listed = {entry["file"] for entry in model_files._entries().values()}
    assert listed == {f.name for f in folder.iterdir() if f.suffix in (".onnx", ".tflite")}
    assert all(entry["license"] == "Apache-2.0" for entry in model_files._entries().values())
    assert sum(f.stat().st_size for f in folder.iterdir()) <= 45e6
    with pytest.raises(UnknownName, match="did you mean 'nanodet'"):
        model_files.path("nanodte")
    monkeypatch.setattr(model_files, "WEIGHTS", tmp_path)
    model_files.path.cache_clear()
    with pytest.raises(ModelError, match="missing"):
        model_files.path("nanodet")
    (tmp_path / "nanodet.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match="not the listed ones"):
        model_files.path("nanodet")
    model_files.path.cache_clear()
