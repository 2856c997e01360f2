"""A contribution whose rows, clips and clock agree to the last digit, and an annotator that sees what was drawn."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fm_builders.annotate import AnnotatedClip, SourceAnnotation
from fm_builders.batches import clip_path
from fm_builders.compose import compose
from fm_builders.packed import pack
from fm_builders.recipe import Recipe
from fm_builders.store import Store, clip_name
from fm_builders.tasks import ClipFile
from fm_builders.workplace import work_folder
from fm_hub.contribute.staging import Offer, stage
from fm_hub.contribution import check, sandbox
from fm_hub.contribution.agreement import ANNOTATORS
from fm_hub.contribution.known import EMPTY, Known
from fm_hub.errors import ItemError
from fm_hub.manifest import file_sha256
from fm_hub.records import Annotation, Source
from fm_hub.registry import load_string
from fm_hub.splits import split_of
from fm_hub.video import encode_clip, index_video
from scenes_made import HEIGHT, WIDTH, annotation, clock, line, make_track, rest, swing

RECIPE = Recipe.model_validate({"name": "made", "splits": {"train": 0.0, "validation": 0.0}})
OFFER = Offer(
    repo="fm/motion",
    user="eve",
    slug="kitchen",
    title="Kitchen clips",
    license="cc-by-4.0",
    source="drawn by a program of mine",
    consent="nobody is to be seen in them",
)


def kitchens(seed: int = 0) -> list[Annotation]:
    """Two clips in which things move that nobody can mistake."""
    t = clock(3.0)
    shift = 7 * seed
    first = [
        make_track("cup", "cup", t, line((80 + shift, 200), (540, 190), 3.0), size=(60, 80), jitter=0),
        make_track("bowl", "bowl", t, line((560, 60 + shift), (120, 60), 3.0), size=(90, 50), jitter=0),
    ]
    second = [
        make_track("hand", "hand", t, swing((300 + shift, 150), 120, 1.5), size=(60, 60), jitter=0),
        make_track("pot", "cup", t, rest((520, 270 - shift)), size=(70, 70), jitter=0),
    ]
    return [annotation(first, t), annotation(second, t)]


def _draw(a: Annotation, path: Path, seed: int) -> None:
    """A video of the boxes on a textured ground, as large and as long as the annotation says."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(20, 235, (HEIGHT // 60, WIDTH // 80, 3), np.uint8)  # coarse: what a room looks like
    ground = np.kron(patches, np.ones((60, 80, 1), np.uint8))
    frames = []
    for i in range(len(a.frames.t)):
        image = ground.copy()
        for track in a.tracks:
            for box in track.bbox[track.frame == i]:
                x1, y1, x2, y2 = (int(v) for v in box)
                image[y1:y2, x1:x2] = [sum(track.label.encode()) % 256, 40, 90]
        frames.append(image)
    encode_clip(iter(frames), a.frames.t.tolist(), path)


@lru_cache
def _made(seed: int) -> tempfile.TemporaryDirectory[str]:
    """A dataset of drawn clips, made once in a process."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    made(Path(folder.name) / "dataset", kitchens(seed), seed)
    return folder


def built(root: Path, *, seed: int = 0) -> Path:
    """A dataset as a build makes it, of drawn clips."""
    shutil.copytree(Path(_made(seed).name) / "dataset", root)
    return root


def made(root: Path, scenes: list[Annotation], seed: int = 0) -> Path:
    """A dataset of these scenes, drawn; ``seed`` is that of the ground behind them."""
    store, found = Store(work_folder(root)), []
    for i, a in enumerate(scenes):
        tmp = root / ".fm_hub" / "cut" / f"{i}.mp4"
        tmp.parent.mkdir(parents=True, exist_ok=True)
        _draw(a, tmp, seed * 10 + i)
        index, data = index_video(tmp), tmp.read_bytes()
        sha = file_sha256(tmp).sha256
        tmp.unlink()
        clip_id = sha[:24]
        measured = {"width": index.width, "height": index.height, "n_frames": index.n_frames}
        measured |= {"fps": round(index.fps, 3), "duration": round(index.duration, 3)}
        split = split_of(clip_id, RECIPE.splits.train, RECIPE.splits.validation)
        names = {"clip_id": clip_id, "source_id": clip_id, "sha256": sha, "video_file": clip_path(clip_id)}
        clip = replace(a.clip, **names, split=split, **measured)
        store.storage.write(clip_name(clip_id), data)
        tables = {
            "clips": [clip],
            "frames": [replace(a.frames, clip_id=clip_id, pts=index.pts, t=index.times)],
            "camera": [replace(a.camera, clip_id=clip_id)],
            "tracks": [replace(t, clip_id=clip_id, track_id=f"{i}{t.track_id[1:-2]}{seed:02d}") for t in a.tracks],
            "keypoints": [],
        }
        key = sha[:62] + f"{i:02d}"
        store.put("perceive", key, pack(tables))
        size = (index.width, index.height, 0, index.n_frames, index.duration, False)
        source = Source(clip_id, f"kitchen-{i}.mp4", sha, len(data), "h264", *size, "CC-BY-4.0", "ok")
        file = ClipFile(clip_id, sha, clip.t0, clip.t1, clip.copied)
        found.append(SourceAnnotation(source, (AnnotatedClip(file, key),)))
    compose(found, RECIPE, root, store)
    return root


def contribution(work: Path, *, seed: int = 0, offer: Offer = OFFER, known: Known = EMPTY) -> Path:
    """The folder of a contribution that passes: ``work/contrib/<user>-<slug>``."""
    dataset = built(work / "dataset", seed=seed)
    return stage(dataset, work, offer, known).root


def drawn(path: str, t: list[float]) -> dict[str, Any]:
    """An annotator that knows what was drawn: it reads the boxes of the table beside the video."""
    from fm_hub.tables import read_table

    root = Path(path).parents[2]
    frames: list[list[list[float]]] = [[] for _ in t]
    for row in read_table(root, "tracks").to_pylist():
        if row["clip_id"] == Path(path).stem and row["label"] != "ghost":
            for frame, box in zip(row["frame"], row["bbox"], strict=True):
                frames[frame].append(box)
    return {"camera": "static", "frames": frames}


def sees_nothing(path: str, t: list[float]) -> dict[str, Any]:
    """An annotator in the dark."""
    return {"camera": "static", "frames": [[] for _ in t]}


def edit_json(path: Path, **fields: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in a process of its own runs in this one: the same functions on the same plain values."""

    def call(target: str, args: dict[str, Any], **limits: Any) -> Any:
        try:
            answer = load_string(target)(**json.loads(json.dumps(args)))
        except ItemError as e:
            answer = {"error": type(e).__name__, "why": str(e)}
        return json.loads(json.dumps(answer))

    monkeypatch.setattr(check, "run_limited", call)
    monkeypatch.setattr(sandbox, "run_limited", call)


def annotators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two annotators: one that knows what was drawn, and one that sees nothing."""
    table = {"drawn": "contributions_made:drawn", "nothing": "contributions_made:sees_nothing"}
    monkeypatch.setattr(ANNOTATORS, "table", table)
    monkeypatch.setitem(ANNOTATORS.__dict__, "_targets", table)
