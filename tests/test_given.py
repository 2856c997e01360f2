"""Saved output in place of stages: the same dataset comes of it, and what does not fit is said or recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from coloured import coloured, fake_recipe
from fm_builders.build import Built, build
from fm_builders.given import read_given
from fm_builders.recipe import Recipe, load_recipe
from fm_builders.sources import find_sources
from fm_hub.errors import UserError
from fm_hub.tables import read_records, read_table
from fm_hub.verify import verify


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video, and the dataset that the fake detector makes of it."""
    root = tmp_path_factory.mktemp("given")
    coloured(root / "a.mp4", seconds=2.0)
    build(find_sources([str(root / "a.mp4")]), recipe(root), root / "first", engine="inline")
    return root


def recipe(root: Path) -> Recipe:
    return load_recipe(str(fake_recipe(root)))


def blind(root: Path) -> Recipe:
    """A recipe that looks for nothing."""
    path = root / "blind.toml"
    path.write_text('name = "blind"\n[perception]\ndetectors = []\n[splits]\ntrain = 0.0\nvalidation = 0.0\n')
    return load_recipe(str(path))


def rebuilt(root: Path, tracks: Path, out: Path) -> Built:
    sources = find_sources([str(root / "a.mp4")])
    return build(sources, blind(root), out, engine="inline", given=read_given(tracks))


def rows(root: Path) -> list[dict[str, object]]:
    return read_table(root / "first", "tracks").to_pylist()


def written(path: Path, lines: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_dataset_is_saved_output(first: Path, tmp_path: Path) -> None:
    """A built dataset in, the same tables and questions out, without any model."""
    built = rebuilt(first, first / "first", tmp_path / "second")
    for config in ("tracks", "camera", "keypoints", "contacts", "mcq"):
        assert read_records(tmp_path / "second", config) == read_records(first / "first", config)
    assert read_records(tmp_path / "second", "mcq")
    assert verify(tmp_path / "second").failed == 0
    assert [m.split("@")[0] for m in built.manifest.models] == ["given"]


def test_the_camera_is_made_where_it_is_not_given(first: Path, tmp_path: Path) -> None:
    """Lines of JSON with no more than clip, label, frames and boxes."""
    few = [{k: row[k] for k in ("clip_id", "label", "frame", "bbox")} for row in rows(first)]
    rebuilt(first, written(tmp_path / "t.jsonl", few), tmp_path / "second")
    (track,), (told,) = (read_records(d, "tracks") for d in (tmp_path / "second", first / "first"))
    assert (track.label, track.detector) == (told.label, "given")
    assert (track.bbox == told.bbox).all()
    assert (track.state == 0).all()
    assert track.quality > 0.8
    (camera,) = read_records(tmp_path / "second", "camera")
    assert camera.label == read_records(first / "first", "camera")[0].label
    assert len(camera.frame) == len(read_records(first / "first", "camera")[0].frame)


def test_another_file_is_another_build(first: Path, tmp_path: Path) -> None:
    again = rows(first)
    one = read_given(written(tmp_path / "one.jsonl", again)).told
    assert one == read_given(written(tmp_path / "two.jsonl", again)).told
    again[0]["label"] = "green block"
    other = written(tmp_path / "other.jsonl", again)
    assert one.sha256 != read_given(other).told.sha256
    rebuilt(first, tmp_path / "one.jsonl", tmp_path / "out")
    rebuilt(first, other, tmp_path / "out")
    assert [t.label for t in read_records(tmp_path / "out", "tracks")] == ["green block"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"frame": None}, "row 1"),
        ({"bbox": [[0, 0, 1]]}, "row 1"),
        ({"clip_id": ...}, "lacks 'clip_id'"),
        ({"state": [0]}, "lists of different length"),
    ],
)
def test_a_bad_row_is_said_before_anything_runs(
    first: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    (row,) = rows(first)
    row |= change
    file = written(tmp_path / "t.jsonl", [{k: v for k, v in row.items() if v is not ...}])
    with pytest.raises(UserError, match=says) as e:
        read_given(file)
    assert "\n" not in str(e.value)


def test_what_is_no_saved_output(first: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"give a \.parquet"):
        read_given(tmp_path)
    shutil.copytree(first / "first" / "camera", tmp_path / "half" / "camera")
    assert read_given(tmp_path / "half").told.tables == ("camera",)
    (row,) = rows(first)
    points = {"clip_id": row["clip_id"], "track_id": "x", "kind": "coco17", "frame": [0], "xy": [[0.0] * 34]}
    written(tmp_path / "half" / "keypoints.jsonl", [points | {"conf": [[0.0] * 17]}])
    with pytest.raises(UserError, match="give the tracks with them"):
        read_given(tmp_path / "half")
    written(tmp_path / "half" / "tracks.jsonl", [row])
    with pytest.raises(UserError, match="no track 'x'"):
        read_given(tmp_path / "half")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clip_id": "f" * 24}, "no row for this clip"),
        ({"bbox": [[0.0, 0.0, 9999.0, 10.0]]}, "not within 160 x 120"),
        ({"frame": [1000]}, "frames must rise"),
    ],
)
def test_what_does_not_fit_its_clip_is_a_recorded_row(
    first: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    row = {"clip_id": rows(first)[0]["clip_id"], "label": "x", "frame": [0], "bbox": [[0.0, 0.0, 9.0, 10.0]]}
    rebuilt(first, written(tmp_path / "t.jsonl", [row | change]), tmp_path / "out")
    (clip,) = read_records(tmp_path / "out", "clips")
    assert (clip.status, clip.reason) == ("failed", "BadRow")
    assert says in clip.detail
