"""Records with arrays as Arrow columns and back, without a Python object a number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from fm_hub.records import Camera, Frames, Track
from fm_hub.schemas import OPTIONAL, SCHEMAS

__all__ = ["COLUMNAR", "from_columns", "to_columns"]

COLUMNAR: dict[str, type[Any]] = {"frames": Frames, "camera": Camera, "tracks": Track}
"""The records whose fields are plain values and arrays (N,) or (N, D), by config."""


class _Column(NamedTuple):
    """A published column: whether it holds lists (of arrays), and of how many numbers each item is, if it is fixed."""

    name: str
    kind: pa.DataType
    lists: bool
    width: int | None


def _columns(config: str) -> list[_Column]:
    found = []
    for field in SCHEMAS[config]:
        lists = pa.types.is_list(field.type)
        wide = lists and pa.types.is_fixed_size_list(field.type.value_type)
        found.append(_Column(field.name, field.type, lists, field.type.value_type.list_size if wide else None))
    return found


_COLUMNS = {config: _columns(config) for config in COLUMNAR}


def to_columns(config: str, records: Sequence[Any]) -> pa.Table:
    """The table of these records: what ``Table.from_pylist`` makes of their rows."""
    made = []
    for column in _COLUMNS[config]:
        values = [getattr(r, column.name) for r in records]
        made.append(_lists(values, column) if column.lists else pa.array(values, column.kind))
    return pa.Table.from_arrays(made, schema=SCHEMAS[config])


def _lists(arrays: Sequence[np.ndarray[Any, Any]], column: _Column) -> pa.Array:
    """A list for each array."""
    offsets = np.zeros(len(arrays) + 1, np.int32)
    np.cumsum([len(a) for a in arrays], out=offsets[1:])
    flat = np.concatenate([a.reshape(-1) for a in arrays]) if arrays else np.empty(0)
    item = column.kind.value_type
    if column.width is None:
        return pa.ListArray.from_arrays(offsets, pa.array(flat, item), type=column.kind)
    points = pa.FixedSizeListArray.from_arrays(pa.array(flat, item.value_type), type=item)
    return pa.ListArray.from_arrays(offsets, points, type=column.kind)


def from_columns(config: str, table: pa.Table) -> list[Any]:
    """The records of a table that has all columns that are not optional; further ones are ignored."""
    there = set(table.column_names)
    columns = [column for column in _COLUMNS[config] if column.name in there or column.name not in OPTIONAL]
    names = [column.name for column in columns]
    values = [_values(table.column(column.name), column) for column in columns]
    return [COLUMNAR[config](**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]


def _values(held: pa.ChunkedArray, column: _Column) -> Sequence[Any]:
    """The values of a column: arrays for lists, where it is as published and nothing in it is null."""
    if not column.lists or held.type != column.kind:
        values: Sequence[Any] = held.to_pylist()
        return values
    found: list[Any] = []
    for chunk in held.chunks:
        items = chunk.values
        flat = items if column.width is None else items.flatten()
        if chunk.null_count or items.null_count or flat.null_count:
            found += chunk.to_pylist()
            continue
        numbers = flat.to_numpy(zero_copy_only=False)
        if column.width is not None:
            numbers = numbers.reshape(-1, column.width)
        found += [numbers[start:end] for start, end in pairwise(chunk.offsets.to_numpy().tolist())]
    return found
