"""``benchmark_videos``: benchmark clips with their bytes, for use without the rest of the repository."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from fm_hub.content import ContentHash
from fm_hub.manifest import Written
from fm_hub.records import Clip
from fm_hub.tables import write_table

__all__ = ["write_benchmark_videos"]

SHARD_BYTES = 200_000_000


def _feature(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}


# `datasets` reads its own types from this key: a Video that is not decoded, so that no decoder is needed.
_FEATURES = {
    "clip_id": _feature("string"),
    "video_file": _feature("string"),
    "video": {"decode": False, "_type": "Video"},
}
SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("video_file", pa.string()),
        ("video", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


def write_benchmark_videos(root: Path, clips: Sequence[Clip]) -> Written:
    """Write the one table that holds clips' bytes, a shard's worth of them in memory."""
    content, size = ContentHash(), 0
    files: list[str] = []
    batch: list[Clip] = []
    for i, clip in enumerate(clips):
        batch.append(clip)
        size += (root / clip.video_file).stat().st_size
        if size >= SHARD_BYTES or i == len(clips) - 1:
            name = f"benchmark_videos/test-{len(files):05d}.parquet"
            table = _table(root, batch)
            write_table(table, root / name)
            content.update(table)
            files.append(name)
            batch, size = [], 0
    return Written(content.rows, content.hexdigest(), tuple(files))


def _table(root: Path, clips: Sequence[Clip]) -> pa.Table:
    rows = [
        {
            "clip_id": c.clip_id,
            "video_file": c.video_file,
            "video": {"bytes": (root / c.video_file).read_bytes(), "path": Path(c.video_file).name},
        }
        for c in clips
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
