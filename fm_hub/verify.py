"""Re-derive every answer of a dataset from its published tables alone: no model, no video decoding.

A row is proved when its claims are checked again and say what the row says, its words are rendered again
from template and arguments and are the same, and its hash fits. Rows whose grounding is not ``facts`` are
counted as ungrounded: no claim can prove them.
"""

from __future__ import annotations

import hashlib
import heapq
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fm_hub.claims import MalformedClaim
from fm_hub.content import ContentHash
from fm_hub.errors import BadDataset
from fm_hub.manifest import Manifest, file_sha256, published_files, read_manifest
from fm_hub.processes import end_with_parent
from fm_hub.proofs import caption_problems, fact_problems, question_problems
from fm_hub.rows import Row, from_rows
from fm_hub.scenes import Scenes
from fm_hub.schemas import QUESTION_CONFIGS
from fm_hub.tables import Span, read_file, read_records, read_table, shards

__all__ = ["Problem", "Report", "verify"]

KEEP_PROBLEMS = 50
CLIPS_A_SPAN = 2048
PROVED = (*QUESTION_CONFIGS, "captions", "facts")
SEVERAL_A_KEY = ("contacts", "keypoints", "masks", "sources")


@dataclass(frozen=True)
class Problem:
    """A row, or a file, that is not what it says."""

    where: str
    id: str
    why: str


