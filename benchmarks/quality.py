"""What words alone give away: a classifier without the video, simple guesses, and the rule of paraphrases.

Clips are drawn by ``made_clips`` (things behave as their names suggest), asked about by every kind, and drawn from as
compose does with ``quality.text_only``. Of each kind so many questions are drawn that about ``--stay`` stay, from clips
of the test split, and ``--learn`` times as many from clips of the train split, whose questions the filter may learn
from: clips are made until there are enough, and asked only about the kinds that lack. So kinds are about even, each is
large enough to tell a leak from chance, and their share among the questions says nothing of that in a data set. The
attacks are another classifier than the filter's, boosted trees on rates of being right: once counted over other clips
of the benchmark, once over all questions for training as they are.
``python benchmarks/quality.py [--stay N] [--learn X] [--workers N] [--seed S] [--json]``
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from bench import Row, show
from made_clips import SCENES, made_clip
from numpy.typing import NDArray
from scipy.stats import chisquare

from fm_builders.material import Material
from fm_builders.options import option_keys
from fm_builders.questions import ask
from fm_builders.text_only import in_versions, thinned
from fm_eval_harness.statistics import cluster_bootstrap
from fm_hub.records import Question, Split
from fm_hub.wording.paraphrase import difference

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from paraphrases_made import changed, faithful

FOLDS = 4
APART = 1_000_000  # between the numbers of clips of the two splits
BOUND = 5.0  # points above chance, of a kind
STAYED = {
    "absent": 0.76,
    "actor": 0.2,
    "camera": 0.62,
    "company": 0.41,
    "contact": 0.49,
    "count": 0.36,
    "direction": 0.22,
    "distance": 0.46,
    "gesture": 0.78,
    "location": 0.7,
    "order": 0.45,
    "overlap": 0.3,
    "prediction": 0.33,
    "presence": 0.37,
    "relation": 0.39,
    "repetition": 0.22,
    "rotation": 0.53,
    "speed": 0.32,
    "trajectory": 0.28,
    "whether": 0.53,
}
"""Share of the questions of a kind that stayed when that was last measured: it says how many to draw, nothing else."""
ONLY = {"contact": ("things",)}
"""Scenes in which a kind is asked about, where the others hardly ever have any of it."""
BLOCK = 1000  # clips of each scene, after which kinds of which there are enough are left out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stay", type=int, default=3000, help="questions of a kind that should stay, about")
    parser.add_argument("--learn", type=float, default=3.0, help="questions for training, to one for the benchmark")
    parser.add_argument("--workers", type=int, help="processes that ask (default: one a core)")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    chosen = parser.parse_args()
    wanted = {kind: round(chosen.stay / share) for kind, share in STAYED.items()}
    test = _drawn(wanted, chosen.seed, "test", chosen.workers)
    more = {kind: round(chosen.learn * n) for kind, n in wanted.items()}
    others = _drawn(more, chosen.seed, "train", chosen.workers)
    drawn = thinned(test, others, chosen.seed)
    kept = [q for versions in test for q in versions if drawn and q.question_id in drawn.kept]
    first = {versions[0].question_id for versions in test}
    again = sum(q.question_id not in first for q in kept)
    shown = [versions[0] for versions in others]
    told = _attack(shown, [*(versions[0] for versions in test), *kept], chosen.seed + 1)
    before, informed = told[: len(test)], told[len(test) :]
    after = _attack_itself(kept, chosen.seed + 1)
    print(f"{len(test)} questions for the benchmark, {len(kept)} of which stay, {again} with new distractors")
    print(
        "kind: questions, points above chance | that stay, mean, upper bound | who learned from the train split: both"
    )
    bounds, bounds_told = dict[str, float](), dict[str, float]()
    for kind in wanted:
        was = [v for q, v in zip(test, before, strict=True) if q[0].kind == kind]
        now = [(v, q.source_id) for q, v in zip(kept, after, strict=True) if q.kind == kind]
        known = [(v, q.source_id) for q, v in zip(kept, informed, strict=True) if q.kind == kind]
        bounds[kind], bounds_told[kind] = _upper(now), _upper(known)
        ends = f"{_mean(now):.1f}, {bounds[kind]:.1f} | {_mean(known):.1f}, {bounds_told[kind]:.1f}"
        print(f"  {kind}: {len(was)}, {100 * float(np.mean(was)):.1f} | {len(now)}, {ends}")
    for who, found in (("itself", bounds), ("train", bounds_told)):
        over = ", ".join(f"{kind} {high:.1f}" for kind, high in found.items() if high > BOUND)
        print(
            f"{who}: {sum(high <= BOUND for high in found.values())} of {len(found)} kinds hold; over: {over or 'none'}"
        )
    all_now = [(v, q.source_id) for q, v in zip(kept, after, strict=True)]
    all_told = [(v, q.source_id) for q, v in zip(kept, informed, strict=True)]
    unit = "points above chance"
    rows = [
        Row("benchmark questions", len(kept), "", ">=", 5000),
        Row("text-only classifier, upper bound", _upper(all_now), unit, "<=", 3),
        Row("the same, worst kind", max(bounds.values()), unit, "<=", BOUND),
        Row("one that learned from the train split, upper bound", _upper(all_told), unit, "<=", 3),
        Row("the same, worst kind of those that learned so", max(bounds_told.values()), unit, "<=", BOUND),
        Row("before the filter, mean", 100 * float(np.mean(before)), unit, ">=", 5),
        Row("always the longest, off chance by", _guess(kept, _longest), "points", "<=", 2),
        Row("always the first, off chance by", _guess(kept, lambda q: float(q.answer == 0)), "points", "<=", 2),
        Row("majority letter, off chance by", _majority(kept), "points", "<=", 2),
        Row("letters even (chi-square p, 4 options)", _even(kept), "", ">=", 0.01),
    ]
    rows += _paraphrases()
    show("quality", rows, chosen)


def _drawn(wanted: Mapping[str, int], seed: int, split: Split, workers: int | None) -> list[list[Question]]:
    """So many questions of each kind, drawn by their ids from those of clips that are made until there are enough."""
    found: dict[str, list[list[Question]]] = {kind: [] for kind in wanted}
    first = 0 if split == "test" else APART
    with ProcessPoolExecutor(workers) as pool:
        while lacking := tuple(kind for kind in wanted if len(found[kind]) < wanted[kind]):
            for some in pool.map(
                partial(_of_clip, seed=seed, split=split, kinds=lacking), range(first, first + BLOCK), chunksize=50
            ):
                for versions in some:
                    found[versions[0].kind].append(versions)
            first += BLOCK
    return [versions for kind in wanted for versions in _some(found[kind], wanted[kind])]


def _some(questions: Sequence[list[Question]], n: int) -> list[list[Question]]:
    """``n`` of the questions, drawn by their ids."""
    return sorted(questions, key=lambda v: hashlib.sha256(v[0].question_id.encode()).digest())[:n]


def _of_clip(i: int, seed: int, split: Split, kinds: Sequence[str]) -> list[list[Question]]:
    """What is asked about the clip of that number in each scene, as compose asks."""
    out: list[list[Question]] = []
    for scene in SCENES:
        here = tuple(kind for kind in kinds if scene in ONLY.get(kind, SCENES))
        if here:
            m = Material(made_clip(i, seed, split, scene), 0.4)
            found = ask(m, here, seed=seed, max_per_kind=4, max_per_clip=32, versions=2)
            out += in_versions(found.questions, found.again)
    return out


def _upper(values: Sequence[tuple[float, str]]) -> float:
    """The upper end of the 95 % interval of the mean, whole clips drawn, in points."""
    found = cluster_bootstrap([v for v, _ in values], [s for _, s in values], draws=2000).ci95
    return 100 * found[1] if found else 100.0


def _mean(values: Sequence[tuple[float, str]]) -> float:
    return 100 * float(np.mean([v for v, _ in values]))


def _guess(questions: Sequence[Question], credit: Callable[[Question], float]) -> float:
    return abs(100 * float(np.mean([credit(q) - 1 / len(q.options) for q in questions])))


def _longest(q: Question) -> float:
    lengths = [len(o.text) for o in q.options]
    return (lengths[q.answer] == max(lengths)) / lengths.count(max(lengths))


def _majority(questions: Sequence[Question]) -> float:
    best = {
        n: Counter(q.answer for q in questions if len(q.options) == n).most_common(1)[0][0] for n in _sizes(questions)
    }
    return _guess(questions, lambda q: float(q.answer == best[len(q.options)]))


def _sizes(questions: Sequence[Question]) -> list[int]:
    return sorted({len(q.options) for q in questions})


def _even(questions: Sequence[Question]) -> float:
    counts = Counter(q.answer for q in questions if len(q.options) == 4)
    return float(chisquare([counts[i] for i in range(4)]).pvalue)


def _attack_itself(questions: Sequence[Question], seed: int) -> list[float]:
    """For each question 1 or 0, right or wrong, less chance; the classifier has seen other clips of these only."""
    fold = np.array(_folds(questions, FOLDS, seed))
    right = np.zeros(len(questions))
    for k in range(FOLDS):
        seen = [q for q, f in zip(questions, fold, strict=True) if f != k]
        right[fold == k] = _attack(seen, [q for q, f in zip(questions, fold, strict=True) if f == k], seed + 1)
    return right.tolist()


def _attack(seen: Sequence[Question], asked: Sequence[Question], seed: int) -> list[float]:
    """For each question asked 1 or 0, right or wrong, less chance, by trees that were shown others."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    names: dict[str, int] = {}
    shown, posed = _Coded(seen, names), _Coded(asked, names)
    fold = np.array(_folds(seen, FOLDS, seed))[shown.owner]
    x, y = [], []
    for j in range(FOLDS):  # rates from clips other than the question's, in training as in the test
        x.append(shown.rates(len(names), fold != j, shown, fold == j))
        y.append(shown.right[fold == j])
    model = HistGradientBoostingClassifier(max_iter=120, learning_rate=0.08, random_state=seed, early_stopping=False)
    model.fit(np.concatenate(x), np.concatenate(y))
    every = np.ones(len(shown.owner), bool)
    scores = model.predict_proba(shown.rates(len(names), every, posed, np.ones(len(posed.owner), bool)))[:, 1]
    parts = np.split(scores, posed.ends[:-1])
    return [float(p.argmax() == q.answer) - 1 / len(p) for p, q in zip(parts, asked, strict=True)]


