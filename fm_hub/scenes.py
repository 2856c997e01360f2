"""The clips of a built dataset as the claims see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fm_hub.claims import Scene
from fm_hub.records import Clip
from fm_hub.tables import Span, read_records

__all__ = ["Scenes"]


class Scenes:
    """The clips of a built dataset, or of a span of ids, ready for claims, by clip id."""

    def __init__(self, root: Path, clips: Span | None = None) -> None:
        self.clips: dict[str, Clip] = {c.clip_id: c for c in read_records(root, "clips", clips=clips)}
        self._frames = {f.clip_id: f for f in read_records(root, "frames", clips=clips)}
        self._camera = {c.clip_id: c for c in read_records(root, "camera", clips=clips)}
        self._tracks: dict[str, list[Any]] = {}
        self._keypoints: dict[str, list[Any]] = {}
        self._contacts: dict[str, list[Any]] = {}
        for config, by_clip in (("tracks", self._tracks), ("keypoints", self._keypoints), ("contacts", self._contacts)):
            for record in read_records(root, config, clips=clips):
                by_clip.setdefault(record.clip_id, []).append(record)
        self._made: dict[str, Scene] = {}

    def __getitem__(self, clip_id: str) -> Scene:
        """The scene of a clip. Raises :class:`KeyError` if a table lacks it."""
        if clip_id not in self._made:
            clip = self.clips[clip_id]
            parts = (x.get(clip_id, []) for x in (self._tracks, self._keypoints, self._contacts))
            frames, camera = self._frames[clip_id], self._camera[clip_id]
            self._made[clip_id] = Scene(clip.width, clip.height, frames, camera, *parts)
        return self._made[clip_id]

    def forget(self, clip_id: str) -> None:
        """Free what was measured in a clip."""
        self._made.pop(clip_id, None)
