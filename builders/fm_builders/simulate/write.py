"""Shoot films into a dataset folder: clips, exact tables and truth, then what ``compose`` makes of them.

The folder is as ``fm-hub build`` would have left it: the work is in ``.fm_hub``, so that ``fm-hub compose`` asks other
questions of the same truth, and ``fm-hub build FOLDER/videos`` looks at the same clips with a detector.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from fm_builders.build import Built, compose_folder
from fm_builders.colours import coloured, thumbnail
from fm_builders.ledger import Ledger
from fm_builders.packed import pack
from fm_builders.recipe import Recipe
from fm_builders.simulate import RENDERED
from fm_builders.simulate.film import EVERY, Film, Image, Seen
from fm_builders.simulate.tables import measure
from fm_builders.simulate.truth import FOLDER
from fm_builders.sources import Found, Input
from fm_builders.store import Store, clip_name
from fm_builders.tasks import ClipFile, Digest, Outcome, Task, Work, entry_of
from fm_builders.workplace import Plan, Workplace
from fm_hub.errors import UserError
from fm_hub.manifest import file_sha256, write_text
from fm_hub.progress import bar
from fm_hub.records import Clip
from fm_hub.video import encode_clip, index_video, sample_times

__all__ = ["encode_film", "simulate"]

LICENSE = "Apache-2.0"  # what is made here is ours to give; the cut-outs in NOTICE allow it


def simulate(films: Sequence[Film], recipe: Recipe, out: Path, *, replace_old: bool = False) -> Built:
    """Shoot the films into ``out`` and compose the dataset. Raises :class:`~fm_hub.errors.BadOutput` and writes nothing
    where the folder holds something else, :class:`UserError` where the recipe would look at the clips itself.
    """
    if recipe.perception.detectors != ("simulator",):
        raise UserError(f'recipe {recipe.name!r}: simulated clips have exact tracks; set detectors = ["simulator"]')
    inputs = tuple(Input(f"simulate:{f.name}", f"{f.name}.mp4", LICENSE, f.name) for f in films)
    place = Workplace(out)
    place.check(Found(inputs), replace=replace_old)
    with place.locked():
        work = Work(recipe, place.own_store, run=1)
        store = Store(work.store)
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        (out / FOLDER).mkdir(parents=True)
        with Ledger(store.storage) as ledger, bar("shooting", len(films)) as tick:
            for film, source in zip(films, inputs, strict=True):
                truth = _shoot(film, source, work, store, ledger)
                write_text(out / FOLDER / f"{truth[0]}.json", truth[1])
                tick()
        place.save(Plan(inputs, recipe, work.store))
    return compose_folder(out)


def encode_film(film: Film, images: Iterable[Image], path: Path) -> None:
    """Write a film's pictures as a clip; rendered ones, of few details, as quickly as they are drawn."""
    encode_clip(images, film.times.tolist(), path, preset="veryfast" if film.scene in RENDERED else "medium")


def _shoot(film: Film, source: Input, work: Work, store: Store, ledger: Ledger) -> tuple[str, str]:
    """Shoot one film into the store, as if its three stages had run; returns its clip id and its truth as JSON."""
    folder = Path(store.storage.location) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shoot-", dir=folder) as scratch:
        path = Path(scratch) / "clip.mp4"
        seen: list[Mapping[str, Seen]] = []
        small: list[Image] = []
        encode_film(film, _frames(film, seen, small), path)
        info, index = file_sha256(path), index_video(path)
        pts, t = sample_times(index, work.recipe.perception.fps)
        if not np.allclose(t, film.times[::EVERY], atol=1e-4):
            raise UserError(
                f"recipe {work.recipe.name!r}: simulated clips are measured 10 times a second; set fps = 10"
            )
        digest = Digest(info.sha256, info.bytes)
        file = ClipFile(digest.sha256[:24], digest.sha256, 0.0, round(index.duration, 3), True)
        measures: dict[str, Any] = {
            "codec": index.codec,
            "width": index.width,
            "height": index.height,
            "rotation": index.rotation,
        }
        measures |= {"n_frames": index.n_frames, "duration": round(index.duration, 3), "vfr": index.vfr}
        clip = _row(file, index.fps, film, measures["n_frames"], measures["duration"])
        store.storage.adopt(path, clip_name(file.clip_id))
    perceive = Task.perceive(source, digest, file, work.recipe)
    made = measure(film, clip, seen, perceive.key, pts)
    a = made.annotation
    clip = replace(clip, camera=a.camera.label)
    tables: dict[str, Sequence[Any]] = {"clips": [clip], "frames": [a.frames], "camera": [a.camera]}
    tables |= {"tracks": coloured(a.tracks, small, film.size), "keypoints": a.keypoints, "contacts": a.contacts}
    store.put("perceive", perceive.key, pack(tables))
    cut = Task.cut(source, digest, work.recipe)
    found = {"source": measures, "clips": [asdict(file)], "left_out": []}
    store.put("cut", cut.key, json.dumps(found, sort_keys=True).encode())
    for task in (Task.read(source), cut, perceive):
        outcome = Outcome("ok", output=asdict(digest) if task.stage == "read" else None)
        ledger.add(entry_of(task, outcome, work))
    return file.clip_id, made.truth.as_json()


def _frames(film: Film, seen: list[Mapping[str, Seen]], small: list[Image]) -> Iterator[Image]:
    """The pictures of a film; what is seen in the sampled ones, and small copies of these, are put aside."""
    for shot in film.shoot(True):
        if shot.image is None:
            raise ValueError("a film was shot without pictures")
        if shot.seen is not None:
            seen.append(shot.seen)
            small.append(thumbnail(shot.image))
        yield shot.image


def _row(file: ClipFile, fps: float, film: Film, n_frames: int, duration: float) -> Clip:
    return Clip(
        clip_id=file.clip_id,
        source_id="",
        video_file="",
        sha256=file.sha256,
        t0=file.t0,
        t1=file.t1,
        copied=file.copied,
        fps=round(fps, 3),
        width=film.size[0],
        height=film.size[1],
        n_frames=n_frames,
        duration=duration,
        camera="unknown",
        split="train",
        status="ok",
    )
