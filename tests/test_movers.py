"""What moves without a name before a still view, and what does not count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders.detectors import UNKNOWN, Detections
from fm_builders.perceive import Seen, perceive
from fm_builders.recipe import Perception
from fm_builders.unexplained import own_movers, unexplained
from fm_hub.records import Track
from fm_hub.video import encode_clip, index_video

N, W, H = 36, 320, 240
T = np.arange(N) / 10


def wall() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 200, (H // 8, W // 8, 1), dtype=np.uint8)  # grey: the fake detector sees colours
    return np.kron(coarse, np.ones((8, 8, 3), np.uint8))


def filmed(tmp_path: Path, frames: NDArray[np.uint8], detectors: tuple[str, ...] = ("fake", "movers")) -> Seen:
    encode_clip(iter(frames), T.tolist(), tmp_path / "v.mp4")
    index = index_video(tmp_path / "v.mp4")
    return perceive(index, index.times, "clip", "test", Perception(detectors=detectors))


def test_a_dark_thing_that_crosses_is_an_unknown_object(tmp_path: Path) -> None:
    frames = np.stack([wall()] * N)
    for i in range(8, N):
        x = 10 + 9 * (i - 8)
        frames[i, 100:140, x : x + 40] = 15
    seen = filmed(tmp_path, frames)
    assert seen.camera.label == "static"
    (track,) = [t for t in seen.tracks if t.label == UNKNOWN]
    assert (track.state == 0).sum() >= 20
    middle = (track.bbox[:, 0] + track.bbox[:, 2]) / 2
    told = 30 + 9 * (track.frame - 8)
    assert np.median(np.abs(middle - told)) <= 6
    assert track.detector == "movers"
    assert filmed(tmp_path, frames, ("fake",)).tracks == []


def test_what_another_detector_knows_and_what_it_hides_is_not_unknown(tmp_path: Path) -> None:
    """A red block is known; where it stood at first a ghost remains, which goes nowhere."""
    frames = np.stack([wall()] * N)
    for i in range(N):
        x = 20 + 6 * max(0, i - 10)
        frames[i, 60:110, x : x + 50] = (220, 30, 30)
    assert {t.label for t in filmed(tmp_path, frames).tracks} == {"red block"}


def test_before_a_view_that_moves_nothing_is_a_mover(tmp_path: Path) -> None:
    wide = np.concatenate([wall(), wall()[:, ::-1]], 1)
    frames = np.stack([wide[:, 4 * i : 4 * i + W] for i in range(N)])
    seen = filmed(tmp_path, frames)
    assert seen.camera.label == "moving"
    assert seen.tracks == []


def moved(label: str, frames: range, x: float, step: float, quality: float = 0.45) -> Track:
    k = np.array(frames)
    left = x + step * (k - k[0])
    bbox = np.stack([left, left * 0 + 50, left + 30, left * 0 + 80], 1)
    n = len(k)
    return Track("c", f"{label}{x}", label, 1.0, quality, "movers", "", k, bbox, np.ones(n), np.zeros(n))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mover", "stays"),
    [
        (moved(UNKNOWN, range(10), 200, 8), True),
        (moved(UNKNOWN, range(10), 200, 1), False),  # it stays in its place
        (moved(UNKNOWN, range(10), 200, 8, quality=0.1), False),
        (moved(UNKNOWN, range(10), 20, 4), False),  # on the person
        (moved(UNKNOWN, range(23, 33), 120, 8), False),  # where the person was seen last
        (moved(UNKNOWN, range(23, 33), 300, 8), True),
    ],
)
def test_movers_that_are_things_of_their_own(mover: Track, *, stays: bool) -> None:
    person = moved("person", range(20), 10, 5)
    assert own_movers([person, mover], UNKNOWN, T) == ([person, mover] if stays else [person])


def test_a_mover_beside_a_known_box_is_explained_by_it() -> None:
    known = Detections.of("x", [[100, 100, 150, 200]], [0.9], ["person"])
    movers = Detections.of("movers", [[140, 120, 165, 180], [300, 100, 330, 130]], [0.5] * 2, [UNKNOWN] * 2)
    assert unexplained(movers, known).bbox[:, 0].tolist() == [300]
    assert len(unexplained(movers, Detections.empty())) == 2
    assert len(unexplained(Detections.empty(), known)) == 0
