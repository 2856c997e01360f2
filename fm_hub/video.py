"""The one place that decodes and encodes video (PyAV): frames by time, never by counting.

A file is indexed by its packets, without decoding; frames are then found by their own presentation time
stamps, so that B-frames, variable frame rates, edit lists and broken indexes cannot shift a label by a frame.
Images are RGB uint8 ``(height, width, 3)`` of the displayed frame: rotation is applied here, once, and nowhere
else. Times are seconds from the first displayed frame. Pixels are taken as square.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub._pyav import (
    CLOCK,
    Image,
    Unseekable,
    decode_from,
    open_video,
    read_packets,
    reformatter,
    rotation_of,
    stamp_of,
    to_image,
    write_h264,
)
from fm_hub.errors import DecodeError, TooShort

__all__ = ["VideoIndex", "copyable", "encode_clip", "index_video", "iter_frames", "read_frames", "sample_times"]

SLACK = 5e-4  # seconds: time stamps rounded to a millisecond still find their frame
JUMP = 8  # frames: a seek throws away about as many as the decoder holds for reordering
PLAYABLE = {"h264", "hevc", "vp9", "av1"}  # in an .mp4, by browsers


@dataclass(frozen=True, slots=True, eq=False)
class VideoIndex:
    """What a file holds, known without decoding it.

    ``pts`` (N,) int64, rising: every presentable frame; ``keys`` (K,) int64: frames at which decoding can start
    (empty where that is not known); both in ticks of ``time_base`` seconds. ``width`` and ``height`` are of the
    displayed frame; ``rotation`` is the clockwise turn (0, 90, 180, 270) that reading applies. ``duration`` is
    in seconds, from the start of the first frame to the end of the last. ``error`` says how the file breaks
    off or is damaged, and is empty for a sound one.
    """

    path: Path
    pts: NDArray[np.int64]
    keys: NDArray[np.int64]
    time_base: Fraction
    width: int
    height: int
    rotation: int
    codec: str
    duration: float
    vfr: bool
    error: str

    @property
    def n_frames(self) -> int:
        """The number of frames that can be shown."""
        return len(self.pts)

    @property
    def times(self) -> NDArray[np.float64]:
        """(N,) seconds at which each frame appears; the first is 0."""
        seconds: NDArray[np.float64] = (self.pts - self.pts[0]) * self.time_base.numerator / self.time_base.denominator
        return seconds

    @property
    def fps(self) -> float:
        """Frames a second: from the gaps within 10 % of the median gap, so that pauses do not count."""
        gaps = np.diff(self.times)
        if not len(gaps):
            return 1.0 / self.duration if self.duration > 0 else 0.0
        middle = float(np.median(gaps))
        return float(1.0 / np.mean(gaps[np.abs(gaps - middle) <= 0.1 * middle]))


def index_video(path: str | Path) -> VideoIndex:
    """Index a video by its packets; one frame is decoded, for its size and rotation.

    Packets that a file hides (edit lists), damaged ones, and those before the first key frame are no frames.
    Raises :class:`UnreadableFile`, :class:`EmptyFile`, :class:`NotAVideo`, :class:`NoVideoStream` or
    :class:`DecodeError`.
    """
    path = Path(path)
    with open_video(path) as (container, stream):
        pts, keys, last, error = read_packets(container, stream)
        time_base, codec = stream.time_base or Fraction(1, CLOCK), stream.codec_context.name
        rate = stream.average_rate
    with open_video(path) as (container, stream):
        frames = decode_from(container, stream, None, keys, salvage=True)
        first = next(frames, None)
        if first is None:
            raise DecodeError(f"{path}: no frame can be decoded; {error or 'the pictures are damaged'}")
        if pts is None:  # some containers (old AVI) store no presentation times: only the decoder knows the order
            shown = [p for p in map(stamp_of, chain([first], frames)) if p is not None]
            pts, keys = np.unique(np.array(shown, np.int64)), np.empty(0, np.int64)
        turn = rotation_of(first)
        wide = round(first.width * _pixel_shape(stream))
        width, height = (first.height, wide) if turn % 180 else (wide, first.height)
    if not len(pts):
        raise DecodeError(f"{path}: no packet with a presentation time; {error or 'nothing to show'}")
    gaps = np.diff(pts)
    usual = float(np.median(gaps)) if len(gaps) else float(last or 1 / ((rate or 25) * time_base))
    vfr = bool(len(gaps)) and bool(np.any(np.abs(gaps - usual) > max(0.002 / float(time_base), 0.1 * usual)))
    duration = float((int(pts[-1] - pts[0]) + (last or usual)) * float(time_base))
    return VideoIndex(path, pts, keys, time_base, width, height, turn, codec, duration, vfr, error)


def read_frames(
    video: str | Path | VideoIndex,
    times: Sequence[float],
    *,
    size: tuple[int, int] | None = None,
    salvage: bool = False,
) -> list[Image | None]:
    """Read the frame displayed at each of ``times`` (seconds, any order): the last that appears by then.

    A time before the first frame gives the first, one after the last the last. ``size`` (width, height) of the
    displayed frame is applied while decoding. Equal frames share one array. Raises :class:`DecodeError` where
    the right frame cannot be had; with ``salvage`` such an entry is ``None`` instead, and so is what a file that
    breaks off should have shown after its end.
    """
    index = video if isinstance(video, VideoIndex) else index_video(video)
    wanted = index.pts[_shown_at(index, times)]
    images = dict(_frames(index, np.unique(wanted), size, salvage=salvage))
    end = index.duration if index.error else np.inf
    return [images[int(p)] if t < end else None for p, t in zip(wanted, times, strict=True)]


def iter_frames(
    video: str | Path | VideoIndex, times: Sequence[float], *, size: tuple[int, int] | None = None
) -> Iterator[tuple[int, Image]]:
    """Yield ``(position in times, image)`` for times that never fall, one frame in memory at a time.

    Frames and ``size`` are as in :func:`read_frames`; raises :class:`DecodeError` likewise.
    """
    index = video if isinstance(video, VideoIndex) else index_video(video)
    wanted = index.pts[_shown_at(index, times)]
    if np.any(np.diff(wanted) < 0):
        raise ValueError("iter_frames wants times that never fall")
    frames = _frames(index, np.unique(wanted), size, salvage=False)
    pts, image = -1, None
    for position, want in enumerate(wanted):
        if image is None or pts != want:
            pts, image = next(frames)
        if image is None or pts != want:  # cannot be: _frames raises rather than leave one out
            raise DecodeError(f"{index.path}: the frame at pts {want} is missing")
        yield position, image


def sample_times(index: VideoIndex, fps: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The clock of a clip: the frames displayed at 0, 1/fps, 2/fps ..., each once.

    Returns their ``pts`` (M,) int64 and their own times (M,) in seconds, both rising.
    """
    if not fps > 0:
        raise ValueError(f"fps must be above 0, not {fps}")
    times = index.times
    targets = np.arange(int((times[-1] + SLACK) * fps) + 1) / fps
    shown = np.unique(_shown_at(index, targets))
    return index.pts[shown], times[shown]


