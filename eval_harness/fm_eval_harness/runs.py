"""A run's folder: its configuration, its samples as they come, its results (``docs/contracts.md`` §4)."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fm_hub.errors import BadOutput

__all__ = ["RunResult", "Sample", "append", "load_run", "open_folder", "read_samples", "write_json"]

CONFIG, SAMPLES, RESULTS = "config.json", "samples.jsonl", "results.json"
Sample = dict[str, Any]


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
    """The fields that decide a score, by dotted name: all but where the data set lies and library versions."""
    out: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name == "versions":
            continue
        if isinstance(value, Mapping):
            out |= _flat(value, f"{name}.")
        elif name not in ("dataset.path", "dataset.id"):  # a copy of a data set elsewhere gives the same scores
            out[name] = value
    return out


def read_samples(folder: Path) -> dict[tuple[str, str], Sample]:
    """The samples by (id, row_sha); the last line of a question counts.

    A line that a kill has torn is cut off the file, so that the next one starts on a line of its own.
    """
    path = folder / SAMPLES
    if not path.is_file():
        return {}
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with open(path, "r+b") as f:
            f.truncate(whole)
    found: dict[tuple[str, str], Sample] = {}
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            sample = json.loads(line)
            found[sample["id"], sample["row_sha"]] = sample
        except (ValueError, KeyError, TypeError):
            raise BadOutput(f"{path}:{number}: not a sample; remove that line to go on") from None
    return found


def append(folder: Path, samples: Iterable[Sample]) -> None:
    """Append the samples of one view and wait until they are on the disk."""
    text = "".join(json.dumps(s, ensure_ascii=False, allow_nan=False) + "\n" for s in samples)
    with open(folder / SAMPLES, "ab") as f:
        f.write(text.encode())
        f.flush()
        os.fsync(f.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is there whole or not at all."""
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    tmp.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(tmp, path)


def load_run(folder: Path) -> RunResult:
    """A finished run. Raises :class:`~fm_hub.errors.BadOutput` for any other folder."""
    if not (folder / CONFIG).is_file():
        raise BadOutput(f"{folder}: not a run of fm-eval (it has no {CONFIG})")
    if not (folder / RESULTS).is_file():
        raise BadOutput(f"{folder}: this run is not finished; give its fm-eval command again to go on")
    samples = sorted(read_samples(folder).values(), key=lambda s: (s["clip_id"], s["view"], s["id"]))
    return RunResult(folder, _read_json(folder / CONFIG), samples, _read_json(folder / RESULTS))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise BadOutput(f"{path}: cannot be read as JSON") from None
    if not isinstance(value, dict):
        raise BadOutput(f"{path}: holds no object")
    return value
