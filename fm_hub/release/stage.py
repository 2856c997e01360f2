"""The tree that a release publishes, complete on disk before anything is sent."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fm_hub.cards import write_card
from fm_hub.content import content_sha256
from fm_hub.contributions import FOLDER, STATEMENT, parse_statement
from fm_hub.errors import BadDataset, UserError
from fm_hub.manifest import (
    FETCH,
    MANIFEST,
    Manifest,
    file_sha256,
    read_manifest,
    write_manifest,
    write_text,
)
from fm_hub.release.growth import Before, Change, compare, link, write_shards
from fm_hub.release.versions import Level, Version
from fm_hub.tables import inside, read_records, read_table

__all__ = ["Staged", "check_tree", "stage", "staged_before"]


@dataclass(frozen=True)
class Staged:
    """A tree that is ready, and what is different from the last release, by config."""

    root: Path
    manifest: Manifest
    changes: dict[str, Change]
    level: Level

    @property
    def files(self) -> dict[str, str]:
        """Every file of the tree with its SHA-256."""
        named = {name: info.sha256 for name, info in self.manifest.files.items()}
        return {**named, MANIFEST: file_sha256(self.root / MANIFEST).sha256}


def stage(
    root: Path,
    out: Path,
    repo: str,
    choose: Callable[[Level], Version],
    before: Before | None,
    *,
    base: Before | None = None,
    redact: frozenset[str] = frozenset(),
    major: bool = False,
) -> Staged:
    """Make the tree of the next release of ``root`` in ``out``.

    ``choose`` gives the version for what changed since ``before``, the last release. Shards are continued from
    ``base`` (that of ``before`` unless told otherwise, as when an older release is restored). Clips in
    ``redact``, and those that an earlier release redacted, are left out, with their mirrored twins.
    """
    manifest = read_manifest(root)
    redacted = redact | frozenset(before.manifest.redacted if before else ()) | frozenset(manifest.redacted)
    redacted = _with_twins(root, redacted)
    without = redacted | _lonely_sources(root, redacted)
    growth = compare(root, manifest.counts, before, without=without)
    level: Level = "major" if major else growth.level
    version = choose(level)
    changes = growth.changes
    if base is not None:
        growth = compare(root, manifest.counts, base, without=without)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shards = write_shards(root, out, growth, base or before, str(version), repo if manifest.videos else "")
    clips = read_table(out, "clips").select(["video_file"]).to_pylist()
    if manifest.videos:
        _link_videos(root, out, [row["video_file"] for row in clips])
    else:
        _keep_fetched(root, out, {row["video_file"] for row in clips})
    _keep_credits(root, out)
    staged = _measured(manifest, out, shards, str(version), repo, redacted)
    write_card(out, staged)
    return Staged(out, write_manifest(out, staged), changes, level)


def staged_before(tree: Path, manifest_sha256: str, level: Level) -> Staged:
    """A tree that was staged before. Raises :class:`UserError` if it is not what it was."""
    known = tree / MANIFEST
    if not known.is_file() or file_sha256(known).sha256 != manifest_sha256:
        raise UserError(f"{tree}: the staged tree is gone or changed; start again with --restart")
    return Staged(tree, read_manifest(tree), {}, level)


def _link_videos(root: Path, out: Path, names: Sequence[str]) -> None:
    for name in names:
        source = inside(root, name)
        if not source.is_file():
            raise BadDataset(f"{root}: no file {name}, which the table clips names")
        link(source, inside(out, name))


def _keep_credits(root: Path, out: Path) -> None:
    """The statements of the contributions of which the release holds a clip."""
    clips = set(read_table(out, "clips").column("clip_id").to_pylist())
    for path in sorted((root / FOLDER).glob(f"*/{STATEMENT}")):
        name = path.relative_to(root).as_posix()
        if not clips.isdisjoint(parse_statement(path.read_bytes(), name).clips):
            link(path, out / name)


def _keep_fetched(root: Path, out: Path, names: set[str]) -> None:
    """The lines of the list that says how to make the videos, for the clips that the release has."""
    try:
        lines = (root / FETCH).read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if json.loads(line)["video_file"] in names]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadDataset(f"{root}: {FETCH}, which stands for the videos, is missing or damaged") from None
    write_text(out / FETCH, "".join(f"{line}\n" for line in kept))


def _with_twins(root: Path, redacted: frozenset[str]) -> frozenset[str]:
    """The redacted clips, and those that show the same flipped left to right."""
    if not redacted:
        return redacted
    pairs = [{c.clip_id, c.mirror_of} for c in read_records(root, "clips") if c.mirror_of]
    return redacted.union(*(pair for pair in pairs if pair & redacted))


def _lonely_sources(root: Path, redacted: frozenset[str]) -> frozenset[str]:
    """Sources of which nothing is left without the redacted clips: their names go too."""
    if not redacted:
        return frozenset()
    clips = read_table(root, "clips").select(["clip_id", "source_id"]).to_pylist()
    left = {c["source_id"] for c in clips if c["clip_id"] not in redacted}
    return frozenset(c["source_id"] for c in clips if c["clip_id"] in redacted) - left


def _measured(
    manifest: Manifest, out: Path, shards: dict[str, dict[str, str]], version: str, repo: str, redacted: frozenset[str]
) -> Manifest:
    counts: dict[str, dict[str, int]] = {}
    content: dict[str, str] = {}
    for config, files in shards.items():
        digest = hashlib.sha256()
        for split in sorted({name.partition("/")[2].rpartition("-")[0] for name in files}):
            table = read_table(out, config, split)
            counts.setdefault(config, {})[split] = table.num_rows
            digest.update(content_sha256(table).encode())
        content[config] = digest.hexdigest()
    return manifest.model_copy(
        update={
            "data_version": version,
            "counts": counts,
            "content_sha256": content,
            "shards": shards,
            "repo": repo,
            "redacted": tuple(sorted(redacted)),
            "files": {},
        }
    )


def check_tree(root: Path, cache: Path, *, tick: Callable[[], None] = lambda: None) -> None:
    """Verify every answer of a tree, and load every config with plain ``datasets``. Raises :class:`BadDataset`."""
    import datasets

    from fm_hub.verify import verify

    manifest = read_manifest(root)
    report = verify(root, tick=tick)
    if not report.ok:
        p = report.problems[0]
        raise BadDataset(f"{root.name}: {report.failed} row(s) or file(s) fail, the first: {p.where} {p.id}: {p.why}")
    silent = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        for config, splits in manifest.counts.items():
            loaded = datasets.load_dataset(str(root), config, cache_dir=str(cache))
            rows = {split: table.num_rows for split, table in loaded.items()}
            if rows != splits:
                raise BadDataset(f"{root.name}: datasets loads {rows} of {config}, the manifest says {splits}")
    finally:
        if not silent:
            datasets.enable_progress_bars()
        shutil.rmtree(cache, ignore_errors=True)
