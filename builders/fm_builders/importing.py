"""Datasets of other people as folders of ours: their videos, their words, and nothing that says it is proved.

There are no tracks, so no claim: a row keeps whoever vouches for it (``grounding`` ``human`` or ``model``), its
options rest on an empty claim, and ``fm-hub verify`` counts it as ungrounded.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from fm_builders.batches import clip_path
from fm_builders.clips import Span, cut_clip
from fm_builders.parts import sorted_table
from fm_builders.wolf import Item, RawCaption, RawQuestion
from fm_hub import __version__
from fm_hub.cards import write_card
from fm_hub.errors import BadOutput, ItemError, UserError
from fm_hub.manifest import Manifest, file_sha256, write_manifest
from fm_hub.records import (
    Camera,
    Caption,
    Claim,
    Clip,
    Frames,
    Option,
    Provenance,
    Question,
    Sentence,
    Source,
    Split,
    caption_id,
    content_id,
)
from fm_hub.registry import Registry
from fm_hub.tables import write_table
from fm_hub.video import VideoIndex, copyable, index_video, sample_times
from fm_hub.wording import short_caption

__all__ = ["LAYOUTS", "Imported", "import_items"]

LAYOUTS: Registry[Callable[[Path], list[Item]]] = Registry(
    "layout", "fm_hub.layouts", {"wolf": "fm_builders.wolf:read_wolf"}
)
FPS = 10.0  # the clock of the clips
KIND, TYPE = "imported", "not stated"
MARK = ".fm_hub/import"  # a folder that an import began


@dataclass
class Imported:
    """What came in: the manifest, sources by status, and the first things that could not be read."""

    manifest: Manifest
    sources: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)


def import_items(
    layout: str,
    items: Sequence[Item],
    out: Path,
    *,
    split: Split = "test",
    license_name: str = "unknown",
    tick: Callable[[], None] = lambda: None,
) -> Imported:
    """Make a dataset folder of what a layout's reader found; ``tick`` is called once a video.

    Every video is a source of its own and wholly one clip, copied where that is right. All rows go to ``split``.
    Raises :class:`UserError`.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise BadOutput(f"{out}: holds something else; give another folder with -o")
    (out / MARK).parent.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()
    rows: dict[str, dict[Any, Any]] = {}
    dropped: Counter[str] = Counter()
    bad: list[str] = []
    for item in items:
        source = _take(item, out, split, license_name, rows, dropped)
        rows.setdefault("sources", {})[source.source_id, source.name] = source
        bad += item.bad
        dropped.update({"BadRow": len(item.bad)} if item.bad else {})
        tick()
    if not rows.get("mcq") and not rows.get("captions"):
        shutil.rmtree(out, ignore_errors=True)
        why = Counter(s.reason for s in rows["sources"].values())
        raise UserError("nothing in it can be used: " + ", ".join(f"{k} {v}" for k, v in sorted(why.items())))
    manifest = _write(layout, out, split, {c: list(r.values()) for c, r in rows.items()}, dropped)
    return Imported(manifest, Counter(s.status for s in rows["sources"].values()), bad)


def _take(
    item: Item, out: Path, split: Split, license_: str, rows: dict[str, dict[Any, Any]], dropped: Counter[str]
) -> Source:
    """Put a video in its place and add its rows; a video that cannot be used is its source's reason."""
    if item.video is None:
        return _source(item, "failed", license_, "UnreadableFile", "no video of that name in its place")
    info = file_sha256(item.video)
    try:
        index = index_video(item.video)
        if not item.questions and not item.captions:
            why = item.bad[0] if item.bad else "no JSON speaks of it"
            return _source(item, "filtered", license_, "NothingToAsk", why, info.sha256, info.bytes, index)
        clip, frames = _placed(index, info.sha256[:24], out, split)
    except ItemError as e:
        why = str(e).replace(str(item.video), item.video.name)  # no path of this machine in a published table
        return _source(item, "failed", license_, type(e).__name__, why, info.sha256, info.bytes)
    zero = np.zeros(len(frames.t))
    camera = Camera(clip.clip_id, "unknown", frames.frame, zero, zero, zero, zero, zero, zero.astype(np.bool_))
    questions = {q.question_id: q for q in (_question(clip, raw) for raw in item.questions)}
    dropped.update({"Duplicate": len(item.questions) - len(questions)} if len(questions) < len(item.questions) else {})
    for config, record in {"clips": clip, "frames": frames, "camera": camera}.items():
        rows.setdefault(config, {})[clip.clip_id] = record
    for config in ("mcq", "qa", *(["benchmark"] if split == "test" else [])):
        rows.setdefault(config, {}).update(questions)
    captions = (_caption(clip, raw) for raw in item.captions)
    rows.setdefault("captions", {}).update({c.caption_id: c for c in captions})
    return _source(item, "ok", license_, "", "", info.sha256, info.bytes, index)


