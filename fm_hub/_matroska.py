"""Whether a Matroska or WebM file is whole: FFmpeg steps over broken parts of one without a word, losing frames."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

__all__ = ["breakage"]

# https://www.rfc-editor.org/rfc/rfc9559 and https://www.rfc-editor.org/rfc/rfc8794
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675
ANYWHERE = {0xEC, 0xBF}  # Void, CRC-32
TOP = {0x1A45DFA3, SEGMENT, *ANYWHERE}
IN_SEGMENT = {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, CLUSTER, *ANYWHERE}
IN_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, *ANYWHERE}


def breakage(path: Path) -> str:
    """How the file breaks off or is damaged, from the frame of its elements alone; empty for a whole one."""
    end = path.stat().st_size
    with path.open("rb") as file:
        segment = cluster = 0  # where the open one ends
        at = 0
        while at < (segment or end):
            file.seek(at)
            element = _number(file, keep_marker=True)
            size = _number(file)
            if element is None or size is None:
                return f"{'breaks off' if file.tell() >= end else 'is damaged'} at byte {at}"
            body = file.tell()
            unknown = size < 0
            stop = end if unknown else body + size
            if cluster and at >= cluster:
                cluster = 0
            if cluster and element in IN_SEGMENT - ANYWHERE and cluster == segment:
                cluster = 0  # one of unknown size ends where the next part begins
            known, limit = (IN_CLUSTER, cluster) if cluster else (IN_SEGMENT, segment) if segment else (TOP, end)
            if element not in known or (unknown and element not in (SEGMENT, CLUSTER)):
                return f"is damaged at byte {at}"
            if stop > limit:
                return f"breaks off in the part at byte {at}" if stop > end else f"is damaged at byte {at}"
            if element == SEGMENT:
                segment, at = stop, body
            elif element == CLUSTER:
                cluster, at = min(stop, segment), body
            else:
                at = stop
    return ""


def _number(file: BinaryIO, *, keep_marker: bool = False) -> int | None:
    """A variable-length integer; -1 for the unknown size; None where there is none."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    if len(rest) < length - 1:
        return None
    value = int.from_bytes(first + rest, "big")
    if keep_marker:
        return value
    bits = 7 * length
    value &= (1 << bits) - 1
    return -1 if value == (1 << bits) - 1 else value
