"""How far each question is answered without its video, as scores of the row; and what leaves the benchmark for it."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fm_builders.options import option_keys
from fm_builders.text_only import in_versions, thinned
from fm_hub.records import LETTERS, Question

__all__ = ["Drawn", "Scores", "Tally", "drawn", "keyed"]

_WORD = re.compile(r"[a-z]+")
_EMPTY = {"a", "an", "the", "of", "in", "on", "at", "to", "from", "with", "and", "or", "is", "does", "it", "picture"}
KEYS = "keys"
"""What each option of a question says (:func:`~fm_builders.options.option_keys`): a column of unfinished tables."""


def keyed(table: pa.Table, questions: Iterable[Question]) -> pa.Table:
    """The table of these questions with the scores that a question has by itself, and a column :data:`KEYS`.

    All that the other scores need then lies in columns, and no question has to be read again.
    """
    keys, length, overlap = list[list[str]](), list[float](), list[float]()
    for q in questions:
        keys.append(option_keys(q))
        asked = _words(q.text)
        length.append(_credit([len(o.text) for o in q.options], q.answer))
        overlap.append(_credit([len(asked & _words(o.text)) for o in q.options], q.answer))
    table = _with_scores(table, {"length": length, "overlap": overlap})
    return table.append_column(KEYS, pa.array(keys, pa.list_(pa.string())))


@lru_cache(maxsize=1 << 12)  # most options of a data set are some hundred texts
def _words(text: str) -> frozenset[str]:
    """The words of a text that say something."""
    return frozenset(_WORD.findall(text.lower())) - _EMPTY


def _with_scores(table: pa.Table, scores: Mapping[str, Sequence[float | None]]) -> pa.Table:
    """The table with these scores in its column of them; a score that was there before stays where there is none."""
    place = table.schema.get_field_index("shortcuts")
    fields = list(table.schema.field(place).type)
    known = table.column(place).combine_chunks().flatten()
    made = [
        pc.coalesce(pa.array(scores[f.name], f.type), old) if f.name in scores else old
        for f, old in zip(fields, known, strict=True)
    ]
    return table.set_column(place, table.schema.field(place), pa.StructArray.from_arrays(made, fields=fields))


def _rows(table: pa.Table) -> Iterator[tuple[str, str, int, list[str]]]:
    """Of each question of a keyed table its wording family, its source video, the place of its key, and what its
    options say."""
    columns = (table.column(name).to_pylist() for name in ("template", "source_id", "answer", KEYS))
    for template, source, answer, keys in zip(*columns, strict=True):
        yield template.partition("/")[0], source, LETTERS.index(answer), keys


@dataclass
class Tally:
    """What keys look like over many questions: by letter, by what the option says, and both for each source video.

    Tallies of parts add up to that of the whole, in any order.
    """

    letters: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    right: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    own: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> Tally:
        """The tally of keyed tables of questions."""
        tally = cls()
        for table in tables:
            for family, source, answer, keys in _rows(table):
                tally.letters[len(keys)][answer] += 1
                tally.right[family][keys[answer]] += 1
                tally.own[f"{source} {family}"][keys[answer]] += 1
        return tally

    def add(self, other: Tally) -> None:
        """Take in the tally of other questions."""
        for mine, theirs in ((self.letters, other.letters), (self.right, other.right), (self.own, other.own)):
            for name, counts in theirs.items():
                mine[name].update(counts)  # type: ignore[index,arg-type]


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
            defaultdict(Counter, own),  # of each source and family some counts, of which few are looked up
        )
        return cls(tally, text, frozenset(gone))

    def finish(self, table: pa.Table) -> pa.Table:
        """A keyed table of questions with all of its scores, and without its keys; what was recorded before stays.

        ``letter`` and ``frequent`` look at all questions; ``frequent`` at other source videos than the question's own.
        """
        letter, frequent = list[float](), list[float]()
        for family, source, answer, keys in _rows(table):
            letters, right, own = (
                self.tally.letters[len(keys)],
                self.tally.right[family],
                self.tally.own[f"{source} {family}"],
            )
            letter.append(_credit([letters[i] for i in range(len(keys))], answer))
            frequent.append(_credit([right[k] - own.get(k, 0) for k in keys], answer))
        text = [self.text.get(q) for q in table.column("id").to_pylist()]
        return _with_scores(table, {"letter": letter, "frequent": frequent, "text": text}).drop_columns(KEYS)


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
