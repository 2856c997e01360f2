"""Whether anything in a clip can be read: it would be wrong in a mirror.

It is tried: PP-OCRv6 (small; Baidu, Apache-2.0), as it comes in the wheel of ``rapidocr`` (extra ``twins``), finds and
reads lines of text. One character by itself is believed only where it is sure: it sees such in spokes and handles.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.errors import MissingExtra
from fm_hub.video import VideoIndex, iter_frames

__all__ = ["has_text", "readable", "text_model"]

EVERY_S = 2.0
SURE, ALONE = 0.5, 0.9  # mean confidence of the characters of a line, and of a line of one


def text_model() -> str:
    """The reader and its version, with which its weights come. Raises :class:`~fm_hub.errors.MissingExtra`."""
    try:
        return f"rapidocr@{version('rapidocr')}"
    except PackageNotFoundError:
        raise MissingExtra("quality.mirrored_twins", "twins") from None


@cache
def _reader() -> Any:
    """The reader, on one thread of the CPU, without its own notes."""
    text_model()
    from rapidocr import RapidOCR

    threads = dict.fromkeys((f"EngineConfig.onnxruntime.{n}_op_num_threads" for n in ("intra", "inter")), 1)
    return RapidOCR(params={"Global.log_level": "critical", "Global.text_score": SURE, **threads})


def readable(index: VideoIndex) -> bool:
    """Whether there is text in a clip: in a frame every two seconds, or in the last."""
    times = [*np.arange(0.0, index.duration, EVERY_S).tolist(), index.duration]
    return any(has_text(image) for _, image in iter_frames(index, times))


def has_text(image: NDArray[np.uint8]) -> bool:
    """Whether there is text in a picture (H, W, 3), RGB. Letters under a dozen pixels high are not seen."""
    found = _reader()(np.ascontiguousarray(image[..., ::-1]), use_cls=False)
    lines = zip(found.txts or (), found.scores or (), strict=True)
    return any(len(text.strip()) > 1 or (text.strip() and score >= ALONE) for text, score in lines)
