"""What a dataset holds already, and whether a contribution brings it again: by hash, and by what is to be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fm_hub.contribution.report import Report
from fm_hub.contribution.rows import Tables
from fm_hub.contribution.sandbox import run_each
from fm_hub.manifest import Manifest
from fm_hub.splits import split_of
from fm_hub.tables import inside, read_table
from fm_hub.video_hash import NEAR, VideoHash, hash_video, similarity

__all__ = ["EMPTY", "Known", "check_duplicates", "check_leakage", "hashed", "known_from"]

CHECK_DUPLICATES, CHECK_LEAKAGE = "duplicates", "leakage"
HASH_SECONDS = 300.0
ROWS = ("mcq", "qa", "captions")


@dataclass(frozen=True)
class Known:
    """The ids of a dataset. ``benchmark`` gives for each clip that models are scored on the name of its file.

    ``sources`` gives for each source its split; ``shares`` are those of the recipe, (train, validation).
    """

    clips: frozenset[str] = frozenset()
    sources: dict[str, str] = field(default_factory=dict)
    bytes: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()
    tracks: frozenset[str] = frozenset()
    redacted: frozenset[str] = frozenset()
    benchmark: dict[str, str] = field(default_factory=dict)
    shares: tuple[float, float] | None = None


EMPTY = Known()


def known_from(roots: Sequence[Path], manifest: Manifest | None) -> Known:
    """What the tables in these folders hold; ``manifest`` is that of the released dataset."""
    clips = [row for root in roots for row in _rows(root, "clips", ("clip_id", "source_id", "split", "video_file"))]
    files = {c["clip_id"]: c["video_file"] for c in clips}
    asked = {row["clip_id"] for root in roots for row in _rows(root, "benchmark", ("clip_id",))}
    splits = (manifest.recipe.get("splits") or {}) if manifest else {}
    train, validation = (splits.get(x) if isinstance(splits, dict) else None for x in ("train", "validation"))
    return Known(
        clips=frozenset(files),
        sources={c["source_id"]: c["split"] for c in clips},
        bytes=frozenset(row["sha256"] for root in roots for row in _rows(root, "sources", ("sha256",))),
        rows=frozenset(row["id"] for root in roots for c in ROWS for row in _rows(root, c, ("id",))),
        tracks=frozenset(row["track_id"] for root in roots for row in _rows(root, "tracks", ("track_id",))),
        redacted=frozenset(manifest.redacted if manifest else ()),
        benchmark={c: files[c] for c in sorted(asked & files.keys())},
        shares=None if train is None or validation is None else (float(train), float(validation)),
    )


def _rows(root: Path, config: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    table = read_table(root, config)
    rows: list[dict[str, Any]] = table.select(list(columns)).to_pylist() if table.num_rows else []
    return rows


def check_duplicates(tables: Tables, known: Known, report: Report) -> None:
    """Nothing that the dataset has, had to remove, or keeps for scoring; and every source in the split of its hash."""
    report.checked.append(CHECK_DUPLICATES)
    for row in tables["clips"]:
        clip = row["clip_id"]
        if clip in known.benchmark:
            report.refuse(CHECK_LEAKAGE, clip, "is a video of the benchmark")
        elif clip in known.redacted:
            report.refuse(CHECK_DUPLICATES, clip, "was removed from the dataset on request, and stays out")
        elif clip in known.clips:
            report.refuse(CHECK_DUPLICATES, clip, "is in the dataset already")
        there = known.sources.get(row["source_id"])
        if there and there != row["split"]:
            report.refuse(
                CHECK_LEAKAGE, clip, f"its source is in the split {there} of the dataset, not in {row['split']}"
            )
        if known.shares and split_of(row["source_id"], *known.shares) != row["split"]:
            why = f"is in the split {row['split']}; by the shares of the dataset's recipe its source is in another"
            report.refuse(CHECK_LEAKAGE, clip, why)
    for row in tables["sources"]:
        if row["sha256"] in known.bytes:
            report.refuse(CHECK_DUPLICATES, row["source_id"], "is a source of the dataset already")
    for config in ROWS:
        double = [row["id"] for row in tables[config] if row["id"] in known.rows]
        if double:
            report.refuse(CHECK_DUPLICATES, double[0], f"{len(double)} row(s) of {config} are in the dataset already")
    if any(row["track_id"] in known.tracks for row in tables["tracks"]):
        report.refuse(CHECK_DUPLICATES, "tracks", "an id of a track is taken in the dataset")


def check_leakage(
    hashes: dict[str, list[list[int]]], benchmark: Iterable[tuple[str, VideoHash]], report: Report
) -> None:
    """No video of the benchmark under another hash: cut, scaled, mirrored or encoded anew."""
    report.checked.append(CHECK_LEAKAGE)
    mine = {clip: _hash_of(views) for clip, views in hashes.items()}
    compared = 0
    for scored, theirs in benchmark:
        compared += 1
        for clip, own in mine.items():
            alike = similarity(own, theirs)
            if alike >= NEAR:
                why = f"looks like the benchmark's {scored}: {alike:.0%} of the frames have a partner there"
                report.add(CHECK_LEAKAGE, "review", clip, why)
    report.facts["benchmark clips compared"] = compared


def _hash_of(views: list[list[int]]) -> VideoHash:
    both = np.array(views, np.uint64).reshape(len(views), -1 if views else 1)
    return VideoHash(both[:, 0], both)


def hashed(root: Path, names: dict[str, str], report: Report) -> Iterator[tuple[str, VideoHash]]:
    """The hashes of videos of a dataset, by clip id; one that cannot be read is told, not passed over."""
    orders = [{"path": str(inside(root, name).resolve())} for name in names.values()]
    answers = run_each("fm_hub.contribution.known:views_of", orders, seconds=HASH_SECONDS)
    for clip, found in zip(names, answers, strict=True):
        if "error" in found:
            why = f"this video of the benchmark could not be compared: {found['error']}: {found['why']}"
            report.add(CHECK_LEAKAGE, "review", clip, why)
        else:
            yield clip, _hash_of(found["views"])


def views_of(path: str) -> dict[str, Any]:
    """The hashes of one video, as plain values."""
    return {"views": hash_video(path).views.tolist()}
