"""The default decoder: PyAV, seeking to the key frame before each wanted frame and known by its time stamp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_hub._pyav import Image, Unseekable, decode_from, open_video, reformatter, stamp_of, to_image
from fm_hub.decoders import Decoder
from fm_hub.errors import DecodeError

if TYPE_CHECKING:
    from fm_hub.video import VideoIndex

__all__ = ["PyAVDecoder"]

JUMP = 8  # frames: a seek throws away about as many as the decoder holds for reordering


class PyAVDecoder(Decoder):
    """Every picture has the time stamp that the index knows, or is an error."""

    name: ClassVar[str] = "pyav"

    def read(
        self, index: VideoIndex, at: NDArray[np.intp], size: tuple[int, int], *, salvage: bool = False
    ) -> Iterator[Image | None]:
        """Seek where that skips frames; where a file cannot be sought, decode it from its start."""
        if salvage:
            found = self._read(index, index.pts[at[index.sound[at]]], size, salvage=True)
            yield from (next(found) if sound else None for sound in index.sound[at])
        else:
            yield from self._read(index, index.pts[at], size, salvage=False)

    def _read(
        self, index: VideoIndex, wanted: NDArray[np.int64], size: tuple[int, int], *, salvage: bool
    ) -> Iterator[Image | None]:
        try:
            for image in _pass(index, wanted, size, salvage=salvage, seek=True):
                yield image
                wanted = wanted[1:]
        except (Unseekable, DecodeError):  # transport streams, broken indexes: go on from the start
            yield from _pass(index, wanted, size, salvage=salvage, seek=False)


def _pass(
    index: VideoIndex, wanted: NDArray[np.int64], size: tuple[int, int], *, salvage: bool, seek: bool
) -> Iterator[Image | None]:
    todo, scaler = [int(p) for p in wanted], reformatter()
    needed = frozenset(todo)
    with open_video(index.path) as (container, stream):
        frames = decode_from(container, stream, None, index.keys, wanted=needed, salvage=salvage)
        at, jumped, last = 0, None, int(index.pts[0]) - 1
        while at < len(todo):
            key = _jump(index, last, todo[at]) if seek else None
            if key is not None and key != jumped:
                frames = decode_from(container, stream, key, index.keys, wanted=needed, salvage=salvage)
                jumped = key
            frame = next(frames, None)
            stamp = None
            if frame is not None:  # where the packets have times, a frame without one is not guessed a time
                stamp = frame.pts if len(index.keys) else stamp_of(frame)
            if stamp is None:
                stamp = todo[-1] + 1
            while at < len(todo) and todo[at] < stamp:  # the decoder never showed it
                if not salvage:
                    raise DecodeError(f"{index.path}: the frame at pts {todo[at]} cannot be decoded")
                yield None
                at += 1
            if frame is not None and at < len(todo) and todo[at] == stamp:
                yield to_image(frame, size, index.matrix, scaler)
                at += 1
            last = stamp


def _jump(index: VideoIndex, last: int, want: int) -> int | None:
    """The key frame to seek to, where that skips frames enough to be worth it."""
    before = int(np.searchsorted(index.keys, want, side="right")) - 1
    if before < 0:
        return None
    key = int(index.keys[before])
    skipped = np.searchsorted(index.pts, key) - np.searchsorted(index.pts, last, side="right")
    return key if skipped > JUMP else None
