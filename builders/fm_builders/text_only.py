"""A classifier that never sees the video: which option is right, by words, place and length alone.

It is trained on other source videos than those it answers. Where it is right more often than chance, the benchmark
asks what can be guessed; :func:`guessed` names the questions that have to leave so that it is not.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fm_builders.balance import contexts, option_keys, surplus
from fm_hub.errors import MissingExtra
from fm_hub.records import Question

__all__ = ["FOLDS", "features", "guessed"]

FOLDS, ROUNDS = 5, 8
BINS = 4
PRIOR = 1.0
"""Right answers that a context is taken to have had by chance, before any was seen."""
SHY = 0.85
"""Of what is fair: other guessers, that are not asked here, see what these miss."""
MOST = 30_000
"""Questions that one classifier is trained on, chosen by id."""
MIN_SOURCES = 20


def features(q: Question) -> list[list[str]]:
    """For each option what may give it away: its claim, alone and beside others and words of the question; its form."""
    family = q.template.partition("/")[0]
    keys = option_keys(q)
    together = "; ".join(sorted(keys))
    words = sorted(set(re.findall(r"[a-z]+", q.text.lower())))
    lengths = [len(o.text) for o in q.options]
    numbers = [int(m[0]) if (m := re.search(r"\d+", o.text)) else -1 for o in q.options]
    out = []
    for i, (option, key) in enumerate(zip(q.options, keys, strict=True)):
        said = set(re.findall(r"[a-z]+", option.text.lower()))
        at = f"{family}|{key}"
        form = (
            f"place {i} of {len(keys)}",
            f"longer than {sum(x < lengths[i] for x in lengths)}",
            f"shorter than {sum(x > lengths[i] for x in lengths)}",
            f"above {sum(x < numbers[i] for x in numbers)}",
            f"shares {len(said & set(words))}",
        )
        out.append(
            [
                at,
                f"{at}|{together}",
                *(f"{at}|{w}" for w in words),
                *(f"{family}|says {w}" for w in said),
                *form,
                *(f"{family}|{x}" for x in form),
            ]
        )
    return out


def guessed(questions: Sequence[Question], seed: int = 0) -> tuple[frozenset[str], NDArray[np.float64] | None]:
    """Ids of questions to leave out, and the share that the classifier gives the key of each question.

    First the answers are made even (:mod:`fm_builders.balance`). Then two guessers take turns, each time with other
    videos to learn from: a classifier, and counts of how often what an option says was right. Within a kind of wording
    and a range of its confidence a guesser should be right as often as chance: where it is right more often, so many of
    the questions that it gets right leave, by id, that it is right a little less often. None where there are under 20
    source videos, which say nothing. Raises :class:`~fm_hub.errors.MissingExtra`.
    """
    made = [features(q) for q in questions]
    shares = _shares(questions, made, seed)
    if shares is None:
        return frozenset(), None
    first = np.array([p[q.answer] for p, q in zip(shares, questions, strict=True)])
    uneven = surplus(questions)
    left = [i for i in range(len(questions)) if i not in uneven]
    known = [_known(q) for q in questions]
    quiet = 0
    for turn in range(1, ROUNDS + 1):
        here = [questions[i] for i in left]
        by_count = turn % 2 == 1
        if by_count:
            shares = _counted(here, [known[i] for i in left], seed + turn)
        else:
            shares = _shares(here, [made[i] for i in left], seed + turn)
        gone = _surplus(here, shares) if shares else set()
        quiet = 0 if gone else quiet + 1
        if quiet == 2:
            break
        left = [i for j, i in enumerate(left) if j not in gone]
        uneven = surplus([questions[i] for i in left])
        left = [i for j, i in enumerate(left) if j not in uneven]
    kept = {questions[i].question_id for i in left}
    return frozenset(q.question_id for q in questions) - kept, first


def _surplus(questions: Sequence[Question], shares: Sequence[NDArray[np.float64]]) -> set[int]:
    """Places of questions whose guess is right, so many that a guess is right as often as chance."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, q in enumerate(questions):
        groups[q.template.partition("/")[0], len(q.options)].append(i)
    gone: set[int] = set()
    for (_, n), members in groups.items():
        members.sort(key=lambda i: (-float(shares[i].max()), questions[i].question_id))
        for part in np.array_split(np.array(members), min(BINS, max(1, len(members) // 40))):
            right = [int(i) for i in part if int(shares[i].argmax()) == questions[i].answer]
            fair = (len(part) - len(right)) / (n - 1)
            right.sort(key=lambda i: hashlib.sha256(questions[i].question_id.encode()).digest())
            gone.update(right[round(SHY * fair) :])
    return gone


def _shares(
    questions: Sequence[Question], made: Sequence[list[list[str]]], seed: int
) -> list[NDArray[np.float64]] | None:
    """For each question the share that each of its options gets from a classifier of other source videos."""
    try:
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.linear_model import SGDClassifier
    except ModuleNotFoundError:
        raise MissingExtra("the classifier that never sees a video", "quality") from None
    if len({q.source_id for q in questions}) < MIN_SOURCES:
        return None
    fold = np.array([_number(q.source_id, seed) % FOLDS for q in questions])
    hashed = FeatureHasher(1 << 18, input_type="string").transform(o for options in made for o in options)
    sizes = np.array([len(q.options) for q in questions])
    ends = np.cumsum(sizes)
    right = np.zeros(int(ends[-1]), bool)
    right[ends - sizes + np.array([q.answer for q in questions])] = True
    row_fold = np.repeat(fold, sizes)
    chosen = np.repeat(_chosen(questions), sizes)
    scores = np.zeros(len(right))
    for k in range(FOLDS):
        train, test = np.nonzero((row_fold != k) & chosen)[0], row_fold == k
        if not test.any():
            continue
        model = SGDClassifier(loss="log_loss", alpha=3e-5, max_iter=12, tol=None, random_state=seed, average=True)
        model.fit(hashed[train], right[train])
        scores[test] = model.decision_function(hashed[test])
    return _shared_out(scores, sizes)


def _shared_out(scores: NDArray[np.float64], sizes: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """The scores of all options as shares within each question, which has so many options."""
    parts = (np.exp(own - own.max()) for own in np.split(scores, np.cumsum(sizes)[:-1]))
    return [p / p.sum() for p in parts]


def _known(q: Question) -> list[list[str]]:
    """The contexts of each option; what it says beside the other options, and beside the objects of any question."""
    family = q.template.partition("/")[0]
    nouns = " ".join(re.findall(r"\bthe (\w+)", q.text.lower()))
    keys = option_keys(q)
    together = "; ".join(sorted(keys))
    return [[*found, f"{family}|{k}|{together}", f"{k}|{nouns}"] for found, k in zip(contexts(q), keys, strict=True)]


def _counted(
    questions: Sequence[Question], known: Sequence[list[list[str]]], seed: int
) -> list[NDArray[np.float64]] | None:
    """For each question the share that each of its options gets from counts in other source videos.

    An option has, for each context that it stands in, the rate at which such options were right there, over chance,
    drawn towards 1 where few were seen; the rates are multiplied.
    """
    if len({q.source_id for q in questions}) < MIN_SOURCES:
        return None
    names: dict[str, int] = {"": 0}
    coded = np.array([[names.setdefault(c, len(names)) for c in option] for q in known for option in q], np.int64)
    sizes = np.array([len(q.options) for q in questions])
    ends = np.cumsum(sizes)
    right = np.zeros(int(ends[-1]), np.float64)
    right[ends - sizes + np.array([q.answer for q in questions])] = 1.0
    chance = np.repeat(1 / sizes, sizes)
    fold = np.repeat([_number(q.source_id, seed) % FOLDS for q in questions], sizes)
    score = np.zeros(len(right))
    for column in coded.T:
        for k in range(FOLDS):
            theirs, mine = fold != k, fold == k
            hits = np.bincount(column[theirs], weights=right[theirs], minlength=len(names))
            fair = np.bincount(column[theirs], weights=chance[theirs], minlength=len(names))
            lift = np.log((hits + PRIOR) / (fair + PRIOR))
            lift[0] = 0.0
            score[mine] += lift[column[mine]]
    return _shared_out(score, sizes)


def _chosen(questions: Sequence[Question]) -> NDArray[np.bool_]:
    if len(questions) <= MOST:
        return np.ones(len(questions), bool)
    order = sorted(range(len(questions)), key=lambda i: questions[i].question_id)
    out = np.zeros(len(questions), bool)
    out[order[:MOST]] = True
    return out


def _number(text: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {text}".encode()).digest()[:8], "big")
