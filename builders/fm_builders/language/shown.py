"""Frames of a clip for a model that sees: a few, evenly through a span, small, each with its time."""

from __future__ import annotations

from pathlib import Path

from fm_hub.endpoint.request import Picture, pictures
from fm_hub.video import index_video, read_frames

__all__ = ["frames_shown"]

LONG_SIDE = 512


def frames_shown(video: Path, t0: float, t1: float, n: int) -> tuple[Picture, ...]:
    """``n`` frames between ``t0`` and ``t1`` seconds, ends included, at most 512 pixels on the long side.

    Raises :class:`~fm_hub.errors.DecodeError`.
    """
    index = index_video(video)
    times = [t0 + (t1 - t0) * i / max(1, n - 1) for i in range(n)]
    shrink = min(1.0, LONG_SIDE / max(index.width, index.height))
    size = (max(2, round(index.width * shrink)), max(2, round(index.height * shrink)))
    shown = [(f, t) for f, t in zip(read_frames(index, times, size=size), times, strict=True) if f is not None]
    return pictures([f for f, _ in shown], [t for _, t in shown])
