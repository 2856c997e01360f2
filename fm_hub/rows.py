"""Record to row and back: ``from_rows(config, to_rows(config, records)) == records`` for every table.

A row is the plain values of one record under the names of :data:`~fm_hub.schemas.SCHEMAS`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

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
from fm_hub.schemas import OPTIONAL, SCHEMAS

__all__ = ["Row", "from_rows", "row_sha", "to_rows"]

Row = dict[str, Any]
_sorted_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, check_circular=False).encode


def row_sha(row: Row) -> str:
    """24 hexadecimal digits of the SHA-256 of a row without its own ``row_sha`` (JSON, sorted keys).

    ``video`` is left out too: it says where a release lies, and a copy of the release lies elsewhere. So are
    ``shortcuts``, which depend on other rows, and ``prompt`` where there is none, as in rows of schema 1.1.
    """
    without = {"row_sha", "video", "shortcuts"} | ({"prompt"} if row.get("prompt") is None else set())
    text = _sorted_json({k: v for k, v in row.items() if k not in without})
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
