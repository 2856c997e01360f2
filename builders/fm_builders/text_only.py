"""What words alone tell of the answer, and a benchmark that is drawn so that they tell nothing.

A model that never sees a video says how likely each option is by its words (a conditional logit of what options say,
beside what, of which objects, and of their form), learned from other source videos. A question stays by a coin that its
id throws, with the chance ``least / key``: the share of its least likely option over that of its key. Of the questions
that stay, each option of one text is then as likely to be the key as any other, as far as the model knows; and as the
coins know nothing of each other, who has seen some of them knows no more about the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_builders.options import option_keys
from fm_hub.errors import MissingExtra
from fm_hub.records import Question

__all__ = ["Thinned", "features", "in_versions", "thinned"]

FOLDS = 5
RIDGES = (40.0, 16.0, 8.0, 3.0)
"""Of the weights, to choose from for each family of questions: where little is to be learned from words, the less would
learn chance from its examples, and draw it into the benchmark; where names of things tell much, the more would miss it.
From the largest down, as each fit begins where the one before ended.
"""
OWN = 8.0
"""Value of the feature that says what an option claims: the ridge hardly holds its weight, so that what is never right
is known to be."""
STEPS = 60
LEAST = 1e-12  # share whose logarithm is taken
BITS = 22
MIN_SOURCES = 20
"""Source videos under which nothing is said."""
THEN = " then "
"""What stands between two things in the order in which an option tells them."""
_WORD = re.compile(r"[a-z]+")
_THING = re.compile(r"\bthe (\w+)")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Thinned:
    """Ids of the questions that stay, and what the model gives the key of every question that it was asked about."""

    kept: frozenset[str]
    shares: dict[str, float]


def features(q: Question) -> list[list[str]]:
    """For each option what may give it away: its claim first, then that beside others, things, words; order; form."""
    family = q.template.partition("/")[0]
    keys = option_keys(q)
    together = "; ".join(sorted(keys))
    asked = q.text.lower()
    words, things = sorted(set(_WORD.findall(asked))), " ".join(_THING.findall(asked))
    lengths = [len(o.text) for o in q.options]
    numbers = [int(m[0]) if (m := re.search(r"\d+", o.text)) else -1 for o in q.options]
    out = []
    for i, (option, key) in enumerate(zip(q.options, keys, strict=True)):
        text = option.text.lower()
        before, _, then = text.partition(THEN)
        told = {"first": before, "then": then} if then else {}
        own, at = " ".join(_THING.findall(text)), f"{family}|{key}"
        beside = (together, things, f"{things}|{together}", f"of {own}", f"of {own}|{things}")
        out.append(
            [
                at,
                *(f"{at}|{x}" for x in beside),
                *(f"{at}|{w}" for w in words),
                *(f"{at}|beside {k}" for k in keys if k != key),
                *(f"{family}|says {w}" for w in sorted(set(_WORD.findall(text)))),
                *(f"{family}|of {own}|{w}" for w in words),
                *(f"{family}|{when} {w}" for when, part in told.items() for w in sorted(set(_WORD.findall(part)))),
                f"{family}|longer than {sum(x < lengths[i] for x in lengths)}",
                f"{family}|shorter than {sum(x > lengths[i] for x in lengths)}",
                f"{family}|above {sum(x < numbers[i] for x in numbers)}",
            ]
        )
    return out


def in_versions(questions: Iterable[Question], again: Iterable[Question]) -> list[list[Question]]:
    """Each question followed by those of ``again`` that are the same but for their distractors, in their order."""
    found = {_draft(q): [q] for q in questions}
    for q in again:
        if _draft(q) in found:
            found[_draft(q)].append(q)
    return list(found.values())


def _draft(q: Question) -> tuple[object, ...]:
    return q.clip_id, q.template, q.template_args, q.view_t0, q.view_t1, q.options[q.answer].claim


def thinned(
    test: Sequence[Sequence[Question]], others: Sequence[Sequence[Question]] = (), seed: int = 0
) -> Thinned | None:
    """The benchmark's questions that may stay; each is given in its versions, alike but for the distractors.

    The model learns from ``others`` (questions of other splits) and, as they count less where the others are many, from
    questions of the test split about other source videos. A question that its first version's coin does not keep is
    tried in the next, by a model of the second versions of all that were not kept. None where there are under
    ``MIN_SOURCES`` source videos. Raises :class:`~fm_hub.errors.MissingExtra` without scikit-learn.
    """
    every = [*test, *others]
    if len({versions[0].source_id for versions in every}) < MIN_SOURCES:
        return None
    kept: set[str] = set()
    shares: dict[str, float] = {}
    left = list(range(len(every)))
    turn = 0
    while left and len({every[i][turn].source_id for i in left}) >= MIN_SOURCES:
        now = [every[i][turn] for i in left]
        away = []
        for i, q, p in zip(left, now, _shares(now, seed + turn), strict=True):
            key = float(p[q.answer])
            stays = _coin(q.question_id) * key < float(p.min())
            if i < len(test):
                shares[q.question_id] = round(key, 6)
                kept.update([q.question_id] if stays else ())
            if not stays:
                away.append(i)
        turn += 1
        left = [i for i in away if turn < len(every[i])]
    return Thinned(frozenset(kept), shares)


def _coin(identity: str) -> float:
    """A number in [0, 1) that only the id decides."""
    return int.from_bytes(hashlib.sha256(f"coin {identity}".encode()).digest()[:6], "big") / 2**48


def _shares(questions: Sequence[Question], seed: int) -> list[Floats]:
    """For each question the share of each of its options, by models that were shown other source videos only.

    Families have no feature in common, so each has a model of its own, with the ridge that tells most of other videos.
    """
    families: dict[str, list[int]] = {}
    for i, q in enumerate(questions):
        families.setdefault(q.template.partition("/")[0], []).append(i)
    out: dict[int, Floats] = {}
    for places in families.values():
        asked = [questions[i] for i in places]
        words = _Words.of(asked)
        fold = np.array([_fold(q.source_id, seed) for q in asked])
        found = [words.shares(scores) for scores in _scores(words, fold)]
        best = min(found, key=lambda p: -float(np.log(np.maximum(p[words.right], LEAST)).sum()))
        out.update(zip(places, np.split(best, words.ends[:-1]), strict=True))
    return [out[i] for i in range(len(questions))]


def _scores(words: _Words, fold: Ints) -> Floats:
    """Scores of all options with each of the :data:`RIDGES` (a row each), those of a fold by models of the others."""
    scores = np.zeros((len(RIDGES), len(words.owner)))
    for k in range(FOLDS):
        mine = fold[words.owner] == k
        if mine.any() and not mine.all():
            scores[:, mine] = words.scores(fold != k, mine)
    return scores


def _fold(source_id: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {source_id}".encode()).digest()[:8], "big") % FOLDS


class _Words:
    """The options of all questions as rows of a sparse matrix of features, one after the other."""

    def __init__(self, matrix: object, sizes: Ints, answers: Ints) -> None:
        self.matrix, self.sizes, self.ends = matrix, sizes, np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        self.right = self.starts + answers

    @classmethod
    def of(cls, questions: Sequence[Question]) -> _Words:
        try:
            from sklearn.feature_extraction import FeatureHasher
        except ModuleNotFoundError:
            raise MissingExtra("the model of words that never sees a video", "quality") from None
        hasher = FeatureHasher(1 << BITS, input_type="pair", alternate_sign=False, dtype=np.float32)
        rows = (((f, OWN if i == 0 else 1.0) for i, f in enumerate(o)) for q in questions for o in features(q))
        matrix = hasher.transform(rows).tocsr()
        return cls(matrix, np.array([len(q.options) for q in questions]), np.array([q.answer for q in questions]))

    def shares(self, scores: Floats) -> Floats:
        """The scores as shares within each question."""
        e = np.exp(scores - np.maximum.reduceat(scores, self.starts)[self.owner])
        out: Floats = e / np.add.reduceat(e, self.starts)[self.owner]
        return out

    def scores(self, shown: NDArray[np.bool_], asked: NDArray[np.bool_]) -> Floats:
        """Scores of the rows ``asked`` by conditional logits of the questions ``shown``, one for each ridge."""
        from scipy.optimize import minimize

        rows = shown[self.owner]
        mine = self.matrix[rows]  # type: ignore[index]
        used = np.unique(mine.indices)
        mine = mine[:, used]
        back = mine.T.tocsr()
        part = _Words(mine, self.sizes[shown], (self.right - self.starts)[shown])
        y = np.zeros(mine.shape[0])
        y[part.right] = 1.0

        def loss(w: Floats, ridge: float) -> tuple[float, Floats]:
            p = part.shares((mine @ w.astype(np.float32)).astype(np.float64))
            slope = (back @ (p - y).astype(np.float32)).astype(np.float64)
            return float(-np.log(np.maximum(p[part.right], LEAST)).sum() + ridge / 2 * (w @ w)), slope + ridge * w

        posed = self.matrix[asked][:, used]  # type: ignore[index]
        weights, out = np.zeros(len(used)), []
        for ridge in RIDGES:
            how = {"maxiter": STEPS}
            weights = minimize(loss, weights, (ridge,), jac=True, method="L-BFGS-B", options=how).x
            out.append(posed @ weights)
        return np.array(out)
