"""The words around a question, by version: a changed prompt is a new name, never a changed text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["PROMPTS", "prompt_sha", "render", "template_of"]

PROMPTS = {
    "letter-1": (
        "Watch the video and answer the question about the motion in it.\n"
        "{question}\n"
        "{options}\n"
        "Answer with the letter of the right option only."
    ),
}


def template_of(prompt: str) -> str:
    """The template that a task means: one of :data:`PROMPTS` by name, else the text itself."""
    return PROMPTS.get(prompt, prompt)


def prompt_sha(prompt: str) -> str:
    """12 hexadecimal digits that change with any letter of the template."""
    return hashlib.sha256(template_of(prompt).encode()).hexdigest()[:12]


def render(prompt: str, question: str, letters: Sequence[str], options: Sequence[str]) -> str:
    """The text of one question.

    >>> print(render("{question}\\n{options}", "Which way?", "AB", ["left", "right"]))
    Which way?
    A. left
    B. right
    """
    listed = "\n".join(f"{x}. {text}" for x, text in zip(letters, options, strict=True))
    # Replaced one after the other rather than formatted: a question may hold braces of its own.
    before, _, after = template_of(prompt).partition("{options}")
    return before.replace("{question}", question) + listed + after.replace("{question}", question)
