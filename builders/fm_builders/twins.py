"""Mirrored twins: a clip flipped left to right as a clip of its own, where nothing in it can be read.

Its annotation is that of the clip, flipped (:mod:`fm_builders.mirror`), never looked for again: what goes left in one
goes right in the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fm_builders.mirror import mirrored
from fm_builders.perceive import Seen
from fm_builders.readable import readable
from fm_hub.records import Frames
from fm_hub.video import VideoIndex, index_video, sample_times

__all__ = ["flipped_tables", "why_no_twin"]

Tables = Mapping[str, Sequence[Any]]
SAME_TIME = 1e-3  # seconds that a frame of the twin may be shown off that of the clip


def why_no_twin(index: VideoIndex, tables: Tables) -> str:
    """The reason for which a clip gets no twin, or nothing.

    ``NoTracks``: there is nothing to ask of either; ``OddSize``: video loses an odd column or row, the clip has it;
    ``TextInFrame``: it can be read.
    """
    if not tables["tracks"]:
        return "NoTracks"
    if index.width % 2 or index.height % 2:
        return "OddSize"
    return "TextInFrame" if readable(index) else ""


def flipped_tables(
    tables: Tables, twin: Path, sha256: str, artifact: str, fps: float
) -> dict[str, Sequence[Any]] | None:
    """The tables of a twin, by those of its clip and its file; None where its frames are shown at other times."""
    clip, frames, index = tables["clips"][0], tables["frames"][0], index_video(twin)
    pts, t = sample_times(index, fps)
    if len(t) != len(frames.t) or np.abs(t - frames.t).max() > SAME_TIME:
        return None
    clip_id = sha256[:24]
    moving = (tables.get(config, ()) for config in ("tracks", "keypoints", "contacts", "masks"))
    seen = mirrored(Seen(tables["camera"][0], *moving), clip.width, clip_id, artifact)
    row = replace(
        clip,
        clip_id=clip_id,
        sha256=sha256,
        copied=False,
        fps=round(index.fps, 3),
        n_frames=index.n_frames,
        duration=round(index.duration, 3),
    )
    return {"clips": [row], "frames": [Frames(clip_id, frames.frame, pts, t)], **seen.tables()}
