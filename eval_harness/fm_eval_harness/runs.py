"""A run's folder: its configuration, its log and its results (``docs/contracts.md`` §4)."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fm_eval_harness.samples import Sample, Trials
from fm_hub.errors import BadOutput

__all__ = [
    "RunResult",
    "load_run",
    "note",
    "open_folder",
    "write_json",
]

CONFIG, RESULTS, LOG = "config.json", "results.json", "log.jsonl"


@dataclass(frozen=True)
class RunResult:
    """A finished run: what ``config.json``, ``samples.jsonl`` and ``results.json`` hold.

    ``samples`` are the answers to the questions as they are, by clip, view and id.
    """

    folder: Path
    config: dict[str, Any]
    samples: Sequence[Sample]
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


def load_run(folder: Path, trials: Trials | None = None) -> RunResult:
    """A finished run, with all of its ``trials`` if they are at hand.

    Raises :class:`~fm_hub.errors.BadOutput` for what is none, or not finished.
    """
    config = load_config(folder)
    if not (folder / RESULTS).is_file():
        raise BadOutput(f"{folder}: this run is not finished; give its fm-eval command again to go on")
    found = Trials(folder) if trials is None else trials
    return RunResult(folder, config, found.plain(), _read_json(folder / RESULTS))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise BadOutput(f"{path}: cannot be read as JSON") from None
    if not isinstance(value, dict):
        raise BadOutput(f"{path}: holds no object")
    return value
