"""The samples of a card: a real row of each table that people read, and what it is about in a picture."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

from fm_hub.card_pictures import strip_jpeg
from fm_hub.errors import ItemError
from fm_hub.manifest import Manifest
from fm_hub.records import LETTERS
from fm_hub.schemas import SPLITS
from fm_hub.tables import inside, iter_rows, read_records, read_table

__all__ = ["clean", "first_rows", "picture_name", "samples", "write_pictures"]

SHOWN = ("mcq", "qa", "captions", "benchmark")
FRAMES = 4
LOOKED_AT = 1000  # rows, for one of another kind
Row = dict[str, Any]


def picture_name(config: str) -> str:
    """The place of the picture of a config's sample."""
    return f"card/{config}.jpg"


def _rows(root: Path) -> dict[str, Row]:
    """A row of each config in ``SHOWN``: of questions, another kind each time where there is one."""
    found: dict[str, Row] = {}
    kinds: set[str] = set()
    for config in SHOWN:
        rows = list(islice(iter_rows(root, config), LOOKED_AT))
        if rows:
            row = next((r for r in rows if r.get("kind") not in kinds), rows[0])
            kinds |= {row["kind"]} if "kind" in row else set()
            found[config] = row
    return found


def write_pictures(root: Path) -> None:
    """Draw the picture of each sample; a sample whose video cannot be seen gets none."""
    rows = {config: row for config, row in _rows(root).items() if inside(root, row["video_file"]).is_file()}
    clips = {row["clip_id"] for row in rows.values()}
    clocks, tracks, sizes = (
        [r for clip_id in sorted(clips) for r in read_records(root, config, clips=(clip_id, f"{clip_id}~"))]
        for config in ("frames", "tracks", "clips")
    )
    for config, row in rows.items():
        clip = next((c for c in sizes if c.clip_id == row["clip_id"]), None)
        clock = next((f for f in clocks if f.clip_id == row["clip_id"]), None)
        if clip is None or clock is None or not len(clock.t):
            continue
        t0, t1 = row.get("view_t0", 0.0), row.get("view_t1", clip.duration)
        wanted = (t0 + (i + 0.5) * (t1 - t0) / FRAMES for i in range(FRAMES))
        nearest = (min(range(len(clock.t)), key=lambda i: abs(clock.t[i] - t)) for t in wanted)
        moments = [(float(clock.t[i]), int(clock.frame[i])) for i in nearest]
        mine = [t for t in tracks if t.clip_id == row["clip_id"]]
        try:
            picture = strip_jpeg(inside(root, row["video_file"]), moments, mine, clip.width)
        except ItemError:
            continue
        (root / picture_name(config)).write_bytes(picture)


def samples(root: Path) -> list[dict[str, Any]]:
    """The samples as a card's template shows them."""
    return [_sample(root, config, row) for config, row in _rows(root).items()]


def _sample(root: Path, config: str, row: Row) -> dict[str, Any]:
    out: dict[str, Any] = {
        "config": config,
        "picture": picture_name(config) if (root / picture_name(config)).is_file() else "",
        "text": clean(row["caption"] if config == "captions" else row["question"]),
        "options": [],
        "answer": "",
        "grounding": clean(row["grounding"]),
        "claim": "",
        "margin": 0.0,
    }
    if config == "captions":
        return out
    texts = [o["text"] for o in row["options"]]
    answer = (LETTERS if config != "qa" else texts).index(row["answer"])
    key = row["options"][answer]
    if config != "qa":
        out["options"] = [(x, clean(text)) for x, text in zip(LETTERS, texts, strict=False)]
    out["answer"] = clean(row["answer"])
    if row["grounding"] == "facts":
        out["claim"] = f"{key['predicate']} {key['args']} {key['t0']}-{key['t1']} s".replace("`", "'")
        out["margin"] = key["margin"]
    return out


def first_rows(root: Path, manifest: Manifest, configs: list[str]) -> list[tuple[str, str]]:
    """The first row of each config as JSON, long lists shortened."""
    out = []
    for config in configs:
        split = next(s for s in SPLITS if s in manifest.counts[config])
        row = read_table(root, config, split, rows=1).to_pylist()[0]
        out.append((config, json.dumps(_short(row), ensure_ascii=False).replace("`", "'")))
    return out


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    if isinstance(value, list):
        return [*map(_short, value[:2]), *(["…"] if len(value) > 2 else [])]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        return clean(value)
    return round(value, 3) if isinstance(value, float) else value


def clean(text: str) -> str:
    """Foreign text for a Markdown cell: one line, without markup that could break out of it."""
    return re.sub(r"[<>|`\[\]\n\r]", " ", text).strip()
