"""From the rows of many batches of clips to the shards of a data set: sorted, hashed, in bounded memory.

A batch writes its rows of each table, in order, to an Arrow file of its own; afterwards each table is merged by key
and cut into shards. Which clips shared a batch, and who wrote it, leaves no trace in the bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fm_builders.shortcuts import Scores, keyed
from fm_hub.content import ContentHash
from fm_hub.manifest import FileInfo, Written, file_sha256
from fm_hub.records import Question
from fm_hub.schemas import CONFIGS, SCHEMAS
from fm_hub.tables import from_table, to_table, write_table

__all__ = ["AGAIN", "BENCHMARK", "KEYS", "SHARD_ROWS", "Merge", "again_of", "benchmark_of", "gather", "merges"]
__all__ += ["learned_from", "others_of", "sorted_table", "write_part"]

SHARD_ROWS = 65_536
AGAIN = "again"
"""Versions of questions with other distractors: no table of the data set, but rows as those of ``benchmark``."""
BENCHMARK = ("benchmark", "test")
KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mcq", "qa", "benchmark", "captions"), ("added_in", "id")),
    "sources": ("source_id", "name"),
    "clips": ("clip_id",),
    "frames": ("clip_id",),
    "camera": ("clip_id",),
    "tracks": ("clip_id", "track_id"),
    "keypoints": ("clip_id", "track_id"),
    "masks": ("clip_id", "track_id"),
    "contacts": ("clip_id", "a", "b", "t0"),
    "facts": ("clip_id", "fact_id"),
}
"""The columns by which the rows of a table are sorted."""


@dataclass(frozen=True)
class Merge:
    """One table of one split, to be made of its parts: a task of an engine.

    Questions get the ``scores`` that only the whole data set gives, from a file of :class:`Scores`.
    """

    parts: Path
    out: Path
    config: str
    split: str
    scores: Path | None = None
    stage: Literal["gather"] = "gather"
    alone: bool = False


def write_part(
    parts: Path, number: int, rows: Mapping[tuple[str, str], Sequence[Any]]
) -> dict[tuple[str, str], pa.Table]:
    """Write the records of a batch (or tables of them), by config and split, for :func:`gather`; what was written.

    Questions are :func:`~fm_builders.shortcuts.keyed`, so that they can be scored as they are merged.
    """
    written = {}
    for (config, split), records in rows.items():
        like = config.replace(AGAIN, "benchmark")
        whole = isinstance(records[0], pa.Table)
        table = pa.concat_tables(records).combine_chunks() if whole else to_table(like, records)
        if "shortcuts" in table.column_names:
            table = keyed(table, records)
        written[config, split] = table = _in_order(like, table)
        folder = parts / config / split
        folder.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(folder / f"{number:08d}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
            out.write_table(table)
    return written


def merges(parts: Path, out: Path, scores: Path) -> list[Merge]:
    """The tables that have parts, the largest first."""
    found = [(d.parent.name, d.name) for d in parts.glob("*/*") if d.is_dir() and d.parent.name in CONFIGS]
    return [Merge(parts, out, c, s, scores) for c, s in sorted(found, key=lambda x: (CONFIGS.index(x[0]), x[1]))]


def gather(merge: Merge) -> Written:
    """Merge the parts of a table into its shards; the parts are removed."""
    folder = merge.parts / merge.config / merge.split
    content, hashes = ContentHash(), dict[str, FileInfo]()
    scores = Scores.load(merge.scores) if merge.scores and "shortcuts" in SCHEMAS[merge.config].names else None
    for table in _sorted_shards(folder, merge.config):
        if scores is not None:
            table = _finished(table, merge.config, scores)
        if not table.num_rows:
            continue
        name = f"{merge.config}/{merge.split}-{len(hashes):05d}.parquet"
        write_table(table, merge.out / name)
        content.update(table)
        hashes[name] = file_sha256(merge.out / name)
    shutil.rmtree(folder)
    return Written(content.rows, content.hexdigest(), tuple(hashes), hashes)


def _finished(table: pa.Table, config: str, scores: Scores) -> pa.Table:
    """Questions with their scores, without those that have to leave the benchmark."""
    if config == "benchmark" and scores.gone:
        table = table.filter(pa.array([q not in scores.gone for q in table.column("id").to_pylist()], pa.bool_()))
    return scores.finish(table).combine_chunks()


def benchmark_of(parts: Path) -> list[Question]:
    """The benchmark's questions as the batches gave them, in order of id."""
    return _questions(parts.joinpath(*BENCHMARK))


def again_of(parts: Path) -> list[Question]:
    """The versions of questions that have other distractors, in order of split and id."""
    return [q for folder in sorted((parts / AGAIN).glob("*")) for q in _questions(folder)]


def others_of(parts: Path, learn: float) -> list[Question]:
    """Questions of other splits than the test split, in order of split and id: of the clips :func:`learned_from`."""
    folders = [f for f in sorted((parts / "mcq").glob("*")) if f.name != "test"]
    return [q for folder in folders for q in _questions(folder, learn)]


def learned_from(clip_id: str, learn: float) -> bool:
    """Whether a clip is among the share of clips, drawn by id, from whose questions it is learned what words tell."""
    return int(clip_id[:8], 16) < learn * 2**32


def _questions(folder: Path, share: float = 1.0) -> list[Question]:
    """Questions of a table's parts, in order of id; with a share below 1 those of so many clips."""
    tables = _sorted_shards(folder, "benchmark") if folder.is_dir() else ()
    if share < 1.0:
        tables = (
            t.filter(pa.array([learned_from(c, share) for c in t.column("clip_id").to_pylist()], pa.bool_()))
            for t in tables
        )
    return [q for table in tables for q in from_table("benchmark", table)]


def _sorted_shards(folder: Path, config: str) -> Iterator[pa.Table]:
    """All rows in order, ``SHARD_ROWS`` at a time. Parts are mapped, not read: a shard is what is held."""
    parts = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in sorted(folder.iterdir())]
    starts = np.cumsum([0, *(part.num_rows for part in parts)])
    order = _order(pa.concat_tables([part.select(KEYS[config]) for part in parts]), config)
    for begin in range(0, len(order), SHARD_ROWS):
        rows = order[begin : begin + SHARD_ROWS]
        of = np.searchsorted(starts, rows, "right") - 1  # the part of each row
        low, end = starts[1:].copy(), starts[:-1].copy()  # of each part what lies in this shard: a run
        np.minimum.at(low, of, rows)
        np.maximum.at(end, of, rows + 1)
        sizes = np.maximum(end - low, 0)
        slices = [parts[i].slice(low[i] - starts[i], sizes[i]) for i in np.flatnonzero(sizes)]
        at = rows + (np.cumsum(sizes) - sizes - low)[of]
        yield pa.concat_tables(slices).combine_chunks().take(pa.array(at))


def _order(table: pa.Table, config: str) -> NDArray[np.int64]:
    """The places of a table's rows in the published order; of rows with the same key as they were."""
    keys = [(name, "ascending") for name in KEYS[config]]
    found: NDArray[np.int64] = pc.sort_indices(table, sort_keys=keys).to_numpy().astype(np.int64)
    return found


def sorted_table(config: str, records: Sequence[Any]) -> pa.Table:
    """The records as a table of the published order."""
    return _in_order(config, to_table(config, records))


def _in_order(config: str, table: pa.Table) -> pa.Table:
    return table.take(pa.array(_order(table, config)))