def _placed(index: VideoIndex, source_id: str, out: Path, split: Split) -> tuple[Clip, Frames]:
    """The whole video as a clip in its published place, and its clock."""
    copy = copyable(index)
    made = out / ".fm_hub" / f"{source_id}.mp4"
    cut_clip(index, Span(0.0, index.duration, copy), made)
    sha = file_sha256(made).sha256
    clip_id = sha[:24]
    place = out / clip_path(clip_id)
    place.parent.mkdir(parents=True, exist_ok=True)
    made.replace(place)
    here = index_video(place)
    pts, t = sample_times(here, FPS)
    clip = Clip(
        clip_id=clip_id,
        source_id=source_id,
        video_file=clip_path(clip_id),
        sha256=sha,
        t0=0.0,
        t1=round(index.duration, 3),
        copied=copy,
        fps=round(here.fps, 3),
        width=here.width,
        height=here.height,
        n_frames=here.n_frames,
        duration=round(here.duration, 3),
        camera="unknown",
        split=split,
        status="ok",
    )
    return clip, Frames(clip_id, np.arange(len(t), dtype=np.int32), pts, t)


def _source(
    item: Item,
    status: str,
    license_: str,
    reason: str,
    detail: str,
    sha256: str = "",
    size: int = 0,
    index: VideoIndex | None = None,
) -> Source:
    measured = (
        (index.codec, index.width, index.height, index.rotation, index.n_frames, round(index.duration, 3), index.vfr)
        if index
        else ("", 0, 0, 0, 0, 0.0, False)
    )
    source_id = sha256[:24] or content_id("source", item.name)
    return Source(source_id, item.name, sha256, size, *measured, license_, cast("Any", status), reason, detail)


def _question(clip: Clip, raw: RawQuestion) -> Question:
    nothing = Claim.of("", {}, 0.0, clip.duration)
    return Question(
        question_id=content_id("question", clip.clip_id, raw.text, list(raw.options)),
        clip_id=clip.clip_id,
        source_id=clip.source_id,
        split=clip.split,
        video_file=clip.video_file,
        type=TYPE,
        kind=KIND,
        difficulty=cast("Any", ""),  # nobody says
        view_t0=0.0,
        view_t1=clip.duration,
        text=raw.text,
        options=tuple(Option(text, nothing, 0.0) for text in raw.options),
        answer=raw.answer,
        answer_type="phrase",
        template="",
        template_args="{}",
        grounding=raw.grounding,
        provenance=Provenance(raw.generator, 0),
    )


def _caption(clip: Clip, raw: RawCaption) -> Caption:
    # A caption's id is made of its claims: an empty one that names its words keeps two captions of a clip apart.
    said = [x for x in re.split(r"(?<=[.!?])\s+", raw.text) if x]
    claims = [Claim.of("", {"said": content_id(x)}, 0.0, clip.duration) for x in said]
    sentences = tuple(Sentence("", x, "", "{}", claim) for x, claim in zip(said, claims, strict=True))
    return Caption(
        caption_id=caption_id(clip.clip_id, claims),
        clip_id=clip.clip_id,
        source_id=clip.source_id,
        split=clip.split,
        video_file=clip.video_file,
        text=" ".join(said),
        short=short_caption(sentences),
        sentences=sentences,
        grounding=raw.grounding,
        provenance=Provenance(raw.generator, 0),
    )


def _write(layout: str, out: Path, split: Split, rows: dict[str, Sequence[Any]], dropped: Counter[str]) -> Manifest:
    tables = {}
    for config, records in sorted(rows.items()):
        if records:
            table = sorted_table(config, records)
            write_table(table, out / config / f"{split}-00000.parquet")
            tables[config, str(split)] = table
    manifest = Manifest.measured(
        tables,
        data_version="0.1.0",
        generator=f"fm-hub {__version__}",
        recipe={"name": f"import {layout}", "seed": 0, "perception": {"fps": FPS}},
        models=[],
        dropped=dict(sorted(dropped.items())),
        repo="",
    )
    _prune(out, {c.video_file for c in rows["clips"]})
    write_card(out, manifest)
    return write_manifest(out, manifest)


def _prune(out: Path, keep: set[str]) -> None:
    """Remove what an earlier import into this folder left."""
    for path in (out / "videos").glob("*/*.mp4"):
        if path.relative_to(out).as_posix() not in keep:
            path.unlink()
