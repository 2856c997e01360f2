"""Answers that were saved before: a run of fm-eval, or anyone's, scored again without the model."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fm_hub.errors import ModelError, UserError
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.models.baseline import letter_scores

__all__ = ["Replay", "standing"]

_SAMPLES = "samples*.jsonl"


class Replay(Model):
    """``replay:FOLDER`` (a run) or ``replay:FILE.jsonl``: a line a question.

    A line is an object with ``id`` and ``scores`` (the log-probability of each letter), ``prediction`` (a letter)
    or ``text`` (what was written, for tasks that are answered in words). A question without a line is an error of
    that question; so is one whose letters do not fit. Lines of controls and rotations are left out: they answered
    something else. The last line of a question counts; of a run's several files, as :func:`standing` says.
    """

    def __init__(self, source: Path) -> None:
        files = sorted(source.glob(_SAMPLES)) if source.is_dir() else [source]
        if not files or not all(f.is_file() for f in files):
            raise UserError(f"replay:{source}: no saved answers (a run's folder, or a file of JSON lines)")
        self.name = f"replay:{source.name}"
        digest = hashlib.sha256()
        self.answers: dict[str, Mapping[str, Any]] = {}
        for file in files:
            data = file.read_bytes()
            digest.update(data)
            here: dict[str, Mapping[str, Any]] = {}
            for number, line in _lines(data):
                _check(f"{file}:{number}", line)
                if not line.get("control") and not line.get("rotation"):
                    here[line["id"]] = line
            for name, line in here.items():
                if name not in self.answers or standing(line) >= standing(self.answers[name]):
                    self.answers[name] = line
        self.commit = f"sha256:{digest.hexdigest()}"

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> Replay:
        """Read the answers. Raises :class:`~fm_hub.errors.UserError` with file and line if they are none."""
        del options
        if not rest:
            raise UserError("replay: needs a run's folder or a file of JSON lines: --model replay:runs/NAME")
        return cls(Path(rest))

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """The saved answer of each prompt."""
        if view.order is not None:
            raise ModelError("saved answers cannot tell what a model says to other frames")
        return [self._score(p) for p in prompts]

    def generate(self, view: View, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Scores]:
        """The saved text of each prompt, whole: ``max_new_tokens`` was up to the model that wrote it."""
        del max_new_tokens
        if view.order is not None:
            raise ModelError("saved answers cannot tell what a model says to other frames")
        return [self._text(p) for p in prompts]

    def _text(self, prompt: Prompt) -> Scores:
        saved, why = self._saved(prompt)
        if saved is None:
            return Scores(prompt.id, error=why)
        if not isinstance(saved.get("text"), str):
            return Scores(prompt.id, error="ModelError: the saved answer has no text")
        return Scores(prompt.id, text=saved["text"], mode="replay")

    def _saved(self, prompt: Prompt) -> tuple[Mapping[str, Any] | None, str]:
        """The line of a prompt, or why there is none."""
        saved = self.answers.get(prompt.id)
        if saved is None:
            return None, "ModelError: no saved answer to this question"
        return (None, str(saved["error"])) if saved.get("error") else (saved, "")

    def _score(self, prompt: Prompt) -> Scores:
        saved, why = self._saved(prompt)
        if saved is None:
            return Scores(prompt.id, error=why)
        scores = saved.get("scores") or {}
        if set(scores) == set(prompt.letters):
            return Scores(prompt.id, {x: float(scores[x]) for x in prompt.letters}, mode="replay")
        letter = saved.get("prediction", "")
        if letter in prompt.letters:
            return Scores(prompt.id, letter_scores(prompt.letters, letter), mode="replay")
        if letter == "" and not scores and "prediction" in saved:
            return Scores(prompt.id, mode="replay")  # unparsed then, unparsed now
        why = "the saved answer is to other options" if scores or letter else "the saved answer has no letter"
        return Scores(prompt.id, error=f"ModelError: {why}")


def standing(line: Mapping[str, Any]) -> tuple[int, bool]:
    """Which of several files' last lines of one question counts: the greatest, and of equals the last file's.

    That is the one of the latest command on a run (``round``), and of one command an answer before a failure.

    >>> standing({"round": 2, "error": "DecodeError"}) > standing({"round": 1, "error": ""}) > standing({"error": ""})
    True
    """
    return line.get("round", 0), not line.get("error")


def _check(place: str, line: Any) -> None:
    if not isinstance(line, dict) or not isinstance(line.get("id"), str):
        raise UserError(f"{place}: not a saved answer (an object with id, and scores, prediction or text)")
    scores = line.get("scores") or {}
    if not isinstance(scores, dict) or not all(_is_number(v) for v in scores.values()):
        raise UserError(f"{place}: scores must map letters to log-probabilities")
    said = any(isinstance(line.get(name), str) for name in ("prediction", "text"))
    if not scores and not said and not line.get("error"):
        raise UserError(f"{place}: neither scores nor a prediction, nor a text")
    if not isinstance(line.get("round", 0), int):
        raise UserError(f"{place}: round must be a whole number")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _lines(data: bytes) -> Iterator[tuple[int, Any]]:
    """Each line's number and value; None for what is no JSON. A last line that is still being written is left out."""
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            yield number, json.loads(line)
        except ValueError:
            yield number, None
