"""The videos of a contribution: whole MP4 files within limits, decodable, and what their rows say they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fm_hub._pyav import open_video
from fm_hub.contribution.report import Report
from fm_hub.contribution.sandbox import run_each
from fm_hub.rows import Row
from fm_hub.video import PLAYABLE, index_video, iter_frames
from fm_hub.video_hash import hash_pictures, sample_moments, small_size

__all__ = ["check_clips", "probe"]

CHECK = "clips"
MAX_SIDE, MAX_PIXELS = 4096, 4096 * 2304
MAX_SECONDS, MAX_FRAMES = 60.0, 3600
MAX_EXTRA = 64 << 10  # bytes of an MP4 that are neither pictures nor their index
PROBE_SECONDS = 300.0
BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"sidx", b"styp", b"udta", b"meta"}
MEDIA = {b"moov", b"mdat", b"moof", b"mfra", b"sidx"}
PLACES = ("location", "gps")
CLOSE = 0.002  # seconds


def check_clips(
    root: Path, clips: list[Row], frames: list[Row], report: Report, *, tick: Callable[[], None] = lambda: None
) -> dict[str, list[list[int]]]:
    """Look into every video, in processes with limits; returns the perceptual hashes of each, by clip id."""
    report.checked.append(CHECK)
    clocks = {row["clip_id"]: row for row in frames}
    orders = []
    for row in clips:
        clock = clocks[row["clip_id"]]
        path = str((root / row["video_file"]).absolute())
        orders.append({"path": path, "clip": row, "pts": clock["pts"], "t": clock["t"]})
    hashes = {}
    found = run_each("fm_hub.contribution.clips:probe", orders, seconds=PROBE_SECONDS)
    for row, answer in zip(clips, found, strict=True):
        where = row["video_file"]
        if "error" in answer:
            report.refuse(CHECK, where, f"{answer['error']}: {answer['why'].replace(str(root.absolute()), '')}")
            continue
        for level, why in answer["problems"]:
            report.add(CHECK, level, where, why)
        hashes[row["clip_id"]] = answer["hashes"]
        tick()
    return hashes


def probe(path: str, clip: Row, pts: list[int], t: list[float]) -> dict[str, Any]:
    """What is wrong with one video, and its hashes. Raises :class:`ItemError` where it cannot be read."""
    file = Path(path)
    problems = [("refused", why) for why in _box_problems(file)]
    problems += _stream_problems(file)
    if any(level == "refused" for level, _ in problems):
        return {"problems": problems, "hashes": []}
    index = index_video(file)
    if index.error:
        problems.append(("refused", f"is damaged: {index.error}"))
    said = {k: clip[k] for k in ("width", "height", "n_frames")}
    has = {"width": index.width, "height": index.height, "n_frames": index.n_frames}
    if said != has:
        problems.append(("refused", f"is {has}, its row says {said}"))
    if abs(index.duration - clip["duration"]) > CLOSE or abs(index.fps - clip["fps"]) > 0.01 * index.fps:
        problems.append(
            ("refused", f"lasts {index.duration:.3f} s at {index.fps:.2f} frames a second, not as its row says")
        )
    at = np.searchsorted(index.pts, pts)
    sound = len(pts) > 0 and at.max() < len(index.pts) and np.array_equal(index.pts[at], pts)
    if not sound or np.any(np.diff(pts) <= 0) or len(pts) != len(t) or np.abs(index.times[at] - t).max() > CLOSE:
        problems.append(("refused", "its clock (table frames) names times at which it has no frame"))
    if any(level == "refused" for level, _ in problems):
        return {"problems": problems, "hashes": []}
    moments = set(np.searchsorted(index.times, sample_moments(index.duration)).tolist())
    pictures = [p for i, p in iter_frames(index, index.times.tolist(), size=small_size(index)) if i in moments]
    return {"problems": problems, "hashes": hash_pictures(pictures).views.tolist()}


def _box_problems(path: Path) -> Iterator[str]:
    """The boxes that an MP4 is made of fill the file, and hold media: nothing is hidden beside them."""
    size, at, extra = path.stat().st_size, 0, 0
    with open(path, "rb") as f:
        while at < size:
            f.seek(at)
            head = f.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if kind not in BOXES or length < 8 or at + length > size:
                yield f"is no clean MP4: at byte {at} stands {kind!r}"
                return
            extra += 0 if kind in MEDIA else length
            at += length
    if extra > MAX_EXTRA:
        yield f"hides {extra} bytes that are no pictures"


def _stream_problems(path: Path) -> list[tuple[str, str]]:
    """Codec, size and streams, before a frame is decoded."""
    out = []
    with open_video(path) as (container, stream):
        kinds = [s.type for s in container.streams]
        context = stream.codec_context
        w, h, n = context.width, context.height, stream.frames
        if context.name not in PLAYABLE and context.name not in ("libdav1d", "libvpx-vp9"):
            out.append(("refused", f"its codec is {context.name}; allowed: {', '.join(sorted(PLAYABLE))}"))
        if max(w, h) > MAX_SIDE or w * h > MAX_PIXELS:
            out.append(("refused", f"is {w} x {h} pixels; at most {MAX_SIDE} a side and {MAX_PIXELS} are allowed"))
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        if seconds > MAX_SECONDS or n > MAX_FRAMES:
            out.append(("refused", f"has {n} frames in {seconds:.0f} s; at most {MAX_FRAMES} in {MAX_SECONDS:.0f} s"))
        if kinds.count("video") != 1:
            out.append(("refused", f"has {kinds.count('video')} streams of pictures"))
        other = sorted(set(kinds) - {"video", "audio"})
        if other:
            out.append(("review", f"has a stream of {', '.join(map(str, other))}, which may hold places or names"))
        tags = [k for s in (container, *container.streams) for k in s.metadata]
        if any(p in k.lower() for k in tags for p in PLACES):
            out.append(("review", "its metadata say where it was filmed"))
    return out
