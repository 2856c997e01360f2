"""Annotated clips drawn with numpy: tracks whose motion is known by construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import Annotation, Camera, Clip, Frames, Track, content_id

Path2D = Callable[[NDArray[np.float64]], NDArray[np.float64]]
WIDTH, HEIGHT = 640, 360


def clock(seconds: float = 6.0, fps: float = 10.0) -> NDArray[np.float64]:
    """Times of the sampled frames."""
    return np.arange(round(seconds * fps) + 1) / fps


def make_track(
    name: str,
    label: str,
    t: NDArray[np.float64],
    path: Path2D,
    *,
    size: tuple[float, float] = (40.0, 80.0),
    jitter: float = 0.5,
    seen: tuple[float, float] | None = None,
    quality: float = 0.9,
    seed: int = 0,
    growth: float = 0.0,
) -> Track:
    """A track along ``path`` (seconds → pixels), visible in ``seen``, growing by ``growth`` log units."""
    rng = np.random.default_rng([seed, len(name), *name.encode()])
    xy = path(t)
    wh = np.array(size) * np.exp(growth * t / t[-1])[:, None]
    boxes = np.concatenate([xy - wh / 2, xy + wh / 2], axis=1) + rng.normal(0, jitter, (len(t), 4))
    boxes = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    lo, hi = seen or (t[0], t[-1])
    keep = (t >= lo - 1e-9) & (t <= hi + 1e-9) & (boxes[:, 2] - boxes[:, 0] > 4) & (boxes[:, 3] - boxes[:, 1] > 4)
    n = int(keep.sum())
    return Track(
        clip_id="clip",
        track_id=content_id("made", name),
        label=label,
        label_score=0.9,
        quality=quality,
        detector="made",
        parent="",
        frame=np.nonzero(keep)[0].astype(np.int32),
        bbox=boxes[keep].astype(np.float32),
        score=np.full(n, 0.9, np.float32),
        state=np.zeros(n, np.int8),
    )


def line(start: tuple[float, float], end: tuple[float, float], seconds: float = 6.0) -> Path2D:
    """A straight path at an even pace."""
    a, b = np.array(start), np.array(end)
    return lambda t: a + (b - a) * (t / seconds)[:, None]


def swing(centre: tuple[float, float], reach: float, period: float) -> Path2D:
    """A path to and fro along x."""
    return lambda t: np.stack([centre[0] - reach * np.cos(2 * np.pi * t / period), np.full(len(t), centre[1])], axis=1)


def rest(at: tuple[float, float]) -> Path2D:
    """No motion."""
    return line(at, at)


def annotation(
    tracks: Sequence[Track],
    t: NDArray[np.float64],
    *,
    camera: str = "static",
    clip_id: str = "clip",
    source_id: str = "source",
    split: str = "train",
) -> Annotation:
    """An annotated clip of these tracks."""
    n = len(t)
    zero = np.zeros(n)
    clip = Clip(
        clip_id=clip_id,
        source_id=source_id,
        video_file=f"videos/{clip_id[:2]}/{clip_id}.mp4",
        sha256="0" * 64,
        t0=0.0,
        t1=float(t[-1]),
        copied=True,
        fps=10.0,
        width=WIDTH,
        height=HEIGHT,
        n_frames=n,
        duration=float(t[-1]) + 0.1,
        camera=camera,  # type: ignore[arg-type]
        split=split,  # type: ignore[arg-type]
        status="ok",
    )
    frames = Frames(clip_id, np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int64), t)
    ok = np.ones(n, bool)
    cam = Camera(clip_id, camera, frames.frame, zero, zero, zero, zero, np.ones(n), ok)  # type: ignore[arg-type]
    return Annotation(clip, frames, cam, list(tracks))


def street() -> Annotation:
    """A person who crosses from left to right, a car the other way, a dog that swings, a second person at rest."""
    t = clock()
    return annotation(
        [
            make_track("walker", "person", t, line((60, 200), (560, 200))),
            make_track("car", "car", t, line((600, 300), (100, 300)), size=(90, 45)),
            make_track("dog", "dog", t, swing((320, 90), 90, 3.0), size=(40, 30)),
        ],
        t,
    )
