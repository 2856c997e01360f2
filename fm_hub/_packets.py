"""What the packets of a file tell, without decoding: which frames it shows and when, and where it is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fm_hub._pyav import name_of
from fm_hub.errors import DecodeError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["Packets", "read_packets"]

FAR = 60, 32  # seconds and frames between decoding and showing a picture: no stream does that


@dataclass(frozen=True, slots=True)
class Packets:
    """What a file's packets tell without decoding.

    ``pts`` (N,) of the frames shown, rising, None where no packet has one; ``keys`` (K,) of the key frames;
    ``sound`` (N,) false where frames may be placed or made wrongly, as far as is known; ``last`` the ticks of the
    last frame; ``error`` what is damaged or breaks off.
    """

    pts: NDArray[np.int64] | None
    keys: NDArray[np.int64]
    sound: NDArray[np.bool_]
    last: int
    error: str


def read_packets(container: InputContainer, stream: VideoStream) -> Packets:
    """Read all packets of a stream. Raises :class:`~fm_hub.errors.DecodeError` where there are none."""
    import av

    pts: list[int] = []
    keys: list[int] = []
    steps: list[tuple[int, int]] = []  # between decoding times, with the later packet's pts; 0 before a key frame
    doubts: list[int] = []  # pts at which something is wrong
    kind = container.format.name
    whole = "mp4" in kind
    error, last, top, unstamped, seen, damaged, clock = "", 0, None, 0, 0, 0, None
    try:
        for packet in container.demux(stream):
            if packet.dts is None and not packet.size:  # asks the decoder for what it still holds
                continue
            seen += 1
            place = packet.pts if packet.pts is not None else top or 0
            if packet.dts is not None:
                if clock is not None and packet.dts < clock:
                    error = "the time stamps run backwards"
                    doubts += [place, *pts[-1:]]
                if clock is not None:
                    steps.append((0 if packet.is_keyframe else packet.dts - clock, place))
                clock = packet.dts
            if not packet.size:
                damaged += whole  # an AVI repeats a frame so; in these no sample is empty
                continue
            if packet.pts is None:
                unstamped += 1
                doubts.append(place)
                continue
            if packet.is_keyframe and not packet.is_corrupt:
                keys.append(packet.pts)
            if packet.is_corrupt or _far(packet):
                damaged += 1
                doubts.append(packet.pts)
            if packet.is_discard or packet.is_corrupt:
                continue
            pts.append(packet.pts)
            if top is None or packet.pts > top:
                top, last = packet.pts, packet.duration or 0
    except av.error.FFmpegError as broken:
        error = f"breaks off after {seen} packets: {broken.strerror}"
    if not seen:
        raise DecodeError(f"{name_of(container)}: no packets; {error or 'nothing in it'}")
    if kind == "avi" and stream.codec_context.has_b_frames and stream.name in ("h264", "hevc"):
        raise DecodeError(f"{name_of(container)}: an AVI cannot say when reordered H.264 or HEVC frames are shown")
    listed = sum(whole or entry.size > 0 for entry in stream.index_entries) if whole or kind == "avi" else 0
    missing = max(0, listed - seen)
    if kind == "avi" and len(container.streams) == 1 and clock is not None:  # with sound, the count may run on
        missing = max(missing, stream.frames - clock - 1)
    starts = np.unique(np.array(keys, np.int64))
    shown = np.unique(np.array(pts, np.int64))
    if not error and (damaged or missing):
        error = f"{damaged} of {seen} packets are damaged; {missing} are missing"
    if not pts and unstamped:
        return Packets(None, starts[:0], np.empty(0, np.bool_), last, error)
    if not error and unstamped:
        error = f"{unstamped} of {seen} packets do not say when they are shown"
    if not error and len(shown) < len(pts):
        error = f"{len(pts) - len(shown)} of {seen} packets are shown at the time of another"
    gaps = _gaps(steps) if kind == "mpegts" else []
    if not error and gaps:
        error = f"pictures are missing in {len(gaps)} places (a transport stream cannot tell lost ones from left out)"
    if keys:
        shown = shown[shown >= keys[0]]
    sound = np.full(len(shown), not (kind == "avi" and missing))  # there, times are a count
    if kind == "mpegts":  # elsewhere the file's own index says what belongs where
        sound &= ~np.isin(np.searchsorted(starts, shown, "right"), np.searchsorted(starts, doubts + gaps, "right"))
    return Packets(shown, starts, sound, last, error)


def _far(packet: Packet[VideoStream]) -> bool:
    """Whether its times are too far apart to be true."""
    if packet.dts is None or packet.pts is None or not packet.time_base:
        return False
    return abs(packet.pts - packet.dts) > max(FAR[0] / float(packet.time_base), FAR[1] * float(packet.duration or 0))


def _gaps(steps: list[tuple[int, int]]) -> list[int]:
    """Where a stream of a steady rate leaves pictures out (pts); key frames (step 0) may follow any pause."""
    lengths = np.array([step for step, _ in steps if step > 0])
    if not len(lengths):
        return []
    usual = float(np.median(lengths))
    if np.mean(np.abs(lengths - usual) <= 0.1 * usual) <= 0.9:
        return []
    return [place for step, place in steps if step > 1.5 * usual]
