"""The models that a recipe has look at clips: made with their settings, asked what they are and what they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import DETECTORS, Detections, Detector
from fm_builders.hub_models import Weights
from fm_builders.poses import POSES, Pose
from fm_builders.recipe import Perception
from fm_builders.segmenters import SEGMENTERS, Segmenter
from fm_builders.segmenters.follow import Follower
from fm_builders.settings import configured
from fm_builders.trackers import TRACKERS, Tracker

__all__ = [
    "detectors_of",
    "downloads",
    "follower_of",
    "gpu_gb",
    "long_side",
    "model_ids",
    "plugins",
    "pose_of",
    "tracker_of",
]

CHECK_EACH_OTHER = ("nanodet", "movenet")  # asked for together they are one detector


def detectors_of(names: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> list[Detector]:
    """Detectors by name, with their settings; ``nanodet`` and ``movenet`` together are one, ``embedded``."""
    pair = set(CHECK_EACH_OTHER)
    if pair <= set(names):
        names = ["embedded", *(name for name in names if name not in pair)]
    return [configured(DETECTORS.load(name), name, settings.get(name, {})) for name in names]


def tracker_of(look: Perception) -> Tracker:
    """What joins the detections of every frame."""
    return configured(TRACKERS.load(look.tracker), look.tracker, look.settings.get(look.tracker, {}))


def pose_of(look: Perception) -> Pose | None:
    """What gives people their points, if anything does."""
    if look.pose is None:
        return None
    name = look.pose.model
    return configured(POSES.load(name), name, look.settings.get(name, {}))


def _segmenter(look: Perception) -> Segmenter | None:
    if look.objects is None:
        return None
    name = look.objects.segmenter
    return configured(SEGMENTERS.load(name), name, look.settings.get(name, {}))


def follower_of(look: Perception) -> Follower | None:
    """What finds things in key frames and follows them through one clip, if the recipe says so."""
    segmenter = _segmenter(look)
    if look.objects is None or segmenter is None:
        return None
    eyes = detectors_of(look.objects.detectors, look.settings)
    for eye in eyes:
        eye.reset()

    def find(frames: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        for eye in eyes:
            eye.study(frames)
        return [Detections.concat([eye.detect(frame) for eye in eyes]) for frame in frames]

    return Follower(segmenter, find, look.objects)


def long_side(look: Perception) -> int:
    """The most pixels of a frame that any of the models gains from."""
    within = look.objects.detectors if look.objects else ()
    sides = [DETECTORS.load(name).long_side for name in (*look.detectors, *within)]
    if look.objects:
        sides.append(SEGMENTERS.load(look.objects.segmenter).long_side)
    return max(sides, default=look.max_side)


def plugins(look: Perception) -> list[Detector | Segmenter | Pose]:
    """All models that look, ready to say what they are; nothing heavy is loaded. None where tracks are given."""
    if not look.finds:
        return []
    within = look.objects.detectors if look.objects else ()
    eyes = [*detectors_of(look.detectors, look.settings), *detectors_of(within, look.settings)]
    return [*eyes, *(one for one in (_segmenter(look), pose_of(look)) if one is not None)]


def model_ids(look: Perception) -> list[str]:
    """The weights that look, as ``name@`` and their commit or digits of their hash: part of an artifact's key.

    What was given (``--tracks``) is one of them.
    """
    given = [f"given@{look.given.sha256[:12]}"] if look.given else []
    return list(dict.fromkeys([*given, *(model for one in plugins(look) for model in one.model_ids)]))


def downloads(look: Perception) -> list[str]:
    """The weights that are not on this machine yet."""
    weights = (getattr(one, "weights", None) for one in plugins(look))
    return [w.id for w in weights if isinstance(w, Weights) and not w.here]


def gpu_gb(look: Perception) -> float:
    """Gigabytes of GPU memory that the models say they need at once: their attribute ``gpu_gb``, else none."""
    return sum(float(getattr(one, "gpu_gb", 0.0)) for one in plugins(look))
