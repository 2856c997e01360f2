"""Several tables as one artifact."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from fm_hub.tables import from_table, to_table

__all__ = ["pack", "unpack"]


def pack(found: Mapping[str, Sequence[Any]]) -> bytes:
    """Several tables in one artifact: a length and JSON header, then one Arrow stream after the other."""
    parts = {}
    for config, records in found.items():
        sink = io.BytesIO()
        table = to_table(config, records)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        parts[config] = sink.getvalue()
    header = json.dumps({k: len(v) for k, v in parts.items()}).encode()
    return struct.pack("<I", len(header)) + header + b"".join(parts.values())


def unpack(payload: bytes) -> dict[str, list[Any]]:
    """The records of a ``perceive`` artifact, by config."""
    size = struct.unpack_from("<I", payload)[0]
    found, at = {}, 4 + size
    for config, length in json.loads(payload[4 : 4 + size]).items():
        with pa.ipc.open_stream(payload[at : at + length]) as reader:
            found[config] = from_table(config, reader.read_all())
        at += length
    return found
