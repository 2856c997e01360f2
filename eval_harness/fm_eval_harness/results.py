"""From samples to ``results.json``: the counts, the accuracy with its error bars, and the breakdowns."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fm_eval_harness.answers import credit
from fm_eval_harness.policy import Policy
from fm_eval_harness.prompts import PROMPTS
from fm_eval_harness.questions import Item, duration_of
from fm_eval_harness.samples import Sample
from fm_eval_harness.statistics import chance, cluster_bootstrap
from fm_eval_harness.task import Breakdown, Task
from fm_hub.manifest import Manifest

__all__ = ["SCHEMA", "Mark", "answered", "self_made_note", "summarise", "tally"]

SCHEMA = 1
_OURS = ("fm-hub", "fm_hub", "fm_builders")
_PARTS = ("precision", "recall", "order")
METRICS = {"mcq": "accuracy", "qa": "accuracy", "caption": "fact F1"}
"""What the credit of a question is, by the task's type: its mean stands under ``accuracy``."""


def answered(sample: Sample) -> bool:
    """Whether a sample counts in the accuracy: it did not fail, and its key is known. No letter counts as wrong."""
    return not sample["error"] and sample.get("correct") is not None


@dataclass(frozen=True, slots=True)
class Mark:
    """What counts of a question and its answer: all that is kept of them while a run is summed up.

    ``credit`` is None where the question is not in the accuracy; ``more`` is what only some tasks have.
    """

    source_id: str
    classes: tuple[str, ...]
    n_options: int
    keyed: bool
    failed: bool
    unkeyed: bool
    unparsed: bool
    credit: float | None
    mode: str
    more: tuple[Any, ...] = ()

    @classmethod
    def of(cls, item: Item, sample: Sample, task: Task) -> Mark:
        """The mark of one question, whose ``classes`` are those of the task's breakdowns."""
        failed, known = bool(sample["error"]), sample.get("correct", False) is not None
        return cls(
            source_id=sys.intern(sample["source_id"]),
            classes=tuple(sys.intern(_class_of(name, item, sample)) for name in task.by),
            n_options=len(item.question.options),
            keyed=item.keyed,
            failed=failed,
            unkeyed=not failed and not known,
            unparsed=answered(sample) and not sample["prediction"],
            credit=credit(sample) if answered(sample) else None,
            mode=sys.intern(sample["mode"]),
            more=_more_of(sample, task) if answered(sample) else (),
        )


def tally(marks: Sequence[Mark], task: Task, seed: int) -> dict[str, Any]:
    """The figures of some questions: counts, ``coverage accuracy ci95 ci95_note chance``.

    ``n_unkeyed`` of the ``n`` have no published key: they were answered and are not scored. An open question has no
    ``chance``.
    """
    failed = sum(m.failed for m in marks)
    unparsed = sum(m.unparsed for m in marks)
    credits = [m.credit for m in marks if m.credit is not None]
    share = sum(credits) / len(credits) if credits else None
    interval = cluster_bootstrap(credits, [m.source_id for m in marks if m.credit is not None], seed)
    guess = chance([m.n_options for m in marks if m.keyed]) if task.type == "mcq" else None
    return {
        "n": len(marks),
        "n_scored": len(credits) - unparsed,
        "n_unparsed": unparsed,
        "n_error": failed,
        "n_unkeyed": sum(m.unkeyed for m in marks),
        "coverage": round(1 - failed / len(marks), 6) if marks else 0.0,
        "accuracy": None if share is None else round(share, 6),
        "ci95": None if interval.ci95 is None else [round(x, 6) for x in interval.ci95],
        "ci95_note": interval.note,
        "chance": None if guess is None else round(guess, 6),
    }


def summarise(config: Mapping[str, Any], task: Task, plain: Iterable[Mark], made_note: str) -> dict[str, Any]:
    """What ``results.json`` says of the questions as they are."""
    seed, marks = int(config["seed"]), list(plain)
    by: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(task.by):
        parts: dict[str, list[Mark]] = {}
        for mark in marks:
            parts.setdefault(mark.classes[place], []).append(mark)
        by[name] = {value: tally(part, task, seed) for value, part in sorted(parts.items())}
    dataset = config["dataset"]
    return {
        "schema": SCHEMA,
        "model": {"id": config["model"], "commit": config["commit"]},
        "dataset": {k: dataset[k] for k in ("id", "revision", "content_sha256")},
        "task": task.name,
        "profile": task.profile,
        "policy": _policy(config, task),
        "metric": METRICS[task.type],
        **tally(marks, task, seed),
        **_more(task, [m.more for m in marks if m.more]),
        "by": by,
        "self_made": bool(made_note),
        "self_made_note": made_note,
        "modes": dict(sorted(Counter(m.mode for m in marks if m.mode).items())),
    }


def _class_of(name: Breakdown, item: Item, sample: Sample) -> str:
    if name == "duration":  # of what was seen: the view of a question of other people may end with its video
        return duration_of(sample["view"][1] - sample["view"][0])
    return str(getattr(item.question, name))


def _more_of(sample: Sample, task: Task) -> tuple[Any, ...]:
    """What only some tasks have: of descriptions their parts, of written answers beside letters how they agree."""
    if task.type == "caption":
        return tuple(sample[name] for name in _PARTS)
    if task.scoring == "both":
        return float(sample["said"] == sample["answer"]), not sample["said"], sample["agree"]
    return ()


def _more(task: Task, found: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    if task.type == "caption":
        return {"facts": {name: _mean([f[i] for f in found]) for i, name in enumerate(_PARTS)}}
    if task.scoring != "both":
        return {}
    agree = [float(agrees) for _, _, agrees in found if agrees is not None]
    return {
        "generation": {
            "accuracy": _mean([right for right, _, _ in found]),
            "n_unparsed": sum(nothing for _, nothing, _ in found),
            "agreement": _mean(agree),
            "n_agreement": len(agree),
        }
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(sum(known) / len(known), 6) if known else None


def self_made_note(model: str, manifest: Manifest | None) -> str:
    """Why a score flatters its model: the data set's tracks are the scorer's own. Empty if it does not."""
    if manifest is None:
        return ""
    makers = f"{manifest.generator} {' '.join(manifest.models)}"
    if model == "baseline:tracker" and any(x in makers for x in _OURS):
        return "the scorer's own tracks made this set: read it as a check of the pipeline, not as a result"
    return ""


def _policy(config: Mapping[str, Any], task: Task) -> str:
    prompt = task.prompt if task.prompt in PROMPTS else f"{task.name}@{task.version}/{task.profile}"
    how = {
        "letters": "the letter with the highest next-token log-probability",
        "generate": f"{task.max_new_tokens} new tokens, greedy, read by rule {task.rule}",
        "both": f"letters by log-probability; beside them {task.max_new_tokens} new tokens read by rule {task.rule}",
    }
    return (
        f"{Policy.of_config(config).words()}; prompt {prompt}; {how[task.scoring]}; "
        "a failed question lowers the coverage, an unparsed answer is wrong, nothing is guessed"
    )
