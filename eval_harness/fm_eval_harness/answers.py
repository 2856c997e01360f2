"""From a prompt to what the answer is worth: the letter or the value that was chosen, and whether that is right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fm_eval_harness.items import Item
from fm_eval_harness.published import split_options
from fm_eval_harness.rules import Asked, read_answer
from fm_eval_harness.task import Task
from fm_eval_harness.typed import canonical, key_of
from fm_hub.errors import UserError
from fm_hub.models import Model, Prompt, Scores, View

__all__ = ["Judge", "answers", "check_can_answer", "credit"]

Asking = tuple[View, Sequence[Prompt]]
"""A view, and what is asked about it."""


def check_can_answer(model: Model, task: Task) -> None:
    """Raise :class:`~fm_hub.errors.UserError` before anything is asked of a model that cannot answer this way."""
    if task.needs_text and type(model).generate is Model.generate:
        model.generate(View("", Path(), 0, 1, 1), [], 1)


def answers(model: Model, asked: Sequence[Asking], task: Task) -> list[list[Scores]]:
    """One call of the model about some views; whatever goes wrong with a view is an error on its questions.

    Raises :class:`~fm_hub.errors.UserError` alone: no other view would do better.
    """
    try:
        return [
            [_checked(s, p) for s, p in zip(_fitting(model, scores, prompts), prompts, strict=True)]
            for scores, (_, prompts) in zip(_asked(model, asked, task), asked, strict=True)
        ]
    except UserError:
        raise
    except Exception as e:  # the item boundary: one bad view must not end a run, nor take others with it
        if len(asked) > 1:
            return [answers(model, [one], task)[0] for one in asked]
        why = f"{type(e).__name__}: {' '.join(str(e).split())[:280]}"
        return [[Scores(p.id, error=why) for p in prompts] for _, prompts in asked]


def _fitting(model: Model, scores: list[Scores], prompts: Sequence[Prompt]) -> list[Scores]:
    if [s.id for s in scores] != [p.id for p in prompts]:
        raise ValueError(f"{model.name} returned {len(scores)} scores that do not fit {len(prompts)} questions")
    return scores


def _checked(scores: Scores, prompt: Prompt) -> Scores:
    if scores.error:
        return Scores(scores.id, error=" ".join(scores.error.split()))
    strange = sorted(set(scores.logprobs) - set(prompt.letters))
    if strange or not all(math.isfinite(v) for v in scores.logprobs.values()):
        return Scores(scores.id, error="ModelError: scores that are not finite, or for letters that are no options")
    return scores


def _asked(model: Model, asked: Sequence[Asking], task: Task) -> list[list[Scores]]:
    """Letters, text or both, as the task's ``scoring`` says; an error of either is the question's error."""
    if task.scoring == "letters":
        return model.score_views(asked)
    written = [model.generate(view, prompts, task.max_new_tokens) for view, prompts in asked]
    if task.scoring == "generate":
        return written
    scored = model.score_views(asked)
    if [len(x) for x in written] != [len(x) for x in scored]:
        raise ValueError(f"{model.name} wrote {sum(map(len, written))} answers and scored {sum(map(len, scored))}")
    return [
        [
            replace(s, text=w.text, error=s.error or w.error, ways=(*s.ways, *w.ways))
            for s, w in zip(mine, theirs, strict=True)
        ]
        for mine, theirs in zip(scored, written, strict=True)
    ]


def credit(sample: Mapping[str, Any]) -> float:
    """What a sample counts: 1 or 0 for right and wrong, a description its score. In 0..1."""
    return float(sample.get("score", sample["correct"] or 0.0))


class Judge:
    """Judges the answers to one task's items; ``root`` is the data set's folder, whose tables prove descriptions."""

    def __init__(self, task: Task, root: Path) -> None:
        self.task = task
        self._root = root
        self._facts: Any = None

    def fields(self, item: Item, scores: Scores) -> dict[str, Any]:
        """The fields of a sample that follow from the answer; the same again whenever it is judged again."""
        if self.task.type == "mcq":
            out = self._letter(item, scores)
        elif self.task.type == "qa":
            out = self._value(item, scores)
        else:
            out = self._description(item, scores)
        out["scores"] = {k: round(v, 6) for k, v in sorted(scores.logprobs.items())}
        if self.task.needs_text:
            out["text"] = scores.text
        return {**out, "error": scores.error}

    def _letter(self, item: Item, scores: Scores) -> dict[str, Any]:
        q, letters = item.question, self.task.letters[: len(item.question.options)]
        key = letters[q.answer] if item.keyed and q.answer >= 0 else ""
        out: dict[str, Any] = {"answer": key, "prediction": scores.letter}
        if self.task.needs_text:
            texts = [o.text for o in q.options]
            labels = split_options(item.published)[1] or list(letters)
            labels = labels if len(labels) == len(texts) else list(letters)
            read = read_answer(self.task.rule, scores.text, Asked(letters, texts, labels, q.answer))
            out |= {"said": read.letter, "rule": read.rule}
            if self.task.scoring == "generate":
                out["prediction"] = read.letter
            else:
                out["agree"] = None if scores.error or not read.letter else read.letter == scores.letter
        failed = bool(scores.error)
        out["correct"] = None if not item.keyed else not failed and bool(key) and out["prediction"] == key
        return out

    def _value(self, item: Item, scores: Scores) -> dict[str, Any]:
        key, said = key_of(item.question), canonical(scores.text, item.question)
        return {"answer": key, "prediction": said, "correct": not scores.error and bool(key) and said == key}

    def _description(self, item: Item, scores: Scores) -> dict[str, Any]:
        if self._facts is None:
            from fm_eval_harness.descriptions import Facts

            self._facts = Facts(self._root)
        if item.caption is None:
            raise UserError(f"task {self.task.name}: an item without a reference caption")
        return dict(self._facts.fields(item.caption, "" if scores.error else scores.text))
