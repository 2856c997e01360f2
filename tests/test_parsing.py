"""The parser: a table of answers that models really give, each with the letter it means, or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_eval_harness.parsing import PARSER_VERSION, match_option, parse_letter

OPTIONS = {
    "walk": ["a man walks left to right", "a man walks right to left", "the man jumps", "the man sits down"],
    "dirs": ["left", "right", "up", "down"],
    "count": ["2", "3", "4", "5"],
    "yesno": ["yes", "no"],
    "nested": ["left", "left then right", "right", "not moving at all"],
}
TABLE = [
    line.split("\t", 3)
    for line in (Path(__file__).parent / "fixtures" / "parsing.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


def test_the_table_is_long_and_has_no_doubles() -> None:
    assert PARSER_VERSION == 1
    assert len(TABLE) >= 117
    assert len({(row[0], row[3]) for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(("options", "letter", "rule", "answer"), TABLE)
def test_the_table(options: str, letter: str, rule: str, answer: str) -> None:
    texts = OPTIONS[options]
    got = parse_letter(json.loads(answer), "ABCDEF"[: len(texts)], texts)
    assert (got.letter or "-", got.rule) == (letter, rule)


@given(st.text(max_size=200))
def test_it_never_fails_and_never_invents_a_letter(text: str) -> None:
    got = parse_letter(text, "ABCD", OPTIONS["walk"])
    assert got.letter in ("", *"ABCD")
    assert got.rule


@given(
    st.sampled_from("ABCD"),
    st.sampled_from(["{}", "({})", "{}.", "**{}**", "Answer: {}", "The answer is {}.", "\\boxed{{{}}}"]),
)
def test_every_letter_is_read_alike(letter: str, form: str) -> None:
    for options in ("walk", "dirs", "count", "nested"):
        assert parse_letter(form.format(letter), "ABCD", OPTIONS[options]).letter == letter


@given(st.permutations(OPTIONS["walk"]), st.integers(0, 3))
def test_an_options_own_text_is_that_option(options: list[str], k: int) -> None:
    assert parse_letter(f"{options[k]}.", "ABCD", options).letter == "ABCD"[k]
    assert match_option(options[k].upper(), options) == k


def test_the_same_text_twice_is_no_answer() -> None:
    assert parse_letter("left", "AB", ["left", "left"]).letter == ""
