"""Files that a benchmark's own server takes: for questions whose key is not published."""

from __future__ import annotations

from pathlib import Path

from fm_eval_harness.runs import RunResult, write_json

__all__ = ["SUBMISSION", "write_submission"]

SUBMISSION = "submission.json"


def write_submission(run: RunResult) -> Path | None:
    """Write ``submission.json`` into the run's folder if its task has one; returns its path.

    MotionBench's form is one object, question id to letter, for development and test questions alike. A question
    that failed or was not understood has an empty answer: nothing is filled in for it.
    """
    if run.config["task"].get("submission") != "motionbench":
        return None
    path = run.folder / SUBMISSION
    write_json(path, {s["id"]: s["prediction"] for s in sorted(run.samples, key=lambda s: s["id"])})
    return path
