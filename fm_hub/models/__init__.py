"""What answers questions about a video: one interface for models, servers, baselines and fakes.

``Model.score`` is one call a video, so that a backend can decode and encode the clip once for all of its
questions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fm_hub.errors import UserError
from fm_hub.records import Question
from fm_hub.registry import Registry

__all__ = ["MODELS", "Model", "Options", "Prompt", "Scores", "View", "open_model"]


@dataclass(frozen=True)
class View:
    """The part of a clip that a model may see: ``n_frames`` frames spread evenly over ``t0..t1`` seconds.

    ``size`` bounds the longer side and ``max_pixels`` the area of a frame (None: as it is). ``decoder`` reads the
    frames. ``order`` says which of them are shown, in which order: None for all as they come, empty for none.
    """

    clip_id: str
    path: Path
    t0: float
    t1: float
    n_frames: int
    size: int | None = None
    max_pixels: int | None = None
    decoder: str = "pyav"
    order: tuple[int, ...] | None = None

    def even_times(self) -> list[float]:
        """The middle of each of ``n_frames`` equal parts, in seconds."""
        step = (self.t1 - self.t0) / self.n_frames
        return [self.t0 + (i + 0.5) * step for i in range(self.n_frames)]

    def times(self) -> list[float]:
        """The time of each frame that is shown, in the order of showing, in seconds."""
        times = self.even_times()
        return times if self.order is None else [times[i] for i in self.order]

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """What is shown, (T, H, W, 3) RGB: decoded and resized when first asked for, then kept.

        Raises an :class:`~fm_hub.errors.ItemError` if the file cannot be read.
        """
        from fm_hub.models.video_inputs import frames_of

        frames = frames_of(self)
        return frames if self.order is None else frames[list(self.order)]

    def shown(self, order: Sequence[int]) -> View:
        """The same view with its frames in another order, some left out or repeated; nothing is decoded again."""
        if self.order is not None:
            raise ValueError("the frames of this view have an order already")
        view = replace(self, order=tuple(order))
        view.__dict__["frames"] = self.frames[list(order)]
        return view


@dataclass(frozen=True)
class Prompt:
    """One question as a model gets it. ``question.answer`` is -1: the key never reaches a model.

    ``system`` goes before the conversation, ``prefill`` is how the answer begins; both may be empty.
    """

    id: str
    text: str
    letters: tuple[str, ...]
    question: Question
    system: str = ""
    prefill: str = ""


@dataclass(frozen=True)
class Scores:
    """A model's log-probability for each letter, or the text it wrote, or the reason why there is neither.

    ``mode`` says how it was had; ``ways`` are the ways of computing it whose checks vouch for it
    (:meth:`Model.verdicts`).
    """

    id: str
    logprobs: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    text: str = ""
    mode: str = ""
    ways: tuple[str, ...] = ()

    @property
    def letter(self) -> str:
        """The likeliest letter (the first in the alphabet on a tie); empty if there are no scores."""
        return max(sorted(self.logprobs), key=lambda x: self.logprobs[x]) if self.logprobs else ""


@dataclass(frozen=True)
class Options:
    """How a model is to run, as the user set it.

    ``batch_size`` is the number of prompts in one pass and ``clip_batch`` that of views (None: what suits the
    device); ``share`` lets prompts about one view share what they have in common; ``device_map`` spreads a model
    over several devices.
    """

    dataset: Path
    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None
    batch_size: int | None = None
    seed: int = 0
    attention: str = "auto"
    device_map: str | None = None
    share: bool = True
    clip_batch: int | None = None


class Model(ABC):
    """Base of all models; ``name`` is what the user typed, ``commit`` the revision that answered.

    ``looks`` says that the answers come from ``view.frames`` and from nothing else of the video: then these are
    decoded ahead, and showing other frames is a control of the answers. ``views_at_once`` is how many views
    :meth:`score_views` is best given.
    """

    name: str
    commit: str = ""
    looks: bool = False
    views_at_once: int = 1

    @classmethod
    @abstractmethod
    def from_spec(cls, rest: str, options: Options) -> Model:
        """Build from what follows the scheme. Raises a :class:`~fm_hub.errors.UserError`."""

    @abstractmethod
    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """Score each prompt's letters on one view: same order, same length; a failure is ``Scores.error``."""

    def score_views(self, asked: Sequence[tuple[View, Sequence[Prompt]]]) -> list[list[Scores]]:
        """As :meth:`score` for several views; a model that is faster with several at once computes them together."""
        return [self.score(view, prompts) for view, prompts in asked]

    def generate(self, view: View, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Scores]:
        """Write an answer to each prompt, greedily, into ``Scores.text``: same order, same length as the prompts.

        A model that only knows letters leaves this method alone; asking it for text is a
        :class:`~fm_hub.errors.UserError`.
        """
        del view, prompts, max_new_tokens
        raise UserError(f"{self.name}: gives letters and no text; leave out --answers, or take a task with letters")

    def findings(self) -> list[str]:
        """What the model found out about itself while it ran, a line each: for the log of the run."""
        return []

    def verdicts(self) -> list[tuple[str, bool]]:
        """The checks of its own ways of computing since this was last asked for: the way, and whether it passed.

        Answers that rest on a way whose check fails are taken back, as far as no passed check came after them;
        asked again, the model answers in another way.
        """
        return []


MODELS: Registry[type[Model]] = Registry(
    "model",
    "fm_hub.models",
    {
        "baseline": "fm_hub.models.baseline:Baseline",
        "endpoint": "fm_hub.models.endpoint:EndpointModel",
        "fake": "fm_hub.models.fake:FakeModel",
        "replay": "fm_hub.models.replay:Replay",
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
