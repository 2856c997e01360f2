"""From samples to ``results.json``: the counts, the accuracy with its error bars, and the breakdowns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fm_eval_harness.answers import credit
from fm_eval_harness.policy import Policy
from fm_eval_harness.prompts import PROMPTS
from fm_eval_harness.questions import Item, duration_of
from fm_eval_harness.runs import Sample
from fm_eval_harness.statistics import chance, cluster_bootstrap
from fm_eval_harness.task import Breakdown, Task
from fm_hub.manifest import Manifest

__all__ = ["SCHEMA", "answered", "self_made_note", "summarise", "tally"]

SCHEMA = 1
_OURS = ("fm-hub", "fm_hub", "fm_builders")
METRICS = {"mcq": "accuracy", "qa": "accuracy", "caption": "fact F1"}
"""What the credit of a question is, by the task's type: its mean stands under ``accuracy``."""


def answered(sample: Sample) -> bool:
    """Whether a sample counts in the accuracy: it did not fail, and its key is known. No letter counts as wrong."""
    return not sample["error"] and sample.get("correct") is not None


def tally(items: Sequence[Item], samples: Mapping[str, Sample], task: Task, seed: int) -> dict[str, Any]:
    """The figures of some items: counts, ``coverage accuracy ci95 ci95_note chance``.

    ``n_unkeyed`` of the ``n`` have no published key: they were answered and are not scored. An open question has no
    ``chance``.
    """
    mine = [samples[i.question.question_id] for i in items]
    good = [s for s in mine if answered(s)]
    failed = sum(bool(s["error"]) for s in mine)
    unparsed = sum(not s["prediction"] for s in good)
    credits = [credit(s) for s in good]
    share = sum(credits) / len(credits) if credits else None
    interval = cluster_bootstrap(credits, [s["source_id"] for s in good], seed)
    guess = chance([len(i.question.options) for i in items if i.keyed]) if task.type == "mcq" else None
    return {
        "n": len(items),
        "n_scored": len(good) - unparsed,
        "n_unparsed": unparsed,
        "n_error": failed,
        "n_unkeyed": sum(not s["error"] and s.get("correct", False) is None for s in mine),
        "coverage": round(1 - failed / len(items), 6) if items else 0.0,
        "accuracy": None if share is None else round(share, 6),
        "ci95": None if interval.ci95 is None else [round(x, 6) for x in interval.ci95],
        "ci95_note": interval.note,
        "chance": None if guess is None else round(guess, 6),
    }


def summarise(
    config: Mapping[str, Any], task: Task, items: Sequence[Item], samples: Mapping[str, Sample], made_note: str
) -> dict[str, Any]:
    """The whole of ``results.json``."""
    seed = int(config["seed"])
    by: dict[str, dict[str, Any]] = {}
    for name in task.by:
        parts: dict[str, list[Item]] = {}
        for item in items:
            parts.setdefault(_class_of(name, item, samples[item.question.question_id]), []).append(item)
        by[name] = {value: tally(part, samples, task, seed) for value, part in sorted(parts.items())}
    dataset = config["dataset"]
    return {
        "schema": SCHEMA,
        "model": {"id": config["model"], "commit": config["commit"]},
        "dataset": {k: dataset[k] for k in ("id", "revision", "content_sha256")},
        "task": task.name,
        "profile": task.profile,
        "policy": _policy(config, task),
        "metric": METRICS[task.type],
        **tally(items, samples, task, seed),
        **_more(task, [samples[i.question.question_id] for i in items]),
        "by": by,
        "self_made": bool(made_note),
        "self_made_note": made_note,
    }


def _class_of(name: Breakdown, item: Item, sample: Sample) -> str:
    if name == "duration":  # of what was seen: the view of a question of other people may end with its video
        return duration_of(sample["view"][1] - sample["view"][0])
    return str(getattr(item.question, name))


def _more(task: Task, samples: Sequence[Sample]) -> dict[str, Any]:
    """What only some tasks have: of written answers beside letters their agreement, of descriptions their parts."""
    good = [s for s in samples if answered(s)]
    if task.type == "caption":
        return {"facts": {name: _mean([s[name] for s in good]) for name in ("precision", "recall", "order")}}
    if task.scoring != "both":
        return {}
    right = [float(s["said"] == s["answer"]) for s in good]
    agree = [float(s["agree"]) for s in good if s["agree"] is not None]
    return {
        "generation": {
            "accuracy": _mean(right),
            "n_unparsed": sum(not s["said"] for s in good),
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
