"""The published tables: their pyarrow schemas, record to row and back, and deterministic Parquet.

The schemas are written by hand because they are the contract (``docs/contracts.md``, golden file
``tests/golden/tables.json``). ``from_rows(config, to_rows(config, records)) == records`` for every table.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fm_hub.errors import BadDataset
from fm_hub.records import (
    LETTERS,
    Camera,
    Caption,
    Claim,
    Clip,
    Contact,
    Fact,
    Frames,
    Keypoints,
    Masks,
    Option,
    Provenance,
    Question,
    Sentence,
    Shortcuts,
    Source,
    Track,
)

__all__ = [
    "CONFIGS",
    "QUESTION_CONFIGS",
    "SCHEMAS",
    "SCHEMA_VERSION",
    "SPLITS",
    "STEP",
    "Row",
    "Span",
    "from_rows",
    "from_table",
    "inside",
    "iter_rows",
    "read_file",
    "read_records",
    "read_table",
    "row_sha",
    "shards",
    "to_rows",
    "to_table",
    "values",
    "write_table",
]

SCHEMA_VERSION = "1.2"
SPLITS = ("train", "validation", "test")
STEP = 1024
"""Rows that are turned into records at once."""

_s, _i, _f, _b = pa.string(), pa.int32(), pa.float64(), pa.bool_()
_claim = [("predicate", _s), ("args", _s), ("frame", _s), ("t0", _f), ("t1", _f)]
_option = pa.struct([("text", _s), *_claim, ("margin", _f)])
_sentence = pa.struct([("aspect", _s), ("text", _s), ("template", _s), ("template_args", _s), *_claim])
_home = [("clip_id", _s), ("source_id", _s), ("split", _s), ("video_file", _s)]
_origin = [
    *[("grounding", _s), ("generator", _s), ("seed", pa.int64()), ("added_in", _s), ("row_sha", _s)],
    ("prompt", _s),
]
_shortcuts = pa.struct([(n, _f) for n in Shortcuts.__slots__])
_question = [
    *[("id", _s), *_home, ("type", _s), ("kind", _s), ("difficulty", _s), ("view_t0", _f), ("view_t1", _f)],
    ("question", _s),
]
_proof = [("options", pa.list_(_option)), ("answer_type", _s), ("template", _s), ("template_args", _s), *_origin]


def _lists(*names: str, of: pa.DataType) -> list[tuple[str, pa.DataType]]:
    return [(n, pa.list_(of)) for n in names]


_mcq = pa.schema([*_question, *[(f"option_{x.lower()}", _s) for x in LETTERS], ("answer", _s), *_proof])
_mcq = _mcq.append(pa.field("shortcuts", _shortcuts))
SCHEMAS: dict[str, pa.Schema] = {
    "mcq": _mcq,
    "qa": pa.schema([*_question, ("answer", _s), *_proof]),
    "captions": pa.schema(
        [("id", _s), *_home, ("caption", _s), ("short", _s), ("sentences", pa.list_(_sentence)), *_origin]
    ),
    "benchmark": _mcq,
    "sources": pa.schema(
        [
            *[("source_id", _s), ("name", _s), ("sha256", _s), ("bytes", pa.int64()), ("codec", _s)],
            *[("width", _i), ("height", _i), ("rotation", _i), ("n_frames", _i), ("duration", _f), ("vfr", _b)],
            *[("license", _s), ("status", _s), ("reason", _s), ("detail", _s), ("origin", _s)],
        ]
    ),
    "clips": pa.schema(
        [
            *[("clip_id", _s), ("source_id", _s), ("video_file", _s), ("sha256", _s), ("t0", _f), ("t1", _f)],
            *[("copied", _b), ("fps", _f), ("width", _i), ("height", _i), ("n_frames", _i), ("duration", _f)],
            *[("camera", _s), ("split", _s), ("status", _s), ("reason", _s), ("detail", _s), ("camera_score", _f)],
        ]
    ),
    "frames": pa.schema([("clip_id", _s), *_lists("frame", of=_i), *_lists("pts", of=pa.int64()), *_lists("t", of=_f)]),
    "tracks": pa.schema(
        [
            *[("clip_id", _s), ("track_id", _s), ("label", _s), ("label_score", _f), ("quality", _f)],
            *[("detector", _s), ("parent", _s), *_lists("frame", of=_i)],
            ("bbox", pa.list_(pa.list_(pa.float32(), 4))),
            *[*_lists("score", of=pa.float32()), *_lists("state", of=pa.int8()), ("side", _s), ("colour", _s)],
        ]
    ),
    "camera": pa.schema(
        [
            *[("clip_id", _s), ("label", _s), *_lists("frame", of=_i)],
            *[*_lists("dx", "dy", "dlogs", "droll", "inliers", of=_f), *_lists("ok", of=_b)],
        ]
    ),
    "keypoints": pa.schema(
        [
            *[("clip_id", _s), ("track_id", _s), ("kind", _s), *_lists("frame", of=_i)],
            ("xy", pa.list_(pa.list_(pa.float32()))),
            ("conf", pa.list_(pa.list_(pa.float32()))),
        ]
    ),
    "contacts": pa.schema([("clip_id", _s), ("a", _s), ("b", _s), ("kind", _s), ("t0", _f), ("t1", _f), ("score", _f)]),
    "masks": pa.schema(
        [
            *[("clip_id", _s), ("track_id", _s), ("height", _i), ("width", _i), *_lists("frame", of=_i)],
            ("counts", pa.list_(pa.list_(_i))),
        ]
    ),
    "facts": pa.schema([("fact_id", _s), ("clip_id", _s), *_claim, ("value", _f), ("tolerance", _f), ("margin", _f)]),
}
CONFIGS = tuple(SCHEMAS)
QUESTION_CONFIGS = ("mcq", "qa", "benchmark")
OPTIONAL: dict[str, Any] = {"prompt": None, "shortcuts": None, "camera_score": None, "side": "", "colour": ""}
"""Columns that an earlier minor version of the schema does not have, and what they are there."""

Row = dict[str, Any]
Span = tuple[str, str | None]
"""Clip ids from the first (with it) to the second (without it; None: to the last)."""


def row_sha(row: Row) -> str:
    """24 hexadecimal digits of the SHA-256 of a row without its own ``row_sha`` (JSON, sorted keys).

    ``video`` is left out too: it says where a release lies, and a copy of the release lies elsewhere. So are
    ``shortcuts``, which depend on other rows, and ``prompt`` where there is none, as in rows of schema 1.1.
    """
    without = {"row_sha", "video", "shortcuts"} | ({"prompt"} if row.get("prompt") is None else set())
    text = json.dumps({k: v for k, v in row.items() if k not in without}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _claim_row(c: Claim) -> Row:
    return {"predicate": c.predicate, "args": c.args, "frame": c.frame, "t0": c.t0, "t1": c.t1}


def _claim_of(row: Row) -> Claim:
    return Claim(_shared(row["predicate"]), row["args"], _shared(row["frame"]), row["t0"], row["t1"])


def _shared(value: Any) -> Any:
    """One string for all rows that say the same: half of what a hundred thousand questions would hold."""
    return sys.intern(value) if type(value) is str else value


def _origin_row(record: Question | Caption) -> Row:
    p = record.provenance
    return {
        "grounding": record.grounding,
        "generator": p.generator,
        "seed": p.seed,
        "added_in": record.added_in,
        "prompt": p.prompt,
    }


def _question_row(q: Question) -> Row:
    return {
        "id": q.question_id,
        "clip_id": q.clip_id,
        "source_id": q.source_id,
        "split": q.split,
        "video_file": q.video_file,
        "type": q.type,
        "kind": q.kind,
        "difficulty": q.difficulty,
        "view_t0": q.view_t0,
        "view_t1": q.view_t1,
        "question": q.text,
        "options": [{"text": o.text, **_claim_row(o.claim), "margin": o.margin} for o in q.options],
        "answer_type": q.answer_type,
        "template": q.template,
        "template_args": q.template_args,
        **_origin_row(q),
    }


def _mcq_row(q: Question) -> Row:
    texts = [o.text for o in q.options] + [None] * (len(LETTERS) - len(q.options))
    return {
        **_question_row(q),
        **{f"option_{x.lower()}": text for x, text in zip(LETTERS, texts, strict=True)},
        "answer": LETTERS[q.answer],
        "shortcuts": asdict(q.shortcuts) if q.shortcuts else None,
    }


def _qa_row(q: Question) -> Row:
    return {**_question_row(q), "answer": q.options[q.answer].text}


def _question_of(row: Row) -> Question:
    options = tuple(Option(o["text"], _claim_of(o), o["margin"]) for o in row["options"])
    texts = list(LETTERS) if "option_a" in row else [o.text for o in options]
    return Question(
        question_id=row["id"],
        clip_id=_shared(row["clip_id"]),
        source_id=_shared(row["source_id"]),
        split=_shared(row["split"]),
        video_file=_shared(row["video_file"]),
        type=_shared(row["type"]),
        kind=_shared(row["kind"]),
        difficulty=_shared(row["difficulty"]),
        view_t0=row["view_t0"],
        view_t1=row["view_t1"],
        text=row["question"],
        options=options,
        answer=texts.index(row["answer"]),
        answer_type=_shared(row["answer_type"]),
        template=_shared(row["template"]),
        template_args=row["template_args"],
        grounding=_shared(row["grounding"]),
        provenance=Provenance(_shared(row["generator"]), row["seed"], row.get("prompt")),
        added_in=_shared(row["added_in"]),
        shortcuts=Shortcuts(**row["shortcuts"]) if row.get("shortcuts") else None,
    )


def _caption_row(c: Caption) -> Row:
    return {
        "id": c.caption_id,
        "clip_id": c.clip_id,
        "source_id": c.source_id,
        "split": c.split,
        "video_file": c.video_file,
        "caption": c.text,
        "short": c.short,
        "sentences": [
            {
                "aspect": s.aspect,
                "text": s.text,
                "template": s.template,
                "template_args": s.template_args,
                **_claim_row(s.claim),
            }
            for s in c.sentences
        ],
        **_origin_row(c),
    }


def _caption_of(row: Row) -> Caption:
    return Caption(
        caption_id=row["id"],
        clip_id=row["clip_id"],
        source_id=row["source_id"],
        split=row["split"],
        video_file=row["video_file"],
        text=row["caption"],
        short=row["short"],
        sentences=tuple(
            Sentence(s["aspect"], s["text"], s["template"], s["template_args"], _claim_of(s)) for s in row["sentences"]
        ),
        grounding=row["grounding"],
        provenance=Provenance(row["generator"], row["seed"], row.get("prompt")),
        added_in=row["added_in"],
    )


def _fact_row(f: Fact) -> Row:
    numbers = {"value": f.value, "tolerance": f.tolerance, "margin": f.margin}
    return {"fact_id": f.fact_id, "clip_id": f.clip_id, **_claim_row(f.claim), **numbers}


def _fact_of(row: Row) -> Fact:
    return Fact(row["fact_id"], row["clip_id"], _claim_of(row), row["value"], row["tolerance"], row["margin"])


def _plain_row(record: Any) -> Row:
    row = {}
    for name in record.__slots__:
        value = getattr(record, name)
        row[name] = value.tolist() if hasattr(value, "tolist") else value
    return row


def _keypoints_row(k: Keypoints) -> Row:
    return {**_plain_row(k), "xy": k.xy.reshape(len(k.frame), k.xy.shape[1] * 2).tolist()}


def _masks_row(m: Masks) -> Row:
    return {**_plain_row(m), "counts": [c.tolist() for c in m.counts]}


@dataclass(frozen=True)
class _Codec:
    encode: Callable[[Any], Row]
    decode: Callable[[Row], Any]


def _plain(cls: type[Any]) -> _Codec:
    names = tuple(cls.__slots__)
    return _Codec(_plain_row, lambda row: cls(**{n: row[n] if n in row else OPTIONAL[n] for n in names}))


_CODECS: dict[str, _Codec] = {
    "mcq": _Codec(_mcq_row, _question_of),
    "qa": _Codec(_qa_row, _question_of),
    "benchmark": _Codec(_mcq_row, _question_of),
    "captions": _Codec(_caption_row, _caption_of),
    "facts": _Codec(_fact_row, _fact_of),
    "keypoints": _Codec(_keypoints_row, _plain(Keypoints).decode),
    "sources": _plain(Source),
    "clips": _plain(Clip),
    "frames": _plain(Frames),
    "tracks": _plain(Track),
    "camera": _plain(Camera),
    "contacts": _plain(Contact),
    "masks": _Codec(_masks_row, _plain(Masks).decode),
}


def to_rows(config: str, records: Iterable[Any]) -> list[Row]:
    """The rows of a table, in the records' order, each with its ``row_sha`` where the table has one."""
    encode = _CODECS[config].encode
    rows = [encode(r) for r in records]
    if "row_sha" in SCHEMAS[config].names:
        for row in rows:
            row["row_sha"] = row_sha(row)
    return rows