@dataclass
class Report:
    """What verification found. ``ok`` is false if a ``facts`` row or a file fails."""

    questions: int = 0
    proved: int = 0
    failed: int = 0
    ungrounded: int = 0
    captions: int = 0
    sentences: int = 0
    facts: int = 0
    files: int = 0
    by_config: dict[str, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that claims to be a fact is proved."""
        return self.failed == 0

    def fail(self, where: str, row_id: str, why: str) -> None:
        """Count a failed row; keep the first ones in full."""
        self.failed += 1
        self.reasons[why.split(":")[0]] += 1
        if len(self.problems) < KEEP_PROBLEMS:
            self.problems.append(Problem(where, row_id, why))

    def add(self, other: Report) -> None:
        """Take in what was found in another part of the dataset."""
        for name in ("questions", "proved", "failed", "ungrounded", "captions", "sentences", "facts", "files"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.by_config = dict(Counter(self.by_config) + Counter(other.by_config))
        self.reasons += other.reasons
        self.problems += other.problems[: KEEP_PROBLEMS - len(self.problems)]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        names = ("questions", "proved", "failed", "ungrounded", "captions", "sentences", "facts", "files", "by_config")
        out: dict[str, Any] = {n: getattr(self, n) for n in names}
        out["reasons"] = dict(self.reasons)
        out["problems"] = [{"where": p.where, "id": p.id, "why": p.why} for p in self.problems]
        return out


def verify(root: str | Path, *, workers: int | None = None, tick: Callable[[], None] = lambda: None) -> Report:
    """Verify a built dataset folder; ``tick`` is called once a row. Raises :class:`BadDataset` if it is none.

    The rows of a large dataset are proved by ``workers`` processes (default: one a core), a span of clips each.
    """
    root = Path(root)
    manifest = read_manifest(root)
    report = Report()
    try:
        clips = [(c.clip_id, c.sha256, c.video_file, c.source_id, c.mirror_of) for c in read_records(root, "clips")]
        fetched = {} if manifest.videos else {file: sha for _, sha, file, *_ in clips}
        _verify_files(root, manifest, fetched, report)
        _verify_clips(clips, manifest, report)
        _verify_tables(root, manifest, report)
        for part in _in_spans(root, _spans(sorted(c[0] for c in clips)), workers or os.cpu_count() or 1):
            report.add(part)
            for _ in range(part.questions + part.captions):
                tick()
    except (ValueError, TypeError) as e:
        raise BadDataset(f"{root}: tables that cannot be read: {e}") from None
    _verify_counts(root, manifest, report)
    return report


def _spans(ids: Sequence[str]) -> list[Span]:
    """Spans of clip ids that hold at most ``CLIPS_A_SPAN`` of these each, and together every id that there can be."""
    starts = ["", *(ids[i] for i in range(CLIPS_A_SPAN, len(ids), CLIPS_A_SPAN))]
    return list(zip(starts, [*starts[1:], None], strict=True))


def _in_spans(root: Path, spans: Sequence[Span], workers: int) -> Iterator[Report]:
    if len(spans) == 1 or workers == 1:
        yield from map(partial(_verify_rows, root), spans)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        yield from pool.map(partial(_verify_rows, root), spans)


def _verify_rows(root: Path, span: Span) -> Report:
    """Prove the rows of a span of clips, clip by clip: what is measured for one row serves the next."""
    report, scenes = Report(), Scenes(root, span)
    streams = (_by_clip(root, config, span) for config in PROVED)
    for clip_id, rows in groupby(heapq.merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
        for _, config, row in rows:
            _verify_row(report, config, row, scenes)
        scenes.forget(clip_id)
    return report


def _by_clip(root: Path, config: str, span: Span) -> Iterator[tuple[str, str, Row]]:
    """(clip id, config, row) of every row in a span, in order of clip; a row without a clip comes first."""
    table = read_table(root, config, clips=span)
    for batch in table.sort_by([("clip_id", "ascending")]).to_batches(max_chunksize=256) if table.num_rows else ():
        for row in batch.to_pylist():
            yield row["clip_id"] or "", config, row


def _verify_row(report: Report, config: str, row: Row, scenes: Scenes) -> None:
    if config == "facts":
        report.facts += 1
    elif config == "captions":
        report.captions += 1
        report.sentences += len(row["sentences"] or ())
    else:
        report.questions += 1
        report.by_config[config] = report.by_config.get(config, 0) + 1
    grounded = config == "facts" or row["grounding"] == "facts"
    try:
        record = from_rows(config, [row])[0]
        if config == "facts":
            why = next(fact_problems(record, scenes), None)
        else:
            problems = caption_problems if config == "captions" else question_problems
            why = next(problems(row, record, scenes, grounded), None)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, MalformedClaim) as e:
        why = f"malformed row: {type(e).__name__} {e}"
    if why:
        report.fail(config, str(row.get("fact_id" if config == "facts" else "id", "?")), why)
    elif config in QUESTION_CONFIGS:
        report.proved += grounded
        report.ungrounded += not grounded


def _verify_files(root: Path, manifest: Manifest, fetched: dict[str, str], report: Report) -> None:
    """Every file is the one of the manifest; clips that were fetched later are those of the table."""
    here = {p.relative_to(root).as_posix(): p for p in published_files(root)}
    for name, info in manifest.files.items():
        report.files += 1
        path = here.pop(name, None)
        if path is None:
            report.fail("files", name, "missing file: it is in the manifest")
        elif file_sha256(path) != info:
            report.fail("files", name, "changed file: its hash is not the manifest's")
    for name, path in here.items():
        if name not in fetched:
            report.fail("files", name, "stray file: it is not in the manifest")
        elif file_sha256(path).sha256 != fetched[name]:
            report.fail("files", name, "changed file: its hash is not that of the clip")


def _verify_clips(clips: Sequence[tuple[str, str, str, str, str]], manifest: Manifest, report: Report) -> None:
    whole = {(clip_id, source_id) for clip_id, _, _, source_id, mirror_of in clips if not mirror_of}
    for clip_id, sha256, video_file, source_id, mirror_of in clips:
        if mirror_of and (mirror_of, source_id) not in whole:
            report.fail("clips", clip_id, f"wrong mirror: {mirror_of} is no clip of its source")
        info = manifest.files.get(video_file)
        if clip_id != sha256[:24] or video_file != f"videos/{clip_id[:2]}/{clip_id}.mp4":
            report.fail("clips", clip_id, "wrong name: id and file are made of the hash of the bytes")
        elif manifest.videos and (info is None or info.sha256 != sha256):
            report.fail("clips", clip_id, "wrong bytes: the manifest has another hash, or no such file")


def _verify_tables(root: Path, manifest: Manifest, report: Report) -> None:
    """Ids are unique, every row lies in the file of its split, and the rows are those the manifest hashes."""
    for config, splits in manifest.counts.items():
        if config == "benchmark_videos":
            _verify_videos(root, manifest, report)
            continue
        digest, seen = hashlib.sha256(), set[str]()
        for split in sorted(splits):
            content = ContentHash()
            for path in shards(root, config, split):
                table = read_file(path)
                content.update(table)
                _verify_names(report, config, split, table, seen)
            digest.update(content.hexdigest().encode())
        if digest.hexdigest() != manifest.content_sha256.get(config):
            report.fail(config, "all rows", "changed rows: content_sha256 of the manifest is another")


def _verify_names(report: Report, config: str, split: str, table: pa.Table, seen: set[str]) -> None:
    names = ("id", "fact_id", "track_id", "clip_id", "source_id")
    key = next((k for k in names if k in table.column_names and config not in SEVERAL_A_KEY), "")
    for value in table.column(key).to_pylist() if key else ():
        if value in seen:
            report.fail(config, str(value), "double id: two rows have it")
        seen.add(value)
    if "split" in table.column_names:
        for value in set(table.column("split").to_pylist()) - {split}:
            report.fail(config, split, f"wrong split: the file of {split} holds a row of {value}")


def _verify_videos(root: Path, manifest: Manifest, report: Report) -> None:
    for path in shards(root, "benchmark_videos"):
        for row in read_file(path).to_pylist():
            info = manifest.files.get(row["video_file"])
            if info is None or hashlib.sha256(row["video"]["bytes"] or b"").hexdigest() != info.sha256:
                report.fail("benchmark_videos", row["clip_id"], "wrong bytes: they are not those of the clip's file")


def _verify_counts(root: Path, manifest: Manifest, report: Report) -> None:
    for config, splits in manifest.counts.items():
        if config == "benchmark_videos":
            continue
        for split, n in splits.items():
            rows = sum(pq.read_metadata(path).num_rows for path in shards(root, config, split))
            if rows != n:
                report.fail(config, split, f"wrong count: the manifest says {n}, the table has {rows}")
