"""Datasets composed by the real code from made annotations, with drawn videos: no perception involved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fm_builders.annotate import AnnotatedClip, SourceAnnotation
from fm_builders.batches import clip_path
from fm_builders.compose import compose
from fm_builders.packed import pack
from fm_builders.recipe import Recipe
from fm_builders.store import Store, clip_name
from fm_builders.tasks import ClipFile
from fm_builders.workplace import work_folder
from fm_hub.manifest import Manifest
from fm_hub.records import Annotation, Source
from fm_hub.splits import split_of
from fm_hub.video import encode_clip
from scenes_made import HEIGHT, WIDTH, annotation, clock, line, make_track, rest, street, swing


def scenes() -> list[Annotation]:
    """Three clips: a street, a swinging hand, and one where nothing can be asked."""
    t = clock()
    hand = make_track("hand", "hand", t, swing((300, 150), 120, 3.0), size=(60, 60))
    cup = make_track("cup", "cup", t, rest((500, 250)), size=(40, 60))
    poor = make_track("blur", "car", t, line((100, 100), (400, 200)), quality=0.1)
    return [street(), annotation([hand, cup], t), annotation([poor], t)]


def draw(a: Annotation, path: Path) -> None:
    """A small video of an annotation's boxes."""
    frames = []
    for i in range(len(a.frames.t)):
        image = np.full((HEIGHT // 2, WIDTH // 2, 3), 200, np.uint8)
        for track in a.tracks:
            for box in track.bbox[track.frame == i]:
                x1, y1, x2, y2 = (int(v) // 2 for v in box)
                image[y1:y2, x1:x2] = [sum(track.label.encode()) % 256, 40, 90]
        frames.append(image)
    encode_clip(iter(frames), a.frames.t.tolist(), path)


def make_dataset(
    root: Path, made: Sequence[Annotation] | None = None, *, recipe: Recipe | None = None, videos: bool = True
) -> tuple[Manifest, list[SourceAnnotation], Recipe]:
    """Compose a dataset folder. Source ids follow from the drawn bytes, as in a build."""
    recipe = recipe or Recipe.model_validate({"name": "made", "splits": {"train": 0.0, "validation": 0.0}})
    store = Store(work_folder(root))
    found = []
    for i, a in enumerate(made if made is not None else scenes()):
        tmp = root / ".fm_hub" / "cut" / f"{i}.mp4"
        tmp.parent.mkdir(parents=True, exist_ok=True)
        draw(a, tmp)
        data = tmp.read_bytes()
        tmp.unlink()
        sha = hashlib.sha256(data).hexdigest()
        clip_id = sha[:24]
        split = split_of(clip_id, recipe.splits.train, recipe.splits.validation)
        clip = replace(
            a.clip, clip_id=clip_id, source_id=clip_id, sha256=sha, video_file=clip_path(clip_id), split=split
        )
        store.storage.write(clip_name(clip_id), data)
        tables = {
            "clips": [clip],
            "frames": [replace(a.frames, clip_id=clip_id)],
            "camera": [replace(a.camera, clip_id=clip_id)],
            "tracks": [replace(t, clip_id=clip_id) for t in a.tracks],
            "keypoints": [],
            "contacts": [],
        }
        key = hashlib.sha256(f"made {i}".encode()).hexdigest()
        store.put("perceive", key, pack(tables))
        n, seconds = clip.n_frames, clip.duration
        source = Source(
            clip_id, f"made-{i}.mp4", sha, len(data), "h264", WIDTH, HEIGHT, 0, n, seconds, False, "CC0-1.0", "ok"
        )
        file = ClipFile(clip_id, sha, clip.t0, clip.t1, clip.copied)
        found.append(SourceAnnotation(source, (AnnotatedClip(file, key),)))
    return compose(found, recipe, root, store, videos=videos), found, recipe
