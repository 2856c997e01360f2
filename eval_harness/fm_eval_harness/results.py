"""From samples to ``results.json``: the counts, the accuracy with its error bars, and the breakdowns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fm_eval_harness.questions import Item, duration_of
from fm_eval_harness.runs import Sample
from fm_eval_harness.statistics import accuracy, chance, cluster_bootstrap
from fm_eval_harness.task import Breakdown, Task
from fm_hub.manifest import Manifest

__all__ = ["SCHEMA", "answered", "self_made_note", "summarise", "tally"]

SCHEMA = 1
_OURS = ("fm-hub", "fm_hub", "fm_builders")
_KEYS: dict[Breakdown, Callable[[Item], str]] = {
    "kind": lambda i: i.question.kind,
    "type": lambda i: i.question.type,
    "difficulty": lambda i: i.question.difficulty,
    "duration": lambda i: duration_of(i.question),
}


def answered(sample: Sample) -> bool:
    """Whether a sample counts in the accuracy: it did not fail. One without a letter counts as wrong."""
    return not sample["error"]


def tally(items: Sequence[Item], samples: Mapping[str, Sample], seed: int) -> dict[str, Any]:
    """The figures of some items: ``n n_scored n_unparsed n_error coverage accuracy ci95 ci95_note chance``."""
    mine = [samples[i.question.question_id] for i in items]
    good = [s for s in mine if answered(s)]
    unparsed = sum(not s["prediction"] for s in good)
    share = accuracy([s["correct"] for s in good])
    interval = cluster_bootstrap([s["correct"] for s in good], [s["source_id"] for s in good], seed)
    guess = chance([len(i.question.options) for i in items])
    return {
        "n": len(items),
        "n_scored": len(good) - unparsed,
        "n_unparsed": unparsed,
        "n_error": len(mine) - len(good),
        "coverage": round(len(good) / len(items), 6) if items else 0.0,
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
            parts.setdefault(_KEYS[name](item), []).append(item)
        by[name] = {value: tally(part, samples, seed) for value, part in sorted(parts.items())}
    dataset = config["dataset"]
    return {
        "schema": SCHEMA,
        "model": {"id": config["model"], "commit": config["commit"]},
        "dataset": {k: dataset[k] for k in ("id", "revision", "content_sha256")},
        "task": task.name,
        "policy": _policy(config, task),
        **tally(items, samples, seed),
        "by": by,
        "controls": {},
        "self_made": bool(made_note),
        "self_made_note": made_note,
    }


def self_made_note(model: str, manifest: Manifest) -> str:
    """Why a score flatters its model: the data set's tracks are the scorer's own. Empty if it does not."""
    makers = f"{manifest.generator} {' '.join(manifest.models)}"
    if model == "baseline:tracker" and any(x in makers for x in _OURS):
        return "the scorer's own tracks made this set: read it as a check of the pipeline, not as a result"
    return ""


def _policy(config: Mapping[str, Any], task: Task) -> str:
    side = config["max_side"]
    size = f", at most {side} pixels on the longer side" if side else ""
    return (
        f"{config['frames']} frames spread evenly over the question's view{size}; prompt {task.prompt[:40]}; "
        "the letter with the highest next-token log-probability; a failed question lowers the coverage, "
        "an unparsed answer is wrong, nothing is guessed"
    )
