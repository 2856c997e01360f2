"""The dataset card: every number in it is read from the tables that it describes."""

from __future__ import annotations

import difflib
import json
import re
import shutil
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from fm_hub.errors import ItemError
from fm_hub.manifest import Manifest, write_text
from fm_hub.records import LETTERS
from fm_hub.tables import SPLITS, inside, read_records, read_table, shards

__all__ = ["check_card", "render_card", "write_card"]

CARD = "README.md"
STATISTICS = "card/statistics.svg"
FRAME = "card/frame.jpg"
EVAL = "eval.yaml"

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
    "masks": "the pixels of a track",
    "facts": "a claim that holds",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(root: Path, manifest: Manifest) -> None:
    """Write ``README.md`` of a dataset folder, its pictures, and ``eval.yaml`` if there is a benchmark."""
    shutil.rmtree(root / "card", ignore_errors=True)
    (root / EVAL).unlink(missing_ok=True)
    (root / "card").mkdir(parents=True)
    picture = _picture(root)
    if picture:
        (root / FRAME).write_bytes(picture)
    for name, text in _texts(root, manifest).items():
        write_text(root / name, text)


def check_card(root: Path, manifest: Manifest) -> list[str]:
    """What a card says that the data do not, line by line; empty if it is as it would be written now.

    The card is also read by ``huggingface_hub``, whose objections are listed too.
    """
    from huggingface_hub import DatasetCard

    problems = []
    for name, text in _texts(root, manifest).items():
        path = root / name
        if not path.is_file():
            problems.append(f"{name}: is missing")
            continue
        there = path.read_text(encoding="utf-8").splitlines()
        for line in difflib.unified_diff(there, text.splitlines(), n=0, lineterm=""):
            if line[:1] in "+-" and line[:3] not in ("+++", "---"):
                problems.append(f"{name}: {'says' if line[0] == '-' else 'the data say'}: {line[1:].strip()[:200]}")
    try:
        DatasetCard.load(root / CARD)
    except Exception as e:  # whatever the client's YAML and card code raises
        problems.append(f"{CARD}: huggingface_hub cannot read it: {' '.join(str(e).split())[:200]}")
    return problems


def _texts(root: Path, manifest: Manifest) -> dict[str, str]:
    """The files of a card that are text."""
    mcq = read_table(root, "mcq").select(["kind", "answer", "difficulty"]).to_pylist()
    groups = {
        "Questions by kind": dict(sorted(Counter(r["kind"] for r in mcq).items())),
        "Right answers by letter": {x: sum(r["answer"] == x for r in mcq) for x in LETTERS},
        "Questions by difficulty": dict(sorted(Counter(r["difficulty"] for r in mcq).items())),
        "Tracks by label": _labels(root),
    }
    from fm_hub.card_pictures import bars_svg

    texts = {CARD: render_card(root, manifest), STATISTICS: bars_svg(groups)}
    return {**texts, EVAL: _eval_yaml(root, manifest)} if manifest.counts.get("benchmark") else texts


def _labels(root: Path) -> dict[str, int]:
    """The most frequent labels of tracks."""
    found = Counter(_clean(x) for x in read_table(root, "tracks").column("label").to_pylist())
    return dict(sorted(found.items(), key=lambda kv: (-kv[1], kv[0]))[:15])


def _picture(root: Path) -> bytes | None:
    """A frame of the sample question's clip, with its tracks; None if there is no question, or nothing to see."""
    from fm_hub.card_pictures import frame_jpeg

    rows = read_table(root, "mcq").slice(0, 1).to_pylist()
    if not rows:
        return None
    clip_id = rows[0]["clip_id"]
    clock = next((f for f in read_records(root, "frames") if f.clip_id == clip_id), None)
    tracks = [t for t in read_records(root, "tracks") if t.clip_id == clip_id]
    clip = next((c for c in read_records(root, "clips") if c.clip_id == clip_id), None)
    if clock is None or clip is None:
        return None
    middle = min(range(len(clock.t)), key=lambda i: abs(clock.t[i] - (rows[0]["view_t0"] + rows[0]["view_t1"]) / 2))
    try:
        video = inside(root, rows[0]["video_file"])
        return frame_jpeg(video, float(clock.t[middle]), tracks, int(clock.frame[middle]), clip.width)
    except ItemError:
        return None


