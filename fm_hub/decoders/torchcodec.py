"""The decoder ``torchcodec``: PyTorch's, on the CPU, in its exact mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_hub.decoders.counting import CountingDecoder, Opened
from fm_hub.errors import MissingExtra, UserError

__all__ = ["TorchCodecDecoder"]


class TorchCodecDecoder(CountingDecoder):
    """One thread a file. It needs FFmpeg's shared libraries on the machine; its wheel brings none."""

    name: ClassVar[str] = "torchcodec"

    def __init__(self) -> None:
        try:
            import torchcodec
            from torchcodec.decoders import VideoDecoder
        except ImportError:
            raise MissingExtra("the decoder torchcodec", "torchcodec") from None
        except RuntimeError:
            raise UserError(LIBRARIES) from None
        if getattr(torchcodec, "ffmpeg_major_version", None) is None:  # newer versions import without their libraries
            raise UserError(LIBRARIES)
        self._library: Any = VideoDecoder

    def open(self, path: Path) -> Opened:
        """Open a file."""
        return _Opened(self._library(str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact"))


LIBRARIES = (
    "the decoder torchcodec is installed but cannot load: it needs FFmpeg's shared libraries "
    "(Debian: apt install ffmpeg) and the version of torch that it was made for"
)


class _Opened:
    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.n_frames = len(reader)

    def get(self, numbers: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Pictures and times by number."""
        batch = self._reader.get_frames_at(numbers)
        return batch.data.numpy(), batch.pts_seconds.numpy().astype(np.float64)
