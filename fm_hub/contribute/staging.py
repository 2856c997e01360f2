"""From a built dataset, or a folder of videos, to the folder that a contribution is."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from fm_hub.contribution.known import Known
from fm_hub.contribution.layout import CONFIGS
from fm_hub.contributions import ROW_ID, SLUG, STATEMENT, Statement, counted, row_id
from fm_hub.errors import BadDataset, UserError
from fm_hub.manifest import MANIFEST, Manifest, read_manifest, write_manifest, write_text
from fm_hub.rows import Row, row_sha
from fm_hub.schemas import SCHEMAS, SPLITS
from fm_hub.tables import inside, read_table, write_table

__all__ = ["Offer", "Staged", "built", "slug_of", "stage"]

ASKED = ("mcq", "qa", "captions")


@dataclass(frozen=True)
class Offer:
    """What the contributor says: where it goes, who gives it, and on which terms."""

    repo: str
    user: str
    slug: str
    title: str
    license: str
    source: str
    consent: str


@dataclass(frozen=True)
class Staged:
    """A folder that is ready to be sent, and the clips that stay at home, by reason."""

    root: Path
    statement: Statement
    left_out: dict[str, int]

    @property
    def bytes(self) -> int:
        """The size of all its files."""
        return sum(p.stat().st_size for p in self.root.rglob("*") if p.is_file())


def slug_of(name: str) -> str:
    """A slug made of a folder's name.

    >>> slug_of("My kitchen-Clips 2")
    'my_kitchen_clips_2'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "clips"


def built(folder: Path, out: Path, recipe: dict[str, Any] | None, license_: str) -> Path:
    """The dataset of a folder: itself if it is one, else made of the videos in it in ``out``.

    ``recipe`` is that of the dataset which it goes to, so that both are made alike (default: the shipped one).
    Raises :class:`UserError`, also where the builders are not installed.
    """
    if (folder / MANIFEST).is_file():
        return folder
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give one with your own clips, or a dataset that fm-hub build made")
    from fm_hub.registry import load_string

    try:
        recipes, find = load_string("fm_builders.recipe:Recipe"), load_string("fm_builders.sources:find_sources")
        build, default = load_string("fm_builders.build:build"), load_string("fm_builders.recipe:load_recipe")
    except ImportError as e:
        raise UserError(f"{folder}: clips are built by fm_builders, which is not installed ({e.name})") from None
    chosen = recipes.model_validate(recipe) if recipe else default("default")
    publish = chosen.publish.model_copy(update={"license": license_, "repo": ""})
    done = build(find([str(folder)], out), chosen.model_copy(update={"publish": publish}), out)
    if not done.passed:
        why = next((f"{s.name}: {s.reason}: {s.detail}" for s in done.sources), "no video in it")
        raise UserError(f"{folder}: none of its {len(done.sources)} video(s) can be used; the first: {why}")
    return out


def stage(dataset: Path, out: Path, offer: Offer, known: Known) -> Staged:
    """Copy to ``out/contrib/<user>-<slug>/`` what of a dataset is contributed; only what has questions or captions.

    Clips that the other side has already stay out, and so do sources without clips, the benchmark, and the card.
    Raises :class:`UserError` if nothing is left, or the slug is none.
    """
    if not re.fullmatch(SLUG, offer.slug):
        raise UserError(f"--slug {offer.slug!r}: small letters, digits and _ only, 40 at most")
    manifest = read_manifest(dataset)
    if not manifest.videos:
        raise BadDataset(f"{dataset}: its clips are not in it; make them first: fm-hub fetch {dataset} FOLDER")
    name = f"{offer.user}-{offer.slug}"
    rows = {(c, s): _plain_rows(dataset, c, s) for c in CONFIGS for s in SPLITS}
    kept, left_out = _chosen(rows, known)
    if not kept:
        why = ", ".join(f"{n} {reason}" for reason, n in left_out.items()) or "no clip in it"
        raise UserError(f"{dataset}: nothing to contribute: {why}")
    root = out / "contrib" / name
    shutil.rmtree(root, ignore_errors=True)
    tables = _tables(rows, kept, name, offer.license)
    for (config, split), table in tables.items():
        write_table(table, root / config / f"{split}-00000.parquet")
    clips = [row for s in SPLITS for row in rows["clips", s] if row["clip_id"] in kept]
    for row in clips:
        target = inside(root, row["video_file"])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(inside(dataset, row["video_file"]), target)  # no link: it shall be a file of its own
    statement = _statement(offer, tables, sorted(kept))
    write_text(root / STATEMENT, statement.text())
    _write_manifest(root, manifest, tables, offer.repo)
    return Staged(root, statement, left_out)


