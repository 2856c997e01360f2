"""The stages of a source video: read (hash it), cut (into clips), perceive (one clip), mirror (it). What a worker runs.

Each stage looks for its artifact first and stores it last, so that a killed build repeats at most the stage
that it died in. An :class:`~fm_hub.errors.ItemError` becomes a line of the ledger and a row; an error of the store
(a full disk) stops the build; nothing else is caught but what plugins raise.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fm_builders.camera import paper_score
from fm_builders.clips import ClipPlan, Span, cut_clip, flip_clip, plan_clips
from fm_builders.energy import motion_energy
from fm_builders.given import fetch_given
from fm_builders.hub_sources import DATASETS, fetch
from fm_builders.ledger import Ledger
from fm_builders.packed import pack, unpack
from fm_builders.questions import seeded
from fm_builders.recipe import Recipe
from fm_builders.shots import SHOTS
from fm_builders.sources import Input
from fm_builders.store import Store, clip_name
from fm_builders.tasks import ClipFile, Digest, Outcome, Task, Work, entry_of
from fm_hub.errors import (
    BadOutput,
    EmptyFile,
    ItemError,
    ModelError,
    OutOfMemory,
    TooShort,
    Unavailable,
    UnreadableFile,
    UserError,
)
from fm_hub.records import Camera, Clip, Frames
from fm_hub.video import VideoIndex, index_video, sample_times

__all__ = [
    "close",
    "run_task",
    "without_folders",
]

MIN_FRAMES = 5
STORE_IS_BROKEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
MAY_PASS = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ECONNRESET, errno.ENETDOWN, errno.ENETUNREACH}


@lru_cache(maxsize=2)
def _opened(location: str) -> tuple[Store, Ledger]:
    """The store, and this process's own file of the ledger."""
    store = Store(location)
    return store, Ledger(store.storage)


def close(location: str) -> None:
    """Close this process's file of the ledger; the next task opens another."""
    _opened(location)[1].close()
    _opened.cache_clear()


def run_task(task: Task, *, work: Work) -> Outcome:
    """Run one stage for one item and write its line. Raises :class:`BadOutput` where the store cannot be written."""
    if task.wait_s:
        time.sleep(task.wait_s)
    store, ledger = _opened(work.store)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        kept = _kept(task, store)
        outcome = kept or Outcome("ok", output=STAGES[task.stage](task, work, store))
    except ItemError as e:
        outcome = Outcome("failed", type(e).__name__, str(e))
    except UserError:
        raise
    except MemoryError:
        outcome = Outcome("failed", OutOfMemory.__name__, "more memory was asked for than there is")
    except Exception as e:  # a plugin's error costs its item, not the build; its name and words are kept
        number = e.errno if isinstance(e, OSError) else None
        if isinstance(e, OSError) and number in STORE_IS_BROKEN:
            raise _store_error(work.store, e) from e
        reason = Unavailable if number in MAY_PASS else ModelError
        outcome = Outcome("failed", reason.__name__, without_folders(f"{type(e).__name__}: {e}"))
    entry = entry_of(task, outcome, work)
    spent = round(time.perf_counter() - wall, 4), round(time.process_time() - cpu, 4)
    try:
        ledger.add(replace(entry, wall_s=spent[0], cpu_s=spent[1]))
    except OSError as e:
        raise _store_error(work.store, e) from e
    return outcome


def without_folders(text: str) -> str:
    """A message without the folders that it names: paths of this machine are not published.

    >>> without_folders("no file '/home/me/models/net.onnx'")
    "no file 'net.onnx'"
    """
    return re.sub(r"(?<![\w.])/(?:[^\s/'\":]+/)+", "", text)


@contextmanager
def _storing(store: Store) -> Iterator[None]:
    """What fails here is the store's fault and ends the build: no other item would do better."""
    try:
        yield
    except OSError as e:
        raise _store_error(store.storage.location, e) from e


def _store_error(location: str, e: OSError) -> BadOutput:
    what = e.strerror or type(e).__name__
    todo = "free some space" if e.errno in STORE_IS_BROKEN else "see to it"
    return BadOutput(f"{location}: {what}; {todo} and run the same command again; finished work is kept")


@contextmanager
def _called(path: Path, name: str) -> Iterator[Path]:
    """Errors speak of the file by its name alone: paths of this machine are not published."""
    try:
        yield path
    except ItemError as e:
        raise type(e)(str(e).replace(str(path), Path(name).name)) from e


