"""How :mod:`fm_hub.video` speaks to PyAV: open, demux, decode one frame after the other, turn, encode."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.errors import DecodeError, EmptyFile, NotAVideo, NoVideoStream, UnreadableFile

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

__all__ = [
    "CLOCK",
    "Image",
    "Unseekable",
    "decode_from",
    "open_video",
    "read_packets",
    "reformatter",
    "rotation_of",
    "stamp_of",
    "to_image",
    "write_h264",
]

Image = NDArray[np.uint8]
CLOCK = 90_000  # ticks a second of the clips that we write
# Only real containers: no playlists (they open other files), no text, no still images.
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,ogg,asf,ivf,mxf,nut,gif,dv,rm,h264,hevc,m4v,mpegvideo,obu"


@contextmanager
def open_video(path: Path, **options: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file (local ones only) and its first stream of moving pictures; raises the errors of one item."""
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


def read_packets(
    container: InputContainer, stream: VideoStream
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], int, str]:
    """The presentable pts (None where some are missing), the keys, the last frame's ticks, and what broke off."""
    import av

    pts: list[int] = []
    keys: list[int] = []
    error, last, top, stamped, seen, damaged, clock = "", 0, None, True, 0, 0, None
    try:
        for packet in container.demux(stream):
            if packet.dts is None and not packet.size:  # asks the decoder for what it still holds
                continue
            seen += 1
            if packet.dts is not None:
                if clock is not None and packet.dts < clock:
                    error = "the time stamps run backwards"
                clock = packet.dts
            if not packet.size:
                continue
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
        raise DecodeError(f"{_name(container)}: no packets; {error or 'nothing in it'}")
    expected = len(stream.index_entries) if "mp4" in container.format.name else 0
    if not error and (damaged or seen < expected):
        error = f"{damaged} of {seen} packets are damaged; {max(0, expected - seen)} are missing"
    unordered = container.format.name == "avi" and stream.codec_context.has_b_frames and stream.name in ("h264", "hevc")
    if unordered:
        raise DecodeError(f"{_name(container)}: an AVI cannot say when reordered H.264 or HEVC frames are shown")
    if not stamped:
        return None, np.empty(0, np.int64), last, error
    starts = np.unique(np.array(keys, np.int64))
    shown = np.unique(np.array(pts, np.int64))
    return (shown[shown >= keys[0]] if keys else shown), starts, last, error


class Unseekable(Exception):
    """Seeking did not land on the key frame that the index knows."""


def decode_from(
    container: InputContainer, stream: VideoStream, key: int | None, keys: NDArray[np.int64], *, salvage: bool
) -> Iterator[VideoFrame]:
    """Decode from ``key`` (or from where the container stands) to the end.

    With ``salvage``, what follows a damaged packet is left out up to the next key frame, as it may show anything.
    """
    import av

    if key is not None:
        try:
            container.seek(key, stream=stream, backward=True)
        except av.error.FFmpegError as error:
            raise Unseekable from error
    sound_from: int | None = None
    packets = container.demux(stream)
    while True:
        packet = None
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if key is not None and (packet.pts is None or not packet.is_keyframe or packet.pts > key):
                raise Unseekable
            key = None
            if packet.is_corrupt:
                raise av.error.InvalidDataError(0, "a damaged packet")
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if not salvage:
                raise DecodeError(f"{_name(container)}: {error.strerror}") from error
            if packet is None:  # the demuxer broke off: what the decoder still holds is sound
                packets, frames = iter(()), _flushed(stream)
            else:
                later = keys[keys > packet.pts] if packet.pts is not None else keys[:0]
                sound_from, frames = int(later[0]) if len(later) else np.iinfo(np.int64).max, []
        for frame in frames:
            stamp = stamp_of(frame)
            if stamp is not None and not frame.is_corrupt and (sound_from is None or stamp >= sound_from):
                yield frame


def _name(container: InputContainer) -> str:
    return str(container.name).removeprefix("file:")


def _flushed(stream: VideoStream) -> list[VideoFrame]:
    import av

    try:
        return stream.codec_context.decode(None)
    except av.error.FFmpegError:
        return []


def stamp_of(frame: VideoFrame) -> int | None:
    """The presentation time of a frame; where none is stored, the decoding time of the packet that released it."""
    return frame.pts if frame.pts is not None else frame.dts


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The display matrix: x' = a x + c y, y' = b x + d y (y down), as (a, b, c, d)."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d


def rotation_of(frame: VideoFrame) -> int:
    """The clockwise turn of the display matrix, to the nearest 90 degrees (mirroring aside)."""
    a, b, _, d = _matrix(frame)
    if abs(b) > abs(a):
        return 90 if b > 0 else 270
    return 180 if d < 0 else 0


def reformatter() -> VideoReformatter:
    """What turns and scales frames; one for many frames, as setting it up costs more than using it."""
    from av.video.reformatter import VideoReformatter

    return VideoReformatter()


def to_image(frame: VideoFrame, size: tuple[int, int], scaler: VideoReformatter) -> Image:
    """The frame as displayed, (height, width, 3) RGB, at ``size`` (width, height)."""
    a, b, c, d = _matrix(frame)
    turned = abs(b) > abs(a)
    width, height = (size[1], size[0]) if turned else size
    shrinks = width < frame.width or height < frame.height
    method = "AREA" if shrinks else "BICUBIC"
    plain = scaler.reformat(frame, width, height, "rgb24", interpolation=method, threads=1)
    image: Image = plain.to_ndarray().astype(np.uint8, copy=False)
    if turned:
        image = image.swapaxes(0, 1)
    right, down = (c, b) if turned else (a, d)
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


def write_h264(frames: Iterable[Image], ticks: NDArray[np.int64], path: Path, crf: int) -> None:
    """Encode RGB images, shown at ``ticks`` of 1/90000 s from 0, and put the index at the front of the file."""
    import av
    from av.video.reformatter import Colorspace

    gaps = np.diff(ticks)
    usual = int(np.median(gaps)) if len(gaps) else CLOCK // 25
    av.logging.set_level(None)
    options = {"movflags": "+faststart", "fflags": "+bitexact", "video_track_timescale": str(CLOCK)}
    with av.open(f"file:{path}", "w", format="mp4", options=options) as container:
        # Without mbtree: with it, x264 165 reads memory that nobody set, and clips of the same pictures differ from run
        # to run (1 in 20 at 64x48; with B-frames nearly all). Without B-frames the file needs no edit list, which
        # some readers get wrong. No look-ahead then, which also bounds the memory at 4K.
        settings = {"crf": str(crf), "g": "48", "bf": "0", "rc-lookahead": "0", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=Fraction(CLOCK, usual), options=settings)
        context = stream.codec_context
        context.thread_count, context.time_base, context.pix_fmt = 1, Fraction(1, CLOCK), "yuv420p"
        # Tagged, so that every reader turns the colours back the way they came.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        shape: tuple[int, ...] | None = None
        for image, tick, gap in zip(frames, ticks.tolist(), [*gaps.tolist(), usual], strict=True):
            if shape is None:
                shape = image.shape
                stream.width, stream.height = shape[1] // 2 * 2, shape[0] // 2 * 2
            if image.shape != shape:
                raise ValueError(f"all frames of a clip have one shape, not {shape} and then {image.shape}")
            even = np.ascontiguousarray(image[: stream.height, : stream.width])
            frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG", threads=1
            )
            frame.pts, frame.time_base, frame.duration = tick, Fraction(1, CLOCK), gap
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
