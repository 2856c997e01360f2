"""What is shown: the annotation of one clip with its questions and facts, from a video file or from a dataset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fm_builders.camera import paper_score
from fm_builders.captions import caption
from fm_builders.facts import facts_of
from fm_builders.material import Material
from fm_builders.perceive import perceive
from fm_builders.questions import ask
from fm_builders.recipe import Recipe
from fm_hub.dataset import dataset_root
from fm_hub.errors import BadDataset, UnknownName, UserError
from fm_hub.manifest import file_sha256
from fm_hub.records import Annotation, Camera, Caption, Clip, Fact, Frames, Question
from fm_hub.schemas import SCHEMAS
from fm_hub.tables import from_table, inside, shards
from fm_hub.video import index_video, sample_times

__all__ = ["MOST_SECONDS", "Shown", "of_dataset", "of_file"]

MOST_SECONDS = 120.0
"""A longer video is not one clip; a build cuts it."""


@dataclass(frozen=True)
class Shown:
    """One clip and all that is known of it; ``path`` is the video, ``title`` what to call it."""

    path: Path
    title: str
    annotation: Annotation
    questions: Sequence[Question] = ()
    facts: Sequence[Fact] = ()
    caption: Caption | None = None


def of_file(path: Path, recipe: Recipe) -> Shown:
    """Look at a video as at one clip, and ask what can be asked. Raises what reading and the models raise."""
    index = index_video(path)
    if index.duration > MOST_SECONDS:
        raise UserError(
            f"{path}: {index.duration:.0f} s is no clip; cut it: fm-hub build {path}, then show a clip of it"
        )
    sha256 = file_sha256(path).sha256
    clip_id = sha256[:24]
    pts, t = sample_times(index, recipe.perception.fps)
    seen = perceive(index, t, clip_id, "show", recipe.perception)
    size = (index.width, index.height)
    clip = Clip(
        clip_id=clip_id,
        source_id=clip_id,
        video_file=path.name,
        sha256=sha256,
        t0=0.0,
        t1=index.duration,
        copied=True,
        fps=index.fps,
        width=size[0],
        height=size[1],
        n_frames=index.n_frames,
        duration=index.duration,
        camera=seen.camera.label,
        split="test",
        status="ok",
        camera_score=paper_score(seen.camera, size),
    )
    frames = Frames(clip_id, np.arange(len(t), dtype=np.int32), pts, t)
    annotation = Annotation(clip, frames, seen.camera, seen.tracks, seen.keypoints, seen.contacts, seen.masks)
    m, c = Material(annotation, recipe.compose.min_quality), recipe.compose
    asked = ask(m, c.kinds, seed=recipe.seed, max_per_kind=c.max_per_kind, max_per_clip=c.max_per_clip)
    text = caption(m, seed=recipe.seed)
    return Shown(path, path.name, annotation, asked.questions, facts_of(m, asked.questions, text), text)


def of_dataset(clip: str, dataset: str) -> Shown:
    """A clip of a built dataset, by its id or the beginning of it. Raises :class:`~fm_hub.errors.UserError`."""
    root = dataset_root(dataset)
    if not re.fullmatch(r"[0-9a-f]{4,24}", clip):
        raise UserError(f"{clip}: neither a video file nor the id of a clip (its first digits will do)")
    ids = [i for path in shards(root, "clips") for i in pq.read_table(path, columns=["clip_id"])["clip_id"].to_pylist()]
    found = [i for i in ids if i.startswith(clip)]
    if len(found) != 1:
        raise (
            UserError(f"{clip}: {len(found)} clips of {dataset} begin so") if found else UnknownName("clip", clip, ids)
        )
    clip_id = found[0]
    row: Clip = _rows(root, "clips", clip_id)[0]
    path = inside(root, row.video_file)
    if not path.is_file():
        raise UserError(f"{row.video_file} is not in {dataset}: fm-hub fetch or fm-hub pull brings it")
    if row.status == "failed":
        raise UserError(f"clip {clip_id} could not be annotated: {row.reason}: {row.detail}")
    frames: Sequence[Frames] = _rows(root, "frames", clip_id)
    camera: Sequence[Camera] = _rows(root, "camera", clip_id)
    if not frames or not camera:
        raise BadDataset(
            f"{dataset}: clip {clip_id} has no row in frames or camera; fm-hub verify {dataset} tells more"
        )
    parts = [_rows(root, config, clip_id) for config in ("tracks", "keypoints", "contacts", "masks")]
    captions = _rows(root, "captions", clip_id)
    annotation = Annotation(row, frames[0], camera[0], *parts)
    questions, facts = _rows(root, "mcq", clip_id), _rows(root, "facts", clip_id)
    return Shown(path, f"clip {clip_id}", annotation, questions, facts, captions[0] if captions else None)


def _rows(root: Path, config: str, clip_id: str) -> list[Any]:
    """The records of a clip in one table, whatever the size of the table."""
    found = []
    for path in shards(root, config):
        try:
            found.append(pq.read_table(path, filters=[("clip_id", "==", clip_id)]))
        except (pa.ArrowInvalid, OSError) as e:
            raise BadDataset(f"{path}: not a readable Parquet file ({e})") from None
    table = pa.concat_tables(found, promote_options="permissive") if found else SCHEMAS[config].empty_table()
    return from_table(config, table)
