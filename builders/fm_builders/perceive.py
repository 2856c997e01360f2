"""What is seen in one clip: the camera, the tracks and the keypoints, from one pass over its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped
from fm_builders.camera import CameraEstimator
from fm_builders.contacts import find_contacts
from fm_builders.detectors import DETECTORS, Detections, Detector
from fm_builders.recipe import Perception
from fm_builders.trackers import TRACKERS
from fm_hub.records import Camera, Contact, Frames, Keypoints, Track
from fm_hub.video import VideoIndex, iter_frames

__all__ = ["Seen", "gpu_gb", "model_ids", "perceive", "with_parents", "working_size"]

CHECK_EACH_OTHER = ("nanodet", "movenet")  # asked for together they are one detector
WRIST_FLOOR = 0.2  # confidence of a wrist that says whose hand it is
CLEAR_WRIST = 0.8  # share of one of the two wrists, above which it says the hand's side
MASKED_SCORE = 0.3  # detections at least this sure are kept out of the estimate of the view's motion


@dataclass(frozen=True)
class Seen:
    """All that is seen in one clip, as records of the published tables."""

    camera: Camera
    tracks: Sequence[Track]
    keypoints: Sequence[Keypoints] = ()
    contacts: Sequence[Contact] = ()

    def tables(self) -> dict[str, Sequence[Any]]:
        """The records by the name of their table."""
        return {"camera": [self.camera], "tracks": self.tracks, "keypoints": self.keypoints, "contacts": self.contacts}


def perceive(
    index: VideoIndex, t: NDArray[np.float64], clip_id: str, artifact: str, look: Perception | None = None
) -> Seen:
    """Detect, track, and follow the view, in the frames at times ``t`` (N,), seconds, rising.

    ``look`` says with what (default: the embedded tier). Each frame is decoded once and dropped; the detections are
    kept. Frames are decoded at ``look.max_side`` pixels at most, or as many as any of the detectors gains from, and
    everything is returned in pixels of the clip. ``nanodet`` and ``movenet`` together check each other
    (:mod:`fm_builders.detectors.fuse`). ``artifact`` is the key of what is being made, part of every track id. A hand
    gets the person that it belongs to as ``parent``, and its side.
    Raises :class:`~fm_hub.errors.UnknownName` for unknown names, and what reading and the models raise
    (:class:`~fm_hub.errors.ItemError`).
    """
    import cv2

    cv2.setNumThreads(1)  # a build has one worker a core; more threads would only fight
    look = look or Perception()
    eyes = _detectors(look.detectors)
    size = (index.width, index.height)
    small = working_size(size, min(look.max_side, max((eye.long_side for eye in eyes), default=max(size))))
    estimator = CameraEstimator(size)
    seen: list[Detections] = []
    for eye in eyes:
        eye.reset()
    for _, frame in iter_frames(index, t.tolist(), size=small, decoder=look.decoder):
        found = _rescaled(Detections.concat([eye.detect(frame) for eye in eyes]), small, size)
        estimator.add(frame, found.bbox[found.score >= MASKED_SCORE])
        seen.append(found)
    tracks, keypoints = TRACKERS.load(look.tracker)().track(seen, t, size, clip_id, artifact)
    camera, tracks = estimator.result(clip_id), with_parents(tracks, keypoints)
    frames = Frames(clip_id, np.arange(len(t), dtype=np.int32), np.zeros(len(t), np.int64), t)
    return Seen(camera, tracks, keypoints, find_contacts(frames, camera, tracks, keypoints, size))


def model_ids(look: Perception) -> list[str]:
    """The weights that look, as ``name@`` and 12 digits of their sha256: part of an artifact's key."""
    return [model for eye in _detectors(look.detectors) for model in eye.model_ids]


def gpu_gb(look: Perception) -> float:
    """Gigabytes of GPU memory that the detectors say they need at once: their attribute ``gpu_gb``, else none."""
    return sum(float(getattr(eye, "gpu_gb", 0.0)) for eye in _detectors(look.detectors))


def _detectors(names: Sequence[str]) -> list[Detector]:
    pair = set(CHECK_EACH_OTHER)
    if pair <= set(names):
        names = ["embedded", *(name for name in names if name not in pair)]
    return [DETECTORS.load(name)() for name in names]


def working_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """(width, height) at most ``long_side`` long, in proportion, never enlarged.

    >>> working_size((1768, 994), 1280)
    (1280, 720)
    """
    ratio = min(1.0, long_side / max(size))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _rescaled(found: Detections, small: tuple[int, int], size: tuple[int, int]) -> Detections:
    if small == size:
        return found
    scale = np.array(size, np.float32) / np.array(small, np.float32)
    bbox = clipped(found.bbox * np.tile(scale, 2), *size)
    return replace(found, bbox=bbox, keypoints=np.asarray(found.keypoints * scale, np.float32))


def with_parents(tracks: list[Track], keypoints: list[Keypoints]) -> list[Track]:
    """The tracks, with each hand's ``parent``: the person whose wrists are nearest in most of its frames.

    A wrist counts when it lies within the hand's box, grown by its own size. Where it is nearly always the same
    wrist, that is the hand's ``side``; if the hand's own look says the other, the side is not known.
    """
    people = {k.track_id: k for k in keypoints if k.kind == "coco17"}
    return [_with_owner(t, people) if t.label == "hand" else t for t in tracks]


def _with_owner(hand: Track, people: dict[str, Keypoints]) -> Track:
    near = {track_id: _wrists_in(hand, points) for track_id, points in people.items()}
    best = max(near, key=lambda i: (int(near[i].any(1).sum()), i), default="")
    if not best or near[best].any(1).sum() < len(hand.frame) / 2:
        return hand
    left, right = (int(n) for n in near[best].sum(0))
    if max(left, right) < CLEAR_WRIST * (left + right):
        return replace(hand, parent=best)
    told: Literal["left", "right"] = "left" if left > right else "right"
    return replace(hand, parent=best, side=told if hand.side in ("", told) else "")


def _wrists_in(hand: Track, person: Keypoints) -> NDArray[np.bool_]:
    """(frames of both, 2): whether the left and the right wrist lie in the hand's box, grown by its size."""
    _, here, there = np.intersect1d(hand.frame, person.frame, return_indices=True)
    box = hand.bbox[here].astype(np.float64)
    grow = (box[:, 2:] - box[:, :2]).max(1, initial=0.0)[:, None, None] / 2
    wrists = person.xy[there, 9:11]
    inside = (wrists >= box[:, None, :2] - grow) & (wrists <= box[:, None, 2:] + grow)
    seen: NDArray[np.bool_] = inside.all(2) & (person.conf[there, 9:11] > WRIST_FLOOR)
    return seen
