"""Random but plausible annotated clips: who moves, how, and how well it was seen. No video, no perception.

A clip has 2 to 6 objects for 5 to 10 s at 10 frames a second. What a thing is called goes with how it behaves, as in
the world: benches stay, cars cross the picture, hands swing. So a question about it can be guessed from its words, and
``benchmarks/quality.py`` can measure how far the benchmark prevents that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import Annotation, Camera, Clip, Contact, Frames, Keypoints, Split, Track, content_id

__all__ = ["HEIGHT", "WIDTH", "made_clip", "made_clips"]

WIDTH, HEIGHT, RATE = 640, 360, 10.0
Floats = NDArray[np.float64]

# label: (width, height) in pixels, and the weights of its behaviours
THINGS: dict[str, tuple[tuple[float, float], dict[str, float]]] = {
    "person": ((40, 100), {"cross": 4, "rest": 2, "turn": 2, "pace": 2, "near": 2, "stop": 2, "start": 2, "slow": 1}),
    "car": ((90, 45), {"cross": 6, "rest": 1, "stop": 2, "start": 2, "quick": 2, "near": 1, "slow": 1}),
    "bus": ((130, 70), {"cross": 5, "rest": 1, "stop": 2, "start": 1, "slow": 1}),
    "bicycle": ((60, 50), {"cross": 5, "turn": 1, "quick": 1, "curve": 1, "stop": 1}),
    "dog": ((45, 32), {"cross": 2, "curve": 3, "pace": 3, "rest": 1, "turn": 3, "circle": 1}),
    "bird": ((24, 18), {"curve": 4, "dive": 3, "cross": 2, "circle": 1}),
    "sports ball": ((20, 20), {"dive": 3, "cross": 2, "pace": 2, "curve": 2, "stop": 1}),
    "hand": ((44, 44), {"pace": 5, "turn": 3, "rest": 1, "dive": 2, "stop": 1, "circle": 1}),
    "cup": ((28, 36), {"rest": 5, "turn": 1, "stop": 1, "start": 1}),
    "chair": ((60, 80), {"rest": 8, "cross": 1}),
    "boat": ((110, 50), {"slow": 4, "cross": 2, "rest": 1}),
}


# how the camera goes, and how often
VIEWS: dict[str, float] = {"static": 15, "pan": 2, "tilt": 1, "zoom": 1, "roll": 0.5, "shake": 0.5}


SCENES = ("mixed", "people", "things")
"""What a clip is of: anything; two or three people, who mostly do something; a hand or a person among things."""


def made_clips(n: int, seed: int = 0, *, train: float = 0.0) -> Iterator[Annotation]:
    """``n`` clips, one after the other; the first share ``train`` of them is for training, the rest for test."""
    for i in range(n):
        yield made_clip(i, seed, "train" if i < train * n else "test")


def made_clip(i: int, seed: int, split: Split = "test", scene: str = "mixed") -> Annotation:
    """Clip ``i``: the same for the same seed, whatever was made before."""
    rng = np.random.default_rng([seed, i])
    clip_id = hashlib.sha256(f"made {seed} {i}{scene.removeprefix('mixed')}".encode()).hexdigest()
    t = np.arange(round(rng.uniform(5.0, 10.0) * RATE) + 1) / RATE
    labels = _labels(rng) if scene == "mixed" else _cast(rng, scene)
    tracks, points, paths = [], [], {}
    for k, label in enumerate(labels):
        track, keys, path = _track(rng, clip_id[:24], k, label, t, idle=5 if scene == "mixed" else 1)
        if track is not None:
            tracks.append(track)
            paths[track.track_id] = path
            points += [keys] if keys is not None else []
    contacts = _contacts(rng, clip_id[:24], tracks, t)
    n = len(t)
    moves = str(rng.choice(list(VIEWS), p=np.array(list(VIEWS.values())) / sum(VIEWS.values())))
    motion = _view(rng, moves, n)
    view: Literal["static", "moving"] = "static" if moves == "static" else "moving"
    frames = Frames(clip_id[:24], np.arange(n, dtype=np.int32), np.arange(n), t)
    ones = np.ones(n)
    dx, dy, dlogs, droll = motion
    camera = Camera(clip_id[:24], view, frames.frame, dx, dy, dlogs, droll, ones, ones > 0)
    name = f"videos/{clip_id[:2]}/{clip_id[:24]}.mp4"
    source = clip_id[24:48]
    row = Clip(
        *(clip_id[:24], source, name, clip_id, 0.0, float(t[-1]), True, RATE, WIDTH, HEIGHT, n, float(t[-1]) + 0.1),
        camera=view,
        split=split,
        status="ok",
    )
    return Annotation(row, frames, camera, tracks, points, contacts)


def _view(rng: np.random.Generator, how: str, n: int) -> NDArray[np.float64]:
    """How the picture moves from frame to frame (4, n): pixels right and down, log of scale, radians of roll."""
    motion = np.zeros((4, n))
    way = rng.choice([-1.0, 1.0])
    if how in ("pan", "tilt"):
        motion[int(how == "tilt")] = way * rng.normal(rng.uniform(1.5, 4.0), 0.3, n)
    elif how == "zoom":
        motion[2] = way * rng.normal(rng.uniform(0.004, 0.012), 0.0005, n)
    elif how == "roll":
        motion[3] = way * rng.normal(rng.uniform(0.004, 0.012), 0.0005, n)
    elif how == "shake":
        place = rng.normal(0, 6.0, (2, n))
        motion[:2] = np.diff(place, axis=1, prepend=0.0)
    motion[:, 0] = 0.0
    return motion


def _labels(rng: np.random.Generator) -> list[str]:
    """2 to 6 objects: mostly different, at times two or three of one class."""
    n = int(rng.integers(2, 7))
    if rng.random() < 0.3:  # a group of one class, and something else
        crowd = str(rng.choice(["person", "car", "dog", "bird", "boat"]))
        return [crowd] * (n - 1) + [str(rng.choice([x for x in THINGS if x != crowd]))]
    weights = np.array([4, 3, 1, 2, 2, 1, 2, 3, 2, 1, 1], float)
    first = rng.choice(list(THINGS), size=n, replace=False, p=weights / weights.sum()).tolist()
    if n > 2 and rng.random() < 0.6:
        first[-1] = first[0]
    if n > 3 and rng.random() < 0.3:
        first[-2] = first[0]
    return [str(x) for x in first]


def _cast(rng: np.random.Generator, scene: str) -> list[str]:
    """The objects of a scene of people, or of things that one of them may take."""
    if scene == "people":
        return ["person"] * int(rng.integers(2, 4)) + [str(rng.choice(["dog", "cup", "chair", "sports ball"]))]
    actor = str(rng.choice(["hand", "person"]))
    things = rng.choice(["cup", "sports ball", "chair", "bicycle", "bird", "dog"], size=4, replace=False)
    return [actor, *(str(x) for x in things)]


def _track(
    rng: np.random.Generator, clip_id: str, k: int, label: str, t: Floats, idle: int
) -> tuple[Track | None, Keypoints | None, Floats]:
    (w, h), behaviours = THINGS[label]
    scale = rng.uniform(0.7, 1.4)
    weights = np.array(list(behaviours.values()), float)
    how = str(rng.choice(list(behaviours), p=weights / weights.sum()))
    path, growth = _path(rng, how, t, level=label not in ("bird", "sports ball", "hand"))
    size = scale * np.array([w, h]) * np.exp(growth)[:, None]
    boxes = np.concatenate([path - size / 2, path + size / 2], axis=1)
    boxes += rng.normal(0, rng.uniform(0.2, 1.2), boxes.shape)
    inside = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    shown = (inside[:, 2] - inside[:, 0] > 0.3 * size[:, 0]) & (inside[:, 3] - inside[:, 1] > 0.3 * size[:, 1])
    state = np.where(rng.random(len(t)) < 0.03, 1, 0).astype(np.int8)
    if rng.random() < 0.12:  # hidden for a while
        a = int(rng.integers(len(t) // 4, 3 * len(t) // 4))
        shown[a : a + int(rng.integers(5, 15))] = False
    keep = np.nonzero(shown)[0]
    if len(keep) < 12:
        return None, None, path
    quality = float(rng.choice([rng.uniform(0.5, 1.0), rng.uniform(0.1, 0.39)], p=[0.93, 0.07]))
    track_id = content_id(clip_id, "made", k)
    track = Track(
        *(clip_id, track_id, label, 0.9, quality, "made", "", keep.astype(np.int32)),
        *(inside[keep].astype(np.float32), np.full(len(keep), 0.9, np.float32), state[keep]),
    )
    points = _body(rng, track, t, idle) if label == "person" else None
    return track, points, path


def _path(rng: np.random.Generator, how: str, t: Floats, *, level: bool) -> tuple[Floats, Floats]:
    """Centres (n, 2) in pixels, and the logarithm of the size over time."""
    s = t / t[-1]
    growth = np.zeros(len(t))
    y = rng.uniform(0.25, 0.8) * HEIGHT
    x = rng.uniform(0.15, 0.85) * WIDTH
    way = rng.choice([-1.0, 1.0])
    reach = rng.uniform(0.3, 0.9) * WIDTH
    rise = rng.normal(0, 0.04 if level else 0.2) * HEIGHT
    if how == "rest":
        return np.tile([x, y], (len(t), 1)), growth
    pace = s
    if how == "stop":
        at = rng.uniform(0.35, 0.7)
        pace = np.minimum(s, at) / at
    elif how == "start":
        at = rng.uniform(0.25, 0.6)
        pace = np.maximum(s - at, 0) / (1 - at)
    elif how == "slow":
        reach = rng.uniform(0.12, 0.25) * WIDTH
    elif how == "quick":
        pace = s**2 if rng.random() < 0.5 else 1 - (1 - s) ** 2
    elif how == "near":
        reach = rng.uniform(0.1, 0.3) * WIDTH
        growth = rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.6) * (s - 0.5)
    if how == "pace":
        period = rng.uniform(1.4, 4.0)
        swing = rng.uniform(0.12, 0.25) * WIDTH * np.cos(2 * np.pi * t / period + rng.uniform(0, 6))
        centre = np.clip(x, 0.3 * WIDTH, 0.7 * WIDTH)
        across = rng.random() < 0.8
        return np.stack([centre + swing * across, y + 0.5 * swing * (not across)], axis=1), growth
    if how == "circle":
        angle = rng.uniform(0, 6) + way * 2 * np.pi * t / rng.uniform(3, 6)
        r = rng.uniform(0.12, 0.22) * HEIGHT
        return np.stack([x + r * np.cos(angle), y + r * np.sin(angle)], axis=1), growth
    start = np.array([rng.uniform(0.2, 0.5) * WIDTH if rng.random() < 0.7 else -40.0, y])
    if how == "dive":
        angle = rng.uniform(0, 2 * np.pi)
        far = rng.uniform(0.3, 0.6) * HEIGHT
        middle = np.array([rng.uniform(0.3, 0.7) * WIDTH, rng.uniform(0.35, 0.65) * HEIGHT])
        return middle + far * (s - 0.5)[:, None] * np.array([np.cos(angle), np.sin(angle)]), growth
    path = np.stack([start[0] + reach * pace, start[1] + rise * pace], axis=1)
    if how == "turn":
        at = rng.uniform(0.35, 0.65)
        up = rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.6) * HEIGHT
        path[:, 0] = start[0] + 0.6 * reach * np.minimum(s, at) / at
        path[:, 1] = np.clip(y, 0.35 * HEIGHT, 0.65 * HEIGHT) + up * np.maximum(s - at, 0) / (1 - at)
    elif how == "curve":
        path[:, 1] += rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 0.4) * HEIGHT * np.sin(np.pi * s)
    if way < 0:
        path[:, 0] = WIDTH - path[:, 0]
    if rng.random() < 0.5:  # seen from its end
        path, growth = path[::-1].copy(), growth[::-1].copy()
    return path, growth


# COCO-17 by share of the box: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
_POSE = np.array(
    [
        *[(0.5, 0.08), (0.54, 0.06), (0.46, 0.06), (0.58, 0.07), (0.42, 0.07), (0.68, 0.22), (0.32, 0.22)],
        *[(0.76, 0.38), (0.24, 0.38), (0.78, 0.52), (0.22, 0.52), (0.6, 0.55), (0.4, 0.55), (0.6, 0.77), (0.4, 0.77)],
        *[(0.6, 0.98), (0.4, 0.98)],
    ]
)


def _body(rng: np.random.Generator, track: Track, t: Floats, idle: int) -> Keypoints:
    """A body in the box that at times raises or waves or swings an arm, bends, sits, falls, gets up or turns over."""
    n = len(track.frame)
    pose = np.tile(_POSE, (n, 1, 1))
    s = t[track.frame] / t[-1]
    acts = {
        "none": idle,
        "raise": 3,
        "lower": 2,
        "wave": 5,
        "bend": 2,
        "sit": 2,
        "fall": 2,
        "rise": 2,
        "tumble": 2,
        "swing": 4,
    }
    act = str(rng.choice(list(acts), p=np.array(list(acts.values())) / sum(acts.values())))
    side = int(rng.integers(0, 2))
    on = 1 / (1 + np.exp(-(s - rng.uniform(0.35, 0.6)) * 25))
    if act in ("raise", "lower", "wave"):
        up = on if act == "raise" else 1 - on if act == "lower" else np.ones(n)
        pose[:, 7 + side, 1] -= 0.28 * up
        pose[:, 9 + side, 1] -= 0.62 * up
        if act == "wave":
            pose[:, 9 + side, 0] += 0.18 * np.sin(2 * np.pi * t[track.frame] / rng.uniform(0.8, 1.4))
    elif act == "bend":
        pose[:, :11, 1] += 0.3 * on[:, None]
        pose[:, :11, 0] += 0.25 * on[:, None]
    elif act == "sit":
        pose[:, 11:13, 1] += 0.2 * on[:, None]
        pose[:, :11, 1] += 0.2 * on[:, None]
    elif act == "swing":  # an arm goes up and down again, over and over
        period = np.exp(rng.uniform(np.log(0.6), np.log(4.0)))
        up = rng.uniform(0.25, 0.5) * (0.5 - 0.5 * np.cos(2 * np.pi * t[track.frame] / period))
        pose[:, 7 + side, 1] -= 0.4 * up
        pose[:, 9 + side, 1] -= up
    elif act in ("fall", "rise", "tumble"):  # the body turns about its middle
        far = rng.uniform(1.6, 6.6) if act == "tumble" else rng.uniform(0.9, 1.5)
        angle = (1 - on if act == "rise" else on) * rng.choice([-1.0, 1.0]) * far
        around = pose - 0.5
        c, d = np.cos(angle)[:, None], np.sin(angle)[:, None]
        pose = 0.5 + np.stack([around[..., 0] * c - around[..., 1] * d, around[..., 0] * d + around[..., 1] * c], -1)
    box = track.bbox.astype(np.float64)
    xy = box[:, None, :2] + pose * (box[:, 2:] - box[:, :2])[:, None]
    xy += rng.normal(0, 0.6, xy.shape)
    return Keypoints(
        track.clip_id, track.track_id, "coco17", track.frame, xy.astype(np.float32), np.full((n, 17), 0.9, np.float32)
    )


def _contacts(rng: np.random.Generator, clip_id: str, tracks: list[Track], t: Floats) -> list[Contact]:
    """A hand touches or holds another thing for a while, in some clips."""
    hands = [x for x in tracks if x.label in ("hand", "person")]
    others = [x for x in tracks if x.label in ("cup", "sports ball", "chair", "bicycle")]
    if not hands or not others or rng.random() < 0.2:
        return []
    a, b = sorted(rng.uniform(t[5], t[-5], 2))
    if b - a < 0.6:
        return []
    kind: Literal["hold", "touch"] = "hold" if rng.random() < 0.6 else "touch"
    return [Contact(clip_id, hands[0].track_id, others[0].track_id, kind, round(a, 3), round(b, 3), 0.9)]
