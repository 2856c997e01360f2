"""The front matter of a dataset card: what the Hub, its viewer and ``datasets`` read of it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from fm_hub.manifest import Manifest
from fm_hub.schemas import SPLITS
from fm_hub.tables import counted, read_table, shards

__all__ = ["WHAT", "front_matter"]

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
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (float("inf"), "100M<n<1B"),
)


def front_matter(root: Path, manifest: Manifest) -> str:
    """The YAML block of a card, with its lines of dashes."""
    import yaml

    rows = sum(sum(s.values()) for c, s in manifest.counts.items() if c in ("mcq", "captions"))
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
        **_license(root),
        "task_categories": ["video-text-to-text", "visual-question-answering"],
        "language": ["en"],
        "tags": ["foundationmotion", "motion", "video", "fm-hub"],
        "annotations_creators": _creators(root),
        "size_categories": [next(name for n, name in SIZES if rows < n)],
        "dataset_info": _dataset_info(root, [c["config_name"] for c in configs]),
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n"


def _license(root: Path) -> dict[str, str]:
    """The one licence of all sources, if the Hub knows it by that name; else where it is said."""
    known = (files("fm_dataset_cards") / "licenses.txt").read_text(encoding="utf-8").split()
    there = {
        (s["license"] or "unknown").lower()
        for s in read_table(root, "sources", columns=["license", "sha256"]).to_pylist()
        if s["sha256"]
    }
    if len(there) == 1 and (name := there.pop()) in known:
        return {"license": name}
    return {"license": "other", "license_name": "by-source", "license_link": "#licence-and-people"}


def _creators(root: Path) -> list[str]:
    found = {g for c in ("mcq", "captions") for g in counted(root, c, "grounding")}
    people = ["other"] if "human" in found else []  # the Hub's words are about crowds and experts: we do not know
    return [*(["machine-generated"] if found - {"human"} or not people else []), *people]


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
