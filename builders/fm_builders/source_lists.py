"""Lists and manifests of sources: a text file with a source a line, or a table with a source a row.

A manifest is JSON lines or Parquet with the columns ``video`` (a path, from the manifest's folder on, or
``hf://...``) and, as far as known, ``license``, ``source_id`` (the video that the file was cut from) and
``start``/``end`` (seconds: the part to use; several rows of one video are several parts).
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fm_hub.errors import UserError

__all__ = ["Listed", "read_list", "read_manifest_of_sources"]

COLUMNS = ("video", "license", "source_id", "start", "end")


@dataclass(frozen=True, slots=True)
class Listed:
    """One row: the video, what is said of it, and where that is written."""

    video: str
    where: str
    license: str = ""
    origin: str = ""
    span: tuple[float, float] | None = None


def read_list(path: Path) -> list[Listed]:
    """The sources of a text file: one a line; blank lines and those that start with ``#`` are none."""
    lines = enumerate(path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(), 1)
    rows = [Listed(text.strip(), f"{path.name}, line {n}") for n, text in lines]
    return _there([r for r in rows if r.video and not r.video.startswith("#")], path)


def read_manifest_of_sources(path: Path) -> tuple[list[Listed], list[str]]:
    """The rows of a manifest, and the names of columns that are not used. Raises :class:`UserError` with the row."""
    rows: list[Listed] = []
    columns: set[str] = set()
    for where, row in _rows(path):
        columns.update(row)
        rows.append(_listed(row, where))
    unused = sorted(columns.difference(COLUMNS))
    for name in unused:
        close = difflib.get_close_matches(name.lower(), COLUMNS, n=1, cutoff=0.8)
        if close and close[0] not in columns:
            raise UserError(f"{path}: unknown column {name!r}; did you mean {close[0]!r}?")
    return _there(rows, path), unused


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as e:
            raise UserError(f"{path}: not a Parquet table: {e}") from None
        for n, row in enumerate(table.to_pylist(), 1):
            yield f"{path.name}, row {n}", row
        return
    for n, line in enumerate(path.read_bytes().split(b"\n"), 1):
        where = f"{path.name}, line {n}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as e:  # bytes that are no UTF-8 are one too
            raise UserError(f"{where}: not JSON: {e}") from None
        if not isinstance(row, dict):
            raise UserError(f"{where}: an object with the key 'video' is needed")
        yield where, row


def _listed(row: dict[str, Any], where: str) -> Listed:
    video = row.get("video")
    if not isinstance(video, str) or not video or "\0" in video or not _encodable(video):
        raise UserError(f"{where}: 'video' must be a path, not {video!r}")
    texts = {}
    for key in ("license", "source_id"):
        value = row.get(key)
        if value is not None and not isinstance(value, str | int):
            raise UserError(f"{where}: {key!r} must be text, not {value!r}")
        texts[key] = "" if value is None else str(value)
    start, end = (_seconds(row.get(key), key, where) for key in ("start", "end"))
    if start is None and end is None:
        return Listed(video, where, texts["license"], texts["source_id"])
    start, end = start or 0.0, math.inf if end is None else end
    if not start < end:
        raise UserError(f"{where}: 'start' {start:g} must come before 'end' {end:g}")
    return Listed(video, where, texts["license"], texts["source_id"], (start, end))


def _encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _seconds(value: Any, key: str, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UserError(f"{where}: {key!r} must be seconds, not {value!r}")
    return float(value)


def _there(rows: list[Listed], path: Path) -> list[Listed]:
    if not rows:
        raise UserError(f"{path}: names no video")
    return rows
