"""From the tables of a build to the shards of the next release: what was published stays as it is, byte for byte.

A row that the last release has keeps its shard and its ``added_in``; new rows go to a shard of their own; a
shard is written anew only where rows of it are gone. So a release that adds little uploads little.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fm_hub.manifest import Manifest
from fm_hub.release.versions import LEVELS, Level
from fm_hub.rows import Row, row_sha
from fm_hub.tables import read_table, shards, write_table

__all__ = ["Before", "Change", "Growth", "compare", "write_shards"]

KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mcq", "qa", "benchmark", "captions"), ("id",)),
    "sources": ("source_id", "name"),
    "tracks": ("track_id",),
    "facts": ("fact_id",),
    "keypoints": ("clip_id", "track_id", "kind"),
    "contacts": ("clip_id", "a", "b", "kind", "t0"),
    "masks": ("clip_id", "track_id"),
}
# What a release writes into rows, what depends on other rows, and what says where a row lies.
UNMARKED = ("added_in", "row_sha", "shortcuts", "video")
SHARD_BYTES = 500_000_000
BATCH = 1024


@dataclass(frozen=True)
class Before:
    """The last release: its manifest, and a folder with its tables."""

    manifest: Manifest
    root: Path


@dataclass(frozen=True)
class Change:
    """What happened to the rows of a config since the last release."""

    rows: int = 0
    added: int = 0
    changed: int = 0
    gone: int = 0
    columns: tuple[str, ...] = ()  # lost, or of another type

    @property
    def level(self) -> Level:
        """The least level that says it."""
        if self.columns:
            return "major"
        return "minor" if self.added else "patch" if self.changed or self.gone else "none"


@dataclass
class Growth:
    """For each (config, split): the rows that are new, and for each old shard those that stay."""

    changes: dict[str, Change] = field(default_factory=dict)
    new: dict[tuple[str, str], list[bool]] = field(default_factory=dict)
    kept: dict[str, list[bool]] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """The least level of a version that says all of it."""
        return max((c.level for c in self.changes.values()), key=LEVELS.index, default="none")


def _marks(table: pa.Table, config: str) -> Iterator[tuple[str, str]]:
    """For each row its key, and the hash of all that is not a release's own."""
    names = KEYS.get(config, ("clip_id",))
    unmarked = UNMARKED[:-1] if config == "benchmark_videos" else UNMARKED  # there the video is the row
    for batch in table.to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            plain = {k: v for k, v in row.items() if k not in unmarked and not (k == "prompt" and v is None)}
            text = json.dumps(plain, sort_keys=True, ensure_ascii=False, default=_hashed)
            key = "\n".join(str(row.get(n)) for n in names)
            yield key, hashlib.sha256(text.encode()).hexdigest()[:32]


