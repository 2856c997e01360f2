"""How :mod:`fm_hub.video` speaks to PyAV: open, demux, decode one frame after the other, turn, encode."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.errors import DecodeError, EmptyFile, NotAVideo, NoVideoStream, UnreadableFile

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

__all__ = [
    "CLOCK",
    "Image",
    "Matrix",
    "Unseekable",
    "decode_from",
    "matrix_of",
    "missing_codecs",
    "name_of",
    "open_video",
    "reformatter",
    "resized",
    "stamp_of",
    "to_image",
    "write_h264",
]

Image = NDArray[np.uint8]
Matrix = tuple[int, int, int, int]
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
        # Damage must raise, not be painted over with the neighbouring frames; a stream's own checksums are held to.
        stream.codec_context.options = {"err_detect": "explode+crccheck"}
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


class Unseekable(Exception):
    """Seeking did not land on the key frame that the index knows."""


def decode_from(
    container: InputContainer,
    stream: VideoStream,
    key: int | None,
    keys: NDArray[np.int64],
    *,
    wanted: Set[int] | None = None,
    salvage: bool,
    native: bool = False,
) -> Iterator[VideoFrame]:
    """Decode from ``key`` (or from where the container stands) to the end.

    Pictures that are not ``wanted`` (pts; None: all) and that no other is made from may be left out. With
    ``salvage``, what follows a damaged packet is left out up to the next key frame, as it may show anything.
    In an AVI times are but a count, so there nothing after damage can be placed. ``native`` is FFmpeg's own
    decoder, whose frames alone carry the display matrix.
    """
    import av

    if key is not None:
        try:
            container.seek(key, stream=stream, backward=True)
        except av.error.FFmpegError as error:
            raise Unseekable from error
    sound_from: int | None = None
    context = stream.codec_context if native else _picture_decoder(stream)
    needed = wanted if context.name == "h264" else None  # there, by the standard, nothing refers to what is skipped
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
            if needed is not None:
                context.skip_frame = "DEFAULT" if packet.pts is None or packet.pts in needed else "NONREF"
            frames = context.decode(packet)
        except av.error.FFmpegError as error:
            if not salvage:
                raise DecodeError(f"{name_of(container)}: {error.strerror}") from error
            if packet is None:  # the demuxer broke off: what the decoder still holds is sound
                packets, frames = iter(()), _flushed(context)
            else:
                stamp = packet.pts if container.format.name != "avi" else None
                later = keys[keys > stamp] if stamp is not None else keys[:0]
                sound_from, frames = int(later[0]) if len(later) else np.iinfo(np.int64).max, []
        for frame in frames:
            stamp = stamp_of(frame)
            if stamp is not None and not frame.is_corrupt and (sound_from is None or stamp >= sound_from):
                yield frame


def _picture_decoder(stream: VideoStream) -> VideoCodecContext:
    """The stream's decoder; for VP9 libvpx's, which finds the damage that FFmpeg's own passes over."""
    import av

    own = stream.codec_context
    if own.name != "vp9" or own.format is None or any(part.bits != 8 for part in own.format.components):
        return own  # PyAV's libvpx knows 8 bits
    context: VideoCodecContext = av.CodecContext.create("libvpx-vp9", "r")
    context.extradata, context.thread_count = own.extradata, 1
    return context


def name_of(container: InputContainer) -> str:
    """The path of an open file."""
    return str(container.name).removeprefix("file:")


def _flushed(context: VideoCodecContext) -> list[VideoFrame]:
    import av

    try:
        return context.decode(None)
    except av.error.FFmpegError:
        return []


def stamp_of(frame: VideoFrame) -> int | None:
    """The presentation time of a frame; where none is stored, the decoding time of the packet that released it."""
    return frame.pts if frame.pts is not None else frame.dts


def matrix_of(frame: VideoFrame) -> Matrix | None:
    """The display matrix that a frame carries: x' = a x + c y, y' = b x + d y (y down), as (a, b, c, d).

    ``frame.side_data`` would be kept by the frame, and itself keeps the frame: such a ring holds a picture's memory
    until Python looks for rings, hundreds of pictures later.
    """
    from av.sidedata.sidedata import SideDataContainer

    data: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # the stub omits the frame
    if data is None:
        return None
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d


def reformatter() -> VideoReformatter:
    """What turns and scales frames; one for many frames, as setting it up costs more than using it."""
    from av.video.reformatter import VideoReformatter

    return VideoReformatter()


def to_image(frame: VideoFrame, size: tuple[int, int], matrix: Matrix, scaler: VideoReformatter) -> Image:
    """The frame as displayed, (height, width, 3) RGB, at ``size`` (width, height).

    ``matrix`` is the file's display matrix, for frames that carry none.
    """
    a, b, c, d = matrix_of(frame) or matrix
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


def resized(image: Image, size: tuple[int, int]) -> Image:
    """A picture at ``size`` (width, height), scaled as decoded frames are."""
    import av

    if image.shape[1::-1] == size:
        return image
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return to_image(frame, size, (1, 0, 0, 1), reformatter())


def write_h264(frames: Iterable[Image], ticks: NDArray[np.int64], path: Path, crf: int, preset: str) -> None:
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
        settings = {"crf": str(crf), "preset": preset, "g": "48", "bf": "0"}
        settings |= {"rc-lookahead": "0", "x264-params": "mbtree=0"}
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


def missing_codecs() -> list[str]:
    """What this build of FFmpeg lacks of the decoders that videos usually need and of our encoder."""
    from av.codec import Codec, codecs_available

    wanted = [(name, "r") for name in ("h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video")] + [("libx264", "w")]
    return [name for name, mode in wanted if not (name in codecs_available and Codec(name, mode))]
