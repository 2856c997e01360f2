"""A model for tests: it answers by rule, without looking, or fails on purpose."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from fm_hub.errors import ModelError, UnknownName
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.records import LETTERS

__all__ = ["FakeModel"]

_RULES = ("error", "hash", *LETTERS)
_SAY = "say "


class FakeModel(Model):
    """``fake:A`` always prefers that letter, ``fake:hash`` scores by the question's id, ``fake:error`` fails.

    Asked to write, it writes the letter it prefers; ``fake:say TEXT`` writes that text, and knows no letters.
    """

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.name = f"fake:{rule}"
        self.commit = "fake-1"

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> FakeModel:
        """Build from the rule's name. Raises :class:`~fm_hub.errors.UnknownName`."""
        del options
        rule = rest or "hash"
        if rule not in _RULES and not rule.startswith(_SAY):
            raise UnknownName("fake model", rest, _RULES)
        return cls(rule)

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """Score each prompt by the rule."""
        del view
        return [self._score(p) for p in prompts]

    def generate(self, view: View, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Scores]:
        """Write the preferred letter, or the text of the rule; words beyond ``max_new_tokens`` are cut off."""
        del view
        if self.rule.startswith(_SAY):
            words = self.rule.removeprefix(_SAY).split(" ")[:max_new_tokens]
            return [Scores(p.id, text=" ".join(words)) for p in prompts]
        return [
            Scores(p.id, error=s.error, text=s.letter) for p, s in zip(prompts, map(self._score, prompts), strict=True)
        ]

    def _score(self, prompt: Prompt) -> Scores:
        if self.rule == "error" or self.rule.startswith(_SAY):
            return Scores(prompt.id, error=f"{ModelError.__name__}: this model fails on purpose")
        weights = [self._weight(prompt.id, x) for x in prompt.letters]
        total = sum(weights)
        return Scores(prompt.id, {x: math.log(w / total) for x, w in zip(prompt.letters, weights, strict=True)})

    def _weight(self, question: str, letter: str) -> float:
        if self.rule != "hash":
            return 8.0 if letter == self.rule else 1.0
        digest = hashlib.sha256(f"{question}/{letter}".encode()).digest()
        return 1.0 + int.from_bytes(digest[:4], "big") / 2**32
