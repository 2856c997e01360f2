"""The words around a question, by version: a changed prompt is a new name, never a changed text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

__all__ = ["PROMPTS", "STYLES", "prompt_sha", "render", "template_of"]

PROMPTS = {
    "letter-1": (
        "Watch the video and answer the question about the motion in it.\n"
        "{question}\n"
        "{options}\n"
        "Answer with the letter of the right option only."
    ),
    "open-1": "Watch the video and answer the question about the motion in it.\n{question}\n{hint}",
    "describe-1": (
        "Describe the motion in the video in short, plain sentences: who or what moves, in which direction and along "
        "which path, how fast, what enters or leaves the picture and on which side, what comes first and what then. "
        "Write one fact a sentence, and name things by what they are. Directions are as seen in the picture."
    ),
}
STYLES = ("lines", "brackets", "colons", "texts", "mapping")
"""How options are listed: ``A. left``, ``(A) left``, ``A: left``, ``['left', ...]``, ``{'A': 'left', ...}``."""
_MARKS = {"lines": "{}. {}", "brackets": "({}) {}", "colons": "{}: {}"}


def template_of(prompt: str) -> str:
    """The template that a task means: one of :data:`PROMPTS` by name, else the text itself."""
    return PROMPTS.get(prompt, prompt)


def prompt_sha(prompt: str) -> str:
    """12 hexadecimal digits that change with any letter of the template."""
    return hashlib.sha256(template_of(prompt).encode()).hexdigest()[:12]


def render(
    prompt: str,
    question: str,
    letters: Sequence[str],
    options: Sequence[str],
    style: str = "lines",
    words: Mapping[str, str] | None = None,
) -> str:
    """The text of one question. ``words`` are further places of the template, with their braces.

    >>> print(render("{question}\\n{options}", "Which way?", "AB", ["left", "right"]))
    Which way?
    A. left
    B. right
    """
    if style == "texts":
        listed = repr(list(options))
    elif style == "mapping":
        listed = repr(dict(zip(letters, options, strict=True)))
    else:
        listed = "\n".join(_MARKS[style].format(x, text) for x, text in zip(letters, options, strict=True))
    places = {"{question}": question, "{options}": listed, **(words or {})}
    # All places at once rather than one after the other: a question may hold braces of its own.
    return re.sub("|".join(map(re.escape, places)), lambda m: places[m[0]], template_of(prompt))
