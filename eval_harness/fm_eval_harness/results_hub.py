"""A run in the Hub's own form (``.eval_results/*.yaml`` of a model repository), for its owner to publish.

Nothing is uploaded here. The Hub's form has no place for error bars or counts: they go into the notes.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from fm_eval_harness.runs import RunResult

__all__ = ["EVAL_RESULTS", "eval_results_yaml", "write_eval_results"]

EVAL_RESULTS = "eval_results.yaml"


def eval_results_yaml(run: RunResult) -> str:
    """The YAML of one run: accuracy in per cent, the data set's revision, and the notes. Empty without a score."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    results = run.results
    if run.accuracy is None:
        return ""
    ci = results["ci95"]
    bars = f"95 % {100 * ci[0]:.1f}-{100 * ci[1]:.1f}" if ci else f"no error bars: {results['ci95_note']}"
    entry = EvalResultEntry(
        dataset_id=results["dataset"]["id"],
        task_id=results["task"],
        value=round(100 * run.accuracy, 2),
        dataset_revision=results["dataset"]["revision"] or None,
        notes=(
            f"fm-eval; accuracy in %; {bars}; n = {results['n_scored']} of {results['n']}; "
            f"chance {100 * results['chance']:.1f}; {results['policy']}"
            + (f"; {results['self_made_note']}" if results["self_made"] else "")
        ),
    )
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)


def write_eval_results(run: RunResult) -> Path:
    """Write ``eval_results.yaml`` into the run's folder."""
    path = run.folder / EVAL_RESULTS
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    tmp.write_text(eval_results_yaml(run) or "[]\n", encoding="utf-8")
    os.replace(tmp, path)
    return path
