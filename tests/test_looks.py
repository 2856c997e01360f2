"""Looks tell two things of one class apart where their paths do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import LOOK, Detections
from fm_builders.detectors.looks import looks
from fm_builders.trackers.two_stage import TwoStageTracker
from fm_hub.records import Track

T = np.arange(40) / 10
RED, BLUE = (200, 40, 40), (40, 60, 200)
Colour = tuple[int, int, int]


def look_of(colour: Colour) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    frame = np.clip(np.array(colour) + rng.normal(0, 15, (80, 80, 3)), 0, 255).astype(np.uint8)
    return looks(frame, np.array([[10, 10, 70, 70]], np.float32))[0]


def test_a_look_is_a_share_of_colours_and_sees_the_middle_only() -> None:
    red, blue = look_of(RED), look_of(BLUE)
    assert red.shape == (LOOK,)
    assert red.sum() == np.float32(1.0) or abs(red.sum() - 1) < 1e-5
    assert np.sqrt(red * blue).sum() < 0.6
    frame = np.full((100, 100, 3), RED, np.uint8)
    frame[30:70, 30:70] = BLUE
    middle = looks(frame, np.array([[20, 20, 80, 80], [50, 50, 53, 53]], np.float32))
    assert np.sqrt(middle[0] * blue).sum() > 0.75
    assert not middle[1].any()  # too small to say


def people(xs: list[list[float | None]], colours: list[Colour], *, seen: bool) -> list[Track]:
    frames = []
    for row in zip(*xs, strict=True):
        there = [k for k, x in enumerate(row) if x is not None]
        boxes = [[row[k] - 20, 100, row[k] + 20, 180] for k in there]  # type: ignore[operator]
        found = Detections.of("planted", boxes, [0.8] * len(there), ["person"] * len(there))
        look = np.array([look_of(colours[k]) for k in there]).reshape(-1, LOOK)
        frames.append(replace(found, look=look) if seen else found)
    return TwoStageTracker().track(frames, T[: len(frames)], (640, 360), "clip", "a")[0]


def meeting(*, turn: bool) -> list[list[float | None]]:
    """Two people meet, slow down behind something for 0.6 s, and pass, or turn back: what can be seen is the same."""
    on, back = ([296 + 7.0 * i for i in range(12)], [284 - 7.0 * i for i in range(12)])
    left: list[float | None] = [200 + 7.0 * i for i in range(12)] + [None] * 6 + (back if turn else on)
    right: list[float | None] = [380 - 7.0 * i for i in range(12)] + [None] * 6 + (on if turn else back)
    return [left, right]


def test_after_a_meeting_each_is_who_they_look_like() -> None:
    for turn, ends in ((False, [373, 207]), (True, [207, 373])):
        tracks = people(meeting(turn=turn), [RED, BLUE], seen=True)
        assert [round(float(t.bbox[-1, :3:2].mean())) for t in tracks] == ends
        by_paths = people(meeting(turn=turn), [RED, BLUE], seen=False)
        assert [round(float(t.bbox[-1, :3:2].mean())) for t in by_paths] == [373, 207]  # who has no look goes on


def test_who_is_gone_for_longer_is_known_again_by_looks_alone() -> None:
    path: list[float | None] = [200 + 2.0 * i for i in range(10)] + [None] * 14 + [240 + 2.0 * i for i in range(10)]
    assert len(people([path], [RED], seen=True)) == 1
    assert len(people([path], [RED], seen=False)) == 2
    other: list[list[float | None]] = [path[:10] + [None] * 24, [None] * 24 + path[24:]]
    assert len(people(other, [RED, BLUE], seen=True)) == 2
