"""The published tables as Arrow and as deterministic Parquet: written, found, read whole, in part, or row by row."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fm_hub.columns import COLUMNAR, from_columns, to_columns
from fm_hub.errors import BadDataset
from fm_hub.rows import Row, from_rows, to_rows
from fm_hub.schemas import OPTIONAL, SCHEMAS

__all__ = [
    "STEP",
    "Span",
    "check_columns",
    "counted",
    "from_table",
    "inside",
    "iter_rows",
    "iter_tables",
    "read_file",
    "read_records",
    "read_table",
    "shards",
    "to_table",
    "values",
    "write_table",
]

STEP = 1024
"""Rows that are turned into records at once."""
Span = tuple[str, str | None]
"""Clip ids from the first (with it) to the second (without it; None: to the last)."""


def to_table(config: str, records: Iterable[Any]) -> pa.Table:
    """The records as an Arrow table of the published schema."""
    if config in COLUMNAR:
        return to_columns(config, [*records])
    return pa.Table.from_pylist(to_rows(config, records), schema=SCHEMAS[config])


def from_table(config: str, table: pa.Table) -> list[Any]:
    """The records of an Arrow table. Raises :class:`BadDataset` if a published column is missing."""
    check_columns(config, table.column_names)
    if config in COLUMNAR:
        return from_columns(config, table)
    return [record for batch in table.to_batches(STEP) for record in from_rows(config, batch.to_pylist())]


def check_columns(config: str, names: Collection[str]) -> None:
    """Raise :class:`BadDataset` if a published column of a table is not among ``names``."""
    missing = [n for n in SCHEMAS[config].names if n not in (*names, *OPTIONAL)]
    if missing:
        raise BadDataset(f"table {config!r} lacks the column(s) {', '.join(missing)}")


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet with the same bytes for the same rows: tmp, fsync, rename.

    zstd and content-defined chunking, so that a release which appends rows uploads little more than them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(tmp, "wb") as f:
        pq.write_table(table, f, compression="zstd", use_content_defined_chunking=True)
        f.flush()
        os.fsync(f.fileno())
    os.replace(tmp, path)


def inside(root: Path, name: str) -> Path:
    """A file of a dataset by its published name; one that leads out of the folder is refused.

    Raises :class:`BadDataset`.
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or "\0" in name:
        raise BadDataset(f"file name {name!r} leads out of the dataset's folder")
    path = root / name
    real = path.resolve()  # the Hub's cache links every file to its folder of blobs
    if root.resolve() not in real.parents and not (path.is_symlink() and "blobs" in real.parts):
        raise BadDataset(f"file name {name!r} is a link that leads out of the dataset's folder")
    return path


def shards(root: Path, config: str, split: str | None = None) -> list[Path]:
    """The Parquet files of a config in a built dataset, in order."""
    return sorted((root / config).glob(f"{split or '*'}-[0-9]*.parquet"))


def iter_rows(root: Path, config: str, split: str | None = None) -> Iterator[Row]:
    """The rows of a config, some at a time in memory. Raises :class:`BadDataset` on a file that does not parse."""
    for table in iter_tables(root, config, split):
        yield from table.to_pylist()


def iter_tables(root: Path, config: str, split: str | None = None) -> Iterator[pa.Table]:
    """What :func:`read_table` reads whole, :data:`STEP` rows at a time: every part has the columns of all files."""
    paths = shards(root, config, split)
    schemas = list[pa.Schema]()
    for path in paths:
        try:
            schemas.append(pq.read_schema(path))
        except (pa.ArrowInvalid, OSError) as e:
            raise BadDataset(f"{path}: not a readable Parquet file ({e})") from None
    for path in paths:
        whole = pa.unify_schemas(schemas, promote_options="permissive").empty_table()
        try:
            for batch in pq.ParquetFile(path).iter_batches(STEP):
                yield pa.concat_tables([whole, pa.Table.from_batches([batch])], promote_options="permissive")
        except (pa.ArrowInvalid, OSError) as e:
            raise BadDataset(f"{path}: not a readable Parquet file ({e})") from None


def read_table(
    root: Path,
    config: str,
    split: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    clips: Span | None = None,
    rows: int | None = None,
) -> pa.Table:
    """The rows of a config (none if it has no file): some columns, those of a span of clips, or the first ``rows``.

    Raises :class:`BadDataset` on a file that does not parse.
    """
    tables, left = list[pa.Table](), rows
    for path in shards(root, config, split):
        tables.append(read_file(path, columns=columns, clips=clips, rows=left))
        if left is not None:
            left -= tables[-1].num_rows
            if left <= 0:
                break
    if not tables:
        schema = SCHEMAS.get(config, pa.schema([]))
        return (schema if columns is None else pa.schema([schema.field(c) for c in columns])).empty_table()
    return pa.concat_tables(tables, promote_options="permissive")


def values(root: Path, config: str, column: str) -> list[Any]:
    """The values of one column of a config, in order of rows."""
    found: list[Any] = read_table(root, config, columns=[column]).column(column).to_pylist()
    return found


def counted(root: Path, config: str, column: str) -> Counter[Any]:
    """How many rows of a config have each value of a column; nothing where no file has the column."""
    table = read_table(root, config, columns=[column])
    found = table.column(column).value_counts().to_pylist() if column in table.column_names else ()
    return Counter({row["values"]: row["counts"] for row in found})


def read_file(
    path: Path, *, columns: Sequence[str] | None = None, clips: Span | None = None, rows: int | None = None
) -> pa.Table:
    """The rows of a file, as :func:`read_table`. Raises :class:`BadDataset` if it does not parse."""
    try:
        if clips is not None:  # where a file is sorted by clip, whole groups of rows are passed over
            return pq.read_table(path, columns=columns, filters=_within(clips), partitioning=None)
        with pq.ParquetFile(path) as file:
            if rows is None:
                return file.read(columns=columns)
            batches = list(islice(file.iter_batches(rows, columns=columns), 1))
            schema = batches[0].schema if batches else file.schema_arrow
            return pa.Table.from_batches(batches, schema=schema)
    except (pa.ArrowInvalid, OSError) as e:
        raise BadDataset(f"{path}: not a readable Parquet file ({e})") from None


def _within(clips: Span) -> Any:
    first, end = clips
    clip_id = pc.field("clip_id")
    found = clip_id >= first if end is None else (clip_id >= first) & (clip_id < end)
    return found | clip_id.is_null() if first == "" else found  # a row without a clip belongs somewhere too


def read_records(root: Path, config: str, split: str | None = None, *, clips: Span | None = None) -> Sequence[Any]:
    """The records of a config of a built dataset, or those of a span of clips."""
    return cast("Sequence[Any]", from_table(config, read_table(root, config, split, clips=clips)))
