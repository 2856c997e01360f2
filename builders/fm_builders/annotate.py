"""One source video through its stages: read, cut, perceive. What a worker process runs.

Each stage looks for its artifact first and stores it last, so that a killed build repeats at most the
stage it died in. An :class:`~fm_hub.errors.ItemError` becomes a row; nothing else is caught.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from fm_builders import perceive as perception
from fm_builders.clips import cut_clip, plan_clips
from fm_builders.recipe import Recipe
from fm_builders.shots import find_shots
from fm_builders.splits import split_of
from fm_builders.store import Entry, Ledger, Store, artifact_key, write_atomic
from fm_hub.errors import EmptyFile, ItemError, ModelError, TooShort, UnreadableFile, UserError
from fm_hub.manifest import file_sha256
from fm_hub.records import Annotation, Camera, Clip, Frames, Source, content_id
from fm_hub.tables import from_table, to_table
from fm_hub.video import VideoIndex, index_video, sample_times

__all__ = ["Annotated", "Job", "annotate", "clip_path", "load_annotation", "work_folder"]

READ_VERSION = CUT_VERSION = PERCEIVE_VERSION = 1
MIN_FRAMES = 5


@dataclass(frozen=True)
class Job:
    """One source to annotate: its path, the name to publish, the recipe and the dataset folder."""

    path: Path
    name: str
    recipe: Recipe
    out: Path


@dataclass(frozen=True)
class Annotated:
    """What became of a source: its row, its clips' rows, and where each clip's tables are (artifact keys)."""

    source: Source
    clips: tuple[Clip, ...]
    keys: tuple[str, ...]
    reused: int = 0
    left_out: tuple[str, ...] = ()
    """The reasons for the spans that gave no clip."""


def work_folder(out: Path) -> Path:
    """Where a build keeps what it does not publish."""
    return out / ".fm_hub"


def clip_path(clip_id: str) -> str:
    """The published place of a clip, relative to the dataset's root."""
    return f"videos/{clip_id[:2]}/{clip_id}.mp4"


def failed_source(job: Job, e: ItemError, sha256: str = "", size: int = 0) -> Source:
    """The row of a source that could not be used."""
    source_id = sha256[:24] if sha256 else content_id("source", job.name)
    reason, detail = type(e).__name__, says(e, job.path.parent)
    return Source(source_id, job.name, sha256, size, "", 0, 0, 0, 0, 0.0, False, "", "failed", reason, detail)


def says(e: ItemError, folder: Path) -> str:
    """What an error says, without the folder's path: paths of this machine are not published."""
    return str(e).replace(f"{folder}{os.sep}", "")


def annotate(job: Job) -> Annotated:
    """Bring one source through all stages. Only :class:`ItemError` is turned into a row; all else is a bug."""
    with Ledger(work_folder(job.out) / "ledger") as ledger:
        run = _Run(job, Store(work_folder(job.out) / "artifacts"), ledger)
        return run.all()


