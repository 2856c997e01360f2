"""From annotations to a dataset folder: questions, captions, facts, splits, tables, card, manifest.

Deterministic: the same annotations, recipe and versions give the same bytes, whatever the order or the
number of workers. The manifest is written last, so that a folder with a manifest is a whole dataset.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fm_builders.annotate import AnnotatedClip, SourceAnnotation
from fm_builders.captions import caption
from fm_builders.engines import Limits, run
from fm_builders.facts import facts_of
from fm_builders.fetch import fetch_list
from fm_builders.material import Material
from fm_builders.measured import measured_for
from fm_builders.packed import unpack
from fm_builders.parts import benchmark_of, gather, merges, write_part
from fm_builders.perception_models import model_ids
from fm_builders.questions import ask
from fm_builders.recipe import Recipe
from fm_builders.shortcuts import Scores, Tally, filtered
from fm_builders.store import Store, clip_name
from fm_hub import __version__
from fm_hub.cards import write_card
from fm_hub.errors import BadOutput, ItemError, UserError
from fm_hub.manifest import FETCH, MANIFEST, FileInfo, Manifest, file_sha256, write_manifest, write_text
from fm_hub.records import Annotation, Clip, Source, Split
from fm_hub.splits import split_of
from fm_hub.tables import CONFIGS
from fm_hub.videobytes import write_benchmark_videos

if TYPE_CHECKING:
    from fm_builders.language import Language

__all__ = ["Absent", "clip_path", "compose"]

R = TypeVar("R")

BATCH = 128
"""Clips that a worker composes at once."""
SCORES = "scores.json"


@dataclass
class Composed:
    """What a batch of clips gave: records by config and split, and the counted reasons for what is not in them."""

    rows: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, config: str, split: str, records: Sequence[Any]) -> None:
        """Add records to a table."""
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


@dataclass(frozen=True)
class Batch:
    """Clips with their sources, in order of id: a task of an engine."""

    number: int
    clips: tuple[tuple[Source, AnnotatedClip], ...]
    stage: Literal["compose"] = "compose"
    alone: bool = False


@dataclass
class Told:
    """What a batch tells besides its parts: clip rows, files, counts; of all of them, what the benchmark asks about."""

    clips: list[Clip] = field(default_factory=list)
    hashes: dict[str, FileInfo] = field(default_factory=dict)
    torn: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    asked: int = 0
    met: int = 0  # ids of ``drop`` that are questions here
    benchmark: set[str] = field(default_factory=set)  # known when all batches are in

    def add(self, other: Told) -> None:
        """Take in what another batch tells."""
        self.clips += other.clips
        self.hashes |= other.hashes
        self.torn += other.torn
        self.dropped += other.dropped
        self.tally.add(other.tally)
        self.asked += other.asked
        self.met += other.met


class Absent(BadOutput):
    """Artifacts or clips that the ledger knows are not in the store, or not whole; they were removed from it."""

    def __init__(self, location: str, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"{location}: {len(names)} damaged file(s), first {names[0]}; run fm-hub annotate again")


def clip_path(clip_id: str) -> str:
    """The published place of a clip, relative to the dataset's root."""
    return f"videos/{clip_id[:2]}/{clip_id}.mp4"


