"""What the controls and the rotations of a run say: was motion needed, did order matter, is a letter preferred?

All differences are paired, question by question, and their intervals draw whole source videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fm_eval_harness.questions import Item
from fm_eval_harness.runs import Sample
from fm_eval_harness.runs import Trial as Key
from fm_eval_harness.statistics import cluster_bootstrap
from fm_eval_harness.trials import CONTROLS, MOTIONLESS, trials_of

__all__ = ["MEASURES", "circular_figures", "control_figures", "solved_without_motion"]

MEASURES = {
    "blind": "what the words alone give away",
    "one-frame": "motion gain",
    "frozen": "motion gain, at the same number of frames",
    "shuffled": "order sensitivity",
    "reversed": "order sensitivity",
}
Figures = dict[str, Any]


def control_figures(
    items: Sequence[Item], trials: Mapping[Key, Sample], flipped: Mapping[str, int | None], letters: str, seed: int
) -> dict[str, Figures]:
    """The figures of each control that was asked, on the questions answered with and without it.

    ``accuracy`` under the control, ``full`` without it, ``gain`` = full - control with ``ci95``. ``flipped`` maps
    a question to the option that is right when the video runs backwards (None where that is not known); for the
    control ``reversed`` it adds the accuracy on the questions whose key changes, by the new key and by the old.
    """
    found: dict[str, Figures] = {}
    for control in CONTROLS:
        pairs = [(i, trials[_key(i)], trials[_key(i, control)]) for i in items if _both(i, control, trials)]
        if not any(_key(i, control) in trials for i in items):
            continue
        gaps = [float(full["correct"]) - float(shown["correct"]) for _, full, shown in pairs]
        sources = [i.question.source_id for i, _, _ in pairs]
        found[control] = {
            "measures": MEASURES[control],
            "n": len(pairs),
            "accuracy": _share([s["correct"] for _, _, s in pairs]),
            "full": _share([s["correct"] for _, s, _ in pairs]),
            "gain": _share(gaps),
            **_interval(gaps, sources, seed),
        }
        if control == "reversed":
            found[control]["flipped"] = _flipped(pairs, flipped, letters, seed)
    return found


def _flipped(
    pairs: Sequence[tuple[Item, Sample, Sample]], flipped: Mapping[str, int | None], letters: str, seed: int
) -> Figures:
    new: list[bool] = []
    old: list[bool] = []
    sources: list[str] = []
    for item, full, shown in pairs:
        q = item.question
        key = flipped.get(q.question_id)
        if key is None or key == q.answer:
            continue
        new.append(shown["prediction"] == letters[key])
        old.append(shown["prediction"] == full["answer"])
        sources.append(q.source_id)
    return {
        "n": len(new),
        "accuracy": _share(new),
        "keeps_the_old_answer": _share(old),
        **_interval([float(x) for x in new], sources, seed),
    }


def solved_without_motion(items: Sequence[Item], trials: Mapping[Key, Sample], *, circular: bool) -> list[str] | None:
    """The questions that were right in every motionless control that was asked, and as they are.

    With ``circular``, right in all rotations of each. None if no motionless control was asked.
    """
    asked = [c for c in MOTIONLESS if any(_key(i, c) in trials for i in items)]
    if not asked:
        return None
    out = []
    for item in items:
        mine = [trials.get(t.key) for t in trials_of(item, asked, circular=circular)]
        if all(s is not None and s["correct"] for s in mine):
            out.append(item.question.question_id)
    return sorted(out)


def circular_figures(items: Sequence[Item], trials: Mapping[Key, Sample], letters: str, seed: int) -> Figures:
    """Accuracy over all rotations of the options, on the questions that were answered in all of them.

    ``accuracy`` is the mean over rotations, ``all_rotations`` the share of questions that are right in every one;
    ``letter_prior`` is how often each letter was chosen, and how often one without a preference would choose it.
    Questions that are not asked in rotations (without a key, or not fit to be asked) are left out.
    """
    means: list[float] = []
    every: list[float] = []
    sources: list[str] = []
    chosen: dict[str, float] = {}
    fair: dict[str, float] = {}
    n = 0
    for item in items:
        mine = [trials.get(t.key) for t in trials_of(item, (), circular=True)]
        samples = [s for s in mine if s is not None and not s["error"]]
        if len(samples) < len(item.question.options):
            continue
        means.append(sum(s["correct"] for s in samples) / len(samples))
        every.append(float(all(s["correct"] for s in samples)))
        sources.append(item.question.source_id)
        for sample in samples:
            n += 1
            chosen[sample["prediction"]] = chosen.get(sample["prediction"], 0) + 1
            for letter in letters[: len(samples)]:
                fair[letter] = fair.get(letter, 0) + 1 / len(samples)
    return {
        "n": len(means),
        "accuracy": _share(means),
        **_interval(means, sources, seed),
        "all_rotations": {"accuracy": _share(every), **_interval(every, sources, seed)},
        "letter_prior": {
            letter: {"chosen": round(chosen.get(letter, 0) / n, 6), "fair": round(fair[letter] / n, 6)}
            for letter in sorted(fair)
        },
    }


def _key(item: Item, control: str = "", rotation: int = 0) -> Key:
    return item.question.question_id, item.row_sha, control, rotation


def _both(item: Item, control: str, trials: Mapping[Key, Sample]) -> bool:
    mine = trials.get(_key(item)), trials.get(_key(item, control))
    return item.keyed and all(s is not None and not s["error"] for s in mine)


def _share(values: Sequence[float]) -> float | None:
    return round(sum(map(float, values)) / len(values), 6) if values else None


def _interval(values: Sequence[float], sources: Sequence[str], seed: int) -> Figures:
    interval = cluster_bootstrap(values, sources, seed)
    ci = None if interval.ci95 is None else [round(x, 6) for x in interval.ci95]
    return {"ci95": ci, "ci95_note": interval.note}
