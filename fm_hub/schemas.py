"""The schemas of the published tables, written by hand because they are the contract.

``docs/contracts.md`` says what each column means; ``tests/golden/tables.json`` freezes them.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from fm_hub.records import LETTERS, Shortcuts

__all__ = ["CONFIGS", "OPTIONAL", "QUESTION_CONFIGS", "SCHEMAS", "SCHEMA_VERSION", "SPLITS"]

SCHEMA_VERSION = "1.3"
SPLITS = ("train", "validation", "test")

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
            ("mirror_of", _s),
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
OPTIONAL: dict[str, Any] = {
    "prompt": None,
    "shortcuts": None,
    "camera_score": None,
    "side": "",
    "colour": "",
    "mirror_of": "",
}
"""Columns that an earlier minor version of the schema does not have, and what they are there."""
