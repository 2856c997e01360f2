"""What answers questions about a video: one interface for models, servers, baselines and fakes.

``Model.score`` is one call a video, so that a backend can decode and encode the clip once for all of its
questions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fm_hub.errors import UserError
from fm_hub.records import Question
from fm_hub.registry import Registry

__all__ = ["MODELS", "Model", "Options", "Prompt", "Scores", "View", "open_model"]


@dataclass(frozen=True)
class View:
    """The part of a clip that a model may see: ``n_frames`` frames spread evenly over ``t0..t1`` seconds.

    ``size`` bounds the longer side in pixels (None: as it is).
    """

    clip_id: str
    path: Path
    t0: float
    t1: float
    n_frames: int
    size: int | None = None

    def times(self) -> list[float]:
        """The asked times: the middle of each of ``n_frames`` equal parts, in seconds."""
        step = (self.t1 - self.t0) / self.n_frames
        return [self.t0 + (i + 0.5) * step for i in range(self.n_frames)]


@dataclass(frozen=True)
class Prompt:
    """One question as a model gets it. ``question.answer`` is -1: the key never reaches a model."""

    id: str
    text: str
    letters: tuple[str, ...]
    question: Question


@dataclass(frozen=True)
class Scores:
    """A model's log-probability for each letter, or the reason why there is none."""

    id: str
    logprobs: Mapping[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def letter(self) -> str:
        """The likeliest letter (the first in the alphabet on a tie); empty if there are no scores."""
        return max(sorted(self.logprobs), key=lambda x: self.logprobs[x]) if self.logprobs else ""


@dataclass(frozen=True)
class Options:
    """How a model is to run: set by the user, recorded in ``config.json``."""

    dataset: Path
    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None
    batch_size: int = 8
    seed: int = 0


class Model(ABC):
    """Base of all models; ``name`` is what the user typed, ``commit`` the revision that answered."""

    name: str
    commit: str = ""

    @classmethod
    @abstractmethod
    def from_spec(cls, rest: str, options: Options) -> Model:
        """Build from what follows the scheme. Raises a :class:`~fm_hub.errors.UserError`."""

    @abstractmethod
    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """Score each prompt's letters on one view: same order, same length; a failure is ``Scores.error``."""


MODELS: Registry[type[Model]] = Registry(
    "model",
    "fm_hub.models",
    {
        "baseline": "fm_hub.models.baseline:Baseline",
        "fake": "fm_hub.models.fake:FakeModel",
        "transformers": "fm_hub.models.transformers:TransformersModel",
    },
)


def open_model(spec: str, options: Options) -> Model:
    """Build a model from ``scheme:rest``, or from a folder or Hub id (the ``transformers`` scheme)."""
    if not spec:
        raise UserError("--model is empty: give a Hub id, a folder, or baseline:tracker")
    scheme, colon, rest = spec.partition(":")
    if not colon and spec in MODELS.names() and not Path(spec).exists():
        raise UserError(f"--model {spec}: is a scheme, not a model: say {spec}:NAME (see fm-eval --help)")
    if not colon or "/" in scheme or "." in scheme:
        scheme, rest = "transformers", spec
    model = MODELS.load(scheme).from_spec(rest, options)
    if not getattr(model, "name", ""):
        model.name = spec
    return model