def _plain_rows(dataset: Path, config: str, split: str) -> list[Row]:
    rows: list[Row] = read_table(dataset, config, split).to_pylist()
    return [{k: row.get(k) for k in SCHEMAS[config].names} for row in rows]


def _chosen(rows: dict[tuple[str, str], list[Row]], known: Known) -> tuple[set[str], dict[str, int]]:
    """The ids of the clips that go, and how many stay for which reason."""
    asked = {row["clip_id"] for c in ASKED for s in SPLITS for row in rows[c, s]}
    kept, left_out = set(), Counter[str]()
    for split in SPLITS:
        for row in rows["clips", split]:
            clip = row["clip_id"]
            if row["status"] == "failed" or clip not in asked:
                left_out["without a question or a caption"] += 1
            elif clip in known.clips or clip in known.redacted:
                left_out["known to the dataset already"] += 1
            else:
                kept.add(clip)
    return kept, dict(left_out)


def _tables(
    rows: dict[tuple[str, str], list[Row]], kept: set[str], name: str, license_: str
) -> dict[tuple[str, str], pa.Table]:
    homes = {row["source_id"] for s in SPLITS for row in rows["clips", s] if row["clip_id"] in kept}
    tables = {}
    for (config, split), found in rows.items():
        if config == "sources":
            mine = [row for row in found if row["source_id"] in homes and row["status"] == "ok"]
            mine = [{**r, "license": r["license"] if r["license"] not in ("", "unknown") else license_} for r in mine]
        else:
            mine = [row for row in found if row["clip_id"] in kept]
        if config in ASKED:
            mine = sorted((_named(row, name) for row in mine), key=lambda r: (r["added_in"], r["id"]))
        if mine:
            tables[config, split] = pa.Table.from_pylist(mine, schema=SCHEMAS[config])
    return tables


def _named(row: Row, name: str) -> Row:
    """A row that no claim proves gets an id of the contribution's own."""
    if row["grounding"] == "facts" or row["id"].startswith(f"{name}:"):
        return row
    own = row["id"].rpartition(":")[2]
    if not ROW_ID.fullmatch(own):
        raise UserError(f"row {row['id'][:40]!r}: an id of letters, digits, '.', '_' and '-' is needed, 64 at most")
    row = {**row, "id": row_id(name, own)}
    return {**row, "row_sha": row_sha(row)}


def _statement(offer: Offer, tables: dict[tuple[str, str], pa.Table], clips: list[str]) -> Statement:
    rows: dict[str, dict[str, int]] = {}
    for config in ASKED:
        found = [row for s in SPLITS if (config, s) in tables for row in tables[config, s].to_pylist()]
        if found:
            rows[config] = counted(found)
    fields = {k: getattr(offer, k) for k in ("repo", "user", "slug", "title", "license", "source", "consent")}
    from pydantic import ValidationError

    try:
        return Statement(**fields, clips=tuple(clips), rows=rows)
    except ValidationError as e:
        error = e.errors(include_url=False)[0]
        raise UserError(f"--{'.'.join(map(str, error['loc']))}: {error['msg']}") from None


def _write_manifest(root: Path, manifest: Manifest, tables: dict[tuple[str, str], pa.Table], repo: str) -> None:
    made = Manifest.measured(
        tables,
        data_version=manifest.data_version,
        generator=manifest.generator,
        recipe=manifest.recipe,
        models=manifest.models,
        dropped={},
        repo=repo,
    )
    kept = {"claims_version": manifest.claims_version, "wording_version": manifest.wording_version}
    write_manifest(root, made.model_copy(update=kept))
