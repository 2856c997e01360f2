"""The dataset that a contribution goes to: what it holds now, and the videos that models are scored on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fm_hub.contribution.known import Known, hashed, known_from
from fm_hub.contribution.report import Report
from fm_hub.contributions import FOLDER
from fm_hub.manifest import MANIFEST, read_manifest
from fm_hub.release.folding import pending
from fm_hub.release.remote import Remote, hub_errors
from fm_hub.video_hash import VideoHash

__all__ = ["Target", "local_target", "remote_target"]

TABLES = ("clips", "sources", "mcq", "qa", "captions", "tracks", "benchmark")


@dataclass(frozen=True)
class Target:
    """What is known of the dataset, the recipe that it was made by (None: no release yet), and its scored videos."""

    known: Known
    recipe: dict[str, Any] | None
    benchmark: Callable[[Report], Iterable[tuple[str, VideoHash]]]


def local_target(root: Path) -> Target:
    """The dataset in a folder. Raises :class:`~fm_hub.errors.BadDataset`."""
    manifest = read_manifest(root)
    known = known_from([root], manifest)
    return Target(known, manifest.recipe, lambda report: hashed(root, known.benchmark, report))


def remote_target(remote: Remote) -> Target:
    """The newest release of a repository, and what was merged since. Only tables are downloaded, to the cache.

    The scored videos are downloaded when they are asked for. Raises :class:`~fm_hub.errors.HubError`.
    """
    tags = remote.tags()
    head = remote.head()
    roots: list[Path] = []
    manifest, release = None, ""
    if tags:
        release = tags[max(tags)]
        manifest = remote.manifest(release)
        roots.append(_snapshot(remote, release, [MANIFEST, *(f"{c}/*.parquet" for c in TABLES)]))
    names = sorted(pending(remote.blobs(head))) if head else []
    if names and head:
        merged = _snapshot(remote, head, [f"{FOLDER}/{n}/{c}/*.parquet" for n in names for c in TABLES])
        roots += [merged / FOLDER / n for n in names]
    known = known_from(roots, manifest)

    def benchmark(report: Report) -> Iterable[tuple[str, VideoHash]]:
        if not known.benchmark:
            return
        there = remote.blobs(release)
        missing = sorted(known.benchmark[c] for c in known.benchmark if known.benchmark[c] not in there)
        if missing:
            why = f"{len(missing)} video(s) of the benchmark are not published; nothing could be compared with them"
            report.add("leakage", "review", "", why)
        names = {c: f for c, f in known.benchmark.items() if f in there}
        if names:
            yield from hashed(_snapshot(remote, release, sorted(names.values())), names, report)

    return Target(known, (manifest.recipe or None) if manifest else None, benchmark)


def _snapshot(remote: Remote, commit: str, patterns: list[str]) -> Path:
    with hub_errors(f"cannot download {remote.repo}@{commit[:12]}"):
        return Path(remote.api.snapshot_download(**remote.at, revision=commit, allow_patterns=patterns))
