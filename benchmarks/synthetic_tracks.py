"""Annotated clips drawn by chance: plausible tracks of every kind of motion, without a video. Same seed, same bytes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import Annotation, Camera, Clip, Frames, Track, content_id

__all__ = ["annotation"]

SIZES = ((640, 360), (1280, 720), (480, 854), (640, 480))
LABELS = ("person", "person", "person", "car", "car", "bicycle", "dog", "truck", "cup", "sports ball", "bird", "bottle")
FPS = 10.0
Floats = NDArray[np.float64]


def _way(random: np.random.Generator, t: Floats, size: tuple[int, int]) -> Floats:
    """The centre of an object, (N, 2) pixels: at rest, a line, a bend, to and fro, round, a stop or a start."""
    w, h = size
    a, b, c = random.uniform((0.1 * w, 0.1 * h), (0.9 * w, 0.9 * h), (3, 2))
    s = ((t - t[0]) / (t[-1] - t[0]))[:, None]
    return np.asarray(_drawn(random, int(random.integers(9)), s, a, b, c, size), np.float64) + np.zeros((len(t), 2))


def _drawn(
    random: np.random.Generator, kind: int, s: Floats, a: Floats, b: Floats, c: Floats, size: tuple[int, int]
) -> Any:
    """One of nine ways from ``a`` to ``b`` (by ``c``), along the share ``s`` (N, 1) of the time."""
    if kind == 0:
        return a
    if kind == 1:  # a bend
        return (1 - s) ** 2 * a + 2 * s * (1 - s) * c + s**2 * b
    if kind == 2:  # to and fro
        swings = random.integers(1, 6)
        return a + (b - a) * 0.6 * (0.5 - 0.5 * np.cos(np.pi * swings * s))
    if kind == 3:  # round
        angle = 2 * np.pi * s[:, 0] * random.uniform(0.7, 2.5) * random.choice((-1, 1)) + random.uniform(0, 6)
        reach = random.uniform(0.08, 0.3) * min(size)
        return a + reach * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if kind == 4:  # starts
        return a + (b - a) * np.clip((s - random.uniform(0.3, 0.6)) / 0.35, 0, 1)
    if kind == 5:  # stops
        return a + (b - a) * np.clip(s / random.uniform(0.3, 0.6), 0, 1)
    if kind == 6:  # a turn
        turn = random.uniform(0.35, 0.65)
        return np.where(s < turn, a + (c - a) * s / turn, c + (b - c) * (s - turn) / (1 - turn))
    if kind == 7:  # faster or slower
        return a + (b - a) * s ** random.choice((0.5, 2.0))
    return a + (b - a) * s


def _track(random: np.random.Generator, clip_id: str, ordinal: int, t: Floats, size: tuple[int, int]) -> Track:
    w, h = size
    side = random.uniform(0.06, 0.2) * min(w, h)
    grows = random.choice((0.0, 0.0, 0.0, 0.6, -0.6))
    centre = _way(random, t, size)
    wh = side * np.exp(grows * t / t[-1])[:, None] * np.array([1.0, random.uniform(0.6, 2.2)])
    box = np.concatenate([centre - wh / 2, centre + wh / 2], axis=1) + random.normal(0, 0.004 * h, (len(t), 4))
    lo, hi = sorted(random.uniform(t[0], t[-1], 2)) if random.random() < 0.2 else (t[0], t[-1])
    keep = (t >= lo) & (t <= hi) & (random.random(len(t)) > 0.02)
    frame = np.nonzero(keep)[0].astype(np.int32)
    n = len(frame)
    return Track(
        clip_id=clip_id,
        track_id=content_id("track", clip_id, "synthetic", ordinal),
        label=str(random.choice(LABELS)),
        label_score=0.9,
        quality=round(float(random.uniform(0.3, 1.0)), 4),
        detector="synthetic",
        parent="",
        frame=frame,
        bbox=np.clip(box, 0, [w, h, w, h])[keep].astype(np.float32),
        score=np.full(n, 0.9, np.float32),
        state=(random.random(n) < 0.02).astype(np.int8),
    )


def annotation(number: int, seed: int = 0) -> Annotation:
    """The clip of that number: 5 to 10 seconds at 10 frames a second, 2 to 6 objects, mostly a camera at rest."""
    random = np.random.default_rng([seed, number])
    size = SIZES[random.integers(len(SIZES))]
    n = int(random.integers(50, 101))
    t = np.arange(n) / FPS
    sha = hashlib.sha256(f"synthetic {seed} {number}".encode()).hexdigest()
    clip_id, source = sha[:24], content_id("synthetic", seed, number // 2)  # two clips of one video
    moving = random.random() < 0.15
    frame = np.arange(n, dtype=np.int32)
    pan = random.normal(0, 0.004, 2) * size if moving else np.zeros(2)
    steps = np.where(frame > 0, 1.0, 0.0)
    dx, dy = (steps * p + steps * random.normal(0, 0.02, n) for p in pan)
    still, all_ok = np.zeros(n), np.ones(n, bool)
    camera = Camera(clip_id, "moving" if moving else "static", frame, dx, dy, still, still, np.ones(n), all_ok)
    clip = Clip(
        clip_id=clip_id,
        source_id=source,
        video_file=f"videos/{clip_id[:2]}/{clip_id}.mp4",
        sha256=sha,
        t0=0.0,
        t1=n / FPS,
        copied=True,
        fps=FPS,
        width=size[0],
        height=size[1],
        n_frames=n,
        duration=n / FPS,
        camera=camera.label,
        split="train",
        status="ok",
    )
    tracks = [_track(random, clip_id, i, t, size) for i in range(int(random.integers(2, 7)))]
    frames = Frames(clip_id, frame, (t * 90_000).round().astype(np.int64), t)
    return Annotation(clip, frames, camera, [x for x in tracks if len(x.frame) > 5])
