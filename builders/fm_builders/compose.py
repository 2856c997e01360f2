"""From annotations to a dataset folder: questions, captions, facts, splits, tables, card, manifest.

Deterministic: the same annotations, recipe and versions give the same bytes, whatever the order or the
number of workers. The manifest is written last, so that a folder with a manifest is a whole dataset.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fm_builders.annotate import AnnotatedClip, SourceAnnotation
from fm_builders.captions import caption
from fm_builders.facts import facts_of
from fm_builders.fetch import fetch_list
from fm_builders.material import Material
from fm_builders.measured import measured_for
from fm_builders.packed import unpack
from fm_builders.perception_models import model_ids
from fm_builders.questions import ask
from fm_builders.recipe import Recipe
from fm_builders.shortcuts import filtered, scored
from fm_builders.store import Store, clip_name
from fm_hub import __version__
from fm_hub.cards import write_card
from fm_hub.errors import BadOutput, UserError
from fm_hub.manifest import FETCH, MANIFEST, FileInfo, Manifest, file_sha256, write_manifest, write_text
from fm_hub.records import Annotation, Clip, Source, Split
from fm_hub.splits import split_of
from fm_hub.tables import CONFIGS, SPLITS, to_table, write_table
from fm_hub.videobytes import write_benchmark_videos

if TYPE_CHECKING:
    from fm_builders.language import Language

__all__ = ["Absent", "Composed", "clip_path", "compose"]

SORT_KEYS: dict[str, Callable[[Any], Any]] = {
    "mcq": lambda q: (q.added_in, q.question_id),
    "qa": lambda q: (q.added_in, q.question_id),
    "benchmark": lambda q: (q.added_in, q.question_id),
    "captions": lambda c: (c.added_in, c.caption_id),
    "sources": lambda s: (s.source_id, s.name),
    "clips": lambda c: c.clip_id,
    "frames": lambda f: f.clip_id,
    "camera": lambda c: c.clip_id,
    "tracks": lambda t: (t.clip_id, t.track_id),
    "keypoints": lambda k: (k.clip_id, k.track_id),
    "contacts": lambda c: (c.clip_id, c.a, c.b, c.t0),
    "masks": lambda m: (m.clip_id, m.track_id),
    "facts": lambda f: (f.clip_id, f.fact_id),
}


@dataclass
class Composed:
    """The records of a dataset, by config and split, and the counted reasons for what is not in it."""

    rows: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    homes: dict[str, Source] = field(default_factory=dict)
    """The source of each clip, by clip id."""

    def add(self, config: str, split: str, records: Sequence[Any]) -> None:
        """Add records to a table."""
        if records:
            self.rows.setdefault((config, split), []).extend(records)

    def count(self, config: str) -> int:
        """Rows of a config over all splits."""
        return sum(len(self.rows.get((config, s), ())) for s in SPLITS)


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
    tick: Callable[[], None] = lambda: None,
) -> Manifest:
    """Write the dataset of these annotations to ``out``; ``tick`` is called once a clip.

    With ``videos=False`` the clips are not published: ``fetch.jsonl`` says how to make them from their sources.
    Questions whose id is in ``drop`` stay out of the benchmark.
    A ``language`` model rewords what is proved. Before anything is written, raises
    :class:`Absent` if the store lost what the annotations rest on, and :class:`~fm_hub.errors.UserError` if no
    question has an id of ``drop``.
    """
    composed, torn = Composed(), []
    for source in (a.source for a in found):
        composed.add("sources", _split(source, recipe), [source])
    for source, clip in _unique(found):
        composed.homes[clip.file.clip_id] = source
        row, annotation = _clip_row(source, clip, recipe), None
        if not clip.reason:
            payload = store.get("perceive", clip.key)
            if payload is None:
                torn.append(store.name("perceive", clip.key))
                store.drop("perceive", clip.key)
                continue
            row, annotation = _annotation(row, payload)
        _compose_clip(composed, row, annotation, recipe, drop, language, store)
        tick()
    for a in found:
        composed.dropped.update(a.left_out)
    _check_drop(composed, drop)
    hashes = _place_videos(composed, out, store, torn) if videos else {}
    if torn:
        raise Absent(store.storage.location, sorted(torn))
    _score(composed, recipe)
    worded = language.record() if language else {}
    return _write(composed, recipe, out, hashes, videos=videos, language=worded)


def _score(composed: Composed, recipe: Recipe) -> None:
    """Record how far questions are answered without their video; leave out of the benchmark what words alone answer."""
    mcq = [q for split in SPLITS for q in composed.rows.get(("mcq", split), ())]
    known = {q.question_id: q for q in scored(mcq)}
    benchmark = [known[q.question_id] for q in composed.rows.get(("benchmark", "test"), ())]
    gone: frozenset[str] = frozenset()
    if recipe.quality.text_only:
        benchmark, gone = filtered(benchmark, recipe.seed)
        known |= {q.question_id: q for q in benchmark}
    for split in SPLITS:
        if ("mcq", split) in composed.rows:
            composed.rows["mcq", split] = [known[q.question_id] for q in composed.rows["mcq", split]]
    if benchmark:
        composed.rows["benchmark", "test"] = [q for q in benchmark if q.question_id not in gone]
        composed.dropped["TextAlone"] += len(gone)
        composed.dropped = +composed.dropped


def _check_drop(composed: Composed, drop: Collection[str]) -> None:
    """A list of another data set would drop nothing, and nobody would notice."""
    ids = {q.question_id for (config, _), rows in composed.rows.items() if config == "mcq" for q in rows}
    if drop and ids and ids.isdisjoint(drop):
        raise UserError(f"--drop: none of its {len(drop)} ids is a question here; it is a list of another data set")


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


def _place_videos(composed: Composed, out: Path, store: Store, torn: list[str]) -> dict[str, FileInfo]:
    """Put every clip in its place and hash it there; what is not whole is taken from the store again."""
    hashes = {}
    clips = [c for (config, _), rows in composed.rows.items() if config == "clips" for c in rows]
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
    composed: Composed,
    recipe: Recipe,
    out: Path,
    hashes: Mapping[str, FileInfo],
    *,
    videos: bool,
    language: Mapping[str, object],
) -> Manifest:
    (out / MANIFEST).unlink(missing_ok=True)
    for config in (*CONFIGS, "benchmark_videos"):
        shutil.rmtree(out / config, ignore_errors=True)
    (out / FETCH).unlink(missing_ok=True)
    tables = {}
    for (config, split), records in sorted(composed.rows.items()):
        table = to_table(config, sorted(records, key=SORT_KEYS[config]))
        write_table(table, out / config / f"{split}-00000.parquet")
        tables[config, split] = table
    clips = [c for (config, _), rows in composed.rows.items() if config == "clips" for c in rows]
    if videos:
        asked = {q.clip_id for q in composed.rows.get(("benchmark", "test"), ())}
        bench = sorted((c for c in clips if c.clip_id in asked), key=lambda c: c.clip_id)
        if bench:
            tables["benchmark_videos", "test"] = write_benchmark_videos(out, bench)
    else:
        write_text(out / FETCH, fetch_list((c, composed.homes[c.clip_id]) for c in clips))
    _prune_videos(out, set(hashes))
    manifest = Manifest.measured(
        tables,
        data_version="0.1.0",
        generator=f"fm-hub {__version__}",
        recipe=recipe.model_dump(mode="json"),
        models=model_ids(recipe.perception),
        dropped=dict(sorted(composed.dropped.items())),
        repo=recipe.publish.repo,
        videos=videos,
        language=language,
    )
    accuracy = measured_for(recipe, manifest.models)
    if accuracy:
        manifest = manifest.model_copy(update={"accuracy": accuracy})
    write_card(out, manifest)
    return write_manifest(out, manifest, hashes)


def _prune_videos(out: Path, keep: set[str]) -> None:
    """Remove clips of an earlier build of this folder that are not published any more."""
    for path in (out / "videos").glob("*/*.mp4"):
        if path.relative_to(out).as_posix() not in keep:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
