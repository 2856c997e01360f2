"""Artifacts and the ledger: what makes a killed build go on where it stopped.

An artifact is the output of one stage for one item, stored under a key that hashes everything which can
change it. A torn or altered file counts as absent. The ledger is the only truth for progress and counts:
append-only JSON lines, one writer a file, read as their union.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

__all__ = ["Entry", "Ledger", "Store", "artifact_key", "write_atomic"]


def artifact_key(stage: str, version: int, params: Any, models: list[str], inputs: list[str]) -> str:
    """64 hexadecimal digits for one output of one stage.

    ``params`` holds only what changes the result: never device, batch size or workers.
    """
    text = json.dumps([stage, version, params, models, inputs], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: tmp beside it, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(tmp, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(tmp, path)
    except OSError:
        tmp.unlink(missing_ok=True)
        raise


class Store:
    """Content-addressed artifacts under one folder: ``<root>/<stage>/<2 hex>/<key>``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, stage: str, key: str) -> Path:
        """Where an artifact lies."""
        return self.root / stage / key[:2] / key

    def put(self, stage: str, key: str, payload: bytes) -> None:
        """Store an artifact; the file ends in the SHA-256 of the payload."""
        write_atomic(self.path(stage, key), payload + hashlib.sha256(payload).digest())

    def get(self, stage: str, key: str) -> bytes | None:
        """The payload, or None if there is none that is whole."""
        try:
            data = self.path(stage, key).read_bytes()
        except OSError:
            return None
        payload, digest = data[:-32], data[-32:]
        return payload if hashlib.sha256(payload).digest() == digest else None


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: what one stage did for one item."""

    item: str
    name: str
    stage: str
    key: str
    status: Literal["ok", "filtered", "failed"]
    reason: str = ""
    detail: str = ""
    attempts: int = 1
    t: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    worker: str = ""


class Ledger:
    """The append-only record of a build. ``with Ledger(folder) as ledger: ledger.add(entry)``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._fd: int | None = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close this writer's file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def add(self, entry: Entry) -> None:
        """Append a line, in one write, and force it to disk."""
        if self._fd is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self.worker}.jsonl"
            self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        row = {**asdict(entry), "t": round(time.time(), 3), "worker": self.worker}
        os.write(self._fd, (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n").encode())
        os.fsync(self._fd)

    def read(self) -> Iterator[Entry]:
        """All lines of all writers, oldest first; a torn last line is passed over."""
        rows: list[dict[str, Any]] = []
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in path.read_bytes().split(b"\n"):
                try:
                    row = json.loads(line)
                except ValueError:
                    continue  # torn by a kill: the work behind it is looked up by its artifact
                if isinstance(row, dict):
                    rows.append(row)
        known = Entry.__dataclass_fields__
        for row in sorted(rows, key=lambda r: float(r.get("t", 0.0))):
            yield Entry(**{k: v for k, v in row.items() if k in known})

    def latest(self) -> Mapping[tuple[str, str, str], Entry]:
        """The last line of every (item, stage, key)."""
        return {(e.item, e.stage, e.key): e for e in self.read()}
