"""Things found in key frames and followed through a clip, on drawn frames whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fm_builders.detectors import Detections
from fm_builders.detectors.fake import FakeDetector
from fm_builders.recipe import Objects
from fm_builders.segmenters import Part
from fm_builders.segmenters.fake import FakeSegmenter
from fm_builders.segmenters.follow import Follower, Thing
from fm_builders.segmenters.rows import masks_of, tracks_of
from fm_hub import masks

SIZE = (160, 90)
N = 40
T = np.arange(N) / 10
RED, BLUE, GREEN = (220, 30, 30), (30, 30, 220), (30, 200, 30)
Frames = list[NDArray[np.uint8]]


def scene(hidden: range = range(0), late: int = 17) -> Frames:
    """Red goes right and may be hidden, blue stands, green comes in the middle of a second."""
    frames = np.full((N, 90, 160, 3), 120, np.uint8)
    for i in range(N):
        frames[i, 60:80, 100:140] = BLUE
        if i not in hidden:
            frames[i, 10:30, 3 * i : 3 * i + 20] = RED
        if i >= late:
            frames[i, 40:55, 20:50] = GREEN
    return list(frames)


class Watched(FakeSegmenter):
    """Remembers how many frames it was given at a time."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def open(self, frames: Sequence[NDArray[np.uint8]]) -> Part:
        self.lengths.append(len(frames))
        return super().open(frames)


def find(frames: Sequence[NDArray[np.uint8]]) -> list[Detections]:
    return [FakeDetector().detect(frame) for frame in frames]


def followed(frames: Frames, told: Objects, look=find, segmenter=None) -> list[Thing]:  # type: ignore[no-untyped-def]
    follower = Follower(segmenter or FakeSegmenter(), look, told)
    given_back = [frame for frame, _ in follower.through(frames, T)]
    assert len(given_back) == len(frames)
    assert all(a is b for a, b in zip(given_back, frames, strict=True))
    return follower.things


def objects(**more: object) -> Objects:
    return Objects(detectors=("fake",), segmenter="fake", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("part_s", [0.9, 1.0, 1.7, 2.0, 10.0])
def test_parts_do_not_show(part_s: float) -> None:
    """However a clip is divided, the same things come of it, with the masks that are drawn."""
    things = followed(scene(), objects(part_s=part_s))
    assert [(t.label, min(t.sights), len(t.sights)) for t in things] == [
        ("red block", 0, N),
        ("blue block", 0, N),
        ("green block", 17, N - 17),
    ]
    red = things[0]
    for i, sight in red.sights.items():
        assert sight.bbox.tolist() == [3 * i, 10, 3 * i + 20, 30]
        assert masks.decode(sight.runs, 90, 160).sum() == 400


def test_memory_is_that_of_a_part() -> None:
    """Parts share one frame, and none is longer than asked for."""
    segmenter = Watched()
    followed(scene(), objects(part_s=1.0), segmenter=segmenter)
    assert segmenter.lengths == [11, 11, 11, 10]
    assert sum(segmenter.lengths) == N + 3


def test_an_occlusion_is_a_state() -> None:
    """Hidden for half a second, followed by its pixels: one thing, whose track says where it was not seen."""
    things = followed(scene(hidden=range(12, 17)), objects(part_s=10.0))
    (track, *_), _ = tracks_of(things, "fake", SIZE, SIZE, T, "clip", "artifact")
    assert track.label == "red block"
    assert len(track.frame) == N
    assert np.flatnonzero(track.state).tolist() == list(range(12, 17))


def test_tracks_and_masks_of_a_larger_clip() -> None:
    """Boxes are in pixels of the clip, masks in those of the analysed frames."""
    things = followed(scene(), objects())
    tracks, points = tracks_of(things, "fake", SIZE, (320, 180), T, "clip", "artifact")
    assert tracks[0].bbox[5].tolist() == [30, 20, 70, 60]
    assert points == []
    assert {t.detector for t in tracks} == {"fake+fake"}
    pixels = masks_of(things[0], tracks[0])
    assert (pixels.height, pixels.width, len(pixels.counts)) == (90, 160, N)
    assert pixels.track_id == tracks[0].track_id


def test_what_is_found_once_in_many_looks_is_not_believed() -> None:
    def sees_ghosts(frames: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        found = find(frames)
        ghost = Detections.of("fake", [[60, 40, 90, 58]], [0.9], ["ghost"])
        return [Detections.concat([f, ghost]) if i == 0 else f for i, f in enumerate(found)]

    labels = {t.label for t in followed(scene(), objects(part_s=10.0), look=sees_ghosts)}
    assert labels == {"red block", "blue block", "green block"}
    every = {t.label for t in followed(scene(), objects(part_s=10.0, support=0.0), look=sees_ghosts)}
    assert every - labels == {"ghost"}


def test_two_names_for_one_thing_are_one() -> None:
    """The box with the better score gives the name; the other neither begins a thing nor divides the votes."""

    def doubled(frames: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        return [
            Detections.concat([f, Detections.of("other", f.bbox + 1, f.score * 0.8, ["brick"] * len(f))])
            for f in find(frames)
        ]

    things = followed(scene(), objects(), look=doubled)
    assert [t.label for t in things] == ["red block", "blue block", "green block"]
    assert [set(t.detectors) for t in things] == [{"fake"}] * 3


def test_sizes_that_are_not_believed() -> None:
    def sizes(**more: object) -> int:
        return len(followed(scene(), objects(**more)))

    assert sizes() == 3
    assert sizes(min_side=16) == 2  # green is 15 high
    assert sizes(min_box=600) == 1  # blue is 800
    assert sizes(max_share=400 / (90 * 160)) == 1  # red is 400
    assert sizes(min_frames=24) == 2  # green is there for 23


def test_the_second_pass_and_the_first_frame_alone() -> None:
    """As in the paper: what is there at first, followed again from its own boxes every fifth frame."""
    things = followed(scene(), objects(every_s=0, refine_every=5, support=0, min_frames=1))
    assert [(t.label, len(t.sights)) for t in things] == [("red block", N), ("blue block", N)]
    assert things[0].sights[33].bbox.tolist() == [99, 10, 119, 30]


@settings(max_examples=60)
@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=9))
def test_runs_there_and_back(rows: list[list[bool]]) -> None:
    mask = np.array(rows, bool)
    runs = masks.encode(mask)
    assert np.array_equal(masks.decode(runs, *mask.shape), mask)
    assert runs.sum() == mask.size
    assert (runs[1:] > 0).all()
    x1, y1, x2, y2 = masks.box_of(mask).astype(int)
    assert mask[y1:y2, x1:x2].sum() == mask.sum()
    with pytest.raises(ValueError, match="no mask of"):
        masks.decode(runs, 3, 5000)
