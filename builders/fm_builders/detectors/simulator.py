"""The simulator's name in recipes: clips of ``fm-hub simulate`` come with their tracks, and nothing is detected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import Detections, Detector
from fm_hub.errors import ModelError

__all__ = ["Simulator"]


class Simulator(Detector):
    """Marks artifacts as exact, made where the clip was made. It sees nothing: a lost artifact must be made again."""

    name = "simulator"
    model_ids = ("simulator@1",)

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Always raises :class:`ModelError`."""
        del frame
        raise ModelError("exact tracks are made with the clip; run fm-hub simulate again")
