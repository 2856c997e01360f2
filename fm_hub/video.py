"""Video in and out: frames by time, never by counting.

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
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fm_hub._matroska import breakage
from fm_hub._packets import read_packets
from fm_hub._pyav import (
    CLOCK,
    Image,
    Matrix,
    Unseekable,
    decode_from,
    matrix_of,
    open_video,
    stamp_of,
    write_h264,
)
from fm_hub.decoders import DECODERS
from fm_hub.errors import DecodeError, TooShort

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = [
    "VideoIndex",
    "copyable",
    "encode_clip",
    "index_video",
    "iter_frames",
    "read_frames",
    "sample_times",
]

SLACK = 5e-4  # seconds: time stamps rounded to a millisecond still find their frame
PLAYABLE = {"h264", "hevc", "vp9", "av1"}  # in an .mp4, by browsers


@dataclass(frozen=True, slots=True, eq=False)
class VideoIndex:
    """What a file holds, known without decoding it.

    ``pts`` (N,) int64, rising: every presentable frame; ``keys`` (K,) int64: frames at which decoding can start
    (empty where that is not known); both in ticks of ``time_base`` seconds. ``sound`` (N,) is false where a damaged
    file may place or make a frame wrongly, as far as its packets tell. ``width`` and ``height`` are of the
    displayed frame; ``matrix`` (a, b, c, d) is how a stored frame is turned for display, which reading does:
    x' = a x + c y, y' = b x + d y (y down). ``duration`` is in seconds, from the start of the first frame to the
    end of the last. ``error`` says how the file breaks off or is damaged, and is empty for a sound one.
    """

    path: Path
    pts: NDArray[np.int64]
    keys: NDArray[np.int64]
    sound: NDArray[np.bool_]
    time_base: Fraction
    width: int
    height: int
    matrix: Matrix
    codec: str
    duration: float
    vfr: bool
    error: str

    @property
    def n_frames(self) -> int:
        """The number of frames that can be shown."""
        return len(self.pts)

    @property
    def rotation(self) -> int:
        """The clockwise turn of the display matrix, to the nearest 90 degrees (mirroring aside)."""
        a, b, _, d = self.matrix
        if abs(b) > abs(a):
            return 90 if b > 0 else 270
        return 180 if d < 0 else 0

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
        packets = read_packets(container, stream)
        pts, keys, sound, last, error = packets.pts, packets.keys, packets.sound, packets.last, packets.error
        time_base, codec = stream.time_base or Fraction(1, CLOCK), stream.codec_context.name
        if "matroska" in container.format.name:
            error = breakage(path) or error
        rate, pixel = stream.average_rate, _pixel_shape(stream)
        first = _first_frame(container, stream, keys) if pts is not None else None
    if pts is None or first is None:  # the container does not say when frames are shown (AVI), or cannot be sought
        with open_video(path) as (container, stream):
            frames = decode_from(container, stream, None, keys, salvage=True, native=True)
            first = next(frames, None)
            if first is None:
                raise DecodeError(f"{path}: no frame can be decoded; {error or 'the pictures are damaged'}")
            if pts is None:  # only the decoder knows the order
                shown = [p for p in map(stamp_of, chain([first], frames)) if p is not None]
                pts = np.unique(np.array(shown, np.int64))
                sound = np.ones(len(pts), np.bool_)
    matrix = matrix_of(first) or (1, 0, 0, 1)
    wide = round(first.width * pixel)
    width, height = (first.height, wide) if abs(matrix[1]) > abs(matrix[0]) else (wide, first.height)
    if not len(pts):
        raise DecodeError(f"{path}: no packet with a presentation time; {error or 'nothing to show'}")
    gaps = np.diff(pts)
    usual = float(np.median(gaps)) if len(gaps) else float(last or 1 / ((rate or 25) * time_base))
    vfr = bool(len(gaps)) and bool(np.any(np.abs(gaps - usual) > max(0.002 / float(time_base), 0.1 * usual)))
    duration = float((int(pts[-1] - pts[0]) + (last or usual)) * float(time_base))
    return VideoIndex(path, pts, keys, sound, time_base, width, height, matrix, codec, duration, vfr, error)


def read_frames(
    video: str | Path | VideoIndex,
    times: Sequence[float],
    *,
    size: tuple[int, int] | None = None,
    decoder: str = "pyav",
    salvage: bool = False,
) -> list[Image | None]:
    """Read the frame displayed at each of ``times`` (seconds, any order): the last that appears by then.

    A time before the first frame gives the first, one after the last the last. ``size`` (width, height) of the
    displayed frame is applied while decoding. ``decoder`` is a name of :data:`fm_hub.decoders.DECODERS`. Equal
    frames share one array. Raises :class:`DecodeError` where the right frame cannot be had; with ``salvage`` such
    an entry is ``None`` instead, and so is what a file that breaks off should have shown after its end.
    """
    index = video if isinstance(video, VideoIndex) else index_video(video)
    shown = _shown_at(index, times)
    at = np.unique(shown)
    images = dict(zip(at.tolist(), _pictures(index, at, size, decoder, salvage=salvage), strict=True))
    end = index.duration if index.error else np.inf
    return [images[i] if t < end else None for i, t in zip(shown.tolist(), times, strict=True)]


def iter_frames(
    video: str | Path | VideoIndex,
    times: Sequence[float],
    *,
    size: tuple[int, int] | None = None,
    decoder: str = "pyav",
) -> Iterator[tuple[int, Image]]:
    """Yield ``(position in times, image)`` for times that never fall, a bounded number of frames in memory at a time.

    Frames, ``size`` and ``decoder`` are as in :func:`read_frames`; raises :class:`DecodeError` likewise.
    """
    index = video if isinstance(video, VideoIndex) else index_video(video)
    shown = _shown_at(index, times)
    if np.any(np.diff(shown) < 0):
        raise ValueError("iter_frames wants times that never fall")
    pictures = _pictures(index, np.unique(shown), size, decoder, salvage=False)
    current, image = -1, None
    for position, frame in enumerate(shown.tolist()):
        if frame != current:
            current, image = frame, next(pictures, None)
        if image is None:
            raise DecodeError(f"{index.path}: the decoder {decoder} left out frame {frame}")
        yield position, image


def _pictures(
    index: VideoIndex, at: NDArray[np.intp], size: tuple[int, int] | None, decoder: str, *, salvage: bool
) -> Iterator[Image | None]:
    """The pictures of frames ``at``, rising; a damaged file is refused unless it is to be salvaged."""
    reader = DECODERS.load(decoder)()
    if index.error and not salvage:
        raise DecodeError(f"{index.path}: {index.error}")
    return reader.read(index, at, size or (index.width, index.height), salvage=salvage)


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


def encode_clip(
    frames: Iterable[Image],
    times: Sequence[float],
    path: str | Path,
    *,
    crf: int = 18,
    preset: Literal["medium", "veryfast"] = "medium",
) -> None:
    """Write RGB images as an H.264 .mp4, shown at ``times`` (seconds, rising; the first becomes 0).

    ``preset`` is x264's: at the same ``crf`` a quicker one takes more bytes for a picture that is as good.
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
        write_h264(frames, ticks, partial, crf, preset)
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
        stored = read_packets(container, stream).pts
    return stored is not None and np.array_equal(stored - stored[0], index.pts)


def _first_frame(container: InputContainer, stream: VideoStream, keys: NDArray[np.int64]) -> VideoFrame | None:
    """The first key frame; None if the file cannot be sought, or that frame is damaged."""
    if not len(keys):
        return None
    try:
        return next(decode_from(container, stream, int(keys[0]), keys, salvage=False, native=True), None)
    except (Unseekable, DecodeError):
        return None


def _pixel_shape(stream: Any) -> Fraction:
    """Width over height of a pixel as it is shown; frames are read with square pixels."""
    return Fraction(stream.codec_context.sample_aspect_ratio or stream.sample_aspect_ratio or 1)


def _shown_at(index: VideoIndex, times: Sequence[float] | NDArray[np.float64]) -> NDArray[np.intp]:
    moments = np.asarray(times, np.float64)
    if not np.all(np.isfinite(moments)):
        raise ValueError("times must be finite")
    return np.maximum(np.searchsorted(index.times, moments + SLACK, side="right") - 1, 0)
