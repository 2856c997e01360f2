"""Verification proves what is true and catches every kind of lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fm_hub.content import content_sha256
from fm_hub.errors import BadDataset
from fm_hub.manifest import read_manifest, write_manifest
from fm_hub.records import Claim, caption_id, question_id
from fm_hub.rows import from_rows, row_sha
from fm_hub.schemas import SCHEMAS
from fm_hub.tables import read_records, read_table, shards, to_table, write_table
from fm_hub.verify import verify

Row = dict[str, Any]


def test_all_of_a_composed_dataset_is_proved(made: Path) -> None:
    report = verify(made)
    assert report.ok, report.problems[:3]
    assert report.questions == report.proved > 30
    assert (report.failed, report.ungrounded) == (0, 0)
    assert report.captions == 3
    assert report.sentences > 10
    assert report.facts > 20
    assert set(report.as_dict()) >= {"questions", "proved", "failed", "ungrounded"}
    json.dumps(report.as_dict())


def seal(root: Path) -> None:
    """Make the manifest fit the files and the rows again: a liar would."""
    manifest = read_manifest(root)
    content = dict(manifest.content_sha256)
    for config, splits in manifest.counts.items():
        if config != "benchmark_videos":
            parts = "".join(content_sha256(read_table(root, config, s)) for s in sorted(splits))
            content[config] = hashlib.sha256(parts.encode()).hexdigest()
    write_manifest(root, manifest.model_copy(update={"content_sha256": content}))


def true_id(config: str, row: Row) -> str:
    """The id that a row's content asks for; its own where it cannot be read."""
    try:
        record = from_rows(config, [row])[0]
    except (ValueError, KeyError):
        return str(row["id"])
    if config == "captions":
        return caption_id(record.clip_id, (s.claim for s in record.sentences))
    claims = [o.claim for o in record.options]
    return question_id(record.clip_id, record.template, record.template_args, claims, record.view_t0, record.view_t1)


def change_rows(root: Path, config: str, change: Callable[[Row], None], *, reseal: bool = True) -> None:
    """Change the first row of a table that ``change`` touches, with a fitting row hash."""
    rows = read_table(root, config).to_pylist()
    change(rows[0])
    if "row_sha" in rows[0]:
        rows[0]["id"] = true_id(config, rows[0])
        rows[0]["row_sha"] = row_sha(rows[0])
    write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[config]), shards(root, config)[0])
    if reseal:
        seal(root)


def set_answer(row: Row) -> None:
    row["answer"] = "A" if row["answer"] != "A" else "B"


def set_text(row: Row) -> None:
    row["question"] = row["question"].replace("?", " today?")


def set_option(row: Row) -> None:
    row["options"][0]["text"] = row["option_a"] = "sideways"


def set_margin(row: Row) -> None:
    row["options"][1]["margin"] += 0.5


def set_claim(row: Row) -> None:
    key = row["options"]["ABCD".index(row["answer"])]
    key["t1"] = round(key["t1"] - 2.0, 3)


def set_predicate(row: Row) -> None:
    row["options"][0]["predicate"] = "flies"


def set_view(row: Row) -> None:
    row["view_t1"] = 100.0


def set_clip(row: Row) -> None:
    row["clip_id"] = "0" * 24


def set_file(row: Row) -> None:
    row["video_file"] = "../../secret.mp4"


def set_split(row: Row) -> None:
    row["split"] = "train"


def set_template(row: Row) -> None:
    row["template"] = "direction/77"


def set_args(row: Row) -> None:
    row["template_args"] = '{"a":"nobody"}'


def drop_options(row: Row) -> None:
    row["options"] = row["options"][:1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_answer, "proved: option"),
        (set_text, "wording differs"),
        (set_option, "wording differs"),
        (set_margin, "wrong margin"),
        (set_claim, "wrong margin"),
        (set_predicate, "malformed"),
        (set_view, "bad view"),
        (set_clip, "unknown clip"),
        (set_file, "wrong video_file"),
        (set_split, "wrong split"),
        (set_template, "wording not rendered"),
        (set_args, "wording not rendered"),
        (drop_options, "bad options"),
    ],
)
@pytest.mark.parametrize("config", ["mcq", "benchmark"])
def test_a_lie_in_a_row_is_caught(dataset: Path, change: Callable[[Row], None], why: str, config: str) -> None:
    change_rows(dataset, config, change)
    report = verify(dataset)
    assert not report.ok
    assert any(why in p.why for p in report.problems), report.problems
    assert report.failed == (2 if change is set_split else 1), report.problems  # the file of the split is wrong too
    assert report.proved == report.questions - 1


def test_a_row_changed_without_its_hash_is_caught(dataset: Path) -> None:
    rows = read_table(dataset, "qa").to_pylist()
    rows[0]["difficulty"] = "easy" if rows[0]["difficulty"] != "easy" else "hard"
    write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["qa"]), shards(dataset, "qa")[0])
    seal(dataset)
    assert [p.why for p in verify(dataset).problems] == ["wrong row_sha: the row was changed after it was written"]


def test_a_moved_track_unproves_what_rested_on_it(dataset: Path) -> None:
    tracks = list(read_records(dataset, "tracks"))
    tracks[0] = replace(tracks[0], bbox=tracks[0].bbox[::-1] + np.float32(0))
    write_table(to_table("tracks", tracks), shards(dataset, "tracks")[0])
    seal(dataset)
    report = verify(dataset)
    assert not report.ok
    assert report.reasons["wrong margin"] or report.reasons["answer not proved"]


