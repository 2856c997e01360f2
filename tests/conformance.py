"""The files that a decoder is held to: each with what is in it, made on the spot, every frame with its number.

``ask`` says in a few words how a decoder does on one of them. As a program (``python conformance.py DECODER FOLDER``)
it asks about each file named on standard input and prints one line of JSON each, so that a library that hangs or
takes its process down can be asked from outside.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fm_hub.decoders import DECODERS
from fm_hub.decoders.counting import CountingDecoder
from fm_hub.errors import FmError
from fm_hub.video import index_video, read_frames
from videos_made import audio_only, make_video, number_of, numbered, overwritten, picture, remuxed, truncated

N = 60
TICKS = [0, *np.cumsum(np.random.default_rng(0).integers(10, 90, N - 1)).tolist()]
HEVC: dict[str, Any] = {"codec": "libx265", "options": {"x265-params": "log-level=none"}}
VP9: dict[str, Any] = {
    "codec": "libvpx-vp9",
    "b_frames": 0,
    "options": {"deadline": "realtime", "cpu-used": "8"},
}
KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "hevc.mp4": HEVC,
    "hevc_hash.mp4": HEVC | {"options": {"x265-params": "log-level=none:hash=1"}},
    "h264.ts": {},
    "mpeg2.ts": {"codec": "mpeg2video"},
    "h264.mkv": {},
    "vp9.webm": VP9,
    "mpeg4.avi": {"codec": "mpeg4"},
}  # what benchmarks/damage.py damages
VFR: dict[str, Any] = {"time_base": Fraction(1, 1000), "ticks": TICKS}


@dataclass(frozen=True)
class File:
    """One file: how it is made at a path, what is in it, the numbers it shows, and whether it is damaged.

    ``error`` is the class that reading must raise; a damaged file may raise it, any other must not.
    """

    make: Callable[[Path], object]
    about: str
    shows: Sequence[int] = range(N)
    error: str = ""
    damaged: bool = False


def _plain(**how: Any) -> Callable[[Path], object]:
    return lambda path: numbered(path, N, **how)


def _from(change: Callable[[Path, Path], object], **how: Any) -> Callable[[Path], object]:
    """Make a sound file of the same suffix beside the path, and change it."""

    def make(path: Path) -> None:
        whole = numbered(path.with_name(f"whole_{path.name}"), N, **how)
        change(whole, path)
        whole.unlink()

    return make


def _turned(quarters: int, **how: Any) -> Callable[[Path], object]:
    return lambda path: make_video(path, (np.rot90(picture(i), quarters) for i in range(N)), **how)


LEFT = [i for i in range(N + 1) if i != 31]
FIRST = {"muxer": {"movflags": "+faststart"}}
FILES: dict[str, File] = {
    "b_frames.mp4": File(_plain(**FIRST), "H.264, B-frames, index at the front"),
    "moov_at_end.mp4": File(_plain(), "the index at the end"),
    "no_b_frames.mp4": File(_plain(b_frames=0), "no B-frames"),
    "short_gop.mp4": File(_plain(gop=3), "a key frame every 3"),
    "long_gop.mp4": File(_plain(gop=250, b_frames=3), "one key frame"),
    "open_gop.mp4": File(_plain(options={"x264-params": "open-gop=1"}), "open groups of pictures"),
    "interlaced.mp4": File(_plain(options={"x264-params": "tff=1"}), "interlaced"),
    "fragmented.mp4": File(_plain(muxer={"movflags": "frag_keyframe+empty_moov"}), "fragments, no index"),
    "odd_size.mp4": File(_plain(width=161, height=121, pix_fmt="yuv444p"), "161 × 121 pixels"),
    "wide_pixels.mp4": File(_plain(options={"x264-params": "sar=2/1"}), "pixels of 2:1"),
    "ten_bit.mp4": File(_plain(pix_fmt="yuv420p10le"), "10 bits a sample"),
    "vfr.mp4": File(_plain(**VFR), "variable frame rate"),
    "rotated.mp4": File(_turned(1, rotation=90), "to be turned by 90 degrees"),
    "upside_down.mp4": File(_turned(2, rotation=180), "to be turned by 180 degrees"),
    "mirrored.mp4": File(
        lambda path: make_video(path, (picture(i)[:, ::-1] for i in range(N)), mirrored=True), "to be mirrored"
    ),
    "edit_list.mp4": File(
        _from(lambda a, b: remuxed(a, b, shift=20 * 512, avoid_negative_ts="disabled")),
        "an edit list hides the first 20 frames",
        shows=range(20, N),
    ),
    "hevc.mp4": File(_plain(**HEVC), "HEVC"),
    "vp9.webm": File(_plain(**VP9), "VP9"),
    "vfr.mkv": File(_plain(**VFR), "variable frame rate, Matroska"),
    "h264.ts": File(_plain(), "MPEG transport stream"),
    "mpeg2.ts": File(_plain(codec="mpeg2video"), "MPEG-2, transport stream"),
    "mpeg4.avi": File(_plain(codec="mpeg4"), "MPEG-4 part 2, AVI"),
    "with_sound.avi": File(_plain(codec="mpeg4", audio=True), "AVI with sound"),
    "live.webm": File(_plain(**VP9, muxer={"live": "1"}), "WebM of a live stream: parts of unknown size"),
    "left_out.ts": File(
        lambda path: make_video(path, map(picture, LEFT), ticks=LEFT),
        "one frame left out within a group, transport stream",
        shows=LEFT,
        error="DecodeError",
        damaged=True,
    ),
    "truncated.mp4": File(_from(truncated, **FIRST), "the first half", error="DecodeError", damaged=True),
    "truncated.ts": File(_from(truncated), "the first half, transport stream", damaged=True),
    "truncated.mkv": File(_from(truncated), "the first half, Matroska", error="DecodeError", damaged=True),
    "overwritten.mp4": File(_from(overwritten, **FIRST), "random bytes", error="DecodeError", damaged=True),
    "overwritten.ts": File(_from(overwritten), "random bytes, transport stream", error="DecodeError", damaged=True),
    "overwritten.mkv": File(_from(overwritten), "random bytes, Matroska", error="DecodeError", damaged=True),
    "overwritten.webm": File(_from(overwritten, **VP9), "random bytes, VP9", error="DecodeError", damaged=True),
    "no_moov.mp4": File(_from(truncated), "cut off before its index", error="NotAVideo"),
    "empty.mp4": File(lambda path: path.touch(), "zero bytes", error="EmptyFile"),
    "page.mp4": File(
        lambda path: path.write_text("<html>404 not found</html>\n" * 50), "a web page", error="NotAVideo"
    ),
    "sound.mp4": File(audio_only, "sound only", error="NoVideoStream"),
}


def make_all(folder: Path) -> None:
    """Make every file in a folder."""
    for name, file in FILES.items():
        file.make(folder / name)


def _spread(n: int) -> list[list[int]]:
    """Which frames are asked for: all of them, and 16 spread evenly."""
    return [list(range(n)), np.unique(np.linspace(0, n - 1, 16).round().astype(int)).tolist()]


def ask(folder: Path, name: str, decoder: str, *, salvage: bool = False) -> str:
    """``right``, the class of the error, ``holes`` where what is there is right, or what is wrong."""
    file, path, said = FILES[name], folder / name, "right"
    try:
        index = index_video(path)
        shows = (index.times * 25).round().astype(int).tolist() if file.damaged else list(file.shows)
        if len(shows) != index.n_frames:
            return f"{index.n_frames} frames for {len(shows)}"
        for asked in _spread(index.n_frames):
            times = index.times[asked].tolist()
            got = [number_of(f) for f in read_frames(index, times, decoder=decoder, salvage=salvage)]
            wrong = [g for g, i in zip(got, asked, strict=True) if g is not None and g != shows[i]]
            if wrong:
                return "wrong" if file.damaged else f"{len(wrong)} of {len(asked)} wrong"
            if None in got:
                said = "holes"
    except FmError as error:
        return type(error).__name__
    return said


def ask_alone(folder: Path, name: str, decoder: str) -> str:
    """The same of the library behind a decoder, which is asked by its own count of frames."""
    file = FILES[name]
    library = DECODERS.load(decoder)()
    assert isinstance(library, CountingDecoder)
    shows, said = list(file.shows), "right"
    try:
        for asked in _spread(library.open(folder / name).n_frames):
            images, _ = library.open(folder / name).get(asked)
            got = [number_of(image) for image in images]
            wrong = sum(not (i < len(shows) and g == shows[i]) for i, g in zip(asked, got, strict=True))
            if wrong or (len(asked) > 16 and len(asked) != len(shows)):
                said = f"{wrong} of {len(asked)} wrong" if wrong else f"{len(asked)} frames for {len(shows)}"
                return "wrong" if file.damaged or file.error else said
    except Exception:
        return "error"
    return said


def main() -> None:
    """Ask about the files named on standard input, one a line."""
    decoder, folder = sys.argv[1], Path(sys.argv[2])
    library = issubclass(DECODERS.load(decoder), CountingDecoder)
    for line in sys.stdin:
        name = line.strip()
        for alone in (False, True)[: 1 + library]:
            said = ask_alone(folder, name, decoder) if alone else ask(folder, name, decoder)
            sys.stdout.write(json.dumps([name, alone, said]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
