"""Cuts are found where they are, and nowhere else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders import samples
from fm_builders.shots import SHOTS, find_shots
from fm_hub.errors import NotAVideo
from fm_hub.video import index_video, iter_frames
from videos_made import make_video

ORIGINALS = Path(__file__).parent / "fixtures" / "videos"
Images = list[NDArray[np.uint8]]


def frames(name: str, first: int, count: int) -> Images:
    index = index_video(samples.folder() / name)
    wanted = index.times[first : first + count].tolist()
    return [image for _, image in iter_frames(index, wanted, size=(160, 120))]


def cuts(path: Path, finder: str = "outlier") -> list[int]:
    index = index_video(path)
    shots = SHOTS.load(finder)(index)
    assert shots[0][0] == 0.0
    assert shots[-1][1] == index.duration
    assert all(a[1] == b[0] for a, b in pairwise(shots))
    return [int(np.argmin(np.abs(index.times - t0))) for t0, _ in shots[1:]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (ORIGINALS / "bikes.mp4", [30, 76, 137, 187, 242]),
        (ORIGINALS / "cup.mp4", []),
        (ORIGINALS / "sports2d_demo.mp4", []),
        (samples.folder() / "walker.mp4", []),
    ],
)
def test_the_cuts_of_real_clips(path: Path, expected: list[int]) -> None:
    assert cuts(path) == expected


@pytest.mark.parametrize("finder", SHOTS.names())
def test_every_finder_finds_clear_cuts_and_covers_the_video(finder: str, tmp_path: Path) -> None:
    parts = [frames("cup.mp4", 0, 14), frames("walker.mp4", 0, 12), frames("bikes.mp4", 100, 16)]
    path = make_video(tmp_path / "v.mp4", [image for part in parts for image in part])
    assert cuts(path, finder) == [14, 26]
    assert cuts(make_video(tmp_path / "one.mp4", frames("cup.mp4", 0, 4)), finder) == []


def test_cuts_between_sources_short_shots_included(tmp_path: Path) -> None:
    parts = [
        frames("cup.mp4", 0, 12),
        frames("walker.mp4", 0, 5),
        frames("bikes.mp4", 100, 20),
        frames("cup.mp4", 90, 3),
    ]
    path = make_video(tmp_path / "v.mp4", [image for part in parts for image in part])
    assert cuts(path) == [12, 17, 37]


def test_a_flash_and_a_change_of_light_are_no_cuts(tmp_path: Path) -> None:
    images = frames("walker.mp4", 60, 40)
    images[15] = np.full_like(images[15], 250)
    dim = [(image * np.clip(1 - (i - 20) / 20, 0.4, 1)).astype(np.uint8) for i, image in enumerate(images)]
    assert cuts(make_video(tmp_path / "v.mp4", dim)) == []


def test_fast_camera_motion_is_no_cut(tmp_path: Path) -> None:
    (wide,) = [image for _, image in iter_frames(samples.folder() / "walker.mp4", [2.0])]
    shift = np.clip((np.arange(30) - 8) * 24, 0, 480)
    pan = [wide[100:340, s : s + 320] for s in shift]
    assert cuts(make_video(tmp_path / "v.mp4", pan)) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_frames_are_one_shot(tmp_path: Path, count: int) -> None:
    path = make_video(tmp_path / "v.mp4", frames("cup.mp4", 0, count))
    assert find_shots(path) == [(0.0, index_video(path).duration)]


def test_a_file_that_is_no_video_has_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_text("no video")
    with pytest.raises(NotAVideo):
        find_shots(tmp_path / "v.mp4")
