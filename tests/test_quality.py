"""What words give away: it is scored in every row, and what words alone answer leaves the benchmark."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataset_made import make_dataset
from fm_builders.balance import option_keys, surplus
from fm_builders.recipe import Recipe
from fm_builders.shortcuts import scored
from fm_builders.text_only import guessed
from fm_hub.records import Claim, Option, Provenance, Question, Shortcuts
from fm_hub.tables import read_records
from fm_hub.verify import verify

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
WORDS = ("to the left", "to the right", "up", "down")


def question(i: int, right: int, noun: str = "dog", place: int = 0) -> Question:
    track = f"{i:024x}"
    order = [right, *(k for k in range(4) if k != right)]
    order = order[1 : place + 1] + order[:1] + order[place + 1 :]
    claims = [Claim.of("direction", {"track": track, "is": WORDS[k]}, 0, 4) for k in order]
    return Question(
        *(f"{i:024d}", f"clip{i}", f"source{i}", "test", "v.mp4", "motion recognition", "direction", "easy", 0.0, 4.0),
        text=f"Which way does the {noun} go?",
        options=tuple(Option(WORDS[k], c, 9.0) for k, c in zip(order, claims, strict=True)),
        answer=place,
        answer_type="direction",
        template="direction/1",
        template_args=f'{{"a":"{track}"}}',
        grounding="facts",
        provenance=Provenance("templates@1", 0),
    )


def test_each_shortcut_gets_its_credit() -> None:
    rows = scored([question(i, 0 if i < 8 else 1 + i % 3, place=i % 2) for i in range(12)])
    first = rows[0].shortcuts
    assert first is not None
    assert first == Shortcuts(letter=0.5, length=0.0, overlap=0.25, frequent=1.0)  # A and B are right equally often
    other = next(q for q in rows if q.options[q.answer].text == "to the right").shortcuts
    assert other is not None
    assert (other.length, other.frequent) == (1.0, 0.0)
    again = scored([replace(q, shortcuts=Shortcuts(blind=0.5)) for q in rows])
    assert {q.shortcuts.blind for q in again if q.shortcuts} == {0.5}


def test_a_key_has_no_object_in_it() -> None:
    a, b = question(1, 0), question(2, 0)
    assert option_keys(a)[0] == option_keys(b)[0] == 'direction {"is":"to the left","track":"object 0"}'


def test_answers_are_made_even() -> None:
    """Most go left: nobody may know that from the words."""
    rng = np.random.default_rng(0)
    rows = [question(i, 0 if rng.random() < 0.7 else int(rng.integers(1, 4))) for i in range(600)]
    gone = surplus(rows)
    kept = [q for i, q in enumerate(rows) if i not in gone]
    left = sum(q.options[q.answer].text == WORDS[0] for q in kept) / len(kept)
    assert left == pytest.approx(0.25, abs=0.03)
    assert len(kept) >= 0.8 * 4 * min(sum(q.options[q.answer].text == w for q in rows) for w in WORDS)
    even = [question(i, i % 4) for i in range(600)]
    assert not surplus(even)


def test_what_goes_with_a_noun_is_found_by_the_classifier() -> None:
    """Dogs go left and cats go right, so that each answer is as frequent as the others, and still known."""
    rng = np.random.default_rng(1)
    nouns = ("dog", "cat", "bus", "ball")
    rows = []
    for i in range(700):
        n = int(rng.integers(4))
        right = n if rng.random() < 0.8 else int(rng.integers(4))
        rows.append(question(i, right, nouns[n], int(rng.integers(4))))
    gone, shares = guessed(rows)
    assert shares is not None
    assert shares.mean() > 0.6
    kept = [q for q in rows if q.question_id not in gone]
    assert len(kept) > 80
    told = np.mean([q.text.split()[4] == nouns[WORDS.index(q.options[q.answer].text)] for q in kept])
    assert told == pytest.approx(0.25, abs=0.1)


def test_few_sources_say_nothing() -> None:
    gone, shares = guessed([question(i, 0) for i in range(15)])
    assert not gone
    assert shares is None


def test_a_build_records_the_scores_and_leaves_out(tmp_path: Path) -> None:
    from made_clips import made_clips

    splits = {"train": 0.0, "validation": 0.0}
    recipe = Recipe.model_validate({"name": "made", "splits": splits, "quality": {"text_only": True}})
    manifest, _, _ = make_dataset(tmp_path, list(made_clips(24, 3)), recipe=recipe)
    mcq, benchmark = read_records(tmp_path, "mcq"), read_records(tmp_path, "benchmark")
    assert all(q.shortcuts is not None and q.shortcuts.text is not None for q in mcq)
    assert manifest.dropped["TextAlone"] == len(mcq) - len(benchmark) > 0
    assert {q.question_id for q in benchmark} < {q.question_id for q in mcq}
    report = verify(tmp_path)
    assert report.ok, report.problems[:3]
