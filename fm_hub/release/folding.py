"""Merged contributions become rows of the next release: their tables join those of the build, their clips its videos.

What was contributed before stays in every later release, though the maintainer's build knows nothing of it: it is
taken over from the last one. Of the folder of a contribution only its statement stays, as credit.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fm_hub.contribution.check import Wanted, check
from fm_hub.contribution.layout import CONFIGS
from fm_hub.contribution.report import Report
from fm_hub.contributions import FOLDER, STATEMENT, folder_of, parse_statement
from fm_hub.errors import UserError
from fm_hub.manifest import MANIFEST, Manifest, published_files, read_manifest, write_text
from fm_hub.release.growth import Before, link
from fm_hub.release.remote import Remote, hub_errors
from fm_hub.schemas import SPLITS
from fm_hub.tables import inside, read_table, write_table

__all__ = ["Folded", "fold", "pending"]

SHARD = 99_999  # after all shards of a build


@dataclass(frozen=True)
class Folded:
    """The folder to release, and the names of the contributions whose folders on main it replaces."""

    root: Path
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Part:
    """Tables and videos that join: of a contribution, or of those in an earlier release (``clips`` alone of it)."""

    tables: Path
    videos: Path
    clips: frozenset[str]


def pending(files: Iterable[str]) -> frozenset[str]:
    """The contributions among the files of main that no release has yet: those with tables."""
    return frozenset(n for f in files if (n := folder_of(f)) and f == f"{FOLDER}/{n}/{MANIFEST}")


def fold(dataset: Path, remote: Remote, head: str, files: Iterable[str], before: Before | None, work: Path) -> Folded:
    """The dataset with all contributions in it, in ``work``; the dataset itself where there are none.

    ``files`` are those of main at ``head``, ``before`` is the last release. Every contribution is checked once more
    (but for what is known already, and for boxes): a merge may have passed by ``fm-hub contribute merge``. Raises
    :class:`UserError` with the first that does not pass.
    """
    names = pending(files)
    statements = sorted((before.root / FOLDER).glob(f"*/{STATEMENT}")) if before else []
    if not names and not statements:
        return Folded(dataset)
    manifest = read_manifest(dataset)
    if not manifest.videos:
        raise UserError(f"{dataset}: it publishes no videos, contributions bring theirs; build it with --videos")
    shutil.rmtree(work, ignore_errors=True)
    root = work / "root" / dataset.resolve().name
    for path in published_files(dataset):
        link(path, root / path.relative_to(dataset))
    parts = []
    if before and statements:
        parts.append(_earlier(dataset, remote, before, statements, root))
    if names:
        parts += _new(remote, head, names, work / "new", root)
    counts = _join(dataset, [p for p in parts if p.clips], root, manifest)
    write_text(root / MANIFEST, manifest.model_copy(update={"counts": counts}).model_dump_json())
    return Folded(root, names)


def _earlier(dataset: Path, remote: Remote, before: Before, statements: list[Path], root: Path) -> _Part:
    """What the last release holds of contributions and the build does not."""
    clips: set[str] = set()
    for path in statements:
        clips |= set(parse_statement(path.read_bytes(), str(path)).clips)
        link(path, root / path.relative_to(before.root))
    table = read_table(before.root, "clips").select(["clip_id", "video_file"])
    own = set(read_table(dataset, "clips").column("clip_id").to_pylist())
    rows = [r for r in table.to_pylist() if r["clip_id"] in clips and r["clip_id"] not in own]
    videos = before.root
    if rows:
        wanted = sorted(r["video_file"] for r in rows)
        with hub_errors(f"cannot download contributed videos of {remote.repo}"):
            tag = f"v{before.manifest.data_version}"
            videos = Path(remote.api.snapshot_download(**remote.at, revision=tag, allow_patterns=wanted))
    return _Part(before.root, videos, frozenset(r["clip_id"] for r in rows))


def _new(remote: Remote, head: str, names: frozenset[str], work: Path, root: Path) -> list[_Part]:
    """The contributions on main, checked."""
    patterns = [f"{FOLDER}/{n}/*" for n in sorted(names)]
    with hub_errors(f"cannot download the contributions of {remote.repo}"):
        remote.api.snapshot_download(**remote.at, revision=head, local_dir=work, allow_patterns=patterns, max_workers=8)
    parts = []
    for name in sorted(names):
        folder = work / FOLDER / name
        report = check(folder, Wanted(name, repo=remote.repo, annotator=""), Report())
        if report.refused:
            first = next(f for f in report.findings if f.level == "refused")
            where = f"{remote.repo}: {FOLDER}/{name} on main"
            raise UserError(f"{where} does not pass: {first.line()}; remove that folder, then push again")
        statement = parse_statement((folder / STATEMENT).read_bytes(), name)
        link(folder / STATEMENT, root / FOLDER / name / STATEMENT)
        parts.append(_Part(folder, folder, frozenset(statement.clips)))
    return parts


def _join(dataset: Path, parts: list[_Part], root: Path, manifest: Manifest) -> dict[str, dict[str, int]]:
    """Write the rows of the parts as one more shard of each table, link their videos; returns all counts.

    A clip that the build, or an earlier part, has is left out of a part: its rows are there.
    """
    counts = {c: dict(s) for c, s in manifest.counts.items()}
    seen = set(read_table(dataset, "clips").column("clip_id").to_pylist())
    sources = set(read_table(dataset, "sources").column("source_id").to_pylist())
    joined: dict[tuple[str, str], list[pa.Table]] = {}
    for part in parts:
        clips = part.clips - seen
        homes: set[str] = set()
        for row in read_table(part.tables, "clips").to_pylist():
            if row["clip_id"] in clips:
                link(inside(part.videos, row["video_file"]), inside(root, row["video_file"]))
                homes.add(row["source_id"])
        for config in CONFIGS:
            ids = pa.array(sorted(homes - sources if config == "sources" else clips), pa.string())
            for split in SPLITS:
                table = read_table(part.tables, config, split)
                table = table.filter(pc.is_in(table.column("source_id" if config == "sources" else "clip_id"), ids))
                if table.num_rows:
                    plain = table.drop_columns(["video"]) if "video" in table.column_names else table
                    joined.setdefault((config, split), []).append(plain.replace_schema_metadata(None))
        seen |= clips
        sources |= homes
    for (config, split), tables in joined.items():
        table = pa.concat_tables(tables, promote_options="permissive")
        write_table(table, root / config / f"{split}-{SHARD}.parquet")
        by = counts.setdefault(config, {})
        by[split] = by.get(split, 0) + table.num_rows
    return counts
