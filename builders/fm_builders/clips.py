"""Clips: which spans of a source become clip files, and how they are cut."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fm_hub.errors import TooShort
from fm_hub.video import VideoIndex, copyable, encode_clip, iter_frames

__all__ = ["ClipPlan", "LeftOut", "Span", "cut_clip", "flip_clip", "plan_clips"]

NEAR_MARK = 0.1  # of a part's length: how far its ends may move to where less happens
TRIM = 2  # frames at each side of a cut: encoders and dissolves blur it
SLACK = 5e-4  # seconds: a span read back from three decimals still means the same frames


@dataclass(frozen=True, slots=True)
class Span:
    """What becomes one clip: ``t0 <= t < t1``, seconds in the source; ``copy`` means the file's own bytes."""

    t0: float
    t1: float
    copy: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What becomes no clip, seconds in the source, and why: ``reason`` is a name, ``detail`` a sentence."""

    t0: float
    t1: float
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """The clips of one source and everything that was left out of them, both in order of time."""

    spans: tuple[Span, ...]
    left_out: tuple[LeftOut, ...]


def plan_clips(
    index: VideoIndex,
    shots: Sequence[tuple[float, float]],
    *,
    spans: Sequence[tuple[float, float]] = (),
    min_s: float = 1.5,
    max_s: float = 12.0,
    target_s: tuple[float, float] = (5.0, 10.0),
    energy: NDArray[np.float64] | None = None,
    most: int = 0,
    seed: int = 0,
) -> ClipPlan:
    """Turn the shots of a source into spans for clips.

    A source of one shot and at most ``max_s`` seconds is one span, copied byte for byte where that is right
    (:func:`~fm_hub.video.copyable`). Otherwise each shot loses two frames at each side that is a cut, and one longer
    than ``max_s`` becomes as few equal parts as stay within ``target_s[1]``; they reach ``target_s[0]`` whenever
    that is half of ``target_s[1]`` or less. What is shorter than ``min_s`` is left out as ``ShotTooShort``.
    With ``spans`` (seconds, in the source) only what lies in them is used. With ``energy`` (n_frames,), how much
    moves in each frame, parts end where little happens. ``most`` above 0 is the number of clips that are kept, drawn by
    ``seed`` with the chance of their mean energy; the others are left out as ``NotDrawn``.
    """
    chosen: list[Span] = []
    left_out: list[LeftOut] = []
    if len(shots) == 1 and not spans and min_s <= index.duration <= max_s:
        return ClipPlan((Span(0.0, index.duration, copyable(index)),), ())
    edges = np.append(index.times, index.duration)  # frame i is shown from edges[i] to edges[i + 1]
    for number, (t0, t1) in enumerate(shots):
        first, end = (int(i) for i in np.searchsorted(edges, (t0 - SLACK, t1 - SLACK)))
        first += TRIM if number > 0 else 0
        end -= TRIM if number < len(shots) - 1 else 0
        for start, stop in _within(edges, first, end, spans):
            length = float(edges[stop] - edges[start]) if stop > start else 0.0
            if length < min_s:
                detail = f"{length:.2f} s between the cuts; a clip needs {min_s:g} s"
                left_out.append(LeftOut(t0, t1, "ShotTooShort", detail))
                continue
            count = 1 if length <= max_s else _parts(length, min_s, min(max_s, target_s[1]))
            inner = edges[start] + length * np.arange(1, count) / count
            marks = np.unique([start, *(_calm(edges, energy, t, NEAR_MARK * length / count) for t in inner), stop])
            for a, b in pairwise(marks.tolist()):
                chosen.append(Span(float(edges[a]), float(edges[b])))
    drawn = _drawn(chosen, index.times, energy, most, seed) if 0 < most < len(chosen) else range(len(chosen))
    for k in sorted(set(range(len(chosen))) - set(drawn)):
        detail = f"{most} of {len(chosen)} clips were to be drawn"
        left_out.append(LeftOut(chosen[k].t0, chosen[k].t1, "NotDrawn", detail))
    left_out.sort(key=lambda x: (x.t0, x.t1))
    return ClipPlan(tuple(chosen[k] for k in sorted(drawn)), tuple(left_out))


def _calm(edges: NDArray[np.float64], energy: NDArray[np.float64] | None, t: float, reach: float) -> int:
    """The frame nearest to ``t`` seconds, or within ``reach`` of it that in which least happens."""
    if energy is None:
        return int(np.searchsorted(edges, t))
    low, high = (int(i) for i in np.searchsorted(edges[:-1], (t - reach, t + reach)))
    near = np.convolve(energy, np.ones(5) / 5, mode="same")[low : high + 1]  # one still frame is no pause
    return low + int(near.argmin()) if len(near) else int(np.searchsorted(edges, t))


def _drawn(
    spans: Sequence[Span], times: NDArray[np.float64], energy: NDArray[np.float64] | None, most: int, seed: int
) -> list[int]:
    """``most`` of the spans, each once, by weight: the largest of log weight plus Gumbel noise (Vieira 2014)."""
    mean = np.ones(len(spans))
    if energy is not None:
        inside = [(times >= s.t0 - SLACK) & (times < s.t1 - SLACK) for s in spans]
        mean = np.array([float(energy[i].mean()) if i.any() else 0.0 for i in inside])
    noise = np.random.default_rng(seed).gumbel(size=len(spans))
    return [int(k) for k in np.argsort(-(np.log(mean + 1e-6) + noise), kind="stable")[:most]]


def _within(
    edges: NDArray[np.float64], first: int, end: int, spans: Sequence[tuple[float, float]]
) -> list[tuple[int, int]]:
    """The frames ``first <= i < end`` of a shot, cut to the spans; empty where the shot lies in none of them."""
    if not spans:
        return [(first, end)]
    marks = [(int(a), int(b)) for a, b in np.searchsorted(edges, np.array(spans) - SLACK).tolist()]
    inside = {(max(first, a), min(end, b)) for a, b in marks}
    return sorted((a, b) for a, b in inside if a < b)


def _parts(length: float, min_s: float, most: float) -> int:
    """As few parts as keep each within ``most`` seconds, unless that would make them shorter than a clip may be."""
    return max(1, min(math.ceil(length / most), int(length / min_s)))


def cut_clip(index: VideoIndex, span: Span, dest: str | Path) -> None:
    """Write the clip of ``span`` to ``dest`` (.mp4), whole or not at all.

    Copies the bytes where the span says so; otherwise decodes and encodes once, with the rotation applied and the
    times of the frames kept, one frame in memory at a time. Raises :class:`DecodeError` and :class:`TooShort`.
    """
    dest = Path(dest)
    if span.copy:
        _copy(index.path, dest)
        return
    times = index.times
    shown = times[(times >= span.t0 - SLACK) & (times < span.t1 - SLACK)].tolist()
    if not shown:
        raise TooShort(f"{index.path}: no frame from {span.t0:.3f} s to {span.t1:.3f} s")
    encode_clip((image for _, image in iter_frames(index, shown)), shown, dest)


def flip_clip(index: VideoIndex, dest: Path) -> None:
    """Write a clip flipped left to right, with the times of its frames, whole or not at all."""
    times = index.times.tolist()
    encode_clip((np.ascontiguousarray(image[:, ::-1]) for _, image in iter_frames(index, times)), times, dest)


def _copy(source: Path, dest: Path) -> None:
    partial = dest.with_name(f".{dest.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(source, partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(dest)
    finally:
        partial.unlink(missing_ok=True)
