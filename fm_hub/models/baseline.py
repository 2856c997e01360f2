"""What a score is measured against: answers that need no model, looked up by name.

``chance``, ``majority`` and ``longest`` do not look at the video. Other packages add baselines of their own,
which may look: ``tracker`` answers from the tracks of a detector.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence

from fm_hub.errors import UserError
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.registry import Registry

__all__ = ["BASELINES", "Baseline", "Chance", "Longest", "Majority", "letter_scores"]

BASELINES: Registry[type[Model]] = Registry(
    "baseline",
    "fm_hub.baselines",
    {
        "chance": "fm_hub.models.baseline:Chance",
        "longest": "fm_hub.models.baseline:Longest",
        "majority": "fm_hub.models.baseline:Majority",
        "tracker": "fm_builders.tracker_baseline:TrackerBaseline",
    },
)
_RULES_VERSION = "1"
_REST = 1e-6


def letter_scores(letters: Sequence[str], chosen: str) -> dict[str, float]:
    """Log-probabilities of a rule that is sure: almost all on one letter, so that every number stays finite."""
    sure = math.log(1 - _REST * (len(letters) - 1))
    return {x: sure if x == chosen else math.log(_REST) for x in letters}


class Baseline(Model):
    """The scheme ``baseline:``: building one gives the baseline of that name."""

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> Model:
        """Look the name up in :data:`BASELINES` and build it. Raises a :class:`~fm_hub.errors.UserError`."""
        if not rest:
            raise UserError(f"baseline: needs a name: {', '.join(BASELINES.names())}")
        model = BASELINES.load(rest).from_spec(rest, options)
        model.name = f"baseline:{rest}"
        return model


class _Blind(Model):
    """Base of the baselines that read the question alone: a subclass writes :meth:`choose`."""

    commit = f"rules-{_RULES_VERSION}"

    def __init__(self, options: Options) -> None:
        self.options = options

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> Model:
        """Build from the options; the name says all."""
        del rest
        return cls(options)

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """Choose a letter for each prompt, whatever the view shows."""
        del view
        return [Scores(p.id, letter_scores(p.letters, self.choose(p))) for p in prompts]

    @abstractmethod
    def choose(self, prompt: Prompt) -> str:
        """The letter of one question."""


class Chance(_Blind):
    """A letter drawn by a hash of the question's id and the seed: the same in every run and every order."""

    def choose(self, prompt: Prompt) -> str:
        """One of the prompt's letters, all equally likely."""
        digest = hashlib.sha256(f"{self.options.seed}/{prompt.id}".encode()).digest()
        return prompt.letters[int.from_bytes(digest[:8], "big") % len(prompt.letters)]


class Longest(_Blind):
    """The option with the longest text, the first of them on a tie."""

    def choose(self, prompt: Prompt) -> str:
        """The letter of the longest option."""
        lengths = [len(o.text) for o in prompt.question.options]
        return prompt.letters[lengths.index(max(lengths))]


class Majority(_Blind):
    """The letter that is right most often in the training questions (in all of them, if none is for training)."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        from fm_hub.tables import read_table

        table = read_table(options.dataset, "mcq", "train") or read_table(options.dataset, "mcq")
        self.counts = Counter(map(str, table.column("answer").to_pylist()))
        seen = " ".join(f"{x}{n}" for x, n in sorted(self.counts.items()))
        self.commit = f"rules-{_RULES_VERSION} {seen}".rstrip()

    def choose(self, prompt: Prompt) -> str:
        """The most frequent of the prompt's letters, the first of them on a tie."""
        return max(prompt.letters, key=lambda x: self.counts[x])
