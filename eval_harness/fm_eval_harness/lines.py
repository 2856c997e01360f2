"""JSON objects on the disk, a line each: what is kept in memory is where each of them stands."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fm_hub.errors import BadOutput

__all__ = ["Lines", "Spool"]


class Lines:
    """Objects by number, in the order in which they were found, read when they are asked for: 14 bytes each."""

    def __init__(self) -> None:
        self._fds: list[int] = []
        self._file, self._start, self._size = array("H"), array("q"), array("I")

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, n: int) -> Any:
        return json.loads(os.pread(self._fds[self._file[n]], self._size[n], self._start[n]))

    def file_of(self, n: int) -> int:
        """In which of the files, counted from 0 as they were scanned, an object stands."""
        return self._file[n]

    def scan(self, path: Path) -> Iterator[bytes]:
        """Find the lines of one more file, and yield them; one without its end is none."""
        start = 0
        with open(path, "rb") as f:
            self._open(f.fileno())
            for line in f:
                if line.endswith(b"\n"):
                    self._stands(start, len(line))
                    start += len(line)
                    yield line

    def _open(self, fd: int) -> None:
        self._fds.append(os.dup(fd))
        weakref.finalize(self, os.close, self._fds[-1])

    def _stands(self, start: int, size: int) -> None:
        self._file.append(len(self._fds) - 1)
        self._start.append(start)
        self._size.append(size)


class Spool(Lines):
    """Objects that are put aside in a temporary file without a name, which goes with this object."""

    def __init__(self) -> None:
        super().__init__()
        self._end = 0
        with tempfile.TemporaryFile() as f:
            self._open(f.fileno())

    def put(self, value: Mapping[str, Any]) -> None:
        """Put one more object aside. Raises :class:`~fm_hub.errors.BadOutput` where there is no room."""
        data = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        try:
            written = os.pwrite(self._fds[0], data, self._end)
        except OSError as e:
            raise BadOutput(f"{tempfile.gettempdir()}: cannot be written ({e.strerror}); set TMPDIR") from None
        if written < len(data):
            raise BadOutput(f"{tempfile.gettempdir()}: is full; set TMPDIR")
        self._stands(self._end, written)
        self._end += written