def _folds(questions: Sequence[Question], n: int, seed: int) -> list[int]:
    return [int(hashlib.sha256(f"attack {seed} {q.source_id}".encode()).hexdigest()[:8], 16) % n for q in questions]


def _contexts(q: Question) -> list[list[str]]:
    """For each option, what it may be known by: text, claim, beside which others, with which words of the question."""
    family = q.template.partition("/")[0]
    keys = option_keys(q)
    together = " ; ".join(sorted(keys))
    texts = " ; ".join(sorted(o.text for o in q.options))
    words = " ".join(sorted(set(re.findall(r"[a-z]{3,}", q.text.lower()))))
    nouns = re.sub(r"[^a-z ]", "", " ".join(re.findall(r"the ([a-z]+)", q.text.lower())))
    return [
        [f"{family} {k}", f"{family} {k} {together}", f"{k} {nouns}", f"{o.text} {words}", f"{o.text} {texts}"]
        for k, o in zip(keys, q.options, strict=True)
    ]


class _Coded:
    """The options of questions as rows: contexts by number, form, right or not."""

    def __init__(self, questions: Sequence[Question], names: dict[str, int]) -> None:
        self.contexts = np.array(
            [[names.setdefault(c, len(names)) for c in option] for q in questions for option in _contexts(q)], np.int64
        )
        self.sizes = np.array([len(q.options) for q in questions])
        self.ends = np.cumsum(self.sizes)
        self.owner = np.repeat(np.arange(len(questions)), self.sizes)
        self.right = np.zeros(len(self.owner))
        self.right[self.ends - self.sizes + np.array([q.answer for q in questions])] = 1.0
        self.form = np.array([row for q in questions for row in _form(q)], np.float64)

    def rates(self, n: int, seen: NDArray[np.bool_], asked: _Coded, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """A rate and a count a context, and the form, for rows of questions that are asked."""
        chance, out = 1 / asked.sizes[asked.owner[rows]], []
        for j in range(self.contexts.shape[1]):
            hits = np.bincount(self.contexts[seen, j], weights=self.right[seen], minlength=n)
            every = np.bincount(self.contexts[seen, j], minlength=n)
            own = asked.contexts[rows, j]
            out += [(hits[own] + 4 * chance) / (every[own] + 4), np.minimum(every[own], 200)]
        return np.column_stack([*out, asked.form[rows]])


def _form(q: Question) -> list[list[int]]:
    """For each option its place, among how many, and its rank by length and by number."""
    lengths = [len(o.text) for o in q.options]
    numbers = [int(m[0]) if (m := re.search(r"\d+", o.text)) else -1 for o in q.options]
    n = len(lengths)
    return [[j, n, sum(x < lengths[j] for x in lengths), sum(x < numbers[j] for x in numbers)] for j in range(n)]


def _paraphrases() -> list[Row]:
    pairs = faithful()
    wrong = changed(pairs)
    counts = Counter(p.changed for p in wrong)
    refused = Counter(p.changed for p in wrong if difference(p.original, p.text, p.names, f"{p.family}/0"))
    print("changed paraphrases:", ", ".join(f"{k} {refused[k]}/{n}" for k, n in sorted(counts.items())))
    kept = [not difference(p.original, p.text, p.names, f"{p.family}/0") for p in pairs]
    unseen = [int(hashlib.sha256(p.text.encode()).hexdigest()[:2], 16) % 2 == 1 for p in pairs]
    held = [k for k, u in zip(kept, unseen, strict=True) if u]
    share = min(100 * refused[k] / n for k, n in counts.items())
    return [
        Row("changed paraphrases", len(wrong), "", ">=", 1000),
        Row("refused, worst of number, direction, label, order", share, "%", ">=", 99.5),
        Row("faithful paraphrases", len(pairs), "", ">=", 300),
        Row("kept", 100 * sum(kept) / len(kept), "%", ">=", 90),
        Row("kept of the half that the rule was not tuned on", 100 * sum(held) / len(held), "%", ">=", 90),
    ]


if __name__ == "__main__":
    main()