class _Run:
    def __init__(self, job: Job, store: Store, ledger: Ledger) -> None:
        self.job, self.store, self.ledger = job, store, ledger
        self.reused = 0

    def all(self) -> Annotated:
        sha, size = "", 0
        try:
            with self.stage("read", content_id("source", self.job.name), ""):
                sha, size = _digest(self.job.path)
            source, spans, left_out = self.cut(sha, size)
        except ItemError as e:
            return Annotated(failed_source(self.job, e, sha, size), (), ())
        clips, keys = [], []
        for row in spans:
            clip, key = self.clip(source, row)
            clips.append(clip)
            keys.append(key)
        return Annotated(source, tuple(clips), tuple(keys), self.reused, tuple(left_out))

    @contextmanager
    def stage(self, name: str, item: str, key: str) -> Iterator[None]:
        """Time a stage and write its line: ok, or failed with the reason."""
        wall, cpu = time.perf_counter(), time.process_time()
        entry = Entry(item, self.job.name, name, key, "ok")
        try:
            yield
        except ItemError as e:
            entry = replace(entry, status="failed", reason=type(e).__name__, detail=says(e, self.job.path.parent))
            raise
        except Exception as e:  # a plugin's error costs its item, not the build; its name and words are kept
            if isinstance(e, UserError | OSError):
                raise
            failure = ModelError(f"{type(e).__name__}: {e}")
            entry = replace(entry, status="failed", reason="ModelError", detail=str(failure))
            raise failure from e
        finally:
            spent = round(time.perf_counter() - wall, 4), round(time.process_time() - cpu, 4)
            self.ledger.add(replace(entry, wall_s=spent[0], cpu_s=spent[1]))

    def cut(self, sha: str, size: int) -> tuple[Source, list[dict[str, Any]], list[str]]:
        """The source's row, the rows of its clips, and the reasons for what was left out; the clips lie in place."""
        key = artifact_key("cut", CUT_VERSION, self.job.recipe.clips.model_dump(mode="json"), [], [sha])
        payload = self.store.get("cut", key)
        if payload is not None:
            found = json.loads(payload)
            if all(_whole(self.job.out / clip_path(c["clip_id"]), c["sha256"]) for c in found["clips"]):
                self.reused += 1
                source = Source(**{**found["source"], "name": self.job.name, "license": self._license()})
                return source, found["clips"], found["left_out"]
        with self.stage("cut", sha[:24], key):
            source, clips, left_out = self._cut(sha, size)
            text = json.dumps({"source": asdict(source), "clips": clips, "left_out": left_out}, sort_keys=True)
            self.store.put("cut", key, text.encode())
        return source, clips, left_out

    def _license(self) -> str:
        publish = self.job.recipe.publish
        return publish.licenses.get(Path(self.job.name).name, publish.license)

    def _cut(self, sha: str, size: int) -> tuple[Source, list[dict[str, Any]], list[str]]:
        index = index_video(self.job.path)
        c = self.job.recipe.clips
        if index.n_frames < MIN_FRAMES or index.duration < c.min_s:
            raise TooShort(f"{index.n_frames} frame(s), {index.duration:.2f} s; a clip needs {c.min_s} s")
        plan = plan_clips(index, find_shots(index), min_s=c.min_s, max_s=c.max_s, target_s=c.target_s)
        clips = []
        for span in plan.spans:
            tmp = work_folder(self.job.out) / "cut" / f"{sha[:16]}-{span.t0:.3f}-{os.getpid()}.mp4"
            tmp.parent.mkdir(parents=True, exist_ok=True)
            cut_clip(index, span, tmp)
            clips.append(self._publish(tmp, span.t0, span.t1, copied=span.copy))
        left_out = [s.reason for s in plan.left_out]
        ok = bool(clips)
        source = Source(
            source_id=sha[:24],
            name=self.job.name,
            sha256=sha,
            bytes=size,
            codec=index.codec,
            width=index.width,
            height=index.height,
            rotation=index.rotation,
            n_frames=index.n_frames,
            duration=round(index.duration, 3),
            vfr=index.vfr,
            license=self._license(),
            status="ok" if ok else "filtered",
            reason="" if ok else left_out[0],
            detail="" if ok else f"no shot of {c.min_s} s or more",
        )
        return source, clips, left_out

    def _publish(self, tmp: Path, t0: float, t1: float, *, copied: bool) -> dict[str, Any]:
        """Move a cut file to its place, named by its bytes."""
        data = tmp.read_bytes()
        sha = hashlib.sha256(data).hexdigest()
        write_atomic(self.job.out / clip_path(sha[:24]), data)
        tmp.unlink()
        return {"clip_id": sha[:24], "sha256": sha, "t0": round(t0, 3), "t1": round(t1, 3), "copied": copied}

    def clip(self, source: Source, row: Mapping[str, Any]) -> tuple[Clip, str]:
        """One clip's row and the key of its tables; a clip that cannot be perceived is a failed row."""
        p, splits = self.job.recipe.perception, self.job.recipe.splits
        models = perception.model_ids(p.detectors)
        key = artifact_key("perceive", PERCEIVE_VERSION, p.model_dump(mode="json"), models, [row["sha256"]])
        clip = Clip(
            clip_id=row["clip_id"],
            source_id=source.source_id,
            video_file=clip_path(row["clip_id"]),
            sha256=row["sha256"],
            t0=row["t0"],
            t1=row["t1"],
            copied=row["copied"],
            fps=0.0,
            width=0,
            height=0,
            n_frames=0,
            duration=0.0,
            camera="unknown",
            split=split_of(source.source_id, splits.train, splits.validation),
            status="ok",
        )
        kept = load_tables(self.store, key)
        if kept is not None:
            self.reused += 1
            return _filled(clip, kept["clips"][0]), key
        try:
            with self.stage("perceive", clip.clip_id, key):
                found = self._perceive(clip, key)
                self.store.put("perceive", key, pack(found))
        except ItemError as e:
            return replace(clip, status="failed", reason=type(e).__name__, detail=says(e, self.job.out)), ""
        return _filled(clip, found["clips"][0]), key

    def _perceive(self, clip: Clip, key: str) -> dict[str, list[Any]]:
        index = index_video(self.job.out / clip.video_file)
        p = self.job.recipe.perception
        pts, t = sample_times(index, p.fps)
        if len(t) < MIN_FRAMES:
            raise TooShort(f"{len(t)} sampled frame(s); a clip needs {MIN_FRAMES}")
        camera, tracks, keypoints = perception.perceive(
            index, t, clip.clip_id, key, list(p.detectors), p.tracker, max_side=p.max_side
        )
        frames = Frames(clip.clip_id, list(range(len(t))), pts, t)  # type: ignore[arg-type]  # frozen into arrays
        full = _measured(clip, index, camera)
        return {"clips": [full], "frames": [frames], "camera": [camera], "tracks": tracks, "keypoints": keypoints}


