"""Several tables as one artifact."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from fm_hub.schemas import SCHEMAS
from fm_hub.tables import from_table, to_table

__all__ = ["pack", "records_of", "tables_of", "unpack"]


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


def tables_of(payload: bytes) -> dict[str, pa.Table]:
    """The tables of a ``perceive`` artifact, by config, with the columns that are published now."""
    size = struct.unpack_from("<I", payload)[0]
    found, at = {}, 4 + size
    for config, length in json.loads(payload[4 : 4 + size]).items():
        with pa.ipc.open_stream(payload[at : at + length]) as reader:
            table = reader.read_all()
        at += length
        found[config] = table if table.schema == SCHEMAS[config] else to_table(config, from_table(config, table))
    return found


def records_of(packs: Sequence[Mapping[str, pa.Table]]) -> list[dict[str, list[Any]]]:
    """The records of several artifacts, by config; read together, as to read a table costs more than its rows do."""
    found: list[dict[str, list[Any]]] = [{} for _ in packs]
    for config in dict.fromkeys(config for tables in packs for config in tables):
        having = [i for i, tables in enumerate(packs) if config in tables]
        parts = [packs[i][config] for i in having]
        records = iter(from_table(config, pa.concat_tables(parts).combine_chunks()))
        for i, part in zip(having, parts, strict=True):
            found[i][config] = list(islice(records, part.num_rows))
    return found


def unpack(payload: bytes) -> dict[str, list[Any]]:
    """The records of a ``perceive`` artifact, by config."""
    return records_of([tables_of(payload)])[0]
