"""The hash of rows: the same for the same rows, in whatever files, row groups or chunks they lie.

Each leaf column is hashed as one stream of values, with the lengths of strings and lists and the places of nulls in
streams of their own; the hash of a table is that of its columns' hashes by name. So rows can be hashed shard by shard,
without a Python object a cell.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["ContentHash", "content_sha256"]


class ContentHash:
    """Takes the rows of a split in their order, in parts of any size."""

    def __init__(self) -> None:
        self.rows = 0
        self._streams: dict[str, _Hash] = {}

    def update(self, table: pa.Table) -> ContentHash:
        """Add rows."""
        for name in table.column_names:
            for chunk in table.column(name).chunks:
                self._feed(name, chunk)
        self.rows += table.num_rows
        return self

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        whole = hashlib.sha256()
        for name, stream in sorted(self._streams.items()):
            whole.update(f"{name}\n{stream.hexdigest()}\n".encode())
        return whole.hexdigest()

    def _feed(self, name: str, array: Any) -> None:
        kind = array.type
        if isinstance(array, pa.ExtensionArray):
            array, kind = array.storage, array.storage.type
        if not pa.types.is_struct(kind):
            self._add(f"{name} null", np.asarray(array.is_null().to_numpy(zero_copy_only=False), np.uint8))
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            self._variable(name, array, np.int32)
        elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
            self._variable(name, array, np.int64)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._add(f"{name} length", _int64(array.value_lengths()))
            self._feed(f"{name}[]", array.flatten())
        elif pa.types.is_fixed_size_list(kind):
            self._feed(f"{name}[]", array.flatten())
        elif pa.types.is_struct(kind):
            self._add(f"{name} null", np.asarray(array.is_null().to_numpy(zero_copy_only=False), np.uint8))
            for field, part in zip(kind, array.flatten(), strict=True):
                self._feed(f"{name}.{field.name}", part)
        elif pa.types.is_boolean(kind):
            self._add(name, array.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint8))
        elif pa.types.is_null(kind):
            pass
        else:
            values = array.fill_null(0).to_numpy(zero_copy_only=False)
            self._add(name, values.astype(values.dtype.newbyteorder("<"), copy=False))

    def _variable(self, name: str, array: Any, offset: type[np.signedinteger[Any]]) -> None:
        """Text or bytes: how long each is, and all of them one after the other."""
        array = array.fill_null(b"" if "binary" in str(array.type) else "")
        offsets = np.frombuffer(array.buffers()[1], offset)[array.offset : array.offset + len(array) + 1]
        self._add(f"{name} length", np.diff(offsets).astype("<i8"))
        if len(array) and array.buffers()[2] is not None:
            self._stream(name).update(memoryview(array.buffers()[2])[int(offsets[0]) : int(offsets[-1])])

    def _stream(self, name: str) -> _Hash:
        return self._streams.setdefault(name, hashlib.sha256())

    def _add(self, name: str, values: np.ndarray[Any, Any]) -> None:
        self._stream(name).update(np.ascontiguousarray(values).data)


def _int64(lengths: Any) -> np.ndarray[Any, Any]:
    return np.asarray(lengths.fill_null(0).to_numpy(zero_copy_only=False), "<i8")


def content_sha256(table: pa.Table) -> str:
    """The hash of a table's rows, whatever the Parquet version that holds them."""
    return ContentHash().update(table).hexdigest()
