"""The view's motion on known paths over a real texture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders.camera import CameraEstimator, estimate_camera, paper_score
from fm_hub.records import Camera
from fm_hub.video import read_frames

VIDEOS = Path(__file__).parent / "fixtures" / "videos"
W, H, N = 640, 360, 16
CENTRE = np.array([W / 2, H / 2])
NOTHING = np.empty((0, 4))
# (shift x, shift y, log scale, roll) of the view, from one frame to the next
Step = tuple[float, float, float, float]


@cache
def texture() -> NDArray[np.uint8]:
    (frame,) = read_frames(VIDEOS / "sports2d_demo.mp4", [0.0])
    assert frame is not None
    return frame


def shot(step: Callable[[int], Step], noise: float = 2.0, disc: bool = False) -> Iterator[NDArray[np.uint8]]:
    """Views of the texture whose content moves by ``step(f)`` before frame f, in our half-pixel-corner coordinates."""
    rng = np.random.default_rng(0)
    matrix = np.array([[1.0, 0, -500], [0, 1, -300], [0, 0, 1]])
    for f in range(N):
        if f:
            dx, dy, s, a = step(f)
            z = np.exp(s) * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
            move = np.eye(3)
            move[:2, :2], move[:2, 2] = z, CENTRE + np.array([dx, dy]) - z @ CENTRE
            matrix = move @ matrix
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        pixels = np.linalg.inv(half) @ matrix @ half
        view = cv2.warpAffine(texture(), pixels[:2], (W, H), flags=cv2.INTER_CUBIC).astype(float)
        if disc:
            view[120:260, 40 + 25 * f : 180 + 25 * f] = rng.integers(0, 255, (140, 140, 3))[:, : W - 40 - 25 * f]
        yield np.clip(view + rng.normal(0, noise, view.shape), 0, 255).astype(np.uint8)


def estimate(step: Callable[[int], Step], size: tuple[int, int] = (W, H), **kwargs: object) -> Camera:
    return estimate_camera(shot(step, **kwargs), [NOTHING] * N, size, "clip")  # type: ignore[arg-type]


PATHS: dict[str, Callable[[int], Step]] = {
    "still": lambda f: (0, 0, 0, 0),
    "pan": lambda f: (-6.0, 0, 0, 0),
    "slow pan": lambda f: (0.7, 0.2, 0, 0),
    "tilt": lambda f: (0, 4.0, 0, 0),
    "zoom": lambda f: (0, 0, 0.01, 0),
    "roll": lambda f: (0, 0, 0, np.radians(0.8)),
    "all": lambda f: (3.0, -2.0, 0.006, np.radians(-0.4)),
    "shake": lambda f: (1.5 * (-1) ** f, 0.8 * (-1) ** (f // 2), 0, 0),
}


@pytest.mark.parametrize("name", PATHS)
def test_known_paths(name: str) -> None:
    step = PATHS[name]
    camera = estimate(step)
    told = np.array([step(f) for f in range(1, N)])
    assert camera.ok.all()
    assert np.median(np.abs(camera.dx[1:] - told[:, 0])) <= 0.05
    assert np.median(np.abs(camera.dy[1:] - told[:, 1])) <= 0.05
    assert np.median(np.abs(camera.dlogs[1:] - told[:, 2])) <= 3e-4
    assert np.median(np.abs(camera.droll[1:] - told[:, 3])) <= 3e-4
    assert (camera.dx[0], camera.dy[0], camera.dlogs[0], camera.droll[0], camera.ok[0]) == (0, 0, 0, 0, True)
    assert camera.label == ("static" if name in ("still", "shake") else "moving") or name == "slow pan"


def test_the_convention_carries_a_point_back() -> None:
    """docs/claims.md takes a point of the last frame to frame 0 with these numbers."""
    step = PATHS["all"]
    camera = estimate(step)
    point, told = np.array([400.0, 100.0]), np.array([400.0, 100.0])
    for f in range(1, N):
        dx, dy, s, a = step(f)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        told = np.exp(s) * turn @ (told - CENTRE) + CENTRE + np.array([dx, dy])
    for g in range(N - 1, 0, -1):
        a = camera.droll[g]
        back = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        told = back @ (np.exp(-camera.dlogs[g]) * (told - [camera.dx[g], camera.dy[g]] - CENTRE)) + CENTRE
    assert np.linalg.norm(told - point) < 0.5


def test_errors_of_a_still_view_do_not_add_up() -> None:
    camera = estimate(PATHS["shake"], noise=6.0)
    assert np.abs(np.cumsum(camera.dx))[::2].max() < 0.2


def test_units_are_pixels_of_the_clip() -> None:
    small, large = estimate(PATHS["pan"]), estimate(PATHS["pan"], size=(2 * W, 2 * H))
    assert np.median(large.dx[1:]) == pytest.approx(2 * np.median(small.dx[1:]), abs=0.1)


def test_a_thing_in_front_does_not_carry_the_view() -> None:
    for boxes in ([NOTHING] * N, [np.array([[40.0 + 25 * f, 120, 180 + 25 * f, 260]]) for f in range(N)]):
        camera = estimate_camera(shot(PATHS["still"], disc=True), boxes, (W, H), "clip")
        assert camera.label == "static"
        assert np.abs(camera.dx).max() < 0.3


def wall(f: int, marks: int, moved: int = 0) -> NDArray[np.uint8]:
    """A plain wall with a few marks and a striped block that slides over it."""
    rng = np.random.default_rng(3)
    frame = np.full((H, W, 3), 200, np.uint8)
    for x, y in zip(rng.integers(40, W - 60, marks), rng.integers(240, H - 30, marks), strict=True):
        cv2.rectangle(frame, (int(x) + moved, int(y)), (int(x) + 9 + moved, int(y) + 6), (120, 130, 140), -1)
    for k in range(8):
        frame[30 + 20 * k : 40 + 20 * k, 100 + 15 * f : 180 + 15 * f] = 30 + 20 * k
    return np.clip(frame + np.random.default_rng(f).normal(0, 2, frame.shape), 0, 255).astype(np.uint8)


def test_a_plain_wall_with_a_moving_block_is_static() -> None:
    camera = estimate_camera((wall(f, 10) for f in range(N)), [NOTHING] * N, (W, H), "clip")
    assert camera.label == "static"
    assert np.abs(camera.dx).max() < 0.5


def test_a_wall_that_slides_is_not_static() -> None:
    camera = estimate_camera((wall(f, 10, moved=8 * f) for f in range(N)), [NOTHING] * N, (W, H), "clip")
    assert camera.label != "static"


def test_nothing_to_see_is_unknown() -> None:
    grey = [np.full((H, W, 3), 90, np.uint8)] * 5
    camera = estimate_camera(grey, [NOTHING] * 5, (W, H), "clip")
    assert camera.label == "unknown"
    assert not camera.ok[1:].any()
    assert (camera.dx == 0).all()
    assert camera.inliers.tolist() == [1, 0, 0, 0, 0]


def test_unrelated_frames_are_unknown() -> None:
    rng = np.random.default_rng(0)
    noise = [cv2.resize(rng.integers(0, 255, (45, 80, 3), dtype=np.uint8), (W, H)) for _ in range(6)]
    assert estimate_camera(noise, [NOTHING] * 6, (W, H), "clip").label == "unknown"


def test_a_moment_without_sight_is_bridged() -> None:
    """Three black frames in a still shot: not ok, and the sum of the motion stays."""
    frames = list(shot(PATHS["still"]))
    for f in (6, 7, 8):
        frames[f] = np.zeros_like(frames[f])
    camera = estimate_camera(frames, [NOTHING] * N, (W, H), "clip")
    assert np.flatnonzero(~camera.ok).tolist() == [6, 7, 8]
    assert camera.label == "static"


def test_short_clips() -> None:
    assert len(CameraEstimator((W, H)).result("clip").frame) == 0
    one = estimate_camera([next(iter(shot(PATHS["still"])))], [NOTHING], (W, H), "clip")
    assert one.label == "unknown"
    assert one.frame.tolist() == [0]


def test_equal_input_equal_output() -> None:
    assert estimate(PATHS["all"]) == estimate(PATHS["all"])


def test_the_papers_score_by_hand() -> None:
    """Ten frames that pan by 64 of 640 pixels in all: three equal turns, 2 sqrt 2 sin of half of each."""
    zero, ok = np.zeros(10), np.ones(10, bool)
    dx = np.r_[0.0, np.full(9, 64 / 9)]
    camera = Camera("c", "moving", np.arange(10), dx, zero, zero, zero, np.ones(10), ok)
    turn = 2 * np.sqrt(2) * np.sin(np.arctan(64 / 3 / 640) / 2)
    assert paper_score(camera, (W, H)) == pytest.approx(1.5 * turn, abs=1e-3)
    assert paper_score(Camera("c", "static", np.arange(10), *(zero,) * 4, np.ones(10), ok), (W, H)) == 0
    assert paper_score(Camera("c", "unknown", np.arange(10), *(zero,) * 4, zero, ~ok), (W, H)) is None
    nearer = Camera("c", "moving", np.arange(10), zero, zero, np.full(10, np.log(1.3) / 3), zero, np.ones(10), ok)
    assert paper_score(nearer, (W, H)) == pytest.approx(1.5 * 0.3, abs=1e-3)
