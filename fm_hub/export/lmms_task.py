"""The functions of an exported lmms-eval task. This file lies beside the task as ``utils.py`` and needs no other."""

import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def doc_to_visual(doc: dict[str, Any]) -> list[str]:
    """The video of a question."""
    return [str(HERE / doc["video"])]


def doc_to_text(doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, Any] | None = None) -> str:
    """The words of a question."""
    del lmms_eval_specific_kwargs
    return str(doc["ask"])


def letter_of(text: str, letters: str) -> str:
    """The letter that an answer is, or begins with as a letter of its own; empty if there is none.

    >>> [letter_of(said, "AB") for said in ("(B) to the left", "A man walks", "b", "E", "The answer is A.")]
    ['B', '', 'B', '', 'A']
    """
    found = re.match(
        rf"\s*(?:(?:the\s+)?answer\s*(?:is)?\s*:?\s*)?\(?([{letters}])(?:[).:,]|\s*$)", text, re.IGNORECASE
    )
    return found[1].upper() if found and letters else ""


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Whether the letter is right, and whether there was one. An open answer is right if it is the key's words."""
    said = results[0]
    if not doc["letters"]:
        same = said.strip().rstrip(".").lower() == doc["answer"].strip().rstrip(".").lower()
        return {"accuracy": float(same), "unparsed": 0.0}
    letter = letter_of(said, doc["letters"])
    return {"accuracy": float(letter == doc["answer"]), "unparsed": float(not letter)}


def mean(values: list[float]) -> float:
    """The mean of a metric."""
    return sum(values) / len(values) if values else 0.0
