"""The dataset card: every number in it is read from the tables that it describes."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from fm_hub.manifest import Manifest, write_text
from fm_hub.records import LETTERS
from fm_hub.tables import SPLITS, read_table

__all__ = ["render_card", "write_card"]

WHAT = {
    "mcq": "a multiple-choice question",
    "qa": "the same question, open",
    "captions": "a caption in proved sentences",
    "benchmark": "a multiple-choice question of the test split",
    "benchmark_videos": "a benchmark clip with its bytes",
    "sources": "an input video, accepted or not",
    "clips": "a published clip",
    "frames": "the clock of a clip",
    "tracks": "an object through a clip",
    "camera": "the view's motion in a clip",
    "keypoints": "named points of a track",
    "contacts": "an interval of touch",
    "facts": "a claim that holds",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(root: Path, manifest: Manifest) -> None:
    """Write ``README.md`` of a dataset folder."""
    write_text(root / "README.md", render_card(root, manifest))


def render_card(root: Path, manifest: Manifest) -> str:
    """The card as text: YAML front matter for the Hub, then the page."""
    from jinja2 import Environment, StrictUndefined

    template = files("fm_dataset_cards") / "foundationmotion" / "README.md.j2"
    # Markdown, not HTML: cells are cleaned below; autoescape would spell quotes as entities.
    env = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    page = env.from_string(template.read_text(encoding="utf-8")).render(**_facts(root, manifest))
    return _front_matter(root, manifest) + re.sub(r"\n{3,}", "\n\n", page)


def _facts(root: Path, manifest: Manifest) -> dict[str, Any]:
    mcq = read_table(root, "mcq").select(["kind", "answer", "grounding"]).to_pylist()
    sources = read_table(root, "sources").to_pylist()
    clips = read_table(root, "clips").to_pylist()
    counts = manifest.counts
    return {
        "m": manifest,
        "title": "FoundationMotion" if root.resolve().name == "foundationmotion" else _clean(root.resolve().name),
        "load_name": manifest.repo or root.resolve().name,
        "splits": SPLITS,
        "first_split": next(iter(counts.get("mcq", {"train": 0}))),
        "configs": [{"name": c, "counts": counts[c], "what": WHAT[c]} for c in WHAT if c in counts],
        "sample": _sample(root),
        "n_sources": len(sources),
        "n_sources_ok": sum(s["status"] == "ok" for s in sources),
        "n_clips": len(clips),
        "n_with_questions": sum(c["status"] == "ok" for c in clips),
        "kinds": sorted(Counter(r["kind"] for r in mcq).items()),
        "letters": [(x, sum(r["answer"] == x for r in mcq)) for x in LETTERS],
        "grounding": sorted(Counter(r["grounding"] for r in mcq).items()) or [("facts", 0)],
        "failed": [(_clean(s["name"]), s["reason"]) for s in sources if s["status"] != "ok"][:50],
        "licenses": sorted(Counter(_clean(s["license"]) or "unknown" for s in sources if s["sha256"]).items()),
    }


def _sample(root: Path) -> dict[str, Any] | None:
    rows = read_table(root, "mcq").slice(0, 1).to_pylist()
    if not rows:
        return None
    row = rows[0]
    key = row["options"][LETTERS.index(row["answer"])]
    return {
        "question": _clean(row["question"]),
        "options": [(x, _clean(o["text"])) for x, o in zip(LETTERS, row["options"], strict=False)],
        "answer": row["answer"],
        "claim": f"{key['predicate']} {key['args']} {key['t0']}-{key['t1']} s".replace("`", "'"),
        "margin": key["margin"],
    }


def _clean(text: str) -> str:
    """Foreign text for a Markdown cell: one line, without markup that could break out of it."""
    return re.sub(r"[<>|`\[\]\n\r]", " ", text).strip()


def _front_matter(root: Path, manifest: Manifest) -> str:
    import yaml

    rows = sum(sum(s.values()) for c, s in manifest.counts.items() if c in ("mcq", "captions"))
    licenses = {s["license"] for s in read_table(root, "sources").to_pylist() if s["sha256"]} - {"", "unknown"}
    configs = []
    for name in WHAT:
        if name in manifest.counts:
            splits = [s for s in SPLITS if s in manifest.counts[name]]
            data_files = [{"split": s, "path": f"{name}/{s}-*.parquet"} for s in splits]
            # datasets caches a local folder by this table, not by the files: without the hash of the rows,
            # a folder that was built anew would load as it was before.
            rows_are = f"rows {manifest.content_sha256[name][:16]}"
            entry: dict[str, Any] = {"config_name": name, "description": rows_are, "data_files": data_files}
            configs.append({**entry, "default": True} if name == "mcq" else entry)
    head = {
        "license": licenses.pop().lower() if len(licenses) == 1 else "other",
        "task_categories": ["video-text-to-text", "visual-question-answering"],
        "language": ["en"],
        "tags": ["foundationmotion", "motion", "video", "fm-hub"],
        "annotations_creators": ["machine-generated"],
        "size_categories": [next((name for n, name in SIZES if rows < n), "n>1M")],
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n"
