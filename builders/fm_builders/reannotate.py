"""A second look at a clip that someone else annotated: the boxes that the embedded tier finds at its own clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fm_builders.perceive import perceive
from fm_hub.records import VISIBLE
from fm_hub.video import index_video

__all__ = ["embedded"]


def embedded(path: str, t: list[float]) -> dict[str, Any]:
    """What the embedded tier sees in the frames at times ``t`` (N,), seconds, rising.

    Returns plain values: ``camera``, the label of the view's motion, and ``frames``, for each of the N frames its
    visible boxes ``[x1, y1, x2, y2]`` in pixels of the clip. Raises :class:`~fm_hub.errors.ItemError`.
    """
    seen = perceive(index_video(Path(path)), np.array(t, np.float64), "", "again")
    frames: list[list[list[float]]] = [[] for _ in t]
    for track in seen.tracks:
        for frame, box, state in zip(track.frame.tolist(), track.bbox.tolist(), track.state.tolist(), strict=True):
            if state == VISIBLE:
                frames[frame].append(box)
    return {"camera": seen.camera.label, "frames": frames}