def _eval_yaml(root: Path, manifest: Manifest) -> str:
    """What registers the benchmark on the Hub."""
    import yaml

    tasks = [{"id": "all", "config": "benchmark", "split": s} for s in manifest.counts["benchmark"]]
    text = "Multiple-choice questions about motion in short videos; every answer follows from published tracks."
    head = {"name": _title(root, manifest), "description": text, "evaluation_framework": "fm-eval", "tasks": tasks}
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=120)


def _title(root: Path, manifest: Manifest) -> str:
    """The name of the repository, wherever it was pulled to; of what is not released yet, that of the folder."""
    name = manifest.repo.rpartition("/")[2] or root.resolve().name
    return "FoundationMotion" if name == "foundationmotion" else _clean(name)


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
        "title": _title(root, manifest),
        "load_name": manifest.repo or root.resolve().name,
        "splits": SPLITS,
        "first_split": next(iter(counts.get("mcq", {"train": 0}))),
        "configs": [{"name": c, "counts": counts[c], "what": WHAT[c]} for c in WHAT if c in counts],
        "sample": _sample(root),
        "has_frame": (root / FRAME).is_file(),
        "rows": _first_rows(root, manifest),
        "generators": _shares(root, "generator"),
        "shares": _shares(root, "grounding"),
        "versions": _versions(root),
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


def _first_rows(root: Path, manifest: Manifest) -> list[tuple[str, str]]:
    """The first row of each config as JSON, long lists shortened."""
    out = []
    for config in (c for c in WHAT if c in manifest.counts):
        split = next(s for s in SPLITS if s in manifest.counts[config])
        row = read_table(root, config, split).slice(0, 1).to_pylist()[0]
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
        return _clean(value)
    return round(value, 3) if isinstance(value, float) else value


def _shares(root: Path, column: str) -> list[tuple[str, int, int]]:
    """For each value of a column of origin: rows of mcq, rows of captions."""
    mcq, captions = (Counter(read_table(root, c).column(column).to_pylist()) for c in ("mcq", "captions"))
    return [(_clean(str(k)), mcq[k], captions[k]) for k in sorted({*mcq, *captions})]


def _versions(root: Path) -> list[tuple[str, int, int]]:
    """For each version: rows of mcq and captions that it added and that are still there."""
    shares = _shares(root, "added_in")
    return sorted(shares, key=lambda row: [int(x) if x.isdigit() else 0 for x in row[0].split(".")])


def _dataset_info(root: Path, configs: list[str]) -> Any:
    """Features, rows and bytes of each config, from the footers of its files, in the Hub's own form."""
    import pyarrow.parquet as pq
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    infos = DatasetInfosDict()
    for config in configs:
        paths = shards(root, config)
        splits = SplitDict()
        for split in SPLITS:
            footers = [pq.read_metadata(p) for p in shards(root, config, split)]
            if footers:
                size = sum(f.row_group(i).total_byte_size for f in footers for i in range(f.num_row_groups))
                splits.add(SplitInfo(split, num_bytes=size, num_examples=sum(f.num_rows for f in footers)))
        infos[config] = DatasetInfo(
            features=Features.from_arrow_schema(pq.read_schema(paths[0])),
            splits=splits,
            download_size=sum(p.stat().st_size for p in paths),
            dataset_size=sum(s.num_bytes for s in splits.values()),
            config_name=config,
        )
    data = DatasetCardData()
    infos.to_dataset_card_data(data)
    return data.to_dict()["dataset_info"]  # type: ignore[no-untyped-call]  # the client's own


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
        "dataset_info": _dataset_info(root, [c["config_name"] for c in configs]),
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n"
