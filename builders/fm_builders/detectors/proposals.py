"""Which things a clip shows, as a model that reads pictures names them: the classes of an open-vocabulary detector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fm_builders.hub_models import Weights
from fm_hub.errors import ModelError
from fm_hub.models import Model, Options, Prompt, View, open_model
from fm_hub.records import Provenance, Question

__all__ = ["PROMPT", "Proposer", "names_in"]

PROMPT = (
    "List the things in these pictures that move, are moved or could be touched. Nouns in the singular, "
    "separated by commas, nothing else. No people, no hands, no background."
)
MAX_NAMES, MAX_WORDS, MAX_TOKENS = 20, 3, 128
LEFT_OUT = {"person", "people", "man", "woman", "child", "hand", "hands", "background", "floor", "wall", "sky"}
NUMBER, ARTICLE = re.compile(r"^\d+[.)]\s*"), re.compile(r"^(an?|the|some)\s+")
NAME = re.compile(r"[a-z][a-z' -]*[a-z]")


class Proposer:
    """Asks a model what is to be seen: ``OWNER/NAME@COMMIT``, a folder, or a scheme of ``fm-eval --model`` and a name.

    ``id`` is part of an artifact's key. Raises :class:`~fm_hub.errors.BadRecipe` for a repository without a commit.
    """

    def __init__(self, spec: str) -> None:
        scheme, colon, _ = spec.partition(":")
        self.spec, self.commit = spec, ""
        self.id = f"proposer {spec}"
        if not colon or "/" in scheme:
            weights = Weights.of(spec)
            self.spec, self.commit, self.id = weights.name, weights.commit, f"proposer {weights.id}"

    def propose(self, frames: Sequence[NDArray[np.uint8]]) -> list[str]:
        """The names of what these frames, uint8 RGB (H, W, 3), show: at most 20, each once, in the model's order.

        Raises :class:`~fm_hub.errors.ModelError` where the model fails. A reply without names gives none.
        """
        view = View("", Path(), 0.0, float(len(frames)), len(frames))
        view.__dict__["frames"] = np.stack(frames)  # nothing is read from a file
        (reply,) = _opened(self.spec, self.commit).generate(
            view, [Prompt("classes", PROMPT, (), _QUESTION)], MAX_TOKENS
        )
        if reply.error:
            raise ModelError(f"{self.spec} names no classes: {reply.error}")
        return names_in(reply.text)


@cache
def _opened(spec: str, commit: str) -> Model:
    return open_model(spec, Options(Path(), revision=commit or None))


def names_in(reply: str) -> list[str]:
    """The names in a reply; a last one that the limit cut off is dropped with what is too long to be a name.

    >>> names_in("Cup, a red ball, the person, cup, 7 things, something that is far too long to be a name")
    ['cup', 'red ball']
    """
    parts = (part.strip(" .*-\t").lower() for part in re.split(r"[,;\n]", reply))
    words = (ARTICLE.sub("", NUMBER.sub("", part)) for part in parts)
    good = [w for w in words if NAME.fullmatch(w) and len(w.split()) <= MAX_WORDS and w not in LEFT_OUT]
    return list(dict.fromkeys(good))[:MAX_NAMES]


_QUESTION = Question(
    question_id="classes",
    clip_id="",
    source_id="",
    split="train",
    video_file="",
    type="",
    kind="",
    difficulty="easy",
    view_t0=0.0,
    view_t1=0.0,
    text=PROMPT,
    options=(),
    answer=-1,
    answer_type="phrase",
    template="",
    template_args="{}",
    grounding="model",
    provenance=Provenance("proposals", 0),
)
"""A prompt carries the question that it asks; this one has no options and no key."""
