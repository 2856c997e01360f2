"""Which weights answered: the commit of a repository, or a hash of a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

__all__ = ["folder_commit", "hub_commit"]

_WEIGHTS = (".safetensors", ".bin")
_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16


def folder_commit(folder: Path) -> str:
    """What a model folder holds, as one hash: its configuration, and samples of every weight file.

    Weights are sampled (16 pieces of 64 KiB a file, and its size) because hashing all of them would take
    longer than answering; a training step changes every piece.
    """
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(p for p in folder.iterdir() if p.suffix in _WEIGHTS):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size};".encode())
        with open(path, "rb") as f:
            for i in range(_SAMPLES):
                f.seek(max(0, size - _SAMPLE_BYTES) * i // (_SAMPLES - 1))
                digest.update(f.read(_SAMPLE_BYTES))
    return f"sha256:{digest.hexdigest()}"


def hub_commit(name: str, revision: str | None, config: Any) -> str:
    """The commit of a repository whose configuration was just read; empty if it cannot be told."""
    from huggingface_hub import try_to_load_from_cache

    known = getattr(config, "_commit_hash", None)
    path = try_to_load_from_cache(name, "config.json", revision=revision)
    return str(known or (Path(path).parent.name if isinstance(path, str) else ""))
