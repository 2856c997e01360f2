"""How far each question is answered without its video, as scores of the row; and what leaves the benchmark for it."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fm_builders.options import option_keys
from fm_builders.text_only import in_versions, thinned
from fm_hub.records import Question, Shortcuts

__all__ = ["Drawn", "Scores", "Tally", "drawn", "scored"]

_WORD = re.compile(r"[a-z]+")
_EMPTY = {"a", "an", "the", "of", "in", "on", "at", "to", "from", "with", "and", "or", "is", "does", "it", "picture"}


@dataclass
class Tally:
    """What keys look like over many questions: by letter, by what the option says, and both for each source video.

    Tallies of parts add up to that of the whole, in any order.
    """

    letters: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    right: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    own: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def of(cls, questions: Iterable[Question]) -> Tally:
        """The tally of questions."""
        tally = cls()
        for q in questions:
            key, family = option_keys(q)[q.answer], q.template.partition("/")[0]
            tally.letters[len(q.options)][q.answer] += 1
            tally.right[family][key] += 1
            tally.own[f"{q.source_id} {family}"][key] += 1
        return tally

    def add(self, other: Tally) -> None:
        """Take in the tally of other questions."""
        for mine, theirs in ((self.letters, other.letters), (self.right, other.right), (self.own, other.own)):
            for name, counts in theirs.items():
                mine[name].update(counts)  # type: ignore[index,arg-type]

    def score(self, q: Question) -> Question:
        """The question with the scores that need no model; what was recorded before stays.

        ``letter`` and ``frequent`` look at all questions; ``frequent`` at other source videos than the question's own.
        """
        family, n = q.template.partition("/")[0], len(q.options)
        asked = set(_WORD.findall(q.text.lower())) - _EMPTY
        overlap = [len(asked & set(_WORD.findall(o.text.lower()))) for o in q.options]
        right, own = self.right[family], self.own[f"{q.source_id} {family}"]
        often = [right[k] - own[k] for k in option_keys(q)]
        score = replace(
            q.shortcuts or Shortcuts(),
            letter=_credit([self.letters[n][i] for i in range(n)], q.answer),
            length=_credit([len(o.text) for o in q.options], q.answer),
            overlap=_credit(overlap, q.answer),
            frequent=_credit(often, q.answer),
        )
        return replace(q, shortcuts=score)


def scored(questions: Sequence[Question]) -> list[Question]:
    """The questions with the scores that need no model, each among all of them."""
    tally = Tally.of(questions)
    return [tally.score(q) for q in questions]


@dataclass(frozen=True)
class Scores:
    """All that it takes to score any question of a data set by itself, and what leaves the benchmark.

    ``text`` holds what a classifier of words gives the keys of benchmark questions, by id.
    """

    tally: Tally
    text: Mapping[str, float]
    gone: frozenset[str]

    def save(self, path: Path) -> None:
        """Write it for other processes."""
        t = self.tally
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [t.letters, t.right, t.own, self.text, sorted(self.gone)]
        path.write_text(json.dumps(parts), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Scores:
        """Read it back."""
        letters, right, own, text, gone = json.loads(path.read_text(encoding="utf-8"))
        numbers = {int(n): Counter({int(i): c for i, c in counts.items()}) for n, counts in letters.items()}
        tally = Tally(
            defaultdict(Counter, numbers),
            defaultdict(Counter, {k: Counter(v) for k, v in right.items()}),
            defaultdict(Counter, {k: Counter(v) for k, v in own.items()}),
        )
        return cls(tally, text, frozenset(gone))

    def finish(self, questions: Iterable[Question]) -> list[Question]:
        """The questions with all of their scores."""
        out = []
        for q in map(self.tally.score, questions):
            share = self.text.get(q.question_id)
            if share is not None:
                q = replace(q, shortcuts=replace(q.shortcuts or Shortcuts(), text=share))
            out.append(q)
        return out


def _credit(values: Sequence[int], key: int) -> float:
    """One point for the option with the largest value, shared where several have it."""
    best = max(values)
    return round(1 / values.count(best), 6) if values[key] == best else 0.0


@dataclass(frozen=True)
class Drawn:
    """What the benchmark keeps: what ``gone`` names leaves; ``new`` are versions of some of it, with other distractors.

    ``shares`` holds what a model of words gives the key of each question.
    """

    gone: frozenset[str] = frozenset()
    new: tuple[Question, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)


def drawn(benchmark: Sequence[Question], again: Sequence[Question], others: Sequence[Question], seed: int) -> Drawn:
    """The benchmark that words alone do not answer, of its questions, or their versions among ``again``.

    ``others`` are questions of other splits, to learn from.

    With too few source videos for words to say anything, all stay as they are. Raises
    :class:`~fm_hub.errors.MissingExtra` without scikit-learn.
    """
    found = thinned(in_versions(benchmark, again), in_versions(others, again), seed)
    if found is None:
        return Drawn()
    gone = frozenset(q.question_id for q in benchmark) - found.kept
    return Drawn(gone, tuple(q for q in again if q.question_id in found.kept), found.shares)
