"""A batch of clips: their annotations into questions, captions and facts, written as parts for the merge."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from fm_builders.annotate import AnnotatedClip
from fm_builders.captions import caption
from fm_builders.facts import facts_of
from fm_builders.material import Material
from fm_builders.packed import records_of, tables_of
from fm_builders.parts import AGAIN, learned_from, write_part
from fm_builders.questions import ask
from fm_builders.recipe import Recipe
from fm_builders.shortcuts import Tally
from fm_builders.store import Store, clip_name
from fm_hub.manifest import FileInfo, file_sha256
from fm_hub.records import Annotation, Clip, Source, Split
from fm_hub.splits import split_of

if TYPE_CHECKING:
    from fm_builders.language import Language

__all__ = ["VERSIONS", "Batch", "Composed", "Composing", "Told", "clip_path", "compose_batch", "split_of_source"]

AS_SEEN = ("frames", "camera", "tracks", "keypoints", "contacts", "masks")
"""Tables that are published as perception left them."""
TOGETHER = 16
"""Clips whose tables are read at once: to read a table costs as much as tens of its rows; of points there are many."""
VERSIONS = 2
"""Of a question, where the benchmark may need new distractors."""


@dataclass
class Composed:
    """What a batch of clips gave, by config and split: records, or tables of :data:`AS_SEEN`.

    ``dropped`` has the counted reasons for what is not in them.
    """

    rows: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, config: str, split: str, records: Sequence[Any]) -> None:
        """Add records to a table, or tables to a larger one."""
        if records:
            self.rows.setdefault((config, split), []).extend(records)

    def of(self, config: str) -> Iterator[Any]:
        """The records of a config, over all splits."""
        return (r for (name, _), records in self.rows.items() if name == config for r in records)


@dataclass(frozen=True)
class Composing:
    """What all batches share: where to read and write, and how to ask."""

    recipe: Recipe
    store: str
    out: Path
    parts: Path
    videos: bool
    drop: frozenset[str]
    learn: float
    """The share of the clips of other splits than the test split that the model of words learns from."""


@dataclass(frozen=True)
class Batch:
    """Clips with their sources, in order of id, and some sources of which rows are made: a task of an engine."""

    number: int
    clips: tuple[tuple[Source, AnnotatedClip], ...]
    sources: tuple[Source, ...]
    stage: Literal["compose"] = "compose"
    alone: bool = False


@dataclass
class Told:
    """What a batch tells besides its parts: clip rows, files, counts, and which clips the benchmark asks about."""

    clips: list[Clip] = field(default_factory=list)
    hashes: dict[str, FileInfo] = field(default_factory=dict)
    torn: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    asked: int = 0
    met: int = 0  # ids of ``drop`` that are questions here
    benchmark: set[str] = field(default_factory=set)

    def add(self, other: Told) -> None:
        """Take in what another batch tells."""
        self.clips += other.clips
        self.hashes |= other.hashes
        self.torn += other.torn
        self.dropped += other.dropped
        self.tally.add(other.tally)
        self.asked += other.asked
        self.benchmark |= other.benchmark
        self.met += other.met


def clip_path(clip_id: str) -> str:
    """The published place of a clip, relative to the dataset's root."""
    return f"videos/{clip_id[:2]}/{clip_id}.mp4"


def compose_batch(batch: Batch, *, how: Composing, language: Language | None) -> Told:
    """Compose some clips and write their rows as parts."""
    with _uncollected():
        return _compose_batch(batch, how, language)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for cycles of unused objects once, at the end: a batch makes a million objects and keeps most."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        gc.enable()


def _compose_batch(batch: Batch, how: Composing, language: Language | None) -> Told:
    store, composed, told = Store(how.store), Composed(), Told()
    for source in batch.sources:
        composed.add("sources", split_of_source(source, how.recipe), [source])
    rows = [(clip, _clip_row(source, clip, how.recipe)) for source, clip in batch.clips]
    seen: list[tuple[Clip, dict[str, pa.Table]]] = []
    for clip, row in rows:
        if clip.reason:
            composed.add("clips", row.split, [row])
        elif (payload := store.get("perceive", clip.key)) is None:
            told.torn.append(store.name("perceive", clip.key))
            store.drop("perceive", clip.key)
        else:
            seen.append((row, tables_of(payload)))
    for start in range(0, len(seen), TOGETHER):
        some = seen[start : start + TOGETHER]
        found = records_of([{c: t for c, t in tables.items() if c != "masks"} for _, tables in some])
        for (row, tables), records in zip(some, found, strict=True):
            for config in AS_SEEN:
                if config in tables and tables[config].num_rows:
                    composed.add(config, row.split, [tables[config]])
            _compose_clip(composed, _annotation(row, records), how, language, store)
    told.clips = list(composed.of("clips"))
    ids = {q.question_id for config in ("mcq", AGAIN) for q in composed.of(config)}
    told.asked, told.met = len(ids), len(ids & how.drop)
    told.dropped, told.benchmark = composed.dropped, {q.clip_id for q in composed.of("benchmark")}
    if how.videos:
        told.hashes = _place_videos([row for _, row in rows], how.out, store, told.torn)
    written = write_part(how.parts, batch.number, composed.rows)
    told.tally = Tally.of(table for (config, _), table in written.items() if config == "mcq")
    return told


