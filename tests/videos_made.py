"""Small videos for the tests, made on the spot: every frame carries its number, so that a reader can be caught.

A picture has 16 black or white squares, 8 in each of two rows at its top: the bits of its number, the lowest
first. Below them a textured field moves, so that the codec has something to predict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
WIDTH, HEIGHT, SIDE = 160, 120, 20
FIELD = np.kron(np.random.default_rng(0).integers(60, 200, (40, 60, 3), np.uint8), np.ones((8, 8, 1), np.uint8))


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """The picture with this number, (height, width, 3) RGB."""
    shift = number * 3 % 150
    image = FIELD[number % 50 : number % 50 + height, shift : shift + width].copy()
    for bit in range(16):
        x, y = bit % 8 * SIDE, bit // 8 * SIDE
        image[y : y + SIDE, x : x + SIDE] = 255 if number >> bit & 1 else 0
    return image


def number_of(image: Image | None) -> int | None:
    """The number that a picture of any size carries."""
    if image is None:
        return None
    down, right = image.shape[0] / HEIGHT * SIDE, image.shape[1] / WIDTH * SIDE
    middles = [(int((b // 8 + 0.5) * down), int((b % 8 + 0.5) * right)) for b in range(16)]
    return sum(int(image[y - 2 : y + 3, x - 2 : x + 3].mean() > 128) << b for b, (y, x) in enumerate(middles))


def make_video(
    path: Path,
    images: Iterable[Image],
    *,
    ticks: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 12,
    b_frames: int = 2,
    rotation: int = 0,
    mirrored: bool = False,
    audio: bool = False,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Encode the images at ``ticks`` of ``time_base`` (default 0, 1, 2 ... at 25 a second).

    ``rotation`` is stored as metadata: the clockwise turn that a player must apply; ``mirrored`` likewise.
    """
    with av.open(f"file:{path}", "w", format=_format(path), options=muxer or {}) as container:
        # x264 with both mbtree and B-frames does not give the same bytes twice.
        settings = {"g": str(gop), "bf": str(b_frames), **({"mbtree": "0"} if codec == "libx264" else {})}
        stream = container.add_stream(codec, rate=25, options=settings | (options or {}))
        stream.pix_fmt, stream.codec_context.thread_count, stream.codec_context.time_base = pix_fmt, 1, time_base
        if rotation or mirrored:
            stream.set_display_rotation(-rotation, hflip=mirrored)
        sound = container.add_stream("aac", rate=8000) if audio else None
        for position, image in enumerate(images):
            if not position:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = ticks[position] if ticks is not None else position, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _beep(container, sound)
    return path


def numbered(path: Path, count: int = 60, *, width: int = WIDTH, height: int = HEIGHT, **how: object) -> Path:
    """A video of ``count`` numbered pictures; ``how`` goes to :func:`make_video`."""
    return make_video(path, (picture(i, width, height) for i in range(count)), **how)  # type: ignore[arg-type]


def audio_only(path: Path) -> Path:
    """A second of sound without pictures."""
    with av.open(f"file:{path}", "w", format=_format(path)) as container:
        _beep(container, container.add_stream("aac", rate=8000))
    return path


def remuxed(source: Path, path: Path, *, shift: int = 0, without: Collection[int] = (), **muxer: str) -> Path:
    """The same packets in a new file, but for some by number.

    ``shift`` makes them that many ticks earlier, where what comes before 0 is hidden by an edit list.
    """
    with av.open(f"file:{source}") as old, av.open(f"file:{path}", "w", format=_format(path), options=muxer) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(old.demux(old.streams.video[0])):
            if packet.dts is None or packet.pts is None or number in without:
                continue
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
            new.mux(packet)
    return path


def truncated(source: Path, path: Path, share: float = 0.5) -> Path:
    """The first ``share`` of the bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def overwritten(source: Path, path: Path, at: float = 0.5, count: int = 3, length: int = 200) -> Path:
    """``count`` runs of ``length`` random bytes, from ``at`` of the file on."""
    data = bytearray(source.read_bytes())
    noise = np.random.default_rng(1)
    for run in range(count):
        start = int(len(data) * at) + run * length * 4
        data[start : start + length] = noise.bytes(length)
    path.write_bytes(data)
    return path


def damaged(source: Path, path: Path, seed: int) -> Path:
    """One to three runs of 1 to 1000 bytes overwritten at random; in every fourth file, cut out."""
    random, data = np.random.default_rng(seed), bytearray(source.read_bytes())
    length = (1, 4, 16, 64, 200, 1000)[seed % 6]
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(0, len(data) - length))
        data[at : at + length] = b"" if seed % 4 == 3 else random.bytes(length)
    path.write_bytes(data)
    return path


def _format(path: Path) -> str:
    return {".ts": "mpegts", ".mkv": "matroska", ".webm": "webm", ".mov": "mov", ".avi": "avi"}.get(path.suffix, "mp4")


def _beep(container: av.container.OutputContainer, stream: av.audio.stream.AudioStream) -> None:
    for start in range(0, 8000, 1000):
        wave = np.sin(np.arange(start, start + 1000) / 4).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
