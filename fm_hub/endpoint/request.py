"""What is asked of a server, and what comes back, in no server's dialect."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ask", "Film", "Part", "Picture", "Reply", "Turn", "estimate", "pictures"]

JPEG_QUALITY = 95
CHARACTERS_A_TOKEN, TOKENS_A_PICTURE, TOKENS_OF_TEMPLATE = 3, 1024, 64
"""For estimates before an answer is there, all on the high side."""


@dataclass(frozen=True)
class Picture:
    """One frame as a JPEG file; ``t`` is its time in seconds, stated to the model before the frame where given."""

    jpeg: bytes
    t: float | None = None


@dataclass(frozen=True)
class Film:
    """A whole MP4 file, for the dialects that take one."""

    mp4: bytes


Part = str | Picture | Film


@dataclass(frozen=True)
class Turn:
    """What one side says: text, pictures and films in their order."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Ask:
    """One request. It is greedy and seeded, so that the same request has the same answer as far as the server can.

    ``top`` asks for the log-probabilities of that many candidates for the first token. ``schema`` is a JSON schema
    that the reply is to fit. With ``whole``, a reply that the limit of tokens cut off is an error. A last turn of
    the assistant is how the answer begins.
    """

    turns: tuple[Turn, ...]
    max_tokens: int = 256
    top: int = 0
    schema: Mapping[str, Any] | None = None
    whole: bool = False
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer. ``top`` are candidates for its first token, each with its log-probability, likeliest first."""

    text: str
    finish: str = "stop"
    top: tuple[tuple[str, float], ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = field(default=False, compare=False)


def pictures(frames: Sequence[NDArray[np.uint8]], times: Sequence[float]) -> tuple[Picture, ...]:
    """Frames (H, W, 3) RGB, each shown at its time in seconds, as JPEG files.

    >>> [p.t for p in pictures([np.zeros((4, 4, 3), np.uint8)], [0.25])]
    [0.25]
    """
    from PIL import Image

    out = []
    for frame, t in zip(frames, times, strict=True):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=JPEG_QUALITY)
        out.append(Picture(file.getvalue(), t))
    return tuple(out)


def estimate(ask: Ask) -> int:
    """Tokens that a request may cost, on the high side: what a budget holds back until the server has counted."""
    parts = [p for turn in ask.turns for p in turn.parts]
    text = sum(len(p) for p in parts if isinstance(p, str))
    seen = sum(TOKENS_A_PICTURE * (1 if isinstance(p, Picture) else 16) for p in parts if not isinstance(p, str))
    return TOKENS_OF_TEMPLATE + text // CHARACTERS_A_TOKEN + seen + ask.max_tokens
