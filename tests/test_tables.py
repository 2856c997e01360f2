"""The published tables: record → table → record is the identity, and the bytes are the same every time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fm_hub import records as r
from fm_hub import rows, schemas
from fm_hub import tables as t
from fm_hub.columns import COLUMNAR
from fm_hub.content import content_sha256
from fm_hub.errors import BadDataset
from golden_files import check_golden

text = st.text(st.characters(codec="utf-8"), max_size=12)
number = st.floats(-1e6, 1e6, allow_nan=False)
small = st.floats(-1e4, 1e4, width=32, allow_nan=False)
count = st.integers(0, 2**31 - 1)
split = st.sampled_from(schemas.SPLITS)
claim = st.builds(
    r.Claim.of,
    st.sampled_from(["moves", "direction", "exactly"]),
    st.dictionaries(text, text | st.integers(-5, 5) | st.booleans() | st.lists(text, max_size=3), max_size=3),
    number,
    number,
    st.sampled_from(["image", "stabilised"]),
)
provenance = st.builds(r.Provenance, text, st.integers(0, 2**62), st.none() | text)
share = st.none() | st.floats(0, 1)
shortcuts = st.none() | st.builds(r.Shortcuts, share, share, share, share, share, share)
grounding = st.sampled_from(["facts", "model", "human"])
option = st.builds(r.Option, text, claim, number)
question = st.lists(option, min_size=2, max_size=4, unique_by=lambda o: o.text).flatmap(
    lambda options: st.builds(
        r.Question,
        question_id=text,
        clip_id=text,
        source_id=text,
        split=split,
        video_file=text,
        type=text,
        kind=text,
        difficulty=st.sampled_from(["easy", "medium", "hard"]),
        view_t0=number,
        view_t1=number,
        text=text,
        options=st.just(tuple(options)),
        answer=st.integers(0, len(options) - 1),
        answer_type=text,
        template=text,
        template_args=text,
        grounding=grounding,
        provenance=provenance,
        added_in=text,
        shortcuts=shortcuts,
    )
)
sentence = st.builds(r.Sentence, text, text, text, text, claim)
caption = st.builds(
    r.Caption,
    *[text, text, text, split, text, text, text],
    st.lists(sentence, max_size=3).map(tuple),
    grounding,
    provenance,
    text,
)
status = st.sampled_from(["ok", "filtered", "failed"])
source = st.builds(
    r.Source, text, text, text, count, text, count, count, count, count, number, st.booleans(), text, status, text, text
)
clip = st.builds(
    r.Clip,
    *[text, text, text, text, number, number, st.booleans(), number, count, count, count, number],
    st.sampled_from(["static", "moving", "unknown"]),
    split,
    st.sampled_from(["ok", "empty", "failed"]),
    text,
    text,
    st.none() | number,
)


def frames_of(n: int) -> np.ndarray[Any, Any]:
    return np.arange(n, dtype=np.int32)


@st.composite
def track(draw: st.DrawFn) -> r.Track:
    n = draw(st.integers(0, 5))
    return r.Track(
        *[draw(text), draw(text), draw(text), draw(number), draw(number), draw(text), draw(text)],
        frame=frames_of(n),
        bbox=draw(arrays(np.float32, (n, 4), elements=small)),
        score=draw(arrays(np.float32, n, elements=small)),
        state=draw(arrays(np.int8, n, elements=st.integers(0, 2))),
        side=draw(st.sampled_from(["", "left", "right"])),
    )


@st.composite
def keypoints(draw: st.DrawFn) -> r.Keypoints:
    n, kind = draw(st.integers(0, 3)), draw(st.sampled_from(["coco17", "hand21"]))
    k = 17 if kind == "coco17" else 21
    xy, conf = draw(arrays(np.float32, (n, k, 2), elements=small)), draw(arrays(np.float32, (n, k), elements=small))
    return r.Keypoints(draw(text), draw(text), kind, frames_of(n), xy, conf)  # type: ignore[arg-type]


@st.composite
def frames(draw: st.DrawFn) -> r.Frames:
    n = draw(st.integers(0, 5))
    pts = draw(arrays(np.int64, n, elements=st.integers(-(2**60), 2**60)))
    return r.Frames(draw(text), frames_of(n), pts, draw(arrays(np.float64, n, elements=number)))


@st.composite
def camera(draw: st.DrawFn) -> r.Camera:
    n = draw(st.integers(0, 5))
    columns = [draw(arrays(np.float64, n, elements=number)) for _ in range(5)]
    label = draw(st.sampled_from(["static", "moving", "unknown"]))
    ok = draw(arrays(np.bool_, n))
    return r.Camera(draw(text), label, frames_of(n), *columns, ok=ok)  # type: ignore[arg-type]


RECORDS: dict[str, st.SearchStrategy[Any]] = {
    "mcq": question,
    "qa": question.map(lambda q: replace(q, shortcuts=None)),  # they are about options
    "benchmark": question,
    "captions": caption,
    "sources": source,
    "clips": clip,
    "frames": frames(),
    "tracks": track(),
    "camera": camera(),
    "keypoints": keypoints(),
    "contacts": st.builds(r.Contact, text, text, text, st.sampled_from(["touch", "hold"]), number, number, number),
    "masks": st.builds(
        lambda c, i, n: r.Masks(c, i, 2, 3, frames_of(n), ([1, 2, 3],) * n), text, text, st.integers(0, 3)
    ),
    "facts": st.builds(r.Fact, text, text, claim, number, number, number),
}


def test_every_table_is_covered() -> None:
    assert set(RECORDS) == set(schemas.CONFIGS)


@pytest.mark.parametrize("config", schemas.CONFIGS)
@settings(max_examples=60)
@given(data=st.data())
def test_record_to_table_to_record_is_the_identity(config: str, data: st.DataObject) -> None:
    records = data.draw(st.lists(RECORDS[config], max_size=3))
    table = t.to_table(config, records)
    assert table.schema.equals(schemas.SCHEMAS[config])
    assert t.from_table(config, table) == records


@pytest.mark.parametrize("config", sorted(COLUMNAR))
@settings(max_examples=60)
@given(data=st.data())
def test_columns_are_what_rows_make(config: str, data: st.DataObject) -> None:
    records = data.draw(st.lists(RECORDS[config], max_size=4))
    schema = schemas.SCHEMAS[config]
    by_row = pa.Table.from_pylist(rows.to_rows(config, records), schema=schema)
    table = t.to_table(config, records)
    assert table.equals(by_row)
    assert content_sha256(table) == content_sha256(by_row)
    part = data.draw(st.integers(0, 4))
    assert t.from_table(config, pa.concat_tables([table[part:], table[:part]])) == records[part:] + records[:part]
    wide = {f.name: pa.large_list(f.type.value_type) for f in schema if pa.types.is_list(f.type)}
    other = pa.schema([(f.name, wide.get(f.name, f.type)) for f in schema])
    assert t.from_table(config, pa.Table.from_pylist(table.to_pylist(), schema=other)) == records


def test_a_box_or_a_list_that_is_null_is_no_track() -> None:
    track = r.Track("c", "t", "car", 1.0, 1.0, "", "", frames_of(2), np.ones((2, 4)), np.ones(2), np.zeros(2))
    for name, value in (("bbox", [None, [0.0] * 4]), ("state", None), ("frame", [0, None])):
        row = rows.to_rows("tracks", [track])[0] | {name: value}
        with pytest.raises((TypeError, ValueError)):
            t.from_table("tracks", pa.Table.from_pylist([row], schema=schemas.SCHEMAS["tracks"]))


@pytest.mark.parametrize("config", schemas.CONFIGS)
@settings(max_examples=10)
@given(data=st.data())
def test_through_a_file_and_the_same_bytes_twice(config: str, data: st.DataObject, tmp_path_factory: Any) -> None:
    records = data.draw(st.lists(RECORDS[config], min_size=1, max_size=3))
    root: Path = tmp_path_factory.mktemp("tables")
    for name in ("train-00000", "train-00001"):
        t.write_table(t.to_table(config, records), root / config / f"{name}.parquet")
    first, second = (p.read_bytes() for p in t.shards(root, config))
    assert first == second
    assert t.read_records(root, config) == records * 2


QUESTION = r.Question(
    *["q", "c", "s", "train", "v.mp4", "t", "k", "easy", 0.0, 1.0, "What?"],  # type: ignore[arg-type]
    options=tuple(r.Option(x, r.Claim.of("moves", {"n": i}, 0, 1), 3.0) for i, x in enumerate("ab")),
    answer=1,
    answer_type="phrase",
    template="moves/0",
    template_args="{}",
    grounding="facts",
    provenance=r.Provenance("g", 0),
)


def test_row_sha_covers_every_column() -> None:
    row = rows.to_rows("mcq", [QUESTION])[0]
    assert row["row_sha"] == rows.row_sha(row)
    for column in row:
        if column not in ("row_sha", "shortcuts"):
            assert rows.row_sha({**row, column: "changed"}) != row["row_sha"], column


def test_a_row_of_schema_1_1_is_read_and_has_its_hash() -> None:
    """What a minor version adds is absent there, and neither the record nor the hash minds."""
    table = t.to_table("mcq", [QUESTION])
    old = table.drop_columns(["prompt", "shortcuts"])
    assert t.from_table("mcq", old) == [QUESTION]
    assert rows.row_sha(old.to_pylist()[0]) == table.to_pylist()[0]["row_sha"]
    scored = replace(QUESTION, shortcuts=r.Shortcuts(letter=1.0))
    assert rows.to_rows("mcq", [scored])[0]["row_sha"] == rows.to_rows("mcq", [QUESTION])[0]["row_sha"]
    worded = replace(QUESTION, provenance=r.Provenance("g", 0, "paraphrase@1:0"))
    assert rows.to_rows("mcq", [worded])[0]["row_sha"] != rows.to_rows("mcq", [QUESTION])[0]["row_sha"]


def test_unknown_columns_are_ignored_and_missing_ones_named() -> None:
    table = t.to_table("contacts", [r.Contact("c", "a", "b", "hold", 0.0, 1.0, 0.5)])
    wider = table.append_column("from_the_future", pa.array([1]))
    assert t.from_table("contacts", wider) == t.from_table("contacts", table)
    with pytest.raises(BadDataset, match=r"lacks the column.*score"):
        t.from_table("contacts", table.drop_columns("score"))


def test_a_table_of_an_earlier_minor_is_read() -> None:
    track = r.Track("c", "t", "hand", 1.0, 1.0, "d", "", *(np.empty(0),) * 4)
    older = t.to_table("tracks", [track]).drop_columns("side")
    assert t.from_table("tracks", older) == [track]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mcq").mkdir()
    (tmp_path / "mcq" / "train-00000.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(BadDataset, match=r"train-00000\.parquet"):
        t.read_table(tmp_path, "mcq")


def test_the_schemas_are_frozen() -> None:
    spoken = {c: {f.name: str(f.type) for f in schema} for c, schema in schemas.SCHEMAS.items()}
    check_golden("tables.json", json.dumps({"schema_version": schemas.SCHEMA_VERSION, **spoken}, indent=1) + "\n")


def test_ids_are_frozen() -> None:
    claim_ = r.Claim.of("direction", {"track": "t", "is": "up-left"}, 0.12349, 2, "image")
    spoken = {
        "claim": claim_.as_list(),
        "track": r.content_id("clip", "artifact", 3),
        "fact": r.content_id("fact", "clip", claim_.as_list()),
        "question": r.content_id("question", "clip", "direction/1", "{}", [claim_.as_list()], [0.0, 2.0]),
        "caption": r.content_id("caption", "clip", [claim_.as_list()]),
        "unreadable source": r.content_id("source", "näme with blanks.mp4"),
    }
    check_golden("ids.json", json.dumps(spoken, indent=1) + "\n")
