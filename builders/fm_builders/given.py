"""Saved output in place of a stage (``--tracks``): our own tables, from a file or a folder, made by whoever made them.

``FILE.parquet`` and ``FILE.jsonl`` hold tracks; a folder holds any of ``tracks``, ``keypoints``, ``camera``,
``contacts`` and ``masks``, each as ``NAME.parquet``, as ``NAME.jsonl`` or as a folder of Parquet files, so that a built
dataset is one. What is given replaces its stage, what is not is made: ``docs/tiers.md`` has the columns.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fm_builders.packed import pack, unpack
from fm_builders.recipe import GivenTables
from fm_builders.store import Store
from fm_builders.trackers.quality import quality
from fm_hub.errors import BadRow, UserError
from fm_hub.records import Camera, Contact, Keypoints, Masks, Track, content_id
from fm_hub.rows import from_rows

__all__ = ["Given", "fetch_given", "given_name", "read_given"]

TABLES = ("tracks", "keypoints", "camera", "contacts", "masks")
OWNED = ("keypoints", "contacts", "masks")  # rows that name tracks: given with their tracks or not at all
BLANK = {"label_score": 1.0, "detector": "given", "parent": "", "side": ""}


@dataclass(frozen=True)
class Given:
    """Saved tables of some clips, and what the recipe remembers of them."""

    told: GivenTables
    clips: Mapping[str, Mapping[str, list[Any]]] = field(repr=False)

    def put(self, store: Store) -> None:
        """Lay the tables of every clip into the store, from where workers take them, on any machine."""
        for clip_id, tables in self.clips.items():
            store.storage.write(given_name(self.told, clip_id), pack(tables))


def given_name(told: GivenTables, clip_id: str) -> str:
    """Where the tables given for a clip lie in the store."""
    return f"given/{told.sha256}/{clip_id}"


def fetch_given(
    store: Store, told: GivenTables, clip_id: str, n_frames: int, size: tuple[int, int]
) -> dict[str, list[Any]]:
    """The records given for a clip of ``n_frames`` sampled frames of ``size`` (width, height), by table.

    Raises :class:`BadRow` where there are none, or where they do not fit the clip.
    """
    payload = store.storage.read(given_name(told, clip_id))
    if payload is None:
        raise BadRow("the saved output has no row for this clip")
    tables = unpack(payload)
    for config, rows in tables.items():
        for row in rows:
            _fits(config, row, n_frames, size)
    return tables


def _fits(config: str, row: Any, n_frames: int, size: tuple[int, int]) -> None:
    what = f"given {config}, {getattr(row, 'track_id', '') or 'this clip'}"
    frame = getattr(row, "frame", None)
    if frame is not None and len(frame) and not (frame[0] >= 0 and frame[-1] < n_frames and (np.diff(frame) > 0).all()):
        raise BadRow(f"{what}: frames must rise within 0 and {n_frames - 1}, the clip's sampled frames")
    if isinstance(row, Camera) and len(row.frame) != n_frames:
        raise BadRow(f"{what}: {len(row.frame)} frames of {n_frames}")
    if isinstance(row, Track):
        inside = (row.bbox >= 0).all() and (row.bbox <= [*size, *size]).all()
        if not len(row.frame) or not inside or not (row.bbox[:, 2:] > row.bbox[:, :2]).all():
            raise BadRow(f"{what}: a box that is empty or not within {size[0]} x {size[1]} pixels")


def read_given(path: Path) -> Given:
    """Read all of it and check the form. Raises :class:`UserError` with the first row that is not of its table."""
    found = dict(_files(path))
    if not found:
        raise UserError(f"--tracks {path}: give a .parquet or .jsonl of tracks, or a folder with {', '.join(TABLES)}")
    tables = tuple(name for name in TABLES if name in found)
    if "tracks" not in tables and (lost := [name for name in tables if name in OWNED]):
        raise UserError(f"--tracks {path}: {lost[0]} name tracks; give the tracks with them")
    digest = hashlib.sha256()
    clips: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {name: [] for name in tables})
    for name in tables:
        for file in found[name]:
            digest.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
            for number, row in enumerate(_rows(file), start=1):
                record = _record(name, row, f"{file.name}: row {number}")
                clips[record.clip_id][name].append(record)
    for clip_id, parts in clips.items():
        ids = [track.track_id for track in parts.get("tracks", [])]
        used = {i for name in OWNED for row in parts.get(name, []) for i in _owners(row)}
        if len(set(ids)) != len(ids):
            raise UserError(f"--tracks {path}: clip {clip_id}: two tracks of one track_id")
        if used - set(ids):
            raise UserError(f"--tracks {path}: clip {clip_id}: no track {sorted(used - set(ids))[0]!r}, which is named")
    return Given(GivenTables(sha256=digest.hexdigest(), tables=tables), dict(clips))


def _owners(row: Keypoints | Contact | Masks) -> tuple[str, ...]:
    return (row.a, row.b) if isinstance(row, Contact) else (row.track_id,)


def _files(path: Path) -> Iterator[tuple[str, list[Path]]]:
    if path.is_file() and path.suffix in (".parquet", ".jsonl"):
        yield "tracks", [path]
    elif path.is_dir():
        for name in TABLES:
            shards = sorted((path / name).glob("*.parquet")) if (path / name).is_dir() else []
            files = shards or [f for s in (".parquet", ".jsonl") if (f := path / f"{name}{s}").is_file()][:1]
            if files:
                yield name, files


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".parquet":
        try:
            yield from pq.read_table(file).to_pylist()
        except (pa.ArrowInvalid, OSError) as e:
            raise UserError(f"--tracks {file}: not a readable Parquet file ({e})") from None
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as e:
            raise UserError(f"--tracks {file}: line {number}: not JSON ({e.msg})") from None
        if not isinstance(row, dict):
            raise UserError(f"--tracks {file}: line {number}: a row is an object")
        yield row


def _record(config: str, row: dict[str, Any], where: str) -> Any:
    try:
        (record,) = from_rows(config, [_filled(row) if config == "tracks" else row])
    except KeyError as e:
        raise UserError(f"--tracks {where}: lacks {e}") from None
    except (TypeError, ValueError) as e:
        raise UserError(f"--tracks {where}: {e}") from None
    return record


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    """A track with what may be left out: all but its clip, label, frames and boxes."""
    n = len(row["frame"])
    row = {"score": [1.0] * n, "state": [0] * n, **BLANK, **row}
    row.setdefault("track_id", content_id("given", row["clip_id"], row["frame"], row["bbox"]))
    if "quality" not in row and n:
        arrays = np.array(row["bbox"], np.float32), np.array(row["score"], np.float32), np.array(row["state"], np.int8)
        row["quality"] = quality(*arrays)
    return row
