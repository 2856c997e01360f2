"""From a view to what a processor takes: frames decoded once, and preprocessed once for all of its questions."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.models import View
from fm_hub.video import index_video, read_frames

__all__ = ["frames_of", "memoised"]


def frames_of(view: View) -> NDArray[np.uint8]:
    """The view's frames (T, H, W, 3) in the order of time, decoded and resized.

    Never enlarged; both bounds of the view hold, and the proportions stay. Raises an
    :class:`~fm_hub.errors.ItemError` if the file cannot be read.
    """
    index = index_video(view.path)
    longer, pixels = max(index.width, index.height), index.width * index.height
    scale = min(1.0, (view.size or longer) / longer, math.sqrt((view.max_pixels or pixels) / pixels))
    size = max(1, round(index.width * scale)), max(1, round(index.height * scale))
    pictures = read_frames(index, view.even_times(), size=size, decoder=view.decoder)
    return np.stack([p for p in pictures if p is not None])


class _Memo:
    """A processor's image or video part that works once and then repeats its result: one view, one object."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._result: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._result is None:
            self._result = self._inner(*args, **kwargs)
        return copy.copy(self._result)  # processors take entries out of what they get

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def memoised(processor: Any) -> Iterator[None]:
    """Within the block, the processor's image and video parts run once and repeat what they gave.

    All calls in the block must be about the same frames. Only pixels are shared; each prompt's text is
    processed in full, so that the inputs are those of a processor without this.
    """
    parts = {n: p for n in ("image_processor", "video_processor") if (p := getattr(processor, n, None)) is not None}
    for name, part in parts.items():
        setattr(processor, name, _Memo(part))
    try:
        yield
    finally:
        for name, part in parts.items():
            setattr(processor, name, part)