def encode_clip(frames: Iterable[Image], times: Sequence[float], path: str | Path, *, crf: int = 18) -> None:
    """Write RGB images as an H.264 .mp4, shown at ``times`` (seconds, rising; the first becomes 0).

    Odd widths and heights lose their last column or row (4:2:0 needs even ones). One thread and no dates: the
    same input and library versions give the same bytes. The file appears whole or not at all. Raises
    :class:`TooShort` for no frames and ``ValueError`` for times or shapes that do not fit.
    """
    path = Path(path)
    ticks = np.round((np.asarray(times, np.float64) - (times[0] if len(times) else 0.0)) * CLOCK).astype(np.int64)
    if not len(ticks):
        raise TooShort(f"{path}: no frames to write")
    if np.any(np.diff(ticks) <= 0):
        raise ValueError("the times of a clip must rise")
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_h264(frames, ticks, partial, crf)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def copyable(index: VideoIndex) -> bool:
    """Whether the file itself can be published as an .mp4: every reader would show the same frames at the same times.

    An MP4 or MOV file with a codec that browsers play, 8 bits, no rotation, starting at 0, undamaged, and no edit
    list beyond the usual one that only takes back the reordering delay.
    """
    if index.rotation or index.error or index.pts[0] or index.codec not in PLAYABLE:
        return False
    with open_video(index.path) as (container, stream):
        if "mp4" not in container.format.name or stream.codec_context.pix_fmt not in ("yuv420p", "yuvj420p"):
            return False
        if _pixel_shape(stream) != 1:
            return False
    with open_video(index.path, ignore_editlist="1") as (container, stream):
        stored = read_packets(container, stream)[0]
    return stored is not None and np.array_equal(stored - stored[0], index.pts)


def _pixel_shape(stream: Any) -> Fraction:
    """Width over height of a pixel as it is shown; frames are read with square pixels."""
    return Fraction(stream.codec_context.sample_aspect_ratio or stream.sample_aspect_ratio or 1)


def _shown_at(index: VideoIndex, times: Sequence[float] | NDArray[np.float64]) -> NDArray[np.intp]:
    moments = np.asarray(times, np.float64)
    if not np.all(np.isfinite(moments)):
        raise ValueError("times must be finite")
    return np.maximum(np.searchsorted(index.times, moments + SLACK, side="right") - 1, 0)


def _frames(
    index: VideoIndex, wanted: NDArray[np.int64], size: tuple[int, int] | None, *, salvage: bool
) -> Iterator[tuple[int, Image | None]]:
    """Yield every wanted pts (rising) with its image, or with None where salvaging finds none."""
    if index.error and not salvage:
        raise DecodeError(f"{index.path}: {index.error}")
    try:
        for pair in _pass(index, wanted, size, salvage=salvage, seek=True):
            yield pair
            wanted = wanted[1:]
    except (Unseekable, DecodeError):  # transport streams, broken indexes: go on from the start
        yield from _pass(index, wanted, size, salvage=salvage, seek=False)


def _pass(
    index: VideoIndex, wanted: NDArray[np.int64], size: tuple[int, int] | None, *, salvage: bool, seek: bool
) -> Iterator[tuple[int, Image | None]]:
    with open_video(index.path) as (container, stream):
        frames = decode_from(container, stream, None, index.keys, salvage=salvage)
        todo, scaler = [int(p) for p in wanted], reformatter()
        at, jumped, last = 0, None, int(index.pts[0]) - 1
        while at < len(todo):
            key = _jump(index, last, todo[at]) if seek else None
            if key is not None and key != jumped:
                frames, jumped = decode_from(container, stream, key, index.keys, salvage=salvage), key
            frame = next(frames, None)
            stamp = stamp_of(frame) if frame is not None else None
            if stamp is None:
                stamp = todo[-1] + 1
            while at < len(todo) and todo[at] < stamp:  # the decoder never showed it
                if not salvage:
                    raise DecodeError(f"{index.path}: the frame at pts {todo[at]} cannot be decoded")
                yield todo[at], None
                at += 1
            if frame is not None and at < len(todo) and todo[at] == stamp:
                yield stamp, to_image(frame, size or (index.width, index.height), scaler)
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
