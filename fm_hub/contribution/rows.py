"""The tables of a contribution: exactly the published columns, sane values, ids of its own, and whole references."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fm_hub.contribution.layout import CONFIGS
from fm_hub.contribution.report import Level, Report
from fm_hub.contributions import ROW_ID
from fm_hub.records import LETTERS, Shortcuts, content_id
from fm_hub.rows import Row
from fm_hub.schemas import SCHEMAS
from fm_hub.tables import read_table, shards

__all__ = ["Tables", "check_footers", "check_rows", "read_tables"]

CHECK_SCHEMA, CHECK_ROWS, CHECK_IDS, CHECK_TEXT = "schema", "rows", "ids", "text"
MAX_ROWS = 200_000
MAX_UNCOMPRESSED = 512 << 20
MAX_VALUES = 40_000_000  # of one table: a run-length of nothing is small in bytes and large in memory
MAX_STRAY = 64 << 10  # bytes of a Parquet file that belong to no column
MAX_TEXT, MAX_LIST = 4_000, 20_000
MAX_TOLD = 20  # findings of one kind

HEX = re.compile(r"[0-9a-f]{24}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,._/()'-]{0,63}")
MARKUP = re.compile(r"<[A-Za-z!/?]|&(?:#\w+|[A-Za-z]\w*);|\]\(|\]\[|!\[|`|javascript:|data:\w+/", re.I)
ADDRESS = re.compile(r"(?:https?|ftp)://|www\.", re.I)
IDS = ("clip_id", "source_id", "track_id", "fact_id", "a", "b")
JSONS = ("args", "template_args")
WORD = re.compile(r"[a-z][a-z0-9 -]{0,39}")
WORDED = ("type", "kind", "answer_type")  # what there is grows with every version
WORDS: dict[str, tuple[str, ...]] = {
    "split": ("train", "validation", "test"),
    "grounding": ("facts", "model", "human"),
    "difficulty": ("easy", "medium", "hard"),
    "camera": ("static", "moving", "unknown"),
}
ENUMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("mcq", "answer"): LETTERS,
    ("clips", "status"): ("ok", "empty"),
    ("sources", "status"): ("ok",),
    ("camera", "label"): WORDS["camera"],
}
NULLABLE = ("prompt", "shortcuts", *Shortcuts.__slots__, "camera_score")
FREE = ("question", "caption", "short", "text", "answer", *(f"option_{x.lower()}" for x in LETTERS))

Tables = dict[str, list[Row]]


def check_footers(root: Path, report: Report) -> None:
    """What the files say of themselves, before a row is read: columns, metadata, sizes."""
    report.checked.append(CHECK_SCHEMA)
    for config in CONFIGS:
        for path in shards(root, config):
            at = path.relative_to(root).as_posix()
            try:
                why = next(_footer_problems(path, SCHEMAS[config]), None)
            except (pa.ArrowException, OSError, ValueError) as e:
                why = f"is not readable as Parquet: {e}"
            if why:
                report.refuse(CHECK_SCHEMA, at, why)


def _footer_problems(path: Path, schema: pa.Schema) -> Iterator[str]:
    meta = pq.read_metadata(path)
    foreign = sorted(k.decode("utf-8", "replace") for k in (meta.metadata or {}) if k != b"ARROW:schema")
    if foreign:
        yield f"its metadata hold {', '.join(foreign[:3])}: only rows are taken"
    found = meta.schema.to_arrow_schema()
    if found.metadata or not found.remove_metadata().equals(schema):
        names = sorted(set(found.names) ^ set(schema.names))
        yield f"has other columns than the schema: {', '.join(names[:5]) or 'their types or order differ'}"
    groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
    size = sum(g.total_byte_size for g in groups)
    if meta.num_rows > MAX_ROWS or size > MAX_UNCOMPRESSED:
        yield f"has {meta.num_rows} rows of {size} bytes; at most {MAX_ROWS} and {MAX_UNCOMPRESSED} are allowed"
    values = sum(g.column(i).num_values for g in groups for i in range(g.num_columns))
    if values > MAX_VALUES:
        yield f"holds {values} values; at most {MAX_VALUES} are allowed"
    if any(g.total_byte_size < 0 or g.num_rows < 0 for g in groups) or sum(g.num_rows for g in groups) != meta.num_rows:
        yield "its footer contradicts itself"
    used = sum(g.column(i).total_compressed_size for g in groups for i in range(g.num_columns))
    stray = path.stat().st_size - used - meta.serialized_size - 12
    if not 0 <= stray <= MAX_STRAY:
        yield f"holds {stray} bytes that belong to no column"


def read_tables(root: Path) -> Tables:
    """All rows, by config. Raises what :func:`fm_hub.tables.read_table` does."""
    return {config: read_table(root, config).to_pylist() for config in CONFIGS}


def check_rows(tables: Tables, name: str, report: Report) -> None:
    """The values of all rows, and what they refer to; ``name`` is the contribution's, which its own ids begin with."""
    report.checked += [CHECK_ROWS, CHECK_IDS, CHECK_TEXT]
    told: dict[tuple[str, Level], int] = {}

    def tell(check: str, level: Level, where: str, why: str) -> None:
        told[check, level] = told.get((check, level), 0) + 1
        if told[check, level] <= MAX_TOLD:
            report.add(check, level, where, why)

    for config, rows in tables.items():
        for i, row in enumerate(rows):
            _check_row(config, f"{config} row {i}", row, tell)
    _check_ids(tables, name, tell)
    if not report.refused:  # else what follows would stumble
        _check_references(tables, tell)
    for (check, level), n in told.items():
        if n > MAX_TOLD:
            report.add(check, level, "", f"and {n - MAX_TOLD} more")


