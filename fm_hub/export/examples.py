"""What is exported: a question or a caption as words to ask, words to answer, and a span of a clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fm_hub.records import LETTERS
from fm_hub.tables import iter_rows

__all__ = ["ASKED", "LETTER_PROMPT", "Example", "examples"]

LETTER_PROMPT = (
    "Watch the video and answer the question about the motion in it.\n"
    "{question}\n"
    "{options}\n"
    "Answer with the letter of the right option only."
)
"""As fm-eval asks (its prompt ``letter-1``), so that a score here and there is about the same words."""
DESCRIBE = "Describe the motion in the video."
ASKED = ("mcq", "qa", "captions", "benchmark")
RESERVED = ("<video>", "<image>", "<audio>", "<|")
"""Words that trainers read as a place of a file, or as the end of a turn: foreign text must not hold them."""


@dataclass(frozen=True)
class Example:
    """One row to export. The video is the part ``t0..t1`` (seconds; None: to the end) of the clip ``video_file``.

    ``ask`` is what a user says, ``answer`` what is right; ``row`` is the published row.
    """

    id: str
    config: str
    split: str
    video_file: str
    t0: float
    t1: float | None
    ask: str
    answer: str
    row: dict[str, Any]

    @property
    def reserved(self) -> str:
        """A reserved word in the text, empty if there is none."""
        text = f"{self.ask}\n{self.answer}".lower()
        return next((word for word in RESERVED if word in text), "")


def examples(root: Path, config: str, split: str) -> Iterator[Example]:
    """The rows of a config and split of a dataset folder, in their order."""
    for row in iter_rows(root, config, split):
        yield _example(config, split, row)


def _example(config: str, split: str, row: dict[str, Any]) -> Example:
    if config == "captions":
        return Example(row["id"], config, split, row["video_file"], 0.0, None, DESCRIBE, row["caption"], row)
    ask = row["question"]
    if config != "qa":
        lines = [f"{x}. {o['text']}" for x, o in zip(LETTERS, row["options"], strict=False)]
        ask = LETTER_PROMPT.replace("{options}", "\n".join(lines)).replace("{question}", ask, 1)
    return Example(row["id"], config, split, row["video_file"], row["view_t0"], row["view_t1"], ask, row["answer"], row)