def _kept(task: Task, store: Store) -> Outcome | None:
    """The outcome of an earlier run whose line was lost, or that another source shares."""
    if task.stage == "read":
        return None
    payload = store.get(task.stage, task.key)
    if payload is None:
        return None
    if task.stage == "perceive":
        return Outcome("ok", kept=True)
    found = json.loads(payload)
    if task.stage == "mirror" and found["clips"] and store.get("perceive", task.key) is None:
        return None
    whole = all(_has_clip(store, row["clip_id"], row["sha256"]) for row in found["clips"])
    return Outcome("ok", output=found, kept=True) if whole else None


def _has_clip(store: Store, clip_id: str, sha256: str) -> bool:
    data = store.storage.read(clip_name(clip_id))
    return data is not None and hashlib.sha256(data).hexdigest() == sha256


@contextmanager
def _file_of(source: Input) -> Iterator[Path]:
    """The source as a file of this machine."""
    path = fetch(source.uri) if source.uri.startswith(DATASETS) else Path(source.uri)
    with _called(path, source.name):
        yield path


def _read(task: Task, work: Work, store: Store) -> dict[str, Any]:
    del work, store
    with _file_of(task.source) as path:
        digest = _digest(path)
    return asdict(digest)


def _digest(path: Path) -> Digest:
    """Hash a file. Raises :class:`UnreadableFile`, :class:`Unavailable` or :class:`EmptyFile`."""
    digest, size = hashlib.sha256(), 0
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block the worker for ever
            raise UnreadableFile("not a regular file")
        with open(path, "rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
                size += len(block)
    except OSError as e:
        kind = Unavailable if e.errno in MAY_PASS else UnreadableFile
        raise kind(e.strerror or str(e)) from None
    if not size:
        raise EmptyFile("zero bytes")
    return Digest(digest.hexdigest(), size)


def _cut(task: Task, work: Work, store: Store) -> dict[str, Any]:
    """Cut the clips, store them, and tell the source's measures, the clips, and the reasons for what was left out."""
    c = work.recipe.clips
    with _file_of(task.source) as path:
        index = index_video(path)
        if index.n_frames < MIN_FRAMES or index.duration < c.min_s:
            raise TooShort(f"{index.n_frames} frame(s), {index.duration:.2f} s; a clip needs {c.min_s} s")
        plan = _plan(task, index, work.recipe)
        clips = [asdict(_stored(index, span, store)) for span in plan.spans]
        if task.source.stamped().stamp != task.source.stamp and _digest(path) != task.digest:
            raise UnreadableFile("changed while it was worked on; run the same command again")
    source = {
        "codec": index.codec,
        "width": index.width,
        "height": index.height,
        "rotation": index.rotation,
        "n_frames": index.n_frames,
        "duration": round(index.duration, 3),
        "vfr": index.vfr,
    }
    found = {"source": source, "clips": clips, "left_out": [s.reason for s in plan.left_out]}
    with _storing(store):
        store.put("cut", task.key, json.dumps(found, sort_keys=True).encode())
    return found


def _plan(task: Task, index: VideoIndex, recipe: Recipe) -> ClipPlan:
    """Which parts of a source become clips. How much moves is only measured where it matters."""
    c = recipe.clips
    shots = SHOTS.load(c.shots)(index)
    matters = c.most or any(t1 - t0 > c.max_s for t0, t1 in shots)
    return plan_clips(
        index,
        shots,
        spans=task.source.spans,
        min_s=c.min_s,
        max_s=c.max_s,
        target_s=c.target_s,
        energy=motion_energy(index) if matters else None,
        most=c.most,
        seed=seeded(recipe.seed, task.item),
    )


def _stored(index: VideoIndex, span: Span, store: Store) -> ClipFile:
    """Cut one clip and keep it under the hash of its bytes."""
    folder = _scratch(store)
    with tempfile.TemporaryDirectory(prefix="cut-", dir=folder) as scratch:
        tmp = Path(scratch) / "clip.mp4"
        cut_clip(index, span, tmp)
        digest = _digest(tmp)
        clip_id = digest.sha256[:24]
        with _storing(store):
            store.storage.adopt(tmp, clip_name(clip_id))
    return ClipFile(clip_id, digest.sha256, round(span.t0, 3), round(span.t1, 3), span.copy)


def _scratch(store: Store) -> Path | None:
    """Where to write before renaming: the same disk, if the store is a folder."""
    if "://" in store.storage.location:
        return None
    folder = Path(store.storage.location) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _perceive(task: Task, work: Work, store: Store) -> None:
    """Look at one clip and store its tables."""
    from fm_builders.perceive import perceive  # a second of imports, for those alone who look at clips

    clip, p = task.clip, work.recipe.perception
    if clip is None:
        raise ValueError("a clip is needed")
    with store.storage.local(clip_name(clip.clip_id)) as here, _called(here, here.name) as path:
        index = index_video(path)
        pts, t = sample_times(index, p.fps)
        if len(t) < MIN_FRAMES:
            raise TooShort(f"{len(t)} sampled frame(s); a clip needs {MIN_FRAMES}")
        size = (index.width, index.height)
        given = fetch_given(store, p.given, clip.clip_id, len(t), size) if p.given else {}
        seen = perceive(index, t, clip.clip_id, task.key, p, given)
    frames = Frames(clip.clip_id, list(range(len(t))), pts, t)  # type: ignore[arg-type]  # frozen into arrays
    measured = _measured(clip, index, seen.camera)
    tables: dict[str, Sequence[Any]] = {"clips": [measured], "frames": [frames], **seen.tables()}
    with _storing(store):
        store.put("perceive", task.key, pack(tables))


def _mirror(task: Task, work: Work, store: Store) -> dict[str, Any]:
    """Make the twin of a clip and store its file and its tables, or tell why there is none."""
    from fm_builders.twins import why_no_twin  # it needs what looks at clips

    clip = task.clip
    if clip is None or task.digest is None:
        raise ValueError("a clip is needed")
    payload = store.get("perceive", Task.perceive(task.source, task.digest, clip, work.recipe).key)
    if payload is None:
        raise Unavailable("what was seen of the clip is gone; run the same command again")
    tables, twin = unpack(payload), None
    with store.storage.local(clip_name(clip.clip_id)) as here, _called(here, here.name) as path:
        index = index_video(path)
        reason = why_no_twin(index, tables)
        if not reason:
            twin = _flipped(index, tables, task, work, store)
            reason = "" if twin else "OtherTimes"
    found: dict[str, Any] = {"clips": [asdict(twin)] if twin else [], "left_out": [reason] if reason else []}
    with _storing(store):
        store.put("mirror", task.key, json.dumps(found, sort_keys=True).encode())
    return found


def _flipped(index: VideoIndex, tables: dict[str, Any], task: Task, work: Work, store: Store) -> ClipFile | None:
    """Store a clip's flipped copy and its tables; None where its frames are shown at other times."""
    from fm_builders.twins import flipped_tables

    if task.clip is None:
        raise ValueError("a clip is needed")
    with tempfile.TemporaryDirectory(prefix="mirror-", dir=_scratch(store)) as scratch:
        tmp = Path(scratch) / "clip.mp4"
        flip_clip(index, tmp)
        sha256 = _digest(tmp).sha256
        flipped = flipped_tables(tables, tmp, sha256, task.key, work.recipe.perception.fps)
        if flipped is None:
            return None
        with _storing(store):
            store.storage.adopt(tmp, clip_name(sha256[:24]))
            store.put("perceive", task.key, pack(flipped))
    return replace(task.clip, clip_id=sha256[:24], sha256=sha256, copied=False, mirror_of=task.clip.clip_id)


STAGES = {"read": _read, "cut": _cut, "perceive": _perceive, "mirror": _mirror}


def _measured(clip: ClipFile, index: VideoIndex, camera: Camera) -> Clip:
    """What was measured of the clip, as a row; source and split depend on the build and are filled in there."""
    return Clip(
        clip_id=clip.clip_id,
        source_id="",
        video_file="",
        sha256=clip.sha256,
        t0=clip.t0,
        t1=clip.t1,
        copied=clip.copied,
        fps=round(index.fps, 3),
        width=index.width,
        height=index.height,
        n_frames=index.n_frames,
        duration=round(index.duration, 3),
        camera=camera.label,
        split="train",
        status="ok",
        camera_score=paper_score(camera, (index.width, index.height)),
    )
