"""Batches leave no trace: whoever composed which clips, the tables and their hashes are the same."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_builders import parts
from fm_builders.parts import Merge, gather, write_part
from fm_hub.content import ContentHash, content_sha256
from fm_hub.records import Clip
from fm_hub.tables import read_records, read_table, shards


def clip(number: int) -> Clip:
    name = f"{number * 7919 % 1000:03d}"
    places = {"clip_id": name, "source_id": name, "video_file": f"{name}.mp4", "sha256": name, "t0": 0.0, "t1": 1.0}
    return Clip(
        **places,  # type: ignore[arg-type]
        **{"copied": True, "fps": 10.0, "width": 4, "height": 4, "n_frames": 10, "duration": 1.0},
        **{"camera": "static", "split": "test", "status": "ok", "detail": "é" * (number % 3)},
    )


@pytest.mark.parametrize("sizes", [[40], [1] * 40, [7, 13, 20], [39, 1]])
def test_the_same_files_from_any_batches(sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SHARD_ROWS", 16)
    clips = [clip(i) for i in range(40)]

    def built(name: str, batches: list[int]) -> tuple[dict[str, bytes], str]:
        at = 0
        for number, size in enumerate(batches):
            write_part(tmp_path / name / "parts", number, {("clips", "test"): clips[at : at + size]})
            at += size
        out = tmp_path / name / "out"
        written = gather(Merge(tmp_path / name / "parts", out, "clips", "test"))
        assert written.files == tuple(f"clips/test-{i:05d}.parquet" for i in range(3))
        assert list(read_records(out, "clips")) == sorted(clips, key=lambda c: c.clip_id)
        assert not (tmp_path / name / "parts" / "clips" / "test").exists()
        assert written.content == content_sha256(read_table(out, "clips"))
        return {p.name: p.read_bytes() for p in shards(out, "clips")}, written.content

    assert built("some", sizes) == built("whole", [40])


cell = st.one_of(st.none(), st.text(max_size=3))
row = st.fixed_dictionaries(
    {
        "a": cell,
        "n": st.one_of(st.none(), st.integers(-5, 5)),
        "b": st.one_of(st.none(), st.booleans()),
        "list": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.floats(0.5, 1)), max_size=3)),
        "of": st.lists(st.fixed_dictionaries({"x": cell, "bytes": st.binary(max_size=2)}), max_size=2),
    }
)
SCHEMA = pa.schema(
    [
        ("a", pa.string()),
        ("n", pa.int32()),
        ("b", pa.bool_()),
        ("list", pa.list_(pa.float64())),
        ("of", pa.list_(pa.struct([("x", pa.string()), ("bytes", pa.binary())]))),
    ]
)


@given(st.lists(row, max_size=6), st.lists(row, max_size=6), st.integers(0, 6))
def test_content_is_the_rows_and_nothing_else(
    rows: list[dict[str, object]], others: list[dict[str, object]], cut: int
) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    whole = content_sha256(table)
    in_parts = ContentHash().update(table.slice(0, cut)).update(table.slice(cut))
    assert (in_parts.hexdigest(), in_parts.rows) == (whole, len(rows))
    assert content_sha256(table.select(SCHEMA.names[::-1])) == whole
    if rows:
        assert (content_sha256(pa.Table.from_pylist(others, schema=SCHEMA)) == whole) == (others == rows)
