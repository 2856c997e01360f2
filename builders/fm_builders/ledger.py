"""The ledger: the only truth for progress and counts.

Append-only JSON lines, one writer a file, read as their union. Order is by the number of the run and of the
attempt, not by the clock, which may go back.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Literal

from fm_builders.storage import Appender, Storage
from fm_hub import errors

__all__ = ["MAX_ATTEMPTS", "Entry", "History", "Ledger", "retry_of"]

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: what one stage did for one item in one attempt.

    ``status`` ``retry`` is a mark of the user: what failed before shall be tried again. ``output`` holds what the
    stage found where that is too small for an artifact. ``t`` is the end, seconds since 1970 by the worker's clock.
    """

    item: str
    name: str
    stage: str
    key: str
    status: Literal["ok", "filtered", "failed", "retry"]
    reason: str = ""
    detail: str = ""
    output: dict[str, Any] | None = None
    run: int = 0
    attempts: int = 1
    t: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    worker: str = ""


def retry_of(reason: str) -> str:
    """Whether trying again makes sense after a failure of this name: ``never``, ``again`` or ``alone``."""
    kind = getattr(errors, reason, None)
    return kind.retry if isinstance(kind, type) and issubclass(kind, errors.ItemError) else "never"


@dataclass(frozen=True, slots=True)
class State:
    """What the ledger says of one (item, stage, key): its last line, and failed attempts since the last mark."""

    last: Entry
    failures: int

    @property
    def settled(self) -> bool:
        """Whether it need not be run again: done, failed for good, or failed too often (quarantined)."""
        if self.last.status in ("ok", "filtered"):
            return True
        return self.last.status == "failed" and (retry_of(self.last.reason) == "never" or self.failures >= MAX_ATTEMPTS)


class History:
    """The union of all lines, as states by (item, stage, key), and the number of the last run."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self.run = 0
        self.states: dict[tuple[str, str, str], State] = {}
        for e in entries:
            self.run = max(self.run, e.run)
            at = (e.item, e.stage, e.key)
            before = self.states.get(at)
            failures = before.failures if before and e.status == "failed" else 0
            self.states[at] = State(e, failures + (e.status == "failed"))

    def get(self, item: str, stage: str, key: str) -> State | None:
        """The state of one (item, stage, key)."""
        return self.states.get((item, stage, key))


class Ledger:
    """The append-only record of a build. ``with Ledger(storage) as ledger: ledger.add(entry)``."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._file: Appender | None = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close this writer's file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, entry: Entry) -> None:
        """Append a line in one write."""
        if self._file is None:
            self._file = self.storage.appender(f"ledger/{self.worker}.jsonl")
        row = {**asdict(entry), "t": round(time.time(), 3), "worker": self.worker}
        self._file.add((json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n").encode())

    def read(self) -> Iterator[Entry]:
        """All lines of all writers in the order of runs and attempts; a torn line is passed over."""
        known = Entry.__dataclass_fields__.keys()
        entries = []
        for name, _ in sorted(self.storage.names("ledger")):
            for line in (self.storage.read(name) or b"").split(b"\n"):
                try:
                    row = json.loads(line)
                    entries.append(Entry(**{k: row[k] for k in known & row.keys()}))
                except (ValueError, TypeError, AttributeError):
                    continue  # torn by a kill: the work behind it is looked up by its artifact
        entries.sort(key=lambda e: (e.run, e.attempts, e.t))
        return iter(entries)

    def history(self) -> History:
        """What the lines add up to."""
        return History(self.read())