def _digest(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file. Raises :class:`UnreadableFile` or :class:`EmptyFile`."""
    digest, size = hashlib.sha256(), 0
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block the worker for ever
            raise UnreadableFile("not a regular file")
        with open(path, "rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
                size += len(block)
    except OSError as e:
        raise UnreadableFile(e.strerror or str(e)) from None
    if not size:
        raise EmptyFile("zero bytes")
    return digest.hexdigest(), size


def _whole(path: Path, sha256: str) -> bool:
    """Whether a clip lies in its place, undamaged."""
    return path.is_file() and file_sha256(path).sha256 == sha256


def _measured(clip: Clip, index: VideoIndex, camera: Camera) -> Clip:
    return replace(
        clip,
        fps=round(index.fps, 3),
        width=index.width,
        height=index.height,
        n_frames=index.n_frames,
        duration=round(index.duration, 3),
        camera=camera.label,
    )


def _filled(clip: Clip, kept: Clip) -> Clip:
    """This build's row with what perception measured."""
    measured = ("fps", "width", "height", "n_frames", "duration", "camera")
    return replace(clip, **{n: getattr(kept, n) for n in measured})


def pack(found: Mapping[str, Sequence[Any]]) -> bytes:
    """Several tables in one artifact: a length and JSON header, then one Arrow stream after the other."""
    parts = {}
    for config, records in found.items():
        sink = io.BytesIO()
        table = to_table(config, records)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        parts[config] = sink.getvalue()
    header = json.dumps({k: len(v) for k, v in parts.items()}).encode()
    return struct.pack("<I", len(header)) + header + b"".join(parts.values())


def load_tables(store: Store, key: str) -> dict[str, list[Any]] | None:
    """The records of a ``perceive`` artifact, by config; None if it is absent or torn."""
    payload = store.get("perceive", key)
    if payload is None:
        return None
    size = struct.unpack_from("<I", payload)[0]
    found, at = {}, 4 + size
    for config, length in json.loads(payload[4 : 4 + size]).items():
        with pa.ipc.open_stream(payload[at : at + length]) as reader:
            found[config] = from_table(config, reader.read_all())
        at += length
    return found


def load_annotation(out: Path, clip: Clip, key: str) -> Annotation | None:
    """The annotation of a clip from its artifact, with the given row."""
    found = load_tables(Store(work_folder(out) / "artifacts"), key)
    if found is None:
        return None
    return Annotation(clip, found["frames"][0], found["camera"][0], found["tracks"], found["keypoints"])
