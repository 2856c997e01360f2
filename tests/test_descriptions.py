"""Descriptions and open answers: read without a judge, and right only where the tracks say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_eval_harness.descriptions import Facts, statements
from fm_eval_harness.evaluate import run
from fm_eval_harness.typed import canonical, direction_of, key_of, number_of
from fm_hub.claims import Scene
from fm_hub.claims.one import DIRECTIONS
from fm_hub.claims.view import VIEWS
from fm_hub.records import Caption, Claim, Option, Question
from fm_hub.tables import read_records
from fm_hub.wording import families
from scenes_made import annotation, clock, line, make_track
from scenes_made import street as street_made


def captions(root: Path) -> list[Caption]:
    return list(read_records(root, "captions"))


def street(root: Path) -> Caption:
    return next(c for c in captions(root) if "dog" in c.text)


def test_the_reference_itself_is_whole_and_true(made: Path) -> None:
    facts = Facts(made)
    for caption in captions(made):
        got = facts.fields(caption, caption.text)
        assert (got["precision"], got["recall"], got["score"]) == (1.0, 1.0, 1.0), caption.text


def test_every_sentence_left_out_lowers_the_recall(made: Path) -> None:
    facts, caption = Facts(made), street(made)
    half = " ".join(s.text for s in caption.sentences[::2])
    got = facts.fields(caption, half)
    assert got["precision"] == 1.0
    assert 0 < got["recall"] < 1


def test_what_is_false_lowers_the_precision(made: Path) -> None:
    facts, caption = Facts(made), street(made)
    turned = caption.text.replace("The person moves to the right.", "The person moves to the left.")
    assert turned != caption.text
    got = facts.fields(caption, turned)
    assert got["precision"] < 1
    assert got["recall"] < 1
    assert got["stated"]["false"] == 1


@pytest.mark.parametrize(
    "text", ["", "A nice street.", "The zebra runs to the left.", "<think>The car goes to the left.", "Left."]
)
def test_what_says_nothing_is_unparsed_and_worth_nothing(made: Path, text: str) -> None:
    got = Facts(made).fields(street(made), text)
    assert (got["prediction"], got["score"], got["precision"]) == ("", 0.0, None)


def test_other_words_say_the_same(made: Path) -> None:
    facts, caption = Facts(made), street(made)
    for text in (
        "A person is walking rightwards.",
        "The car drives from right to left, while the dog is above the car.",
        "The dog runs back and forth. It moves at a medium pace.",
        "**The car** ends up in the lower left corner.",
    ):
        got = facts.fields(caption, text)
        assert got["stated"]["true"] >= 1, text
        assert got["stated"]["false"] == 0, text


@pytest.mark.parametrize("word", VIEWS)
def test_what_the_view_does_is_read_back(made: Path, word: str) -> None:
    scene = Facts(made)._scenes[street(made).clip_id]
    (said,) = statements(scene, f"{families()['view']['options'][word]}.")
    assert (said.predicate, said.args) == ("view", f'{{"is":"{word}"}}')


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A static shot of a street.", "static"),
        ("The camera pans to the right.", "right"),
        ("The camera tilts up", "up"),
        ("The camera is not static.", None),
        ("The view does not stand still.", None),
    ],
)
def test_the_view_in_other_words(made: Path, text: str, word: str | None) -> None:
    (said,) = statements(Facts(made)._scenes[street(made).clip_id], text)
    assert said.predicate == ("view" if word else "not")
    assert (word or "static") in said.args


@pytest.mark.parametrize("text", ["The car comes closer to the camera.", "A view of the street."])
def test_what_is_not_about_the_view(made: Path, text: str) -> None:
    told = statements(Facts(made)._scenes[street(made).clip_id], text)
    assert not [s for s in told if s.predicate in ("view", "not")]


def test_saying_a_thing_twice_counts_once(made: Path) -> None:
    scene = Facts(made)._scenes[street(made).clip_id]
    once = statements(scene, "The car goes to the left.")
    assert len(once) == 1
    assert statements(scene, "The car goes to the left. The car drives leftwards.") == once


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("Until 3.0 s: the dog goes up.", (0.0, 3.0)),
        ("From 2.5 s on: the dog goes up.", (2.5, 6.0)),
        ("Between 1.0 s and 3.0 s: the dog goes up.", (1.0, 3.0)),
        ("The dog goes up.", None),
    ],
)
def test_the_times_of_a_sentence_are_read(text: str, window: tuple[float, float] | None) -> None:
    (said,) = statements(Scene.of(street_made()), text)
    assert (said.predicate, said.window) == ("direction", window)


def test_what_a_thing_is_called_is_not_what_it_does() -> None:
    t = clock()
    early = make_track("a", "person", t, line((100, 100), (300, 100)), seen=(0.0, 4.0))
    late = make_track("b", "person", t, line((500, 250), (300, 250)), seen=(2.0, 6.0))
    scene = Scene.of(annotation([early, late], t))
    for text, at in (("in the end", "end"), ("at first", "start")):
        (said,) = statements(scene, f"The person who appears first is in the top left of the picture {text}.")
        args = Claim(said.predicate, said.args, "image", 0, 0).arguments
        assert (said.predicate, args["at"], args["is"]) == ("region", at, "top-left")


@given(st.text(max_size=300))
def test_any_text_is_read_without_failing(text: str) -> None:
    number_of(text)
    direction_of(text)


@pytest.mark.parametrize("way", DIRECTIONS)
def test_every_direction_of_the_wording_is_read_back(way: str) -> None:
    words = families()["direction"]["options"][way]
    assert direction_of(words) == way
    assert direction_of(f"It moves {words}.") == way


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("left", "left"),
        ("Leftwards.", "left"),
        ("It goes from left to right.", "right"),
        ("from the top left to the bottom right", "down-right"),
        ("from the top left to the bottom left", "down"),
        ("diagonally, up and right", "up-right"),
        ("upper left", "up-left"),
        ("left or right", ""),
        ("left then right", ""),
        ("not left", ""),
        ("towards the camera", ""),
        ("left and right", ""),
    ],
)
def test_directions(text: str, way: str) -> None:
    assert direction_of(text) == way


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", "3"),
        ("three", "3"),
        ("3 times.", "3"),
        ("It turns twice", "2"),
        ("once", "1"),
        ("never", "0"),
        ("I see 2 cars. The answer is 3.", "3"),
        ("two or three", ""),
        ("2-3", ""),
        ("3.5", ""),
        ("several", ""),
        ("10", "10"),
        ("someone", ""),
    ],
)
def test_numbers(text: str, number: str) -> None:
    assert number_of(text) == number


def asked(made: Path, answer_type: str, options: list[str], key: int = 0) -> Question:
    question = read_records(made, "qa")[0]
    nothing = Claim("", "{}", "image", 0, 0)
    texts = tuple(Option(o, nothing, 0.0) for o in options)
    return replace(question, answer_type=answer_type, options=texts, answer=key)


@pytest.mark.parametrize(
    ("kind", "options", "text", "value"),
    [
        ("label", ["only the car", "only the dog", "both of them", "neither of them"], "only the car", "car"),
        ("label", ["only the car", "only the dog", "both of them", "neither of them"], "The dog.", "dog"),
        ("label", ["only the car", "only the dog", "both of them", "neither of them"], "the car and the dog", "both"),
        ("label", ["only the car", "only the dog", "both of them", "neither of them"], "Neither", "none"),
        ("label", ["only the car", "only the dog", "both of them", "neither of them"], "the car or the dog", ""),
        ("label", ["only the car", "only the dog", "both of them", "neither of them"], "the cat", ""),
        ("order", ["first to the left, then up", "first up, then to the left"], "left, then up", "left > up"),
        ("order", ["first to the left, then up", "first up, then to the left"], "First up, then left.", "up > left"),
        ("order", ["first to the left, then up", "first up, then to the left"], "left", ""),
        (
            "order",
            [
                "the car starts to move, and then the dog comes to rest",
                "the dog comes to rest, and then the car starts to move",
            ],
            "The car starts to move after the dog comes to rest.",
            "dog comes to rest > car starts to move",
        ),
        (
            "order",
            [
                "the car starts to move, and then the dog comes to rest",
                "the dog comes to rest, and then the car starts to move",
            ],
            "After the dog comes to rest, the car starts to move",
            "dog comes to rest > car starts to move",
        ),
        ("phrase", ["moves along a curve", "stays in its place"], "It stays in its place.", "stays in its place"),
        ("phrase", ["moves along a curve", "stays in its place"], "It flies.", ""),
    ],
)
def test_typed_answers(made: Path, kind: str, options: list[str], text: str, value: str) -> None:
    assert canonical(text, asked(made, kind, options)) == value


def test_every_key_has_a_value_and_no_distractor_shares_it(made: Path) -> None:
    for question in read_records(made, "qa"):
        key = key_of(question)
        assert key, (question.answer_type, [o.text for o in question.options])
        for i, option in enumerate(question.options):
            if i != question.answer:
                assert canonical(option.text, question) != key, (option.text, key)


def test_open_questions_run(made: Path, tmp_path: Path) -> None:
    result = run("fake:say left", made, task="foundationmotion-qa", output=tmp_path, report=False)
    r = result.results
    assert r["metric"] == "accuracy"
    assert r["chance"] is None
    assert r["n"] == len(read_records(made, "qa"))
    right = [s for s in result.samples if s["correct"]]
    assert all(s["answer"] == "left" == s["prediction"] for s in right)
    assert r["accuracy"] == pytest.approx(len(right) / r["n"], abs=1e-6)
    assert all("options" not in s for s in result.samples)


def test_descriptions_run(made: Path, tmp_path: Path) -> None:
    text = "The car goes to the left. The person moves to the right."
    result = run(f"fake:say {text}", made, task="foundationmotion-caption", output=tmp_path, report=False)
    r = result.results
    assert r["metric"] == "fact F1"
    assert r["n"] == len(captions(made))
    assert r["n_unparsed"] == sum(not s["prediction"] for s in result.samples) > 0
    assert 0 < r["accuracy"] < 1
    assert r["accuracy"] == pytest.approx(sum(s["score"] for s in result.samples) / r["n"], abs=1e-6)
    assert r["facts"]["precision"] == 0.5  # in a clip of these cars one stands
