"""From annotations to a dataset folder: questions, captions, facts, splits, tables, card, manifest.

Deterministic: the same annotations, recipe and versions give the same bytes, whatever the order or the
number of workers. The manifest is written last, so that a folder with a manifest is a whole dataset.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fm_builders import perceive as perception
from fm_builders.annotate import Annotated, load_annotation
from fm_builders.captions import caption
from fm_builders.facts import facts_of
from fm_builders.material import Material
from fm_builders.questions import ask
from fm_builders.recipe import Recipe
from fm_builders.splits import split_of
from fm_hub import __version__
from fm_hub.cards import write_card
from fm_hub.manifest import Manifest, write_manifest
from fm_hub.records import Annotation, Clip
from fm_hub.tables import CONFIGS, SPLITS, to_table, write_table
from fm_hub.videobytes import write_benchmark_videos

__all__ = ["Composed", "compose"]

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
    "facts": lambda f: (f.clip_id, f.fact_id),
}


@dataclass
class Composed:
    """The records of a dataset, by config and split, and the counted reasons for what is not in it."""

    rows: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, config: str, split: str, records: Sequence[Any]) -> None:
        """Add records to a table."""
        if records:
            self.rows.setdefault((config, split), []).extend(records)

    def count(self, config: str) -> int:
        """Rows of a config over all splits."""
        return sum(len(self.rows.get((config, s), ())) for s in SPLITS)


def compose(found: Sequence[Annotated], recipe: Recipe, out: Path, *, tick: Callable[[], None]) -> Manifest:
    """Write the dataset of these annotations to ``out``; ``tick`` is called once a clip."""
    composed = Composed()
    for source in (a.source for a in found):
        composed.add("sources", split_of(source.source_id, recipe.splits.train, recipe.splits.validation), [source])
    for clip, annotation in _unique(found, out):
        _compose_clip(composed, clip, annotation, recipe)
        tick()
    for a in found:
        composed.dropped.update(a.left_out)
    return _write(composed, recipe, out)


def _unique(found: Sequence[Annotated], out: Path) -> Iterator[tuple[Clip, Annotation | None]]:
    """Every clip once, by id: two sources may hold the same pictures."""
    seen: dict[str, tuple[Clip, str]] = {}
    for a in sorted(found, key=lambda a: (a.source.source_id, a.source.name)):  # not by the order they were named in
        for clip, key in zip(a.clips, a.keys, strict=True):
            seen.setdefault(clip.clip_id, (clip, key))
    for _, (clip, key) in sorted(seen.items()):
        yield clip, load_annotation(out, clip, key) if key else None


def _compose_clip(composed: Composed, clip: Clip, annotation: Annotation | None, recipe: Recipe) -> None:
    split = clip.split
    if annotation is None:
        composed.add("clips", split, [clip])
        return
    m = Material(annotation, recipe.compose.min_quality)
    asked = ask(m, recipe.compose.kinds, seed=recipe.seed, max_per_kind=recipe.compose.max_per_kind)
    text = caption(m, seed=recipe.seed)
    composed.dropped.update(asked.dropped)
    if not asked.questions:
        clip = replace(clip, status="empty", reason=_why_empty(m, asked.dropped))
    composed.add("clips", split, [clip])
    composed.add("frames", split, [annotation.frames])
    composed.add("camera", split, [annotation.camera])
    composed.add("tracks", split, annotation.tracks)
    composed.add("keypoints", split, annotation.keypoints)
    composed.add("contacts", split, annotation.contacts)
    composed.add("mcq", split, asked.questions)
    composed.add("qa", split, asked.questions)
    composed.add("captions", split, [text] if text else [])
    composed.add("facts", split, facts_of(m, asked.questions, text))
    if split == "test":
        composed.add("benchmark", split, asked.questions)


def _why_empty(m: Material, dropped: Counter[str]) -> str:
    if not m.annotation.tracks:
        return "NoTracks"
    if not m.good:
        return "PoorTracks"
    return dropped.most_common(1)[0][0] if dropped else "NothingToAsk"


def _write(composed: Composed, recipe: Recipe, out: Path) -> Manifest:
    (out / "fm_hub.json").unlink(missing_ok=True)
    for config in (*CONFIGS, "benchmark_videos"):
        shutil.rmtree(out / config, ignore_errors=True)
    tables = {}
    for (config, split), records in sorted(composed.rows.items()):
        table = to_table(config, sorted(records, key=SORT_KEYS[config]))
        write_table(table, out / config / f"{split}-00000.parquet")
        tables[config, split] = table
    clips = [c for (config, _), rows in composed.rows.items() if config == "clips" for c in rows]
    asked = {q.clip_id for q in composed.rows.get(("benchmark", "test"), ())}
    bench = sorted((c for c in clips if c.clip_id in asked), key=lambda c: c.clip_id)
    if bench:
        tables["benchmark_videos", "test"] = write_benchmark_videos(out, bench)
    _prune_videos(out, {c.video_file for c in clips})
    manifest = Manifest.measured(
        tables,
        data_version="0.1.0",
        generator=f"fm-hub {__version__}",
        recipe=recipe.model_dump(mode="json"),
        models=perception.model_ids(recipe.perception.detectors),
        dropped=dict(sorted(composed.dropped.items())),
        repo=recipe.publish.repo,
    )
    write_card(out, manifest)
    return write_manifest(out, manifest)


def _prune_videos(out: Path, keep: set[str]) -> None:
    """Remove clips of an earlier build of this folder that no row speaks of any more."""
    for path in (out / "videos").glob("*/*.mp4"):
        if path.relative_to(out).as_posix() not in keep:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
