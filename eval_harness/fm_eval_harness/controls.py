"""What the controls and the rotations of a run say: was motion needed, did order matter, is a letter preferred?

All differences are paired, question by question, and their intervals draw whole source videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fm_eval_harness.questions import Item, Items
from fm_eval_harness.samples import Sample, Trials
from fm_eval_harness.statistics import cluster_bootstrap
from fm_eval_harness.trials import CONTROLS, MOTIONLESS, Trial, trials_of

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
    items: Items, trials: Trials, flipped: Mapping[str, int | None], letters: str, seed: int
) -> dict[str, Figures]:
    """The figures of each control that was asked, on the questions answered with and without it.

    ``accuracy`` under the control, ``full`` without it, ``gain`` = full - control with ``ci95``. ``flipped`` maps
    a question to the option that is right when the video runs backwards (None where that is not known); for the
    control ``reversed`` it adds the accuracy on the questions whose key changes, by the new key and by the old.
    """
    found: dict[str, Figures] = {}
    for control in (c for c in CONTROLS if c in trials.controls):
        with_it: list[bool] = []
        without: list[bool] = []
        sources: list[str] = []
        turned: list[tuple[bool, bool, str]] = []
        for item, full, shown in _pairs(items, control, trials):
            q = item.question
            with_it.append(shown["correct"])
            without.append(full["correct"])
            sources.append(q.source_id)
            key = flipped.get(q.question_id)
            if key is not None and key != q.answer:
                turned.append((shown["prediction"] == letters[key], shown["prediction"] == full["answer"], q.source_id))
        gaps = [float(a) - float(b) for a, b in zip(without, with_it, strict=True)]
        found[control] = {
            "measures": MEASURES[control],
            "n": len(gaps),
            "accuracy": _share(with_it),
            "full": _share(without),
            "gain": _share(gaps),
            **_interval(gaps, sources, seed),
        }
        if control == "reversed":
            new = [float(right) for right, _, _ in turned]
            found[control]["flipped"] = {
                "n": len(new),
                "accuracy": _share(new),
                "keeps_the_old_answer": _share([kept for _, kept, _ in turned]),
                **_interval(new, [source for _, _, source in turned], seed),
            }
    return found


def solved_without_motion(items: Items, trials: Trials) -> list[str] | None:
    """The questions that were right in every motionless control that was asked, and as they are.

    Where rotations were asked, right in all of each. None if no motionless control was asked.
    """
    asked = [c for c in MOTIONLESS if c in trials.controls]
    if not asked:
        return None
    out = []
    for item in items:
        mine = [trials.get(t.key) for t in trials_of(item, asked, circular=trials.turned)]
        if all(s is not None and s["correct"] for s in mine):
            out.append(item.question.question_id)
    return sorted(out)


def circular_figures(items: Items, trials: Trials, letters: str, seed: int) -> Figures:
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


def _pairs(items: Items, control: str, trials: Trials) -> Iterator[tuple[Item, Sample, Sample]]:
    """The questions that were answered as they are and under a control, with both answers."""
    for item in items:
        full, shown = trials.get(Trial(item).key), trials.get(Trial(item, control).key)
        if item.keyed and full is not None and shown is not None and not full["error"] and not shown["error"]:
            yield item, full, shown


def _share(values: Sequence[float]) -> float | None:
    return round(sum(map(float, values)) / len(values), 6) if values else None


def _interval(values: Sequence[float], sources: Sequence[str], seed: int) -> Figures:
    interval = cluster_bootstrap(values, sources, seed)
    ci = None if interval.ci95 is None else [round(x, 6) for x in interval.ci95]
    return {"ci95": ci, "ci95_note": interval.note}