Tell = Callable[[str, Level, str, str], None]


def _check_row(config: str, where: str, row: Row, tell: Tell) -> None:
    for column, value in row.items():
        allowed = ENUMS.get((config, column)) or WORDS.get(column)
        if allowed and value not in allowed:
            tell(CHECK_ROWS, "refused", where, f"{column} is {value!r}; known: {', '.join(allowed)}")
        for path, leaf in _leaves(column, value, tell, where):
            _check_value(config, path.rpartition(".")[2], leaf, f"{where} {path}", row, tell)


def _leaves(path: str, value: Any, tell: Tell, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        if len(value) > MAX_LIST:
            tell(CHECK_ROWS, "refused", where, f"{path} has {len(value)} entries; at most {MAX_LIST} are allowed")
            return
        for v in value:
            yield from _leaves(path, v, tell, where)
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from _leaves(f"{path}.{k}", v, tell, where)
    else:
        yield path, value


def _check_value(config: str, column: str, value: Any, where: str, row: Row, tell: Tell) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        if not (config == "camera" and math.isnan(value) and not all(row["ok"])):  # there it says: not known
            tell(CHECK_ROWS, "refused", where, "is not a number")
    elif value is None:
        known = column.startswith("option_") or column in NULLABLE
        if not known and row.get("grounding") in (None, "facts"):
            tell(CHECK_ROWS, "refused", where, "is missing")
    elif isinstance(value, str):
        for check, level, why in _text_problems(config, column, value):
            tell(check, level, where, why)


def _text_problems(config: str, column: str, value: str) -> Iterator[tuple[str, Level, str]]:
    if len(value) > MAX_TEXT:
        yield CHECK_ROWS, "refused", f"has {len(value)} characters; at most {MAX_TEXT} are allowed"
        return
    odd = [c for c in value if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]
    if odd:
        yield CHECK_TEXT, "refused", f"holds an invisible character: {odd[0]!a}"
    elif unicodedata.normalize("NFC", value) != value:
        yield CHECK_TEXT, "refused", "is not spelled in the normal form of Unicode (NFC)"
    elif MARKUP.search(value) and column not in JSONS:
        yield CHECK_TEXT, "refused", f"holds markup: {value[:60]!r}"
    if column in FREE and ADDRESS.search(value):
        yield CHECK_TEXT, "review", f"holds an address: {value[:60]!r}"
    if (column in IDS or (column in ("parent", "mirror_of") and value)) and not HEX.fullmatch(value):
        yield CHECK_IDS, "refused", "an id of 24 hexadecimal digits is needed"
    if column == "label" and config == "tracks" and not LABEL.fullmatch(value):
        yield CHECK_TEXT, "refused", f"a label is a short plain word, not {value[:60]!r}"
    if column in WORDED and not WORD.fullmatch(value):
        yield CHECK_ROWS, "refused", f"a word of small letters is needed, not {value[:60]!r}"
    if column == "name" and (value.startswith(("/", "~")) or ".." in value.split("/") or "\\" in value or ":" in value):
        yield CHECK_ROWS, "refused", f"is a place on a disk, not a name: {value[:60]!r}"
    if column in JSONS and value:
        try:
            if not isinstance(json.loads(value), dict):
                yield CHECK_ROWS, "refused", "is no JSON object"
        except (ValueError, RecursionError):
            yield CHECK_ROWS, "refused", "is no JSON"
        if "<" in value or "\\u00" in value:
            yield CHECK_TEXT, "refused", f"holds markup: {value[:60]!r}"


def _check_ids(tables: Tables, name: str, tell: Tell) -> None:
    for config in ("mcq", "qa", "captions"):
        seen = set()
        for i, row in enumerate(tables[config]):
            where, own = f"{config} row {i}", str(row["id"])
            if own in seen:
                tell(CHECK_IDS, "refused", where, f"the id {own!r} stands twice")
            seen.add(own)
            if row["grounding"] == "facts":
                if not HEX.fullmatch(own):
                    tell(CHECK_IDS, "refused", where, "the id of a proved row is its hash, 24 hexadecimal digits")
            elif not own.startswith(f"{name}:") or not ROW_ID.fullmatch(own[len(name) + 1 :]):
                tell(CHECK_IDS, "refused", where, f"the id {own!r} is not in the name space {name}:")
    for config, key in (("clips", "clip_id"), ("tracks", "track_id"), ("facts", "fact_id"), ("sources", "source_id")):
        seen = set()
        for i, row in enumerate(tables[config]):
            if row[key] in seen:
                tell(CHECK_IDS, "refused", f"{config} row {i}", f"the {key} {row[key]!r} stands twice")
            seen.add(row[key])
    for config in ("frames", "camera"):
        clips = [row["clip_id"] for row in tables[config]]
        if len(set(clips)) < len(clips):
            tell(CHECK_IDS, "refused", config, "a clip stands twice")


def _check_references(tables: Tables, tell: Tell) -> None:
    clips = {row["clip_id"]: row for row in tables["clips"]}
    sources = {row["source_id"] for row in tables["sources"]}
    clocks = {row["clip_id"]: row for row in tables["frames"]}
    for config, rows in tables.items():
        for i, row in enumerate(rows):
            if "clip_id" in row and row["clip_id"] not in clips:
                tell(CHECK_ROWS, "refused", f"{config} row {i}", f"clip {row['clip_id']!r} is not in the table clips")
    for row in tables["clips"]:
        if row["source_id"] not in sources:
            tell(CHECK_ROWS, "refused", f"clip {row['clip_id']}", "its source is not in the table sources")
        if row["clip_id"] not in clocks:
            tell(CHECK_ROWS, "refused", f"clip {row['clip_id']}", "it has no row in the table frames")
    if {c["source_id"] for c in clips.values()} != sources:
        tell(CHECK_ROWS, "refused", "sources", "there are sources of which no clip is here")
    for row in tables["sources"]:
        own = content_id("origin", row["origin"]) if row["origin"] else row["sha256"][:24]
        if row["source_id"] != own:
            tell(CHECK_IDS, "refused", f"source {row['source_id']}", "the id is not made of its origin or its bytes")
    tracks = {(row["clip_id"], row["track_id"]): row for row in tables["tracks"]}
    for row in tables["tracks"]:
        clip = clips.get(row["clip_id"])
        clock = clocks.get(row["clip_id"])
        why = next(_track_problems(row, clip, len(clock["frame"])), None) if clip and clock else None
        if why:
            tell(CHECK_ROWS, "refused", f"track {row['track_id']}", why)
    for config, columns in (("keypoints", ("track_id",)), ("contacts", ("a", "b"))):
        for i, row in enumerate(tables[config]):
            if any((row["clip_id"], row[c]) not in tracks for c in columns):
                tell(CHECK_ROWS, "refused", f"{config} row {i}", "names a track that is not in the table tracks")


def _track_problems(row: Row, clip: Row, n: int) -> Iterator[str]:
    frame, boxes = row["frame"], row["bbox"]
    if not len(frame) == len(boxes) == len(row["score"]) == len(row["state"]) or not frame:
        yield "its lists have different lengths, or none"
    if frame != sorted(set(frame)) or not 0 <= frame[0] <= frame[-1] < n:
        yield f"its frames do not rise within the {n} of the clip's clock"
    if not set(row["state"]) <= {0, 1, 2} or not all(0 <= x <= 1 for x in (*row["score"], row["quality"])):
        yield "a state is none of 0, 1, 2, or a score not within 0 and 1"
    w, h = clip["width"] + 1, clip["height"] + 1
    if not all(-1 <= b[0] <= b[2] <= w and -1 <= b[1] <= b[3] <= h for b in boxes):
        yield "a box is turned inside out, or lies outside the frame"
