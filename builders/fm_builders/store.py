"""Artifacts: what makes a killed build go on where it stopped.

An artifact is the output of one stage for one item, stored under a key that hashes everything which can
change it. A torn or altered one counts as absent. Clips are stored beside them, under the hash of their bytes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fm_builders.storage import Storage, open_storage

__all__ = ["Store", "artifact_key", "clip_name"]


def artifact_key(stage: str, version: int, params: Any, models: list[str], inputs: list[str]) -> str:
    """64 hexadecimal digits for one output of one stage.

    ``params`` holds only what changes the result: never device, batch size or workers.
    """
    text = json.dumps([stage, version, params, models, inputs], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def clip_name(clip_id: str) -> str:
    """Where a clip lies in the store."""
    return f"clips/{clip_id[:2]}/{clip_id}.mp4"


class Store:
    """Artifacts under ``artifacts/<stage>/<2 hex>/<key>`` of a folder or URL, clips under ``clips/``."""

    def __init__(self, location: str | Path) -> None:
        self.storage: Storage = open_storage(location)

    @staticmethod
    def name(stage: str, key: str) -> str:
        """Where an artifact lies in the storage."""
        return f"artifacts/{stage}/{key[:2]}/{key}"

    def put(self, stage: str, key: str, payload: bytes) -> None:
        """Store an artifact; the file ends in the SHA-256 of the payload."""
        self.storage.write(self.name(stage, key), payload + hashlib.sha256(payload).digest())

    def get(self, stage: str, key: str) -> bytes | None:
        """The payload, or None if there is none that is whole."""
        data = self.storage.read(self.name(stage, key)) or b""
        payload, digest = data[:-32], data[-32:]
        return payload if hashlib.sha256(payload).digest() == digest else None

    def drop(self, stage: str, key: str) -> None:
        """Remove an artifact, so that its stage runs again."""
        self.storage.delete(self.name(stage, key))

    def keys(self, stage: str) -> set[str]:
        """The keys of all artifacts of a stage, without a look inside."""
        return {name.rpartition("/")[2] for name, _ in self.storage.names(f"artifacts/{stage}")}

    def clips(self) -> set[str]:
        """The ids of all stored clips, without a look inside."""
        return {name.rpartition("/")[2].removesuffix(".mp4") for name, _ in self.storage.names("clips")}
