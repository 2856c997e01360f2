"""The rules by which benchmarks read an answer: our strict parser, and what their own scripts do.

A rule of a benchmark is here so that its published numbers can be met; a step of it that asks another model, or
draws a letter, is left out, and the task file that names the rule says so. Other packages add rules as entry points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fm_eval_harness.parsing import Parsed, answer_part, parse_letter
from fm_hub.registry import Registry

__all__ = ["RULES", "Asked", "Parsed", "read_answer"]


@dataclass(frozen=True)
class Asked:
    """What a rule may look at: the letters and texts of the options, their published labels, and the key.

    Some published rules look at the key; ``key`` is -1 where it is not known.
    """

    letters: Sequence[str]
    options: Sequence[str]
    labels: Sequence[str]
    key: int


Rule = Callable[[str, Asked], Parsed]


def strict(text: str, asked: Asked) -> Parsed:
    """Ours: :func:`fm_eval_harness.parsing.parse_letter`."""
    return parse_letter(text, asked.letters, asked.options)


def first_letter(text: str, asked: Asked) -> Parsed:
    """MotionBench: the text before ")", after "(" if there is one, then its first letter."""
    part = text.strip().partition(")")[0].strip()
    part = part.partition("(")[2].strip() if "(" in part else part
    return _letter(part[:1], asked)


def mvbench(text: str, asked: Asked) -> Parsed:
    """MVBench: the first word of the first line holds the letter in brackets, or is held by it."""
    first = text.strip().partition("\n")[0].lower().partition(" ")[0].replace(".", "")
    # The published script lets an empty word, or a lone bracket, be right for every option.
    hits = [x for x in asked.letters if first and (first in f"({x.lower()})" or f"({x.lower()})" in first)]
    return _letter(hits[0] if len(hits) == 1 else "", asked)


def tempcompass(text: str, asked: Asked) -> Parsed:
    """TempCompass, multiple choice: the option as published, its letter, or its letter with "." or ")"."""
    full = [f"{x}. {o}" for x, o in zip(asked.letters, asked.options, strict=True)]
    if text in full:
        return Parsed(asked.letters[full.index(text)], "official")
    named = text if text in asked.letters else text[:1] if text[1:2] in (".", ")") else ""
    return _letter(named, asked)


def tempcompass_matching(text: str, asked: Asked) -> Parsed:
    """TempCompass, caption matching: an option, its label, or its sentence, to the letter."""
    for label, option, letter in zip(asked.labels, asked.options, asked.letters, strict=True):
        sentence = text.split(") ")[1] if ") " in text else text
        if text in (f"{label}: {option}", option, label) or sentence == option or text.replace(".", "") == label:
            return Parsed(letter, "official")
    return Parsed("", "official: none")


def yes_no(text: str, asked: Asked) -> Parsed:
    """TempCompass, yes or no: what the answer begins with."""
    for letter, option in zip(asked.letters, asked.options, strict=True):
        if text.lower().startswith(option):
            return Parsed(letter, "official")
    return Parsed("", "official: none")


def tomato(text: str, asked: Asked) -> Parsed:
    """TOMATO: a letter, "X: option", or "Answer is: X"; then, for its GPT parser, our strict one."""
    said = text.strip()
    full = [f"{x}: {o}" for x, o in zip(asked.letters, asked.options, strict=True)]
    match = re.match(r"^Answer is:?[(]?([A-Fa-f])[)]?$", said)
    letter = said.upper() if len(said) == 1 else said[0] if said.upper() in full else match[1].upper() if match else ""
    return Parsed(letter, "official") if letter in asked.letters and letter else strict(text, asked)


def vlm4d(text: str, asked: Asked) -> Parsed:
    """VLM4D: the letter after the asked-for last sentence; then, for its o4-mini judge, our strict parser."""
    found = re.findall(r"final answer is:?\s*[$*(\"']*([A-D])\b", answer_part(text)[0])
    return Parsed(found[-1], "official") if found and found[-1] in asked.letters else strict(text, asked)


def favor(text: str, asked: Asked) -> Parsed:
    """FAVOR-Bench: the right option's text is in the answer, and no longer option that holds it is.

    The rule knows the key: an answer that lists every option is right. Otherwise the first option named.
    """
    said = text.lower()
    if asked.key >= 0:
        right = asked.options[asked.key]
        wider = [o for o in asked.options if o != right and right in o]
        if right.lower() in said and not any(o.lower() in said for o in wider):
            return Parsed(asked.letters[asked.key], "official")
    named = [
        x
        for i, (x, o) in enumerate(zip(asked.letters, asked.options, strict=True))
        if i != asked.key and o.lower() in said
    ]
    return Parsed(named[0], "official") if named else Parsed("", "official: none")


def how(text: str, asked: Asked) -> Parsed:
    """The reference's script for the "how" splits: the key's letter is anywhere in the answer's first words.

    The rule knows the key: any answer with an "a" in it is right where the key is A.
    """
    said = text.lower()
    for mark in ":,.":
        said = said.partition(mark)[0]
    said = said.strip()
    if asked.key >= 0 and asked.letters[asked.key].lower() in said:
        return Parsed(asked.letters[asked.key], "official")
    named = [x for i, x in enumerate(asked.letters) if i != asked.key and x.lower() in said]
    return Parsed(named[0], "official") if named else Parsed("", "official: none")


def _letter(letter: str, asked: Asked) -> Parsed:
    return Parsed(letter, "official") if letter and letter in asked.letters else Parsed("", "official: none")


RULES: Registry[Rule] = Registry(
    "rule",
    "fm_hub.rules",
    {
        "favor-bench": "fm_eval_harness.rules:favor",
        "how": "fm_eval_harness.rules:how",
        "motionbench": "fm_eval_harness.rules:first_letter",
        "mvbench": "fm_eval_harness.rules:mvbench",
        "strict": "fm_eval_harness.rules:strict",
        "tempcompass": "fm_eval_harness.rules:tempcompass",
        "tempcompass-matching": "fm_eval_harness.rules:tempcompass_matching",
        "tempcompass-yes-no": "fm_eval_harness.rules:yes_no",
        "tomato": "fm_eval_harness.rules:tomato",
        "vlm4d": "fm_eval_harness.rules:vlm4d",
    },
)


def read_answer(rule: str, text: str, asked: Asked) -> Parsed:
    """What an answer chooses by a rule of :data:`RULES`."""
    return RULES.load(rule)(text, asked)
