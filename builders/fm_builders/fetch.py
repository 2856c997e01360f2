"""Datasets without videos: the list that says how each clip is made, and making them from the source files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fm_builders.clips import Span, cut_clip, flip_clip
from fm_hub.errors import BadDataset, ItemError
from fm_hub.manifest import FETCH, file_sha256
from fm_hub.records import Clip, Source
from fm_hub.tables import inside
from fm_hub.video import index_video

__all__ = ["Fetched", "fetch_clips", "fetch_list", "read_fetch_list"]

KEYS = ("clip_id", "video_file", "sha256", "source", "source_sha256", "origin", "t0", "t1", "copied", "mirror_of")


@dataclass(frozen=True)
class Fetched:
    """What came of making the clips: how many lie in their place, and (clip, reason) for the others."""

    made: int
    present: int
    missing: tuple[tuple[str, str], ...]


def fetch_list(clips: Iterable[tuple[Clip, Source]]) -> str:
    """JSON lines, one a clip: its source by name, hash and origin, and the seconds to cut; of a twin, its clip."""
    lines = []
    for c, s in sorted(clips, key=lambda pair: pair[0].clip_id):
        values = (c.clip_id, c.video_file, c.sha256, s.name, s.sha256, s.origin, c.t0, c.t1, c.copied, c.mirror_of)
        lines.append(json.dumps(dict(zip(KEYS, values, strict=True))))
    return "".join(f"{line}\n" for line in lines)


def read_fetch_list(root: Path) -> list[dict[str, object]]:
    """The rows of a dataset's list. Raises :class:`BadDataset` where there is none, or a line is no row."""
    path = root / FETCH
    if not path.is_file():
        raise BadDataset(f"{root}: has no {FETCH}: its videos are published with it")
    rows = []
    for n, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row["video_file"] != f"videos/{row['clip_id'][:2]}/{row['clip_id']}.mp4":
                raise ValueError("another place than that of the clip")
            row.setdefault("mirror_of", "")  # lists of earlier versions have no twins
            rows.append({k: row[k] for k in KEYS})
        except (ValueError, KeyError, TypeError):
            raise BadDataset(f"{path}, line {n}: not a row with {', '.join(KEYS)}") from None
    return rows


def fetch_clips(root: Path, files: Sequence[Path], *, tick: Callable[[], None] = lambda: None) -> Fetched:
    """Cut the clips of a dataset from source files, which are known by their hash, into their places.

    A clip that was cut by other versions of the encoder has other bytes: it is not kept, and said.
    """
    rows = sorted(read_fetch_list(root), key=lambda row: bool(row["mirror_of"]))  # a twin is made of its clip
    by_hash = {file_sha256(f).sha256: f for f in files if f.is_file()}
    made = present = 0
    missing: dict[str, str] = {}
    done: set[str] = set()
    for row in rows:
        tick()
        clip_id, dest = str(row["clip_id"]), inside(root, str(row["video_file"]))
        if clip_id in done:
            continue
        if dest.is_file() and file_sha256(dest).sha256 == row["sha256"]:
            present += 1
            done.add(clip_id)
            continue
        source = by_hash.get(str(row["source_sha256"]))
        if row["mirror_of"] and str(row["mirror_of"]) not in done:
            missing.setdefault(clip_id, f"its clip {row['mirror_of']} was not made")
            continue
        if row["mirror_of"]:
            source = dest.parents[1] / str(row["mirror_of"])[:2] / f"{row['mirror_of']}.mp4"
        if source is None:
            missing.setdefault(clip_id, f"no file given has the bytes of {row['source']} {row['origin']}".rstrip())
            continue
        why = _make(source, row, dest)
        if why:
            missing[clip_id] = why
        else:
            made += 1
            done.add(clip_id)
    return Fetched(made, present, tuple(sorted((c, why) for c, why in missing.items() if c not in done)))


def _make(source: Path, row: dict[str, object], dest: Path) -> str:
    """Cut one clip; the reason, if it could not be had."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    tmp = dest.with_name(f".{dest.name}.{os.getpid()}.part")
    try:
        if row["mirror_of"]:
            flip_clip(index_video(source), tmp)
        else:
            cut_clip(index_video(source), Span(float(str(row["t0"])), float(str(row["t1"])), bool(row["copied"])), tmp)
        if file_sha256(tmp).sha256 != row["sha256"]:
            return "cut with other versions of the encoder: the pictures are the same, the bytes are not"
        tmp.replace(dest)
    except (ItemError, ValueError) as e:
        return f"{type(e).__name__}: {str(e).replace(str(source), source.name)}"
    finally:
        tmp.unlink(missing_ok=True)
    return ""
