"""Clips in which much happens: bodies with gestures, a hand that carries a bowl, things that hide, views that move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bodies_made import MOVES, body_of
from fm_hub.records import Annotation, Camera, Contact, Keypoints, Track
from scenes_made import Path2D, annotation, clock, line, make_track, rest, swing

LABELS = ("person", "car", "dog", "ball", "truck", "cup")
Array = NDArray[np.float64]


def path_of(kind: int, a: Array, b: Array, seconds: float) -> Path2D:
    """A line, a stop and go, a pause, a ring, a zigzag, a swing, a rest or a bow from ``a`` towards ``b``."""
    way, side = b - a, np.array([-(b - a)[1], (b - a)[0]])
    start, end = 0.3 * seconds, 0.7 * seconds
    return (
        line(tuple(a), tuple(b), seconds),
        lambda t: a + way * np.clip((t - start) / (end - start), 0, 1)[:, None],
        lambda t: a + way * ((np.minimum(t, start) + np.maximum(0, t - end)) / (0.6 * seconds))[:, None],
        lambda t: a + 60 * np.stack([np.cos(1.2 * t), np.sin(1.2 * t)], axis=1),
        lambda t: np.stack([60 + 80 * t, 180 + 50 * np.sin(3.4 * t)], axis=1),
        swing((float(a[0]), float(a[1])), 70, 2.0),
        rest((float(a[0]), float(a[1]))),
        lambda t: a + way * (t / seconds)[:, None] + 0.4 * side * np.sin(np.pi * t / seconds)[:, None],
    )[kind]


def kept(track: Track, keep: NDArray[np.bool_]) -> Track:
    """The track with some of its sightings."""
    at = keep[track.frame]
    return replace(track, frame=track.frame[at], bbox=track.bbox[at], score=track.score[at], state=track.state[at])


def swung(track: Track, times: int) -> Keypoints:
    """A body whose right wrist goes up and down so many times."""
    body = body_of(track, "nothing")
    xy = body.xy.copy()
    xy[:, 10, 1] -= 25 * (1 - np.cos(2 * np.pi * times * np.linspace(0, 1, len(xy))))
    return replace(body, xy=xy)


def lively(seed: int) -> Annotation:
    """Two to seven things; a third of the clips with a moving view."""
    rng = np.random.default_rng(seed)
    t = clock(float(rng.uniform(4, 10)))
    end = float(t[-1])
    tracks: list[Track] = []
    keypoints: list[Keypoints] = []
    contacts: list[Contact] = []
    for i, label in enumerate(rng.choice(LABELS, int(rng.integers(2, 6)))):
        a, b = rng.uniform((60, 60), (580, 300), (2, 2))
        size = (60.0, 120.0) if label == "person" else (40.0, 40.0)
        path = path_of(int(rng.integers(0, 8)), a, b, end)
        x = make_track(f"{label}{i}", str(label), t, path, jitter=float(rng.uniform(0, 1)), seed=seed, size=size)
        x = replace(x, colour=str(rng.choice(["", "red", "blue", "green", "white"])))
        if rng.random() < 0.2:
            x = kept(x, (t < 0.6 * end) if rng.random() < 0.5 else (t > 0.3 * end))
        tracks.append(x)
        if label == "person" and rng.random() < 0.8 and len(x.frame) > 12:
            drawn = rng.random() < 0.7
            move = str(rng.choice(list(MOVES)))
            keypoints.append(body_of(x, move, jitter=0.3) if drawn else swung(x, int(rng.integers(2, 6))))
    if rng.random() < 0.5:
        contacts += _carried(tracks, keypoints, t)
    if rng.random() < 0.4:
        behind = make_track("walker", "horse", t, line((60, 200), (580, 200), end), size=(30, 50))
        tracks += [kept(behind, np.abs(t / end - 0.5) > 0.12)]
        tracks += [make_track("screen", "bus", t, rest((320, 190)), size=(180, 140))]
    moving = rng.random() < 0.33
    made = annotation(tracks, t, camera="moving" if moving else "static", clip_id=f"clip{seed}")
    if moving:
        made = replace(made, camera=_view(int(rng.integers(0, 4)), made))
    return replace(made, keypoints=keypoints, contacts=contacts)


def _carried(tracks: list[Track], keypoints: list[Keypoints], t: Array) -> list[Contact]:
    """A hand that takes a bowl, carries it and lets go; of the first body, if there is one."""
    end = float(t[-1])

    def lift(u: Array) -> Array:
        x = 300 + 150 * np.clip((u / end - 0.3) / 0.4, 0, 1)
        return np.stack([x, 200 + 0 * u], axis=1)

    hand = make_track("h", "hand", t, lift, size=(26, 26))
    if keypoints:
        wrist = keypoints[0].xy.copy()
        wrist[:, 9] = lift(t)[keypoints[0].frame]
        keypoints[0] = replace(keypoints[0], xy=wrist)
        hand = replace(hand, parent=keypoints[0].track_id, side="left")
    bowl = make_track("bowl", "bowl", t, lambda u: lift(u) + 8, size=(26, 26))
    tracks += [hand, bowl]
    both = "clip", hand.track_id, bowl.track_id
    return [Contact(*both, kind, 0.25 * end, 0.75 * end, 0.9) for kind in ("touch", "hold")]


def _view(kind: int, made: Annotation) -> Camera:
    """A pan to the right, a tilt up, a zoom in, or a shake."""
    n = len(made.frames.t)
    zero = np.zeros(n)
    shake = np.where(np.arange(n) % 2, 8.0, -8.0)
    steps = [(zero - 4, zero, zero), (zero, zero + 4, zero), (zero, zero, zero + 0.008), (shake, zero, zero)][kind]
    still = np.full(n, 0.9), np.ones(n, bool)
    return Camera(made.clip.clip_id, "moving", made.frames.frame, *steps, zero, *still)