def _hashed(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def compare(
    root: Path, configs: Mapping[str, Iterable[str]], before: Before | None, *, without: frozenset[str]
) -> Growth:
    """Compare a build with the last release; rows of the clips (and sources) in ``without`` are as if not there."""
    growth = Growth()
    old_counts = before.manifest.counts if before else {}
    for config in sorted(configs.keys() | old_counts.keys()):
        rows = 0
        new_keys: Counter[str] = Counter()
        old_keys: Counter[str] = Counter()
        lost: set[str] = set()
        for split in sorted({*configs.get(config, ()), *old_counts.get(config, ())}):
            table = read_table(root, config, split)
            keep = _allowed(table, without)
            marks = [m if ok else None for m, ok in zip(_marks(table, config), keep, strict=True)]
            rows += sum(keep)
            free = Counter(m[1] for m in marks if m)
            for path in shards(before.root, config, split) if before else ():
                old = _parquet(path)
                lost |= _lost(old.schema, table.schema) if table.num_rows else set()
                stays = []
                for key, digest in _marks(old, config):
                    stays.append(free[digest] > 0)
                    free[digest] -= free[digest] > 0
                    old_keys[key] += not stays[-1]
                growth.kept[path.relative_to(before.root).as_posix()] = stays  # type: ignore[union-attr]
            fresh = []
            for m in reversed(marks):  # of equal rows the first stay
                is_new = m is not None and free[m[1]] > 0
                if m is not None and is_new:
                    free[m[1]] -= 1
                    new_keys[m[0]] += 1
                fresh.append(is_new)
            growth.new[config, split] = fresh[::-1]
        changed = sum((new_keys & old_keys).values())
        added, gone = sum(new_keys.values()) - changed, sum(old_keys.values()) - changed
        growth.changes[config] = Change(rows, added, changed, gone, tuple(sorted(lost)))
    return growth


def _parquet(path: Path) -> pa.Table:
    return pq.ParquetFile(path).read()


def _allowed(table: pa.Table, without: frozenset[str]) -> list[bool]:
    if not without:
        return [True] * table.num_rows
    name = "clip_id" if "clip_id" in table.column_names else "source_id"
    return [v not in without for v in table.column(name).to_pylist()] if table.num_rows else []


def _lost(old: pa.Schema, new: pa.Schema) -> set[str]:
    names = [n for n in old.names if n != "video"]
    return {n for n in names if n not in new.names or old.field(n).type != new.field(n).type}


def write_shards(
    root: Path, out: Path, growth: Growth, before: Before | None, version: str, repo: str
) -> dict[str, dict[str, str]]:
    """Write the tables of a release to ``out``; returns the manifest's ``shards``.

    ``before`` is what ``growth`` was compared with. Without ``repo`` rows get no address of their video.
    """
    written: dict[str, dict[str, str]] = {}
    last: dict[tuple[str, str], int] = {}
    old, known = (before.root, before.manifest.shards) if before else (root, {})
    for name, stays in growth.kept.items():
        config, _, file = name.partition("/")
        split, _, number = file.removesuffix(".parquet").rpartition("-")
        last[config, split] = max(last.get((config, split), -1), int(number))
        if all(stays):
            link(old / name, out / name)
        elif any(stays):
            write_table(_parquet(old / name).filter(pa.array(stays)), out / name)
        else:
            continue
        written.setdefault(config, {})[name] = known.get(config, {}).get(name, version)
    for (config, split), fresh in growth.new.items():
        if not any(fresh):
            continue
        table = _released(read_table(root, config, split).filter(pa.array(fresh)), version, repo)
        size = max(1, -(-table.num_rows * SHARD_BYTES // max(table.nbytes, SHARD_BYTES)))
        for i in range(0, table.num_rows, size):
            last[config, split] = last.get((config, split), -1) + 1
            name = f"{config}/{split}-{last[config, split]:05d}.parquet"
            write_table(table.slice(i, size), out / name)
            written.setdefault(config, {})[name] = version
    return {c: dict(sorted(files.items())) for c, files in sorted(written.items())}


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the disk cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _released(table: pa.Table, version: str, repo: str) -> pa.Table:
    """Rows as they are published: the version that added them, and the address of their video."""
    if "row_sha" in table.column_names:
        rows: list[Row] = table.drop_columns(["video"] if "video" in table.column_names else []).to_pylist()
        for row in rows:
            row["added_in"] = version
            row["row_sha"] = row_sha(row)
        schema = pa.schema([f for f in table.schema if f.name != "video"])
        table = pa.Table.from_pylist(rows, schema=schema)
        return _with_address(table, repo) if repo else table
    return table


def _with_address(table: pa.Table, repo: str) -> pa.Table:
    """Add ``video``: the Hub's address of the file, in the type that viewers and ``datasets`` know, not decoded.

    There is no revision in it: the name is the hash of the bytes.
    """
    from datasets import Features, Video

    paths = [f"hf://datasets/{repo}/{f}" for f in table.column("video_file").to_pylist()]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = table.append_column("video", pa.array([{"bytes": None, "path": p} for p in paths], kind))
    features: dict[str, Any] = Features.from_arrow_schema(table.schema.remove_metadata())
    features["video"] = Video(decode=False)
    info = {"info": {"features": Features(features).to_dict()}}
    return table.replace_schema_metadata({"huggingface": json.dumps(info)})
