"""Whether the boxes of a contribution are where things are: some clips are annotated again, and compared.

The clips are drawn at random, with a seed that nobody knows beforehand. What annotates comes by name from a
registry (``embedded``: the builders' own tier), since the core knows no detector. A box that the second look does
not find is no proof of a lie, other tiers see other things: it asks for a person.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.contribution.report import Report
from fm_hub.contribution.rows import Tables
from fm_hub.contribution.sandbox import run_each
from fm_hub.errors import UserError
from fm_hub.records import VISIBLE
from fm_hub.registry import Registry
from fm_hub.rows import Row

__all__ = ["ANNOTATORS", "Seen", "agreement", "check_boxes"]

CHECK = "boxes"
SAMPLE = 20
ENOUGH = 0.5
CLIP_SECONDS = 600.0
#: ``annotator(path, t) -> {"camera": label, "frames": [[box, ...], ...]}``, all plain values.
ANNOTATORS: Registry[Callable[[str, list[float]], dict[str, Any]]] = Registry(
    "annotator", "fm_hub.annotators", {"embedded": "fm_builders.reannotate:embedded"}
)

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """How one clip compares: ``tracks`` gives for each track the mean IoU of its visible boxes, 0 where unseen."""

    clip_id: str
    tracks: dict[str, float]

    @property
    def mean(self) -> float:
        """Over the tracks; 1 for a clip without any, which claims nothing."""
        return float(np.mean(list(self.tracks.values()))) if self.tracks else 1.0


def agreement(tracks: Sequence[Row], frames: Sequence[Sequence[Sequence[float]]]) -> dict[str, float]:
    """For each track the mean IoU of its visible boxes with those of a second look, one for one in each frame.

    In a frame the pairs are those with the largest sum of IoU; a box without a partner counts 0.
    """
    by_frame: dict[int, list[tuple[str, Sequence[float]]]] = {}
    for track in tracks:
        for frame, box, state in zip(track["frame"], track["bbox"], track["state"], strict=True):
            if state == VISIBLE:
                by_frame.setdefault(frame, []).append((track["track_id"], box))
    found: dict[str, list[float]] = {track["track_id"]: [] for track in tracks}
    for frame, mine in by_frame.items():
        best = _paired(np.array([b for _, b in mine], np.float64), np.array(frames[frame], np.float64).reshape(-1, 4))
        for (track_id, _), value in zip(mine, best.tolist(), strict=True):
            found[track_id].append(value)
    return {track_id: float(np.mean(values)) if values else 0.0 for track_id, values in found.items()}


def _paired(a: Boxes, b: Boxes) -> Boxes:
    from scipy.optimize import linear_sum_assignment

    out = np.zeros(len(a))
    if len(b):
        iou = _iou(a, b)
        rows, columns = linear_sum_assignment(-iou)
        out[rows] = iou[rows, columns]
    return out


def _iou(a: Boxes, b: Boxes) -> Boxes:
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(x[:, 2:] - x[:, :2], 0, None).prod(axis=1) for x in (a, b)]
    iou: Boxes = inter / np.maximum(areas[0][:, None] + areas[1][None] - inter, 1e-9)
    return iou


def check_boxes(
    root: Path,
    tables: Tables,
    report: Report,
    *,
    seed: int,
    annotator: str = "embedded",
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Annotate up to 20 clips again, and say how well the boxes agree; ``tick`` is called once a clip."""
    target = _loadable(annotator)
    report.checked.append(CHECK)
    clips = sorted(row["clip_id"] for row in tables["clips"])
    chosen = random.Random(seed).sample(clips, min(SAMPLE, len(clips)))
    rows = {row["clip_id"]: row for row in tables["clips"]}
    clocks = {row["clip_id"]: row["t"] for row in tables["frames"]}
    named = _named(tables)
    seen = []
    orders = [{"path": str((root / rows[c]["video_file"]).absolute()), "t": clocks[c]} for c in chosen]
    for clip, again in zip(chosen, run_each(target, orders, seconds=CLIP_SECONDS), strict=True):
        if "error" in again:
            report.add(CHECK, "review", clip, f"could not be annotated again: {again['error']}: {again['why']}")
        else:
            seen.append(_compared(clip, rows[clip], tables, again, named, report))
        tick()
    if seen:
        mean = float(np.mean([s.mean for s in seen]))
        report.facts["box agreement"] = round(mean, 3)
        if mean < ENOUGH:
            report.add(CHECK, "review", "", f"box agreement {mean:.2f} is under {ENOUGH}")
    report.facts |= {"clips annotated again": len(seen), "seed": seed}


def _loadable(annotator: str) -> str:
    """The import string of an annotator that is there. Raises :class:`UserError`."""
    try:
        ANNOTATORS.load(annotator)
    except ImportError as e:
        raise UserError(
            f"boxes cannot be checked: the annotator {annotator!r} is not installed ({e.name}); "
            "install the whole of fm-hub, or leave this check out with --no-boxes"
        ) from None
    return ANNOTATORS.target(annotator)


def _named(tables: Tables) -> set[str]:
    """The tracks that rows are proved by."""
    texts = [row["args"] for row in tables["facts"]]
    for config in ("mcq", "captions"):
        for row in tables[config]:
            texts += [x["args"] or "" for x in row["options" if config == "mcq" else "sentences"]]
    text = "\n".join(texts)
    return {row["track_id"] for row in tables["tracks"] if row["track_id"] in text}


def _compared(clip: str, row: Row, tables: Tables, again: Mapping[str, Any], named: set[str], report: Report) -> Seen:
    mine = [t for t in tables["tracks"] if t["clip_id"] == clip]
    seen = Seen(clip, agreement(mine, again["frames"]))
    if seen.mean < ENOUGH:
        report.add(CHECK, "review", clip, f"box agreement {seen.mean:.2f} is under {ENOUGH}")
    unseen = sorted(t for t, value in seen.tracks.items() if value < ENOUGH and t in named)
    for track in unseen:
        why = f"rows rest on track {track}, of which the second look sees {seen.tracks[track]:.2f}"
        report.add(CHECK, "review", clip, why)
    if again["camera"] != row["camera"]:
        why = f"its camera is said to be {row['camera']}; the second look finds it {again['camera']}"
        report.add(CHECK, "review", clip, why)
    return seen
