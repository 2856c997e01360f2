"""The named points of one body or hand in a window of time (``docs/claims.md`` §2, keypoints)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.claims.series import med
from fm_hub.records import Floats, Floats32

__all__ = ["JOINTS", "Skeleton"]

MIN_CONF = 0.3
MIN_POSES = 9
MIN_TORSO = 8.0
#: The points of a body (COCO), by name and place.
JOINTS = {
    "nose": 0,
    "left_shoulder": 5,
    "right_shoulder": 6,
    "left_elbow": 7,
    "right_elbow": 8,
    "left_wrist": 9,
    "right_wrist": 10,
    "left_hip": 11,
    "right_hip": 12,
    "left_knee": 13,
    "right_knee": 14,
    "left_ankle": 15,
    "right_ankle": 16,
}
TORSO = (5, 6, 11, 12)


class Skeleton:
    """The points in the frames of a window: ``t`` (N,), ``frames`` (N,), ``xy`` (N, K, 2) pixels, ``sure`` (N, K)."""

    def __init__(self, kind: str, t: Floats, frames: NDArray[np.int32], xy: Floats32, conf: Floats32) -> None:
        self.kind = kind
        self.memo: dict[Any, Any] = {}
        self.t = t
        self.frames = frames
        self.xy: Floats = xy.astype(np.float64)
        self.sure: NDArray[np.bool_] = conf >= MIN_CONF

    def poses(self, joints: tuple[int, ...]) -> Floats | None:
        """The points in the frames in which all of these joints are sure (n, K, 2); None below 9 such frames."""
        key = ("poses", joints)
        if key not in self.memo:
            at = self.sure[:, joints].all(axis=1)
            self.memo[key] = self.xy[at] if int(at.sum()) >= MIN_POSES else None
        poses: Floats | None = self.memo[key]
        return poses

    @property
    def torso(self) -> float:
        """The median length from the middle of the hips to that of the shoulders, pixels; NaN if unsure."""
        if "torso" not in self.memo:
            poses = self.poses(TORSO) if self.kind == "coco17" else None
            length = math.nan
            if poses is not None:
                up = (poses[:, 5] + poses[:, 6] - poses[:, 11] - poses[:, 12]) / 2
                length = med(np.hypot(up[:, 0], up[:, 1]))
            self.memo["torso"] = length if length >= MIN_TORSO else math.nan
        torso: float = self.memo["torso"]
        return torso
