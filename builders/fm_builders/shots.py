"""Shots: where a video was cut, from how suddenly its colours and its structure change.

The statistic of two frames is the mean of their colour-histogram distance and of 1 - SSIM (Wang et al. 2004),
both in 0..1, at 128 pixels. A cut is a local outlier of it: fast motion raises a whole neighbourhood, a cut one
frame. The change must also last, so that a flash is no cut. Dissolves and fades are not found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fm_hub.registry import Registry
from fm_hub.video import VideoIndex, index_video, iter_frames

__all__ = ["SHOTS", "find_shots"]

SHOTS: Registry[Callable[[VideoIndex], list[tuple[float, float]]]] = Registry(
    "finder of shots",
    "fm_hub.shots",
    {"outlier": "fm_builders.shots:find_shots", "scenedetect": "fm_builders.shots_scenedetect:find_shots"},
)
"""A finder takes an indexed video and gives its shots in order, half-open, covering it: (t0, t1) in seconds."""

SIDE = 128  # pixels, of the longer side
AROUND = 15  # frames on each side that say what is usual here
ABOVE = 0.3  # the least rise over the usual: cuts measured 0.45..0.8, everything else up to 0.2
SPREADS = 5.0  # and the least rise in median absolute deviations
LASTS = 2  # frames: what is gone after these was a flash, at its start and at its end


class _Look(NamedTuple):
    """What is compared of one frame: the share of each of 256 colours, the luma, and its local statistics."""

    colours: NDArray[np.float32]
    luma: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]


def find_shots(video: VideoIndex | str | Path) -> list[tuple[float, float]]:
    """The shots of a video, in order, as half-open ``(t0, t1)`` in seconds; together they cover it.

    A shot starts when its first frame appears. Every frame is decoded once, at reduced size, and a few are kept.
    Raises the errors of :func:`fm_hub.video.index_video` and :func:`fm_hub.video.iter_frames`.
    """
    index = video if isinstance(video, VideoIndex) else index_video(video)
    times = index.times
    cuts = _cuts(*_changes(index))
    edges = [0.0, *(float(times[c]) for c in cuts), index.duration]
    return list(pairwise(edges))


def _changes(index: VideoIndex) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each frame i + 1: its change from frame i, and what of frame i is gone ``LASTS`` frames later still."""
    scale = SIDE / max(index.width, index.height)
    size = max(16, round(index.width * scale)), max(16, round(index.height * scale))
    looks: deque[_Look] = deque(maxlen=LASTS + 2)
    change, lasting = [], []
    for _, image in iter_frames(index, index.times.tolist(), size=size):
        looks.append(_look(image))
        if len(looks) > 1:
            change.append(_distance(looks[-2], looks[-1]))
        if len(looks) == LASTS + 2:
            lasting.append(_distance(looks[0], looks[-1]))
    lasting.extend(change[len(lasting) :])  # the last frames have no later to look at
    return np.array(change), np.array(lasting)


def _cuts(change: NDArray[np.float64], lasting: NDArray[np.float64]) -> list[int]:
    """The numbers of the frames that start a new shot."""
    rise = np.minimum(change, lasting)
    rise[LASTS:] = np.minimum(rise[LASTS:], lasting[:-LASTS])
    cuts = []
    for i in np.flatnonzero(rise > ABOVE):
        near = np.concatenate([change[max(0, i - AROUND) : i], change[i + 1 : i + 1 + AROUND]])
        usual = float(np.median(near)) if len(near) else 0.0
        spread = float(np.median(np.abs(near - usual))) if len(near) else 0.0
        if rise[i] > usual + max(ABOVE, SPREADS * spread):
            cuts.append(int(i) + 1)
    return cuts


def _look(image: NDArray[np.uint8]) -> _Look:
    import cv2

    cv2.setNumThreads(1)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    colours = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 8], [0, 180, 0, 256, 0, 256]).ravel()
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean = _smooth(luma)
    return _Look(colours / colours.sum(), luma, mean, _smooth(luma * luma) - mean * mean)


def _distance(a: _Look, b: _Look) -> float:
    colours = 0.5 * float(np.abs(a.colours - b.colours).sum())
    covariance = _smooth(a.luma * b.luma) - a.mean * b.mean
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    same = (2 * a.mean * b.mean + c1) * (2 * covariance + c2)
    same /= (a.mean**2 + b.mean**2 + c1) * (a.variance + b.variance + c2)
    return 0.5 * colours + 0.5 * min(1.0, 1.0 - float(same.mean()))


def _smooth(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    smoothed: NDArray[np.float32] = cv2.GaussianBlur(luma, (7, 7), 1.5)
    return smoothed