def compose(
    found: Sequence[SourceAnnotation],
    recipe: Recipe,
    out: Path,
    store: Store,
    *,
    videos: bool = True,
    drop: Collection[str] = (),
    language: Language | None = None,
    workers: int | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Manifest:
    """Write the dataset of these annotations to ``out``; ``tick`` is called once a clip.

    Batches of clips are composed by ``workers`` processes (default: one a core; none where one batch is all), and
    merged. With ``videos=False`` the clips are not published: ``fetch.jsonl`` says how to make them from their
    sources. Questions whose id is in ``drop`` stay out of the benchmark. A ``language`` model rewords what is proved,
    in this process. Before anything is written, raises
    :class:`Absent` if the store lost what the annotations rest on, and :class:`~fm_hub.errors.UserError` if no
    question has an id of ``drop``.
    """
    parts = out / ".fm_hub" / "composing"
    shutil.rmtree(parts, ignore_errors=True)
    how = Composing(recipe, str(store.storage.location), out, parts, videos, frozenset(drop))
    pairs = list(_unique(found))
    batches = [Batch(i, tuple(pairs[start : start + BATCH])) for i, start in enumerate(range(0, len(pairs), BATCH))]
    engine = "local" if len(batches) > 1 and workers != 1 and language is None else "inline"
    limits = Limits(workers=workers)
    told = Told()
    try:
        for batch, result in run(engine, partial(_compose_batch, how=how, language=language), batches, limits=limits):
            told.add(_whole(result))
            for _ in batch.clips:
                tick()
        for a in found:
            told.dropped.update(a.left_out)
        if drop and told.asked and not told.met:  # it would drop nothing, and nobody would notice
            raise UserError(f"--drop: none of its {len(drop)} ids is a question here; it is a list of another data set")
        if told.torn:
            raise Absent(store.storage.location, sorted(told.torn))
        sources = Composed()
        for source in (a.source for a in found):
            sources.add("sources", _split(source, recipe), [source])
        write_part(parts, len(batches), sources.rows)
        _score(told, how)
        homes = {clip.file.clip_id: source for source, clip in pairs}
        return _write(told, how, homes, engine, limits, language.record() if language else {})
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _score(told: Told, how: Composing) -> None:
    """Find how far questions are answered without their video, and what leaves the benchmark for it."""
    benchmark, gone = benchmark_of(how.parts), frozenset[str]()
    if how.recipe.quality.text_only:
        benchmark, gone = filtered(benchmark, how.recipe.seed)
    shares = {q.question_id: q.shortcuts.text for q in benchmark if q.shortcuts and q.shortcuts.text is not None}
    Scores(told.tally, shares, gone).save(how.parts / SCORES)
    told.benchmark = {q.clip_id for q in benchmark if q.question_id not in gone}
    told.dropped["TextAlone"] += len(gone)
    told.dropped = +told.dropped


def _whole(result: R | ItemError) -> R:
    """The result of a task; what lost its worker ends the work, for a data set without a batch is none."""
    if isinstance(result, ItemError):
        raise BadOutput(f"composing: {type(result).__name__}: {result}; run the same command again")
    return result


def _compose_batch(batch: Batch, *, how: Composing, language: Language | None) -> Told:
    """Compose some clips and write their rows as parts."""
    store, composed, told = Store(how.store), Composed(), Told()
    for source, clip in batch.clips:
        row, annotation = _clip_row(source, clip, how.recipe), None
        if not clip.reason:
            payload = store.get("perceive", clip.key)
            if payload is None:
                told.torn.append(store.name("perceive", clip.key))
                store.drop("perceive", clip.key)
                continue
            row, annotation = _annotation(row, payload)
        _compose_clip(composed, row, annotation, how.recipe, how.drop, language, store)
    told.clips = list(composed.of("clips"))
    ids = {q.question_id for q in composed.of("mcq")}
    told.asked, told.met = len(ids), len(ids & how.drop)
    told.dropped, told.tally = composed.dropped, Tally.of(composed.of("mcq"))
    if how.videos:
        told.hashes = _place_videos(told.clips, how.out, store, told.torn)
    write_part(how.parts, batch.number, composed.rows)
    return told


def _split(source: Source, recipe: Recipe) -> Split:
    return split_of(source.source_id, recipe.splits.train, recipe.splits.validation)


def _unique(found: Sequence[SourceAnnotation]) -> Iterator[tuple[Source, AnnotatedClip]]:
    """Every clip once, by id: two sources may hold the same pictures."""
    seen: dict[str, tuple[Source, AnnotatedClip]] = {}
    for a in sorted(found, key=lambda a: (a.source.source_id, a.source.name)):  # not by the order they were named in
        for clip in a.clips:
            seen.setdefault(clip.file.clip_id, (a.source, clip))
    for _, pair in sorted(seen.items()):
        yield pair


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
        split=_split(source, recipe),
        status="failed" if clip.reason else "ok",
        reason=clip.reason,
        detail=clip.detail,
    )