def test_a_false_caption_and_a_false_fact_are_caught(dataset: Path) -> None:
    def lie(row: Row) -> None:
        row["sentences"][0]["text"] = "It flies."
        row["caption"] = " ".join(s["text"] for s in row["sentences"])
        row["short"] = row["sentences"][0]["text"]

    change_rows(dataset, "captions", lie)
    assert verify(dataset).reasons == {"wording differs": 1}
    change_rows(dataset, "facts", lambda row: row.update(value=row["value"] + 1))
    assert verify(dataset).reasons == {"wording differs": 1, "wrong number": 1}


def test_ungrounded_rows_are_counted_not_failed(dataset: Path) -> None:
    change_rows(dataset, "mcq", lambda row: row.update(grounding="human", question="What does she feel?"))
    report = verify(dataset)
    assert report.ok
    assert report.ungrounded == 1


def test_files_are_checked(dataset: Path) -> None:
    video = next((dataset / "videos").rglob("*.mp4"))
    video.write_bytes(video.read_bytes() + b"x")
    (dataset / "stray.txt").write_text("?")
    next((dataset / "facts").glob("*")).unlink()
    reasons = verify(dataset).reasons
    assert reasons["changed file"] == reasons["stray file"] == reasons["missing file"] == 1


def test_a_clip_under_a_false_name_is_caught(dataset: Path) -> None:
    clips = list(read_records(dataset, "clips"))
    clips[0] = replace(clips[0], sha256="f" * 64)
    write_table(to_table("clips", clips), shards(dataset, "clips")[0])
    seal(dataset)
    assert verify(dataset).reasons["wrong name"] == 1


def test_what_is_no_dataset_is_said_in_one_line(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(BadDataset, match="not a dataset"):
        verify(tmp_path / "nowhere")
    manifest = json.loads((dataset / "fm_hub.json").read_text())
    (dataset / "fm_hub.json").write_text(json.dumps({**manifest, "schema_version": "2.0"}))
    with pytest.raises(BadDataset, match="schema version 2"):
        verify(dataset)
    (dataset / "fm_hub.json").write_text("{")
    with pytest.raises(BadDataset, match="JSON"):
        verify(dataset)


def test_keys_from_the_future_are_ignored(dataset: Path) -> None:
    manifest = json.loads((dataset / "fm_hub.json").read_text())
    (dataset / "fm_hub.json").write_text(json.dumps({**manifest, "schema_version": "1.7", "colour": "blue"}))
    assert verify(dataset).ok


def test_a_claim_outside_the_view_is_caught(dataset: Path) -> None:
    def shorten(row: Row) -> None:
        row["view_t1"] = round(row["view_t1"] - 0.5, 3)

    change_rows(dataset, "mcq", shorten)
    assert not verify(dataset).ok


def test_claims_have_no_code(dataset: Path) -> None:
    def inject(row: Row) -> None:
        row["options"][0]["args"] = "__import__('os').system('true')"

    change_rows(dataset, "mcq", inject)
    assert verify(dataset).reasons == {"malformed row": 1}
    with pytest.raises(ValueError, match=r"must be an object"):
        _ = Claim("moves", "[1]", "image", 0, 1).arguments


def test_what_is_not_a_number_proves_nothing(dataset: Path) -> None:
    change_rows(dataset, "mcq", lambda row: row["options"][0].update(margin=float("nan")))
    change_rows(dataset, "facts", lambda row: row.update(value=float("nan")))
    report = verify(dataset)
    assert report.failed == 2
    assert report.reasons["wrong number"] == 1


def test_a_row_twice_is_caught(dataset: Path) -> None:
    table = read_table(dataset, "mcq")
    write_table(pa.concat_tables([table, table.slice(0, 1)]), shards(dataset, "mcq")[0])
    seal(dataset)
    assert verify(dataset).reasons["double id"] == 1


def test_rows_in_the_file_of_another_split_are_caught(dataset: Path) -> None:
    path = shards(dataset, "mcq")[0]
    path.rename(path.with_name("train-00000.parquet"))
    manifest = read_manifest(dataset)
    counts = {**manifest.counts, "mcq": {"train": manifest.counts["mcq"]["test"]}}
    write_manifest(dataset, manifest.model_copy(update={"counts": counts}))
    assert verify(dataset).reasons == {"wrong split": 1}


def test_other_bytes_among_the_benchmark_videos_are_caught(dataset: Path) -> None:
    path = shards(dataset, "benchmark_videos")[0]
    table = read_table(dataset, "benchmark_videos")
    rows = table.to_pylist()
    rows[0]["video"]["bytes"] = b"junk"
    write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    seal(dataset)
    assert verify(dataset).reasons == {"wrong bytes": 1}


def test_a_label_made_easier_is_caught(dataset: Path) -> None:
    change_rows(dataset, "mcq", lambda row: row.update(difficulty="easy" if row["difficulty"] != "easy" else "hard"))
    assert verify(dataset).reasons == {"wrong difficulty": 1}


def test_tracks_that_speak_of_frames_that_are_not_there(dataset: Path) -> None:
    rows = read_table(dataset, "tracks").to_pylist()
    rows[0]["frame"][-1] = 5000
    write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["tracks"]), shards(dataset, "tracks")[0])
    seal(dataset)
    report = verify(dataset)
    assert not report.ok
    assert report.reasons["malformed row"]
