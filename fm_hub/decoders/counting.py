"""What libraries have in common that name a frame by its number: each answer is held against the index.

Such a library counts for itself which frames a file has. Where its count or its times are not those of the
index, its numbers mean other frames, and the file is refused. What it says of itself is all that can be checked:
one that gives the picture of another frame under the right time is not caught (``docs/decoders.md`` lists where).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fm_hub._pyav import Image, resized
from fm_hub.decoders import Decoder
from fm_hub.errors import DecodeError, UserError

if TYPE_CHECKING:
    from fm_hub.video import VideoIndex

__all__ = ["CountingDecoder", "Opened"]

BATCH = 16  # frames in memory at a time
SLACK = 1e-3  # seconds: containers that count in milliseconds


class Opened(Protocol):
    """A file as such a library has opened it; ``n_frames`` is its own count."""

    n_frames: int

    def get(self, numbers: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Pictures (M, height, width, 3) as displayed, and their times in the file (M,), seconds."""


class CountingDecoder(Decoder):
    """A subclass opens a file and fetches by number; this reads by the index, and checks count, times and shape."""

    @abstractmethod
    def open(self, path: Path) -> Opened:
        """Open a local file; whatever the library raises becomes a :class:`~fm_hub.errors.DecodeError`."""

    def read(
        self, index: VideoIndex, at: NDArray[np.intp], size: tuple[int, int], *, salvage: bool = False
    ) -> Iterator[Image | None]:
        """Fetch in batches."""
        if salvage:
            raise UserError(f"the decoder {self.name} cannot salvage a damaged file; pyav can")
        says = f"{index.path}: {self.name}"
        a, b, c, d = index.matrix
        if a * d - b * c < 0:
            raise DecodeError(f"{says} does not mirror pictures as they are displayed")
        try:
            opened = self.open(index.path)
            if opened.n_frames != index.n_frames:
                raise DecodeError(f"{says} counts {opened.n_frames} frames; {index.n_frames} are shown")
            first = float(index.pts[0] * index.time_base)
            for start in range(0, len(at), BATCH):
                part = at[start : start + BATCH]
                images, times = opened.get(part.tolist())
                if len(images) != len(part) or np.abs(times - first - index.times[part]).max() > SLACK:
                    raise DecodeError(f"{says} gives frames of other times than those asked for")
                height, width = images.shape[1:3]  # the other side may yet be stretched to square pixels
                if (width != index.width) if index.rotation % 180 else (height != index.height):
                    raise DecodeError(f"{says} gives pictures of {width} x {height}, not as they are displayed")
                for image in images:
                    yield resized(image, size)
        except (DecodeError, UserError, MemoryError):
            raise
        except Exception as error:  # these libraries have no tree of errors of their own
            raise DecodeError(f"{says} cannot decode it: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
