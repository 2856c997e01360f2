"""What a release has done so far, so that it goes on after a kill: JSON lines, each on disk before the next step."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fm_hub.errors import BadOutput

__all__ = ["Journal", "locked"]


class Journal:
    """The steps of one release. A step that is noted is done; one that is not may be done: it is looked up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: dict[str, dict[str, Any]] = {}
        if path.is_file():
            for line in path.read_bytes().splitlines():
                try:
                    step = json.loads(line)
                    self.steps[step.pop("step")] = step
                except (ValueError, KeyError, AttributeError):
                    continue  # a line torn by a kill: the step is looked up again

    @property
    def unfinished(self) -> bool:
        """Whether a release began and neither ended nor was given up."""
        return "begin" in self.steps and not self.steps.keys() & {"done", "abandoned"}

    def get(self, step: str, key: str) -> Any:
        """A fact of a step, None if it was not noted."""
        return self.steps.get(step, {}).get(key)

    def note(self, step: str, **facts: Any) -> None:
        """Note that a step is done."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as f:
            if f.tell() and not self._ends_whole():
                f.write(b"\n")
            f.write(json.dumps({"step": step, **facts}, sort_keys=True).encode() + b"\n")
            f.flush()
            os.fsync(f.fileno())
        self.steps[step] = facts

    def _ends_whole(self) -> bool:
        with open(self.path, "rb") as f:
            f.seek(-1, os.SEEK_END)
            return f.read(1) == b"\n"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One release of a folder to a repository at a time."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_name(f"{folder.name}.lock"), "w")  # noqa: SIM115 - held until the end of the block
    except OSError as e:
        raise BadOutput(f"{folder.parent}: cannot be written: {e.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadOutput(f"{folder}: another release is at work there; wait for it") from None
        yield
