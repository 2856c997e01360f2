"""What a dataset holds, in numbers: counts by config, split, kind and letter; what was dropped and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from fm_hub.manifest import read_manifest
from fm_hub.schemas import SCHEMAS
from fm_hub.tables import shards

__all__ = ["scan", "statistics"]


def scan(root: Path, config: str) -> pl.LazyFrame:
    """A lazy polars frame over all shards of a config (without rows if there are none)."""
    paths = shards(root, config)
    if not paths:
        return pl.LazyFrame(schema=dict.fromkeys(SCHEMAS[config].names, pl.String))
    return pl.scan_parquet(paths)


def _counts(root: Path, config: str, column: str) -> dict[str, int]:
    frame = scan(root, config).group_by(column).len().sort(column).collect()
    return {str(k): int(n) for k, n in frame.iter_rows()}


def _reasons(root: Path, config: str) -> dict[str, int]:
    frame = scan(root, config).filter(pl.col("status") != "ok").group_by("reason").len().sort("reason").collect()
    return {str(k): int(n) for k, n in frame.iter_rows()}


def statistics(root: str | Path) -> dict[str, Any]:
    """All counts of a built dataset, as plain values. Raises :class:`~fm_hub.errors.BadDataset`."""
    root = Path(root)
    manifest = read_manifest(root)
    seconds = scan(root, "clips").select(pl.col("duration").cast(pl.Float64).sum()).collect().item()
    return {
        "dataset": root.resolve().name,
        "data_version": manifest.data_version,
        "generator": manifest.generator,
        "counts": manifest.counts,
        "sources": {"by_status": _counts(root, "sources", "status"), "reasons": _reasons(root, "sources")},
        "clips": {
            "by_status": _counts(root, "clips", "status"),
            "by_camera": _counts(root, "clips", "camera"),
            "reasons": _reasons(root, "clips"),
            "seconds": round(float(seconds or 0.0), 1),
        },
        "tracks": {"by_label": _counts(root, "tracks", "label")},
        "mcq": {c: _counts(root, "mcq", c) for c in ("kind", "type", "answer", "difficulty", "grounding")},
        "not_asked": manifest.dropped,
        "bytes": sum(f.bytes for f in manifest.files.values()),
    }
