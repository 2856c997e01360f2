"""A run's folder: its configuration, its samples as they come, its results (``docs/contracts.md`` §4)."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fm_hub.errors import BadOutput

__all__ = [
    "RunResult",
    "Sample",
    "SampleLog",
    "Trial",
    "load_run",
    "note",
    "open_folder",
    "read_samples",
    "read_trials",
    "write_json",
]

CONFIG, SAMPLES, RESULTS, LOG = "config.json", "samples.jsonl", "results.json", "log.jsonl"
SYNC_SECONDS = 1.0
_ALL_SAMPLES = "samples*.jsonl"
_BLOCK = 1 << 16
Sample = dict[str, Any]
Trial = tuple[str, str, str, int]
"""A question as it was asked: id, row_sha, control ("" for none), rotation of its options (0 for none)."""


@dataclass(frozen=True)
class RunResult:
    """A finished run: what ``config.json``, ``samples.jsonl`` and ``results.json`` hold."""

    folder: Path
    config: dict[str, Any]
    samples: list[Sample]
    results: dict[str, Any]

    @property
    def model(self) -> str:
        """The model as the user named it."""
        return str(self.config["model"])

    @property
    def coverage(self) -> float:
        """The share of the questions that were answered or unparsed, not failed."""
        return float(self.results["coverage"])

    @property
    def accuracy(self) -> float | None:
        """The share of right answers among those that did not fail; None if all failed."""
        value = self.results["accuracy"]
        return None if value is None else float(value)


def open_folder(output: Path, model: str, task: str, config: Mapping[str, Any]) -> Path:
    """The folder of a configuration, new or to go on with.

    ``output`` holds runs, or is the folder of one. Raises :class:`~fm_hub.errors.BadOutput` if the folder was
    made with another configuration, naming the fields.
    """
    if (output / CONFIG).is_file():
        folder = output
    else:
        plain = json.dumps(_flat(config), sort_keys=True)
        short = Path(model).name if Path(model).is_dir() else model
        slug = re.sub(r"[^A-Za-z0-9._]+", "-", short).strip("-.") or "model"
        folder = output / f"{slug}-{task}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
    if (folder / CONFIG).is_file():
        _refuse_change(folder, config)
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / CONFIG, config)
    except OSError as e:
        raise BadOutput(f"{folder}: cannot be written ({e.strerror}); name another place with -o") from None
    return folder


def _refuse_change(folder: Path, config: Mapping[str, Any]) -> None:
    before, now = _flat(_read_json(folder / CONFIG)), _flat(config)
    changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if changed:
        told = "; ".join(f"{k} was {before.get(k)!r}, is {now.get(k)!r}" for k in changed)
        raise BadOutput(f"{folder}: holds a run with another configuration ({told}); name another folder with -o")


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields that decide a score, by dotted name: not where the data set lies, nor versions and batch sizes."""
    out: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in ("versions", "batch_size", "clip_batch"):
            continue
        if isinstance(value, Mapping):
            out |= _flat(value, f"{name}.")
        elif name not in ("dataset.path", "dataset.id"):  # a copy of a data set elsewhere gives the same scores
            out[name] = value
    return out


def read_trials(folder: Path) -> dict[Trial, Sample]:
    """Every answer of a run, by (id, row_sha, control, rotation); the last line of a trial counts.

    Nothing is changed: a run may be read while it is written, and a last line without its end is left out.
    """
    found: dict[Trial, Sample] = {}
    for path in sorted(folder.glob(_ALL_SAMPLES)):
        data = path.read_bytes()
        for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
            try:
                sample = json.loads(line)
                trial = sample["id"], sample["row_sha"], sample.get("control", ""), sample.get("rotation", 0)
                found[trial] = sample
            except (ValueError, KeyError, TypeError):
                raise BadOutput(f"{path}:{number}: not a sample; remove that line to go on") from None
    return found


def read_samples(folder: Path) -> dict[tuple[str, str], Sample]:
    """The answers to the questions as they are, by (id, row_sha): those of no control and no rotation."""
    return {t[:2]: s for t, s in read_trials(folder).items() if t[2:] == ("", 0)}


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


def note(folder: Path, **event: Any) -> None:
    """Append a line to the run's log: what happened when, for people; no result depends on it."""
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **event}
    with open(folder / LOG, "a", encoding="utf-8") as f:
        f.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is there whole or not at all."""
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(tmp, "w", encoding="utf-8") as f:
        f.write(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        f.flush()
        os.fsync(f.fileno())
    os.replace(tmp, path)


def load_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run, finished or not. Raises :class:`~fm_hub.errors.BadOutput` for any other folder."""
    if not (folder / CONFIG).is_file():
        raise BadOutput(f"{folder}: not a run of fm-eval (it has no {CONFIG})")
    return _read_json(folder / CONFIG)


def load_run(folder: Path, samples: Iterable[Sample] | None = None) -> RunResult:
    """A finished run, with its ``samples`` if they are at hand. Raises :class:`~fm_hub.errors.BadOutput` otherwise."""
    config = load_config(folder)
    if not (folder / RESULTS).is_file():
        raise BadOutput(f"{folder}: this run is not finished; give its fm-eval command again to go on")
    found = read_samples(folder).values() if samples is None else samples
    ordered = sorted(found, key=lambda s: (s["clip_id"], s["view"], s["id"]))
    return RunResult(folder, config, ordered, _read_json(folder / RESULTS))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise BadOutput(f"{path}: cannot be read as JSON") from None
    if not isinstance(value, dict):
        raise BadOutput(f"{path}: holds no object")
    return value
