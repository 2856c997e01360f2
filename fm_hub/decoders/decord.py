"""The decoder ``decord``: the library of that name, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_hub.decoders.counting import CountingDecoder, Opened
from fm_hub.errors import MissingExtra

__all__ = ["DecordDecoder"]


class DecordDecoder(CountingDecoder):
    """One thread a file. Its time stamps are those of its own list of packets, not of the picture it gives."""

    name: ClassVar[str] = "decord"

    def __init__(self) -> None:
        try:
            import decord
        except ImportError:
            raise MissingExtra("the decoder decord", "decord") from None
        self._library: Any = decord
        decord.logging.set_level(decord.logging.QUIET)

    def open(self, path: Path) -> Opened:
        """Open a file."""
        return _Opened(self._library.VideoReader(str(path), num_threads=1))


class _Opened:
    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.n_frames = len(reader)

    def get(self, numbers: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Pictures and times by number."""
        images = self._reader.get_batch(numbers).asnumpy()
        return images, np.asarray(self._reader.get_frame_timestamp(numbers), np.float64)[:, 0]
