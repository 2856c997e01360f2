"""From annotations to a dataset folder: questions, captions, facts, splits, tables, card, manifest.

Deterministic: the same annotations, recipe and versions give the same bytes, whatever the order or the
number of workers. The manifest is written last, so that a folder with a manifest is a whole dataset.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fm_builders.annotate import AnnotatedClip, SourceAnnotation
from fm_builders.batches import Batch, Composing, Told, compose_batch, split_of_source
from fm_builders.engines import Limits, Workers, run
from fm_builders.fetch import fetch_list
from fm_builders.measured import measured_for
from fm_builders.parts import BENCHMARK, again_of, benchmark_of, gather, merges, others_of, write_part
from fm_builders.perception_models import model_ids
from fm_builders.recipe import Recipe
from fm_builders.shortcuts import Drawn, Scores, drawn
from fm_builders.store import Store
from fm_hub import __version__
from fm_hub.cards import write_card
from fm_hub.errors import BadOutput, ItemError, UserError
from fm_hub.manifest import FETCH, MANIFEST, Manifest, write_manifest, write_text
from fm_hub.records import Source
from fm_hub.schemas import CONFIGS
from fm_hub.videobytes import write_benchmark_videos

if TYPE_CHECKING:
    from fm_builders.language import Language

__all__ = ["Absent", "compose"]

R = TypeVar("R")

BATCH = 128
"""Clips that a worker composes at once."""
SCORES = "scores.json"
LEARN_FROM = 200_000
"""Questions of other splits, at most or so, from which it is learned what words tell."""


class Absent(BadOutput):
    """Artifacts or clips that the ledger knows are not in the store, or not whole; they were removed from it."""

    def __init__(self, location: str, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"{location}: {len(names)} damaged file(s), first {names[0]}; run fm-hub annotate again")


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
    pairs = list(_unique(found))
    learn = _share_learned(recipe, [source for source, _ in pairs])
    how = Composing(recipe, str(store.storage.location), out, parts, videos, frozenset(drop), learn)
    sources = [a.source for a in found]
    starts = range(0, max(len(pairs), len(sources)), BATCH)
    batches = [Batch(i, tuple(pairs[s : s + BATCH]), tuple(sources[s : s + BATCH])) for i, s in enumerate(starts)]
    engine = "local" if len(batches) > 1 and workers != 1 and language is None else "inline"
    told = Told()
    do = partial(compose_batch, how=how, language=language)
    try:
        with Workers(Limits(workers=workers)) as crew:
            for batch, result in run(engine, do, batches, workers=crew):
                told.add(_whole(result))
                for _ in batch.clips:
                    tick()
            for a in found:
                told.dropped.update(a.left_out)
            if drop and told.asked and not told.met:  # it would drop nothing, and nobody would notice
                raise UserError(
                    f"--drop: none of its {len(drop)} ids is a question here; it is a list of another data set"
                )
            if told.torn:
                raise Absent(store.storage.location, sorted(told.torn))
            _score(told, how, len(batches))
            homes = {clip.file.clip_id: source for source, clip in pairs}
            return _write(told, how, homes, engine, crew, language.record() if language else {})
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _share_learned(recipe: Recipe, sources: Sequence[Source]) -> float:
    """Of clips with these sources, the share from which it is learned what words tell: as few as have enough."""
    others = sum(split_of_source(source, recipe) != "test" for source in sources)
    return min(1.0, LEARN_FROM / max(others * recipe.compose.max_per_clip, 1))


def _score(told: Told, how: Composing, number: int) -> None:
    """Find how far questions are answered without their video, and what leaves the benchmark for it.

    What comes in with new distractors is written as the part ``number``.
    """
    found = Drawn()
    if how.recipe.quality.text_only:
        benchmark = benchmark_of(how.parts)
        again = [q for q in again_of(how.parts) if q.question_id not in how.drop]
        found = drawn(benchmark, again, others_of(how.parts, how.learn), how.recipe.seed)
        write_part(how.parts, number, {BENCHMARK: found.new} if found.new else {})
        told.benchmark = {q.clip_id for q in (*benchmark, *found.new) if q.question_id not in found.gone}
    Scores(told.tally, found.shares, found.gone).save(how.parts / SCORES)
    told.dropped["TextAlone"] += len(found.gone) - len(found.new)
    told.dropped["NewDistractors"] += len(found.new)
    told.dropped = +told.dropped


def _whole(result: R | ItemError) -> R:
    """The result of a task; what lost its worker ends the work, for a data set without a batch is none."""
    if isinstance(result, ItemError):
        raise BadOutput(f"composing: {type(result).__name__}: {result}; run the same command again")
    return result


def _unique(found: Sequence[SourceAnnotation]) -> Iterator[tuple[Source, AnnotatedClip]]:
    """Every clip once, by id: two sources may hold the same pictures."""
    seen: dict[str, tuple[Source, AnnotatedClip]] = {}
    for a in sorted(found, key=lambda a: (a.source.source_id, a.source.name)):  # not by the order they were named in
        for clip in a.clips:
            seen.setdefault(clip.file.clip_id, (a.source, clip))
    for _, pair in sorted(seen.items()):
        yield pair


def _write(
    told: Told,
    how: Composing,
    homes: Mapping[str, Source],
    engine: str,
    crew: Workers,
    language: Mapping[str, object],
) -> Manifest:
    out, recipe = how.out, how.recipe
    (out / MANIFEST).unlink(missing_ok=True)
    for config in (*CONFIGS, "benchmark_videos"):
        shutil.rmtree(out / config, ignore_errors=True)
    (out / FETCH).unlink(missing_ok=True)
    tables, hashes = {}, dict(told.hashes)
    for merge, result in run(engine, gather, merges(how.parts, out, how.parts / SCORES), workers=crew):
        written = _whole(result)
        if written.rows:
            tables[merge.config, merge.split] = written
            hashes |= written.hashes
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
    return write_manifest(out, manifest, hashes)


def _prune_videos(out: Path, keep: set[str]) -> None:
    """Remove clips of an earlier build of this folder that are not published any more."""
    for path in (out / "videos").glob("*/*.mp4"):
        if path.relative_to(out).as_posix() not in keep:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