def _annotation(row: Clip, payload: bytes) -> tuple[Clip, Annotation]:
    """The row with what was measured, and the annotation that goes with it."""
    tables = unpack(payload)
    kept = tables["clips"][0]
    measured = ("fps", "width", "height", "n_frames", "duration", "camera", "camera_score")
    row = replace(row, **{n: getattr(kept, n) for n in measured})
    parts = (tables.get(config, ()) for config in ("tracks", "keypoints", "contacts", "masks"))
    return row, Annotation(row, tables["frames"][0], tables["camera"][0], *parts)


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
    composed: Composed,
    clip: Clip,
    annotation: Annotation | None,
    recipe: Recipe,
    drop: Collection[str],
    language: Language | None,
    store: Store,
) -> None:
    split = clip.split
    if annotation is None:
        composed.add("clips", split, [clip])
        return
    m = Material(annotation, recipe.compose.min_quality)
    c = recipe.compose
    asked = ask(m, c.kinds, seed=recipe.seed, max_per_kind=c.max_per_kind, max_per_clip=c.max_per_clip)
    text = caption(m, seed=recipe.seed)
    composed.dropped.update(asked.dropped)
    questions, written = asked.questions, []
    if language:
        worded = language.word(m, questions, text, lambda: store.storage.local(clip_name(clip.clip_id)))
        questions, text, written = worded.questions, worded.caption, worded.written
    if not asked.questions:
        clip = replace(clip, status="empty", reason=_why_empty(m, asked.dropped))
    composed.add("clips", split, [clip])
    composed.add("frames", split, [annotation.frames])
    composed.add("camera", split, [annotation.camera])
    composed.add("tracks", split, annotation.tracks)
    composed.add("keypoints", split, annotation.keypoints)
    composed.add("contacts", split, annotation.contacts)
    composed.add("masks", split, annotation.masks)
    composed.add("mcq", split, [*questions, *written])
    composed.add("qa", split, [*questions, *written])
    composed.add("captions", split, [text] if text else [])
    composed.add("facts", split, facts_of(m, questions, text))
    if split == "test":  # what a model wrote itself is never in the benchmark
        kept = [q for q in questions if q.question_id not in drop]
        composed.add("benchmark", split, kept)
        if len(kept) < len(questions):
            composed.dropped["Dropped"] += len(questions) - len(kept)


def _why_empty(m: Material, dropped: Counter[str]) -> str:
    if not m.annotation.tracks:
        return "NoTracks"
    if not m.good:
        return "PoorTracks"
    return dropped.most_common(1)[0][0] if dropped else "NothingToAsk"


def _write(
    told: Told,
    how: Composing,
    homes: Mapping[str, Source],
    engine: str,
    limits: Limits,
    language: Mapping[str, object],
) -> Manifest:
    out, recipe = how.out, how.recipe
    (out / MANIFEST).unlink(missing_ok=True)
    for config in (*CONFIGS, "benchmark_videos"):
        shutil.rmtree(out / config, ignore_errors=True)
    (out / FETCH).unlink(missing_ok=True)
    tables = {}
    for merge, result in run(engine, gather, merges(how.parts, out, how.parts / SCORES), limits=limits):
        written = _whole(result)
        if written.rows:
            tables[merge.config, merge.split] = written
    clips = sorted(told.clips, key=lambda c: c.clip_id)
    if not how.videos:
        write_text(out / FETCH, fetch_list((c, homes[c.clip_id]) for c in clips))
    elif bench := [c for c in clips if c.clip_id in told.benchmark]:
        tables["benchmark_videos", "test"] = write_benchmark_videos(out, bench)
    _prune_videos(out, set(told.hashes))
    manifest = Manifest.measured(
        tables,
        data_version="0.1.0",
        generator=f"fm-hub {__version__}",
        recipe=recipe.model_dump(mode="json"),
        models=model_ids(recipe.perception),
        dropped=dict(sorted(told.dropped.items())),
        repo=recipe.publish.repo,
        videos=how.videos,
        language=language,
    )
    accuracy = measured_for(recipe, manifest.models)
    if accuracy:
        manifest = manifest.model_copy(update={"accuracy": accuracy})
    write_card(out, manifest)
    return write_manifest(out, manifest, told.hashes)


def _prune_videos(out: Path, keep: set[str]) -> None:
    """Remove clips of an earlier build of this folder that are not published any more."""
    for path in (out / "videos").glob("*/*.mp4"):
        if path.relative_to(out).as_posix() not in keep:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
