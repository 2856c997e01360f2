"""Poses: from a frame and the boxes of people in it to their named points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_builders.settings import Settings
from fm_hub.registry import Registry

__all__ = ["BODY", "POSES", "WHOLE_BODY", "Pose"]

BODY = 17
"""COCO's points of a body."""
WHOLE_BODY = 133
"""COCO-WholeBody's: 17 of the body, 6 of the feet, 68 of the face, 21 of the left hand and 21 of the right one."""


class Pose(ABC):
    """Looks at people whose boxes are known. ``name``, ``model_ids``, ``settings``: as of a detector."""

    name: ClassVar[str]
    model_ids: tuple[str, ...] = ()
    settings: ClassVar[type[Settings]] = Settings

    @abstractmethod
    def points(
        self, frame: NDArray[np.uint8], bbox: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (N, K, 2) in pixels of the frame and their confidence (N, K) in 0..1, for N boxes (N, 4).

        K is 17 (:data:`BODY`) or 133 (:data:`WHOLE_BODY`), always the same. ``frame`` is uint8 RGB (H, W, 3).
        """

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Before the first clip, once, where the build starts: fetch what is needed.

        Raises :class:`~fm_hub.errors.UserError` in one line where that cannot be had.
        """


POSES: Registry[type[Pose]] = Registry("pose model", "fm_hub.poses", {"vitpose": "fm_builders.poses.vitpose:VitPose"})
