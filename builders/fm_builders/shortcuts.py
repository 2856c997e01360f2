"""How far each question is answered without its video, as scores of the row; and what leaves the benchmark for it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from sys import intern

from fm_builders.balance import option_key
from fm_builders.text_only import guessed
from fm_hub.records import Question, Shortcuts

__all__ = ["filtered", "scored"]

_WORD = re.compile(r"[a-z]+")
_EMPTY = {"a", "an", "the", "of", "in", "on", "at", "to", "from", "with", "and", "or", "is", "does", "it", "picture"}


def scored(questions: Sequence[Question]) -> list[Question]:
    """The questions with the scores that need no model; what was recorded before stays.

    ``letter`` and ``frequent`` look at the whole list; ``frequent`` at other source videos than the question's own.
    """
    letters: dict[int, Counter[int]] = defaultdict(Counter)
    right: dict[str, Counter[str]] = defaultdict(Counter)
    own: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    # Few are different: kept once each, or half a million questions would not fit.
    keys = [[intern(option_key(q, i)) for i in range(len(q.options))] for q in questions]
    for q, ks in zip(questions, keys, strict=True):
        family = q.template.partition("/")[0]
        letters[len(q.options)][q.answer] += 1
        right[family][ks[q.answer]] += 1
        own[q.source_id, family][ks[q.answer]] += 1
    out = []
    for q, ks in zip(questions, keys, strict=True):
        family, n = q.template.partition("/")[0], len(q.options)
        asked = set(_WORD.findall(q.text.lower())) - _EMPTY
        overlap = [len(asked & set(_WORD.findall(o.text.lower()))) for o in q.options]
        often = [right[family][k] - own[q.source_id, family][k] for k in ks]
        known = q.shortcuts or Shortcuts()
        score = replace(
            known,
            letter=_credit([letters[n][i] for i in range(n)], q.answer),
            length=_credit([len(o.text) for o in q.options], q.answer),
            overlap=_credit(overlap, q.answer),
            frequent=_credit(often, q.answer),
        )
        out.append(replace(q, shortcuts=score))
    return out


def _credit(values: Sequence[int], key: int) -> float:
    """One point for the option with the largest value, shared where several have it."""
    best = max(values)
    return round(1 / values.count(best), 6) if values[key] == best else 0.0


def filtered(benchmark: Sequence[Question], seed: int) -> tuple[list[Question], frozenset[str]]:
    """Benchmark questions with the score of a classifier of words, and the ids of those that have to leave.

    With too few source videos for the classifier to say anything, all stay as they are. Raises
    :class:`~fm_hub.errors.MissingExtra` without scikit-learn.
    """
    gone, shares = guessed(benchmark, seed)
    if shares is None:
        return list(benchmark), gone
    pairs = zip(benchmark, shares.tolist(), strict=True)
    return [replace(q, shortcuts=replace(q.shortcuts or Shortcuts(), text=round(p, 6))) for q, p in pairs], gone
