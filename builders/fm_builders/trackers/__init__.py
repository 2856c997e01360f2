"""Trackers: from the detections of a clip's sampled frames to tracks with ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import Detections
from fm_builders.settings import Settings
from fm_hub.records import Keypoints, Track
from fm_hub.registry import Registry

__all__ = ["TRACKERS", "Tracker"]


class Tracker(ABC):
    """Joins detections into tracks. ``name`` is its name in recipes and ``version`` rises when its output changes.

    ``settings``: as of a detector.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    settings: ClassVar[type[Settings]] = Settings

    @abstractmethod
    def track(
        self,
        detections: Sequence[Detections],
        t: NDArray[np.float64],
        size: tuple[int, int],
        clip_id: str,
        artifact: str,
    ) -> tuple[list[Track], list[Keypoints]]:
        """The tracks of one clip, and the keypoints of those that have some.

        ``detections`` has one entry a sampled frame and ``t`` (N,) their times in seconds, rising; ``size`` is
        (width, height). A track's frames run without a hole from its first to its last detection; state 0
        only where it was detected. Ids are ``content_id(clip_id, artifact, ordinal)`` with the ordinal by
        (first time, then x of the first box), and the lists are in that order. Raises ``ValueError`` for
        lengths that differ or times that do not rise.
        """


TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker", "fm_hub.trackers", {"two_stage": "fm_builders.trackers.two_stage:TwoStageTracker"}
)
