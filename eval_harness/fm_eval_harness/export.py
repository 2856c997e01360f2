"""Samples of runs as CSV: one row a question and run, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fm_eval_harness.answers import credit
from fm_eval_harness.results import answered
from fm_eval_harness.runs import RunResult
from fm_hub.errors import BadOutput

__all__ = ["COLUMNS", "csv_of", "write_csv"]

COLUMNS = (
    *("model", "task", "id", "clip_id", "source_id", "kind", "type", "answer", "prediction", "correct", "credit"),
    *("text", "rule", "scores", "error", "view_t0", "view_t1", "n_frames", "seconds"),
)


def csv_of(runs: Sequence[RunResult]) -> str:
    """The samples of runs. ``credit`` is empty where a question failed or its key is not published.

    A text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        for s in run.samples:
            row: dict[str, Any] = {name: s.get(name) for name in COLUMNS}
            row |= {"model": run.model, "task": run.results["task"], "credit": credit(s) if answered(s) else None}
            row |= {"scores": json.dumps(s["scores"]) if s["scores"] else None, "n_frames": len(s["frames"])}
            row |= {"view_t0": s["view"][0], "view_t1": s["view"][1]}
            writer.writerow({k: _plain(v) for k, v in row.items()})
    return out.getvalue()


def write_csv(runs: Sequence[RunResult], output: Path) -> Path:
    """Write the samples of runs. Raises :class:`~fm_hub.errors.BadOutput`."""
    tmp = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        tmp.write_text(csv_of(runs), encoding="utf-8")
        os.replace(tmp, output)
    except OSError as e:
        raise BadOutput(f"{output}: cannot be written ({e.strerror})") from None
    return output


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
