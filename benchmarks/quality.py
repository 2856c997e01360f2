"""What words alone give away: a classifier without the video, simple guesses, and the rule of paraphrases.

Clips are drawn by ``made_clips`` (things behave as their names suggest), asked about by every kind, and filtered as
compose does with ``quality.text_only``. The attack is another classifier than the filter's: boosted trees on rates of
being right, counted over other clips only. ``python benchmarks/quality.py [--clips N] [--seed S] [--json]``
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from bench import Row, show
from made_clips import made_clips
from numpy.typing import NDArray
from scipy.stats import chisquare

from fm_builders.balance import option_keys
from fm_builders.material import Material
from fm_builders.questions import KINDS, ask
from fm_builders.shortcuts import filtered
from fm_eval_harness.statistics import cluster_bootstrap
from fm_hub.records import Question
from fm_hub.wording.paraphrase import difference

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from paraphrases_made import changed, faithful

FOLDS = 4
SAMPLE = 5000  # questions before the filter: they only show what there was to remove


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    chosen = parser.parse_args()
    asked = _questions(chosen.clips, chosen.seed)
    scored, gone = filtered(asked, chosen.seed)
    kept = [q for q in scored if q.question_id not in gone]
    rows = [Row("benchmark questions", len(kept), "", ">=", 5000)]
    asked = asked[:SAMPLE]
    before, after = _attack(asked, chosen.seed + 1), _attack(kept, chosen.seed + 1)
    print(f"{len(scored)} questions of {len({q.kind for q in asked})} kinds before the filter, {len(kept)} after")
    print("kind: questions before, points above chance | after, upper bound")
    worst = 0.0
    for kind in sorted({q.kind for q in asked}):
        was = 100 * np.mean([v for q, v in zip(asked, before, strict=True) if q.kind == kind])
        now = [(v, q.source_id) for q, v in zip(kept, after, strict=True) if q.kind == kind]
        high = _upper(now) if now else 0.0
        worst = max(worst, high)
        mean = 100 * np.mean([v for v, _ in now]) if now else 0.0
        print(f"  {kind}: {sum(q.kind == kind for q in asked)}, {was:.1f} | {len(now)}, {mean:.1f}, {high:.1f}")
    all_now = [(v, q.source_id) for q, v in zip(kept, after, strict=True)]
    unit = "points above chance"
    rows += [
        Row("text-only classifier, upper bound", _upper(all_now), unit, "<=", 3),
        Row("the same, worst kind", worst, unit, "<=", 5),
        Row("before the filter, mean", 100 * float(np.mean(before)), unit, ">=", 5),
        Row("always the longest, off chance by", _guess(kept, _longest), "points", "<=", 2),
        Row("always the first, off chance by", _guess(kept, lambda q: float(q.answer == 0)), "points", "<=", 2),
        Row("majority letter, off chance by", _majority(kept), "points", "<=", 2),
        Row("letters even (chi-square p, 4 options)", _even(kept), "", ">=", 0.01),
    ]
    rows += _paraphrases()
    show("quality", rows, chosen)


def _questions(clips: int, seed: int) -> list[Question]:
    """Every kind asked about every clip, as compose asks."""
    names = tuple(KINDS.names())
    out: list[Question] = []
    for a in made_clips(clips, seed):
        out += ask(Material(a, 0.4), names, seed=seed, max_per_kind=4, max_per_clip=32).questions
    return out


def _upper(values: Sequence[tuple[float, str]]) -> float:
    """The upper end of the 95 % interval of the mean, whole clips drawn, in points."""
    found = cluster_bootstrap([v for v, _ in values], [s for _, s in values], draws=2000).ci95
    return 100 * found[1] if found else 100.0


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


def _attack(questions: Sequence[Question], seed: int) -> list[float]:
    """For each question 1 or 0, right or wrong, less chance; the classifier has seen other clips only."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    fold = _folds(questions, FOLDS, seed)
    contexts = [_contexts(q) for q in questions]
    right = np.zeros(len(questions))
    for k in range(FOLDS):
        train = [i for i, f in enumerate(fold) if f != k]
        test = [i for i, f in enumerate(fold) if f == k]
        inner = _folds([questions[i] for i in train], FOLDS, seed + 1)
        x, y = [], []
        for j in range(FOLDS):  # rates from clips other than the question's, in training as in the test
            rates = _Rates([(questions[i], contexts[i]) for i, f in zip(train, inner, strict=True) if f != j])
            for i in (i for i, f in zip(train, inner, strict=True) if f == j):
                x.append(rates.rows(questions[i], contexts[i]))
                y += [n == questions[i].answer for n in range(len(questions[i].options))]
        model = HistGradientBoostingClassifier(max_iter=120, learning_rate=0.08, random_state=seed)
        model.fit(np.concatenate(x), np.array(y))
        rates = _Rates([(questions[i], contexts[i]) for i in train])
        shown = [rates.rows(questions[i], contexts[i]) for i in test]
        scores = model.predict_proba(np.concatenate(shown))[:, 1]
        at = 0
        for i in test:
            n = len(questions[i].options)
            right[i] = float(scores[at : at + n].argmax() == questions[i].answer) - 1 / n
            at += n
    return right.tolist()


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


class _Rates:
    """How often an option was right in each of its contexts."""

    def __init__(self, seen: Sequence[tuple[Question, list[list[str]]]]) -> None:
        self.right: dict[str, float] = defaultdict(float)
        self.all: dict[str, float] = defaultdict(float)
        for q, contexts in seen:
            for j, names in enumerate(contexts):
                for name in names:
                    self.right[name] += j == q.answer
                    self.all[name] += 1

    def rows(self, q: Question, contexts: list[list[str]]) -> NDArray[np.float64]:
        """One row an option: a rate and a count a context, and the option's form."""
        lengths = [len(o.text) for o in q.options]
        numbers = [int(m[0]) if (m := re.search(r"\d+", o.text)) else -1 for o in q.options]
        chance, out = 1 / len(q.options), []
        for j, names in enumerate(contexts):
            row = []
            for name in names:
                n, hits = self.all.get(name, 0.0), self.right.get(name, 0.0)
                row += [(hits + 4 * chance) / (n + 4), min(n, 200.0)]
            row += [j, len(q.options), sum(x < lengths[j] for x in lengths), sum(x < numbers[j] for x in numbers)]
            out.append(row)
        return np.array(out, np.float64)


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
