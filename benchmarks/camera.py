"""The view's motion on known paths over real textures, with real textures moving in front.

    uv run python benchmarks/camera.py [--seed N] [--json]

A path is one of pan, tilt, zoom, roll, shake and static, at a random pace; in front there is nothing, or a quarter of
the view with boxes that are known, or a seventh whose boxes nobody knows. The *flow error* of a frame is the mean
distance, over a grid of points, between where the estimate and the truth carry them, in pixels of a 640 x 360 view.
The class is read from the published table alone by `named`, a small reference of this file. `measure` is the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import cv2
import numpy as np
from bench import Row, options, show
from numpy.typing import NDArray

from fm_builders.camera import CameraEstimator
from fm_hub.records import Camera
from fm_hub.video import read_frames

W, H, FRAMES = 640, 360, 24
CENTRE = np.array([W / 2, H / 2])
CLASSES = ("static", "shake", "pan", "tilt", "zoom", "roll")
FRONT = {"nothing": (0.0, True), "known": (0.25, True), "unknown": (0.15, False)}  # share of the view, boxes given
NOISE = 3.0  # standard deviation, grey levels
TURNED = 150.0  # pixels from the centre at which zoom and roll are compared with shifts
SHAKES = 0.5  # pixels: median step of a view that stays in its place, above which it shakes

Step = tuple[float, float, float, float]  # shift x, y in pixels, log scale, roll in radians


def textures() -> list[NDArray[np.uint8]]:
    """The real pictures that come with fm-hub."""
    found = []
    for clip, t in (("walker.mp4", 0.0), ("cup.mp4", 2.0), ("bikes.mp4", 0.0), ("bikes.mp4", 6.5)):
        (frame,) = read_frames(str(files("fm_builders") / "samples" / clip), [t])
        if frame is not None:
            found.append(frame)
    folder = files("fm_builders") / "simulate" / "cutouts"
    for name in ("brick.jpg", "grass.jpg", "yard.jpg"):
        picture = cv2.imdecode(np.frombuffer((folder / name).read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
        found.append(np.asarray(picture, np.uint8))
    return found


def path(kind: str, rng: np.random.Generator) -> list[Step]:
    """The step before each frame but the first."""
    sign = float(rng.choice([-1.0, 1.0]))
    pace = {"pan": (1.5, 8), "tilt": (1.5, 5), "zoom": (0.003, 0.015), "roll": (0.004, 0.017)}.get(kind, (0, 0))
    rate = sign * float(rng.uniform(*pace))
    if kind == "shake":
        place = rng.normal(0, rng.uniform(1.0, 3.0), (FRAMES, 2))
        return [(float(x), float(y), 0.0, 0.0) for x, y in np.diff(place, axis=0)]
    unit = np.array([kind == k for k in ("pan", "tilt", "zoom", "roll")], float)
    steps = unit * rate * rng.uniform(0.9, 1.1, (FRAMES - 1, 1))
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in steps]


def matrix(step: Step) -> NDArray[np.float64]:
    """(3, 3): what a step does to a point of the frame before."""
    dx, dy, s, a = step
    turn = np.exp(s) * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    out = np.eye(3)
    out[:2, :2], out[:2, 2] = turn, CENTRE + np.array([dx, dy]) - turn @ CENTRE
    return out


def film(
    steps: list[Step], front: float, pictures: list[NDArray[np.uint8]], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """Frames of the path and the boxes of what moves in front."""
    back = pictures[int(rng.integers(len(pictures)))]
    scale = 900 / max(back.shape[:2]) * float(rng.uniform(1.0, 1.6))
    pose = np.diag([scale, scale, 1.0])
    pose[:2, 2] = CENTRE - scale * np.array([back.shape[1], back.shape[0]]) / 2
    count = 0 if front == 0 else int(rng.integers(2, 5))
    side = int(np.sqrt(front * W * H / max(count, 1)))
    patches = []
    for _ in range(count):
        source = pictures[int(rng.integers(len(pictures)))]
        y, x = (int(rng.integers(0, max(1, n - side))) for n in source.shape[:2])
        patches.append(cv2.resize(source[y : y + side, x : x + side], (side, side)))
    at, velocity = rng.uniform([0, 0], [W - side, H - side], (count, 2)), rng.uniform(-7, 7, (count, 2))
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # our coordinates start at a pixel's corner, OpenCV's inside
    for step in [(0.0, 0.0, 0.0, 0.0), *steps]:
        pose = matrix(step) @ pose
        pixels = np.linalg.inv(half) @ pose @ half
        view = cv2.warpAffine(back, pixels[:2], (W, H), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        boxes = []
        for k in range(count):
            at[k] += velocity[k]
            velocity[k] *= np.where((at[k] < 0) | (at[k] > [W - side, H - side]), -1, 1)
            x, y = (int(v) for v in np.clip(at[k], 0, [W - side, H - side]))
            view[y : y + side, x : x + side] = patches[k]
            boxes.append([x, y, x + side, y + side])
        noisy = view + rng.normal(0, NOISE, view.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8), np.array(boxes, float).reshape(-1, 4)


def flow_errors(camera: Camera, steps: list[Step]) -> NDArray[np.float64]:
    """(frames - 1,) pixels; infinite where the motion was not found."""
    grid = np.stack(np.meshgrid(np.linspace(0, W, 9), np.linspace(0, H, 6)), -1).reshape(-1, 2)
    points = np.c_[grid, np.ones(len(grid))]
    found = zip(camera.dx, camera.dy, camera.dlogs, camera.droll, strict=True)
    errors = [
        float(np.linalg.norm((points @ (matrix(e) - matrix(s)).T)[:, :2], axis=1).mean()) if ok else np.inf
        for e, s, ok in zip(list(found)[1:], steps, camera.ok[1:], strict=True)
    ]
    return np.array(errors)


def named(camera: Camera) -> str:
    """The class of a whole clip: the largest of the summed motions; of a view that stays, whether it shakes."""
    if camera.label == "unknown":
        return "unknown"
    if camera.label == "static":
        return "shake" if np.median(np.hypot(camera.dx, camera.dy)[1:]) > SHAKES else "static"
    sums = [abs(float(a.sum())) for a in (camera.dx, camera.dy, camera.dlogs * TURNED, camera.droll * TURNED)]
    return ("pan", "tilt", "zoom", "roll")[int(np.argmax(sums))]


def measure(seed: int, rounds: int = 8) -> list[Row]:
    """``rounds`` paths of every class before every kind of foreground, and what comes of them."""
    pictures, rows = textures(), []
    wrong = unknown = total = 0
    all_errors = []
    for name, (share, told) in FRONT.items():
        errors = []
        for k in range(rounds * len(CLASSES)):
            rng = np.random.default_rng([seed, k, list(FRONT).index(name)])
            kind = CLASSES[k % len(CLASSES)]
            steps, estimator = path(kind, rng), CameraEstimator((W, H))
            for frame, boxes in film(steps, share, pictures, rng):
                estimator.add(frame, boxes if told else np.empty((0, 4)))
            camera = estimator.result("clip")
            errors.append(flow_errors(camera, steps))
            said = named(camera)
            wrong += said not in (kind, "unknown")
            unknown += said == "unknown"
            total += 1
        flat = np.concatenate(errors)
        all_errors.append(flat)
        rows.append(Row(f"median flow error, {name} in front", float(np.median(flat)), "px", "<=", 0.05))
        known = flat[np.isfinite(flat)]
        rows.append(Row(f"95 % of the known flows, {name} in front", float(np.quantile(known, 0.95)), "px", "<=", 0.5))
    rows.append(Row("median flow error, all", float(np.median(np.concatenate(all_errors))), "px", "<=", 0.05))
    rows.append(Row("wrong class", 100 * wrong / total, "%", "<=", 2))
    rows.append(Row("class unknown", 100 * unknown / total, "%", "<=", 10))
    return rows


if __name__ == "__main__":
    cv2.setNumThreads(1)
    chosen = options(__doc__)
    show("camera", measure(chosen.seed), chosen)
