"""The samples files of a run (``docs/contracts.md`` §4): written line by line, looked up by where a line stands."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from fm_eval_harness.lines import Lines
from fm_hub.errors import BadOutput
from fm_hub.models.replay import standing

__all__ = ["Key", "Sample", "SampleLog", "Samples", "Trials"]

SAMPLES = "samples.jsonl"
SYNC_SECONDS = 1.0
_ALL_SAMPLES = "samples*.jsonl"
_BLOCK = 1 << 16
Sample = dict[str, Any]
Key = tuple[str, str, str, int]
"""A question as it was asked: id, row_sha, control ("" for none), rotation of its options (0 for none)."""


class Trials(Mapping[Key, Sample]):
    """Every answer that a run has when this is made; of several lines of a trial the one that :func:`standing` takes.

    A line is read when it is asked for: what is kept of each is where it stands, 30 bytes. ``controls`` are those that
    were asked, ``turned`` says whether rotations were, ``rounds`` how many commands have written.
    Nothing is changed: a run may be read while it is written, and a last line without its end is left out. Raises
    :class:`~fm_hub.errors.BadOutput` for a line that is no sample.
    """

    def __init__(self, folder: Path) -> None:
        self._lines, hashes = Lines(), array("q")
        self.controls: set[str] = set()
        self.turned = False
        self.rounds = 0
        for path in sorted(folder.glob(_ALL_SAMPLES)):
            for number, line in enumerate(self._lines.scan(path), 1):
                try:
                    sample = json.loads(line)
                    key = _key_of(sample)
                    self.rounds = max(self.rounds, sample.get("round", 0))
                except (ValueError, KeyError, TypeError):
                    raise BadOutput(f"{path}:{number}: not a sample; remove that line to go on") from None
                hashes.append(hash(key))
                self.turned = self.turned or key[3] != 0
                if key[2]:
                    self.controls.add(key[2])
        found = np.frombuffer(hashes, np.int64) if hashes else np.zeros(0, np.int64)
        order = np.argsort(found, kind="stable")
        self._hashes, self._order = array("q", found[order].tobytes()), array("q", order.tobytes())
        self._forget_what_was_said_again()

    def __len__(self) -> int:
        return len(self._hashes)

    def __getitem__(self, key: Key) -> Sample:
        place, wanted = bisect_left(self._hashes, hash(key)), hash(key)
        while place < len(self._hashes) and self._hashes[place] == wanted:
            sample: Sample = self._lines[self._order[place]]
            if _key_of(sample) == key:
                return sample
            place += 1
        raise KeyError(key)

    def __iter__(self) -> Iterator[Key]:
        return (_key_of(self._lines[n]) for n in sorted(self._order))

    def plain(self) -> Samples:
        """The answers to the questions as they are, by clip, view and id: those of no control and no rotation."""
        places = []
        for n in sorted(self._order):
            s = self._lines[n]
            if _key_of(s)[2:] == ("", 0):
                places.append((sys.intern(s["clip_id"]), *s["view"], s["id"], n))
        return Samples(self._lines, array("q", (n for *_, n in sorted(places))))

    def _forget_what_was_said_again(self) -> None:
        """Keep of several lines of one trial the one that counts."""
        hashes = np.frombuffer(self._hashes, np.int64) if self._hashes else np.zeros(0, np.int64)
        twins = np.flatnonzero(hashes[1:] == hashes[:-1])
        if not len(twins):
            return
        last: dict[tuple[Key, int], tuple[int, bool, int]] = {}
        for place in sorted({*twins.tolist(), *(twins + 1).tolist()}):  # in order of lines, among equals
            n = self._order[place]
            sample = self._lines[n]
            last[_key_of(sample), self._lines.file_of(n)] = *standing(sample), place
        counts: dict[Key, tuple[int, bool, int]] = {}
        for (key, _), found in last.items():
            counts[key] = max(found, counts.get(key, found))
        keep = np.ones(len(hashes), bool)
        keep[twins] = keep[twins + 1] = False
        keep[[place for *_, place in counts.values()]] = True
        order = np.frombuffer(self._order, np.int64)
        self._hashes, self._order = array("q", hashes[keep].tobytes()), array("q", order[keep].tobytes())


class Samples(Sequence[Sample]):
    """Some samples in an order, read when they are asked for."""

    def __init__(self, lines: Lines, order: Sequence[int]) -> None:
        self._lines = lines
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, n: int) -> Sample: ...
    @overload
    def __getitem__(self, n: slice) -> Samples: ...
    def __getitem__(self, n: int | slice) -> Sample | Samples:
        if isinstance(n, slice):
            return Samples(self._lines, self._order[n])
        sample: Sample = self._lines[self._order[n]]
        return sample


def _key_of(sample: Sample) -> Key:
    return sample["id"], sample["row_sha"], sample.get("control", ""), sample.get("rotation", 0)


class SampleLog:
    """The one writer of a samples file: what was appended is on the disk before a killed process can lose it.

    Lines are handed to the system at once, so that no kill loses them, and forced onto the disk every second and
    at the end, so that a power cut loses at most the last second. ``number`` tells the files of several
    processes apart. Raises :class:`~fm_hub.errors.BadOutput` if another process writes the same file.
    """

    def __init__(self, folder: Path, number: int = 0) -> None:
        name = SAMPLES if number == 0 else f"samples-{number}.jsonl"
        try:
            self._file = open(folder / name, "ab+")  # noqa: SIM115 (closed by __exit__)
        except OSError as e:
            raise BadOutput(f"{folder / name}: cannot be written ({e.strerror})") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BadOutput(f"{folder}: another fm-eval is writing this run; wait for it, or stop it") from None
        self._synced = time.monotonic()
        self._trim()

    def __enter__(self) -> SampleLog:
        return self

    def __exit__(self, *exc: object) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def append(self, samples: Iterable[Sample]) -> None:
        """Append the samples of one view, in one write."""
        text = "".join(json.dumps(s, ensure_ascii=False, allow_nan=False) + "\n" for s in samples)
        self._file.write(text.encode())
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _trim(self) -> None:
        """Cut off a line that a kill has torn, so that the next one starts on a line of its own."""
        size = end = self._file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _BLOCK)
            self._file.seek(start)
            found = self._file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            self._file.truncate(end)
        self._file.seek(0, os.SEEK_END)
