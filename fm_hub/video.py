"""The one place that decodes and encodes video (PyAV): frames by time, never by counting.

A file is indexed by its packets, without decoding; frames are then found by their own presentation time
stamps, so that B-frames, variable frame rates, edit lists and broken indexes cannot shift a label by a frame.
Images are RGB uint8 ``(height, width, 3)`` of the displayed frame: rotation is applied here, once, and nowhere
else. Times are seconds from the first displayed frame. Pixels are taken as square.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.errors import DecodeError, EmptyFile, NotAVideo, NoVideoStream, TooShort, UnreadableFile

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["VideoIndex", "copyable", "encode_clip", "index_video", "iter_frames", "read_frames", "sample_times"]

Image = NDArray[np.uint8]
SLACK = 5e-4  # seconds: time stamps rounded to a millisecond still find their frame
JUMP = 8  # frames: a seek throws away about as many as the decoder holds for reordering
CLOCK = 90_000  # ticks a second of the clips that we write
# Only real containers: no playlists (they open other files), no text, no still images.
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,ogg,asf,ivf,mxf,nut,gif,dv,rm,h264,hevc,m4v,mpegvideo,obu"
PLAYABLE = {"h264", "hevc", "vp9", "av1"}


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
        ticks = (self.pts - self.pts[0]).astype(np.float64)
        return ticks * self.time_base.numerator / self.time_base.denominator

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
    with _opened(path) as (container, stream):
        pts, keys, last, error = _packets(container, stream)
        time_base, codec = stream.time_base or Fraction(1, CLOCK), stream.codec_context.name
        rate = stream.average_rate
    with _opened(path) as (container, stream):
        frames = _decoded(container, stream, None, keys, salvage=True)
        first = next(frames, None)
        if first is None:
            raise DecodeError(f"{path}: no frame can be decoded; {error or 'the pictures are damaged'}")
        if pts is None:  # some containers (old AVI) store no presentation times: only the decoder knows the order
            shown = [p for p in map(_stamp, chain([first], frames)) if p is not None]
            pts, keys = np.unique(np.array(shown, np.int64)), np.empty(0, np.int64)
        turn = _rotation(first)
        width, height = (first.height, first.width) if turn % 180 else (first.width, first.height)
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
    the right frame cannot be had; with ``salvage`` such an entry is ``None`` instead.
    """
    index = video if isinstance(video, VideoIndex) else index_video(video)
    wanted = index.pts[_shown_at(index, times)]
    images = dict(_frames(index, np.unique(wanted), size, salvage=salvage))
    return [images[int(p)] for p in wanted]


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
        assert image is not None and pts == want  # _frames raises rather than leave one out
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
        _encode(frames, ticks, partial, crf)
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
    with _opened(index.path) as (container, stream):
        if "mp4" not in container.format.name or stream.codec_context.pix_fmt not in ("yuv420p", "yuvj420p"):
            return False
    with _opened(index.path, ignore_editlist="1") as (container, stream):
        stored = _packets(container, stream)[0]
    return stored is not None and np.array_equal(stored - stored[0], index.pts)


def _shown_at(index: VideoIndex, times: Sequence[float] | NDArray[np.float64]) -> NDArray[np.intp]:
    moments = np.asarray(times, np.float64)
    if not np.all(np.isfinite(moments)):
        raise ValueError("times must be finite")
    return np.maximum(np.searchsorted(index.times, moments + SLACK, side="right") - 1, 0)


@contextmanager
def _opened(path: Path, **options: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    import av

    _check_file(path)
    av.logging.set_level(None)  # the default, but another library may have let ffmpeg write to stderr
    limits = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        container = av.open(f"file:{path}", options=limits | options)
    except av.error.FFmpegError as error:
        raise NotAVideo(f"{path}: cannot be opened as a video: {error.strerror}") from error
    with container:
        pictures = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not pictures:
            raise NoVideoStream(f"{path}: no video stream")
        stream = pictures[0]
        if stream.codec_context is None:
            raise DecodeError(f"{path}: no decoder for its codec")
        stream.codec_context.thread_count = 1
        # Damage must raise, not be painted over with the neighbouring frames.
        stream.codec_context.options = {"err_detect": "explode"}
        yield container, stream


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or 'cannot be read'}") from error
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFile(f"{path}: not a file")
    if not os.access(path, os.R_OK):
        raise UnreadableFile(f"{path}: no permission to read it")
    if not status.st_size:
        raise EmptyFile(f"{path}: zero bytes")


def _packets(
    container: InputContainer, stream: VideoStream
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], int, str]:
    """The presentable pts (None where some are missing), the keys, the last frame's ticks, and what broke off."""
    import av

    pts: list[int] = []
    keys: list[int] = []
    error, last, top, stamped, seen, damaged = "", 0, None, True, 0, 0
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            seen += 1
            if packet.pts is None:
                stamped = False
                continue
            if packet.is_keyframe and not packet.is_corrupt:
                keys.append(packet.pts)
            damaged += packet.is_corrupt
            if packet.is_discard or packet.is_corrupt:
                continue
            pts.append(packet.pts)
            if top is None or packet.pts > top:
                top, last = packet.pts, packet.duration or 0
    except av.error.FFmpegError as broken:
        error = f"breaks off after {seen} packets: {broken.strerror}"
    if not seen:
        raise DecodeError(f"{container.name}: no packets; {error or 'nothing in it'}")
    expected = len(stream.index_entries) if "mp4" in container.format.name else 0
    if not error and (damaged or seen < expected):
        error = f"{damaged} of {seen} packets are damaged; {max(0, expected - seen)} are missing"
    if not stamped:
        return None, np.empty(0, np.int64), last, error
    starts = np.unique(np.array(keys, np.int64))
    shown = np.unique(np.array(pts, np.int64))
    return (shown[shown >= keys[0]] if keys else shown), starts, last, error


class _Unseekable(Exception):
    """Seeking did not land on the key frame that the index knows."""


def _decoded(
    container: InputContainer, stream: VideoStream, key: int | None, keys: NDArray[np.int64], *, salvage: bool
) -> Iterator[VideoFrame]:
    """Decode from ``key`` (or from where the container stands) to the end.

    With ``salvage``, what follows a damaged packet is left out up to the next key frame, as it may show anything.
    """
    import av

    sound_from = None
    if key is not None:
        container.seek(key, stream=stream, backward=True)
    packets = container.demux(stream)
    while True:
        packet = None
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if key is not None and (packet.pts is None or not packet.is_keyframe or packet.pts > key):
                raise _Unseekable
            key = None
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if not salvage:
                raise DecodeError(f"{container.name}: {error.strerror}") from error
            if packet is None:  # the demuxer broke off: what the decoder still holds is sound
                packets, frames = iter(()), stream.codec_context.decode(None)
            else:
                later = keys[keys > packet.pts] if packet.pts is not None else keys[:0]
                sound_from = int(later[0]) if len(later) else np.iinfo(np.int64).max
                continue
        for frame in frames:
            stamp = _stamp(frame)
            if sound_from is None or (stamp is not None and stamp >= sound_from):
                yield frame
