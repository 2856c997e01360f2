"""Several models on the same questions: paired differences, because the questions are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fm_eval_harness.results import answered
from fm_eval_harness.runs import RunResult, Sample
from fm_eval_harness.statistics import cluster_bootstrap, holm, mcnemar
from fm_hub.errors import UserError

__all__ = ["SAME", "check_same_questions", "compare"]

SAME = ("task.name", "dataset.config", "dataset.split", "limit", "dataset.content_sha256")


def compare(runs: Sequence[RunResult], seed: int = 0) -> dict[str, Any]:
    """Compare each run with the first, on the questions that both answered.

    The result has ``models`` (the figures of each run) and ``pairs``: the difference in accuracy with its
    interval over source videos, and McNemar's exact test (``p``; ``p_holm`` corrected for the number of
    pairs). The test takes questions as independent; the interval does not. Raises
    :class:`~fm_hub.errors.UserError` if the runs asked different questions.
    """
    if len(runs) < 2:
        raise UserError("compare needs two or more run folders")
    check_same_questions(runs)
    first, pairs = runs[0], []
    for other in runs[1:]:
        pairs.append(_pair(first, other, seed))
    for pair, p in zip(pairs, holm([p["p"] for p in pairs]), strict=True):
        pair["p_holm"] = round(p, 6)
    figures = ("n", "n_scored", "n_error", "coverage", "accuracy", "ci95", "ci95_note", "chance", "self_made")
    return {
        "schema": 1,
        "models": [{"model": r.model, "run": str(r.folder), **{f: r.results[f] for f in figures}} for r in runs],
        "pairs": pairs,
        "coverage": min([r.coverage for r in runs] + [p["coverage"] for p in pairs]),
    }


def check_same_questions(runs: Sequence[RunResult]) -> None:
    """Raise :class:`~fm_hub.errors.UserError` unless all runs asked the same questions."""
    for run in runs[1:]:
        for field in SAME:
            a, b = _field(runs[0].config, field), _field(run.config, field)
            if a != b:
                raise UserError(
                    f"{run.folder}: {field} is {b!r}, but {a!r} in {runs[0].folder}: not the same questions"
                )


def _field(config: dict[str, Any], name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _pair(a: RunResult, b: RunResult, seed: int) -> dict[str, Any]:
    theirs = {(s["id"], s["row_sha"]): s for s in b.samples}
    both: list[tuple[Sample, Sample]] = []
    for x in a.samples:
        y = theirs.get((x["id"], x["row_sha"]))
        if y is not None and answered(x) and answered(y):
            both.append((x, y))
    gaps = [float(x["correct"]) - float(y["correct"]) for x, y in both]
    interval = cluster_bootstrap(gaps, [x["source_id"] for x, _ in both], seed)
    only_a, only_b = sum(g > 0 for g in gaps), sum(g < 0 for g in gaps)
    return {
        "a": a.model,
        "b": b.model,
        "n": len(both),
        "coverage": round(len(both) / a.results["n"], 6),
        "difference": round(sum(gaps) / len(gaps), 6) if gaps else None,
        "ci95": None if interval.ci95 is None else [round(v, 6) for v in interval.ci95],
        "ci95_note": interval.note,
        "only_a": only_a,
        "only_b": only_b,
        "p": round(mcnemar(only_a, only_b), 6),
    }
