"""What words give away: it is scored in every row, and what words alone answer leaves the benchmark."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataset_made import make_dataset
from fm_builders.options import option_keys
from fm_builders.recipe import Recipe
from fm_builders.shortcuts import Scores, Tally, keyed
from fm_builders.text_only import features, in_versions, thinned
from fm_hub.records import Claim, Option, Provenance, Question, Shortcuts
from fm_hub.tables import from_table, read_records, to_table
from fm_hub.verify import verify

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
WORDS = ("to the left", "to the right", "up", "down")
NOUNS = ("dog", "cat", "bus", "ball")


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


def scored(questions: list[Question]) -> list[Question]:
    """The questions with the scores that need no model, each among all of them."""
    table = keyed(to_table("mcq", questions), questions)
    found: list[Question] = from_table("mcq", Scores(Tally.of([table]), {}, frozenset()).finish(table))
    return found


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


def kept_of(rows: list[Question], others: list[Question] | None = None) -> tuple[list[Question], dict[str, float]]:
    found = thinned(in_versions(rows, ()), in_versions(others or [], ()))
    assert found is not None
    return [q for q in rows if q.question_id in found.kept], found.shares


def test_answers_are_made_even() -> None:
    """Most go left: nobody may know that from the words."""
    rng = np.random.default_rng(0)
    rows = [question(i, 0 if rng.random() < 0.7 else int(rng.integers(1, 4))) for i in range(1200)]
    kept, _ = kept_of(rows)
    left = sum(q.options[q.answer].text == WORDS[0] for q in kept) / len(kept)
    assert left == pytest.approx(0.25, abs=0.05)
    assert len(kept) >= 0.8 * 4 * min(sum(q.options[q.answer].text == w for q in rows) for w in WORDS)
    even = [question(i, i % 4) for i in range(600)]
    assert len(kept_of(even)[0]) > 0.8 * len(even)


def nouns_that_tell(start: int, n: int) -> list[Question]:
    """Dogs go left and cats go right, so that each answer is as frequent as the others, and still known."""
    rng = np.random.default_rng(start)
    rows = []
    for i in range(start, start + n):
        noun = int(rng.integers(4))
        right = noun if rng.random() < 0.8 else int(rng.integers(4))
        rows.append(question(i, right, NOUNS[noun], int(rng.integers(4))))
    return rows


def told(q: Question) -> bool:
    return q.text.split()[4] == NOUNS[WORDS.index(q.options[q.answer].text)]


def test_what_goes_with_a_noun_is_found() -> None:
    kept, shares = kept_of(nouns_that_tell(1, 1500))
    assert np.mean(list(shares.values())) > 0.6
    assert len(kept) > 150
    assert np.mean([told(q) for q in kept]) == pytest.approx(0.25, abs=0.1)


def test_what_comes_first_is_a_word_of_its_own() -> None:
    """That things enter before they leave is learned of all of them, not of each pair by itself."""
    texts = ("the dog enters, and then the cat leaves", "the cat leaves, and then the dog enters", "up", "down")
    q = question(1, 0)
    told = features(replace(q, options=tuple(replace(o, text=t) for o, t in zip(q.options, texts, strict=True))))
    words = [{f.partition("|")[2] for f in option} for option in told]
    assert {"first enters", "then leaves"} <= words[0]
    assert {"first leaves", "then enters"} <= words[1]
    assert not {w for w in words[2] if w.startswith(("first ", "then "))}


def test_it_is_learned_from_other_splits() -> None:
    """The test split alone is too small to tell anything."""
    few = nouns_that_tell(5000, 400)
    others = [replace(q, split="train") for q in nouns_that_tell(1, 4000)]
    kept, shares = kept_of(few, others)
    assert set(shares) == {q.question_id for q in few}
    assert np.mean([told(q) for q in kept]) == pytest.approx(0.25, abs=0.12)


def test_what_does_not_stay_gets_new_distractors() -> None:
    """Nothing goes up or down, which a reader learns; between left and right there is no telling."""
    rows = [question(i, i * 7 // 3 % 2) for i in range(900)]
    again = []
    for q in rows:
        options = tuple(o for o in q.options if o.text in WORDS[:2])
        again.append(replace(q, question_id=f"a{q.question_id[1:]}", options=options, answer=0))
    found = thinned(in_versions(rows, again))
    assert found is not None
    first = found.kept & {q.question_id for q in rows}
    second = found.kept & {q.question_id for q in again}
    assert len(first) < 0.1 * len(rows)
    assert len(second) > 0.7 * len(rows)
    assert not {f"a{q[1:]}" for q in first} & second  # a question stays once


def test_few_sources_say_nothing() -> None:
    assert thinned(in_versions([question(i, 0) for i in range(15)], ())) is None


def test_a_build_records_the_scores_and_leaves_out(tmp_path: Path) -> None:
    from made_clips import made_clips

    splits = {"train": 0.0, "validation": 0.0}
    recipe = Recipe.model_validate({"name": "made", "splits": splits, "quality": {"text_only": True}})
    manifest, _, _ = make_dataset(tmp_path, list(made_clips(24, 3)), recipe=recipe)
    mcq, benchmark = read_records(tmp_path, "mcq"), read_records(tmp_path, "benchmark")
    assert all(q.shortcuts is not None and q.shortcuts.text is not None for q in mcq)
    assert manifest.dropped["TextAlone"] == len(mcq) - len(benchmark) > 0
    asked = {q.question_id: q for q in mcq}
    new = [q for q in benchmark if q.question_id not in asked]
    assert len(new) == manifest.dropped["NewDistractors"] > 0
    kept = {q.question_id for q in benchmark}
    for q in new:  # asked as it was, and right as it was, beside other options
        (first,) = [f for f in mcq if (f.clip_id, f.text, f.view_t1) == (q.clip_id, q.text, q.view_t1)]
        assert first.options[first.answer] == q.options[q.answer]
        assert {o.claim for o in first.options} != {o.claim for o in q.options}
        assert first.question_id not in kept
        assert q.shortcuts is not None
        assert q.shortcuts.text is not None
    report = verify(tmp_path)
    assert report.ok, report.problems[:3]
