"""Several models on the same questions: paired differences, because the questions are the same."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from fm_eval_harness.answers import credit
from fm_eval_harness.results import answered
from fm_eval_harness.runs import RunResult
from fm_eval_harness.statistics import cluster_bootstrap, detectable, holm, mcnemar, sign_flip
from fm_hub.errors import UserError

__all__ = ["SAME", "check_same_questions", "compare"]

SAME = ("task.name", "task.type", "dataset.config", "dataset.split", "limit", "dataset.content_sha256")
Pair = tuple[float, str]
"""The difference in credit on a question, and its source video."""


def compare(runs: Sequence[RunResult], seed: int = 0) -> dict[str, Any]:
    """Compare each run with the first, on the questions that both answered.

    The result has ``models`` (the figures of each run) and ``pairs``: the ``difference`` in accuracy with its
    interval over source videos, ``p`` of the paired test over source videos (``p_holm`` corrected for the number
    of pairs), ``p_mcnemar`` of McNemar's exact test, which takes questions as independent, ``detectable`` the
    smallest difference that a comparison of this size would find, and ``by`` the same for every class of
    questions, where ``p_holm`` is corrected for their number. Raises :class:`~fm_hub.errors.UserError` if the
    runs asked different questions.
    """
    if len(runs) < 2:
        raise UserError("compare needs two or more run folders")
    check_same_questions(runs)
    first, pairs = runs[0], []
    for other in runs[1:]:
        pairs.append(_pair(first, other, seed))
    _correct(pairs)
    figures = ("n", "n_scored", "n_error", "coverage", "metric", "accuracy", "ci95", "ci95_note", "chance", "self_made")
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
    theirs = {(s["id"], s["row_sha"]): credit(s) for s in b.samples if answered(s)}
    both: list[Pair] = []
    by: dict[str, dict[str, list[Pair]]] = {"kind": {}, "type": {}}
    for x in a.samples:
        other = theirs.get((x["id"], x["row_sha"]))
        if other is None or not answered(x):
            continue
        pair = credit(x) - other, sys.intern(x["source_id"])
        both.append(pair)
        for name, classes in by.items():
            classes.setdefault(x[name], []).append(pair)
    scored = a.results["n"] - a.results["n_unkeyed"]
    return {
        "a": a.model,
        "b": b.model,
        "coverage": round(len(both) / scored, 6) if scored else 0.0,
        **_figures(both, seed),
        "by": {
            name: {value: _figures(part, seed) for value, part in sorted(classes.items())}
            for name, classes in by.items()
            if len(classes) > 1
        },
    }


def _figures(both: Sequence[Pair], seed: int) -> dict[str, Any]:
    """The figures of one set of pairs."""
    gaps, sources = [gap for gap, _ in both], [source for _, source in both]
    interval = cluster_bootstrap(gaps, sources, seed)
    least = detectable(gaps, sources)
    only_a, only_b = sum(g > 0 for g in gaps), sum(g < 0 for g in gaps)
    return {
        "n": len(gaps),
        "difference": round(sum(gaps) / len(gaps), 6) if gaps else None,
        "ci95": None if interval.ci95 is None else [round(v, 6) for v in interval.ci95],
        "ci95_note": interval.note,
        "only_a": only_a,
        "only_b": only_b,
        "p": round(sign_flip(gaps, sources, seed), 6),
        "p_mcnemar": round(mcnemar(only_a, only_b), 6),
        "detectable": None if least is None else round(least, 6),
    }


def _correct(pairs: list[dict[str, Any]]) -> None:
    """Add ``p_holm``: over the pairs, and in each pair over the classes of one breakdown."""
    groups = [pairs, *(list(classes.values()) for pair in pairs for classes in pair["by"].values())]
    for group in groups:
        for part, p in zip(group, holm([x["p"] for x in group]), strict=True):
            part["p_holm"] = round(p, 6)