def split_of_source(source: Source, recipe: Recipe) -> Split:
    """The split of a source, by its id."""
    return split_of(source.source_id, recipe.splits.train, recipe.splits.validation)


def _clip_row(source: Source, clip: AnnotatedClip, recipe: Recipe) -> Clip:
    """The row of a clip that nothing is known of but how it was cut."""
    file = clip.file
    return Clip(
        clip_id=file.clip_id,
        source_id=source.source_id,
        video_file=clip_path(file.clip_id),
        sha256=file.sha256,
        t0=file.t0,
        t1=file.t1,
        copied=file.copied,
        fps=0.0,
        width=0,
        height=0,
        n_frames=0,
        duration=0.0,
        camera="unknown",
        split=split_of_source(source, recipe),
        status="failed" if clip.reason else "ok",
        reason=clip.reason,
        detail=clip.detail,
        mirror_of=file.mirror_of,
    )


def _annotation(row: Clip, records: Mapping[str, Sequence[Any]]) -> Annotation:
    """What is known of a clip but for its masks, of which nothing is asked; its row has now what was measured."""
    kept = records["clips"][0]
    measured = ("fps", "width", "height", "n_frames", "duration", "camera", "camera_score")
    row = replace(row, **{n: getattr(kept, n) for n in measured})
    parts = (records.get(config, ()) for config in ("tracks", "keypoints", "contacts"))
    return Annotation(row, records["frames"][0], records["camera"][0], *parts)


def _place_videos(clips: Sequence[Clip], out: Path, store: Store, torn: list[str]) -> dict[str, FileInfo]:
    """Put every clip in its place and hash it there; what is not whole is taken from the store again."""
    hashes = {}
    for clip in clips:
        path, name = out / clip.video_file, clip_name(clip.clip_id)
        info = file_sha256(path) if path.is_file() else None
        if info is None or info.sha256 != clip.sha256:
            info = file_sha256(path) if store.storage.place(name, path) else None
        if info is None or info.sha256 != clip.sha256:
            torn.append(name)
            store.storage.delete(name)
            path.unlink(missing_ok=True)
        else:
            hashes[clip.video_file] = info
    return hashes


def _compose_clip(
    composed: Composed, annotation: Annotation, how: Composing, language: Language | None, store: Store
) -> None:
    clip, recipe = annotation.clip, how.recipe
    split = clip.split
    m = Material(annotation, recipe.compose.min_quality)
    c = recipe.compose
    seen = split == "test" or learned_from(clip.clip_id, how.learn)
    versions = VERSIONS if recipe.quality.text_only and seen else 1
    most = (c.max_per_kind, c.max_per_clip)
    asked = ask(m, c.kinds, seed=recipe.seed, max_per_kind=most[0], max_per_clip=most[1], versions=versions)
    text = caption(m, seed=recipe.seed)
    composed.dropped.update(asked.dropped)
    questions, written = asked.questions, []
    if language:
        worded = language.word(m, questions, text, lambda: store.storage.local(clip_name(clip.clip_id)))
        questions, text, written = worded.questions, worded.caption, worded.written
    if not asked.questions:
        clip = replace(clip, status="empty", reason=_why_empty(m, asked.dropped))
    composed.add("clips", split, [clip])
    composed.add("mcq", split, [*questions, *written])
    composed.add("qa", split, [*questions, *written])
    composed.add(AGAIN, split, asked.again)
    composed.add("captions", split, [text] if text else [])
    if text is None:
        composed.dropped["NothingToTell"] += 1
    composed.add("facts", split, facts_of(m, questions, text))
    if split == "test":  # what a model wrote itself is never in the benchmark
        kept = [q for q in questions if q.question_id not in how.drop]
        composed.add("benchmark", split, kept)
        if len(kept) < len(questions):
            composed.dropped["Dropped"] += len(questions) - len(kept)
    m.scene.forget()


def _why_empty(m: Material, dropped: Counter[str]) -> str:
    if not m.annotation.tracks:
        return "NoTracks"
    if not m.good:
        return "PoorTracks"
    return dropped.most_common(1)[0][0] if dropped else "NothingToAsk"
