"""Where a thing will be: a Kalman filter of constant velocity, one for x and y alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Motion"]

# In sizes of the thing (square root of its area), so that near and far things are treated alike.
MEASURED = 0.05  # spread of a detected centre
FIRST_SPEED = 6.0  # spread of the unknown first velocity, sizes per second: a sprinter, or a car that passes
ACCELERATION = 7.0  # sizes per second squared, one sigma: a fall is 6 heights, a start 3
REACH_LEAST, REACH_MOST = 1.2, 2.0  # bounds of the search, in sizes


class Motion:
    """The state of one track: ``centre`` (2,) pixels, ``velocity`` (2,) pixels per second, ``extent`` (2,) pixels."""

    def __init__(self, bbox: NDArray[np.float32], t: float) -> None:
        self.centre, self.extent = _split(bbox)
        self.box = np.asarray(bbox, np.float64)  # the last detection, as it was
        self.velocity = np.zeros(2)
        self.time = t
        # covariance of (position, velocity), in sizes; the same for x and y
        self.spread = np.diag([MEASURED**2, FIRST_SPEED**2])

    @property
    def size(self) -> float:
        """Square root of the area, pixels, at least 4."""
        return max(4.0, float(np.sqrt(self.extent.prod())))

    def _ahead(self, t: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        dt = t - self.time
        step = np.array([[1.0, dt], [0.0, 1.0]])
        push = np.array([dt**2 / 2, dt])
        noise = ACCELERATION**2 * np.outer(push, push)
        return self.centre + dt * self.velocity, step @ self.spread @ step.T + noise

    def expected(self, t: float) -> tuple[NDArray[np.float64], float]:
        """The box (4,) expected at ``t``, and how far from its centre to search, in pixels."""
        centre, spread = self._ahead(t)
        reach = float(np.clip(3 * np.sqrt(spread[0, 0] + MEASURED**2), REACH_LEAST, REACH_MOST)) * self.size
        return np.concatenate([centre - self.extent / 2, centre + self.extent / 2]), reach

    def seen(self, bbox: NDArray[np.float32], t: float) -> None:
        """Take in a detection at ``t``."""
        predicted, spread = self._ahead(t)
        measured, extent = _split(bbox)
        gain = spread[:, 0] / (spread[0, 0] + MEASURED**2)
        surprise = measured - predicted
        self.velocity = self.velocity + gain[1] * surprise
        self.centre = predicted + gain[0] * surprise
        self.spread = spread - np.outer(gain, spread[0])
        self.extent = (self.extent + extent) / 2  # sizes change slowly, and detected ones shake
        self.box = np.asarray(bbox, np.float64)
        self.time = t


def _split(bbox: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    box = np.asarray(bbox, np.float64)
    return (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 1.0)