def from_rows(config: str, rows: Iterable[Row]) -> list[Any]:
    """The records of a table's rows; columns that this version does not know are ignored."""
    decode = _CODECS[config].decode
    return [decode(row) for row in rows]


def to_table(config: str, records: Iterable[Any]) -> pa.Table:
    """The records as an Arrow table of the published schema."""
    return pa.Table.from_pylist(to_rows(config, records), schema=SCHEMAS[config])


def from_table(config: str, table: pa.Table) -> list[Any]:
    """The records of an Arrow table. Raises :class:`BadDataset` if a published column is missing."""
    missing = [n for n in SCHEMAS[config].names if n not in (*table.column_names, *OPTIONAL)]
    if missing:
        raise BadDataset(f"table {config!r} lacks the column(s) {', '.join(missing)}")
    return [record for batch in table.to_batches(STEP) for record in from_rows(config, batch.to_pylist())]


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet with the same bytes for the same rows: tmp, fsync, rename.

    zstd and content-defined chunking, so that a release which appends rows uploads little more than them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(tmp, "wb") as f:
        pq.write_table(table, f, compression="zstd", use_content_defined_chunking=True)
        f.flush()
        os.fsync(f.fileno())
    os.replace(tmp, path)


def inside(root: Path, name: str) -> Path:
    """A file of a dataset by its published name; one that leads out of the folder is refused.

    Raises :class:`BadDataset`.
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or "\0" in name:
        raise BadDataset(f"file name {name!r} leads out of the dataset's folder")
    path = root / name
    real = path.resolve()  # the Hub's cache links every file to its folder of blobs
    if root.resolve() not in real.parents and not (path.is_symlink() and "blobs" in real.parts):
        raise BadDataset(f"file name {name!r} is a link that leads out of the dataset's folder")
    return path


def shards(root: Path, config: str, split: str | None = None) -> list[Path]:
    """The Parquet files of a config in a built dataset, in order."""
    return sorted((root / config).glob(f"{split or '*'}-[0-9]*.parquet"))


def iter_rows(root: Path, config: str, split: str | None = None) -> Iterator[Row]:
    """The rows of a config, some at a time in memory. Raises :class:`BadDataset` on a file that does not parse."""
    for path in shards(root, config, split):
        try:
            for batch in pq.ParquetFile(path).iter_batches(1024):
                yield from batch.to_pylist()
        except (pa.ArrowInvalid, OSError) as e:
            raise BadDataset(f"{path}: not a readable Parquet file ({e})") from None


def read_table(
    root: Path,
    config: str,
    split: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    clips: Span | None = None,
    rows: int | None = None,
) -> pa.Table:
    """The rows of a config (none if it has no file): some columns, those of a span of clips, or the first ``rows``.

    Raises :class:`BadDataset` on a file that does not parse.
    """
    tables, left = list[pa.Table](), rows
    for path in shards(root, config, split):
        tables.append(read_file(path, columns=columns, clips=clips, rows=left))
        if left is not None:
            left -= tables[-1].num_rows
            if left <= 0:
                break
    if not tables:
        schema = SCHEMAS.get(config, pa.schema([]))
        return (schema if columns is None else pa.schema([schema.field(c) for c in columns])).empty_table()
    return pa.concat_tables(tables, promote_options="permissive")


def values(root: Path, config: str, column: str) -> list[Any]:
    """The values of one column of a config, in order of rows."""
    found: list[Any] = read_table(root, config, columns=[column]).column(column).to_pylist()
    return found


def read_file(
    path: Path, *, columns: Sequence[str] | None = None, clips: Span | None = None, rows: int | None = None
) -> pa.Table:
    """The rows of a file, as :func:`read_table`. Raises :class:`BadDataset` if it does not parse."""
    try:
        if clips is not None:  # where a file is sorted by clip, whole groups of rows are passed over
            return pq.read_table(path, columns=columns, filters=_within(clips), partitioning=None)
        with pq.ParquetFile(path) as file:
            if rows is None:
                return file.read(columns=columns)
            batches = list(islice(file.iter_batches(rows, columns=columns), 1))
            schema = batches[0].schema if batches else file.schema_arrow
            return pa.Table.from_batches(batches, schema=schema)
    except (pa.ArrowInvalid, OSError) as e:
        raise BadDataset(f"{path}: not a readable Parquet file ({e})") from None


def _within(clips: Span) -> Any:
    first, end = clips
    clip_id = pc.field("clip_id")
    found = clip_id >= first if end is None else (clip_id >= first) & (clip_id < end)
    return found | clip_id.is_null() if first == "" else found  # a row without a clip belongs somewhere too


def read_records(root: Path, config: str, split: str | None = None, *, clips: Span | None = None) -> Sequence[Any]:
    """The records of a config of a built dataset, or those of a span of clips."""
    return cast("Sequence[Any]", from_table(config, read_table(root, config, split, clips=clips)))
