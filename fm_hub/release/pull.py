"""A release from the Hub as a local folder: there whole, checked by hash, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fm_hub.errors import BadDataset, BadOutput, HubError, UserError
from fm_hub.manifest import MANIFEST, Manifest, file_sha256, published_files, read_manifest
from fm_hub.release.remote import Remote
from fm_hub.release.versions import Version

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["local_root", "newest", "pull", "split_revision"]


def split_revision(name: str) -> tuple[str, str | None]:
    """``OWNER/NAME@REVISION`` in two; a version may be written without its ``v``."""
    repo, _, revision = name.partition("@")
    if revision and revision[0].isdigit() and Version.of_tag(f"v{revision}"):
        revision = f"v{revision}"
    return repo, revision or None


def newest(remote: Remote) -> Version:
    """The newest release. Raises :class:`UserError` if there is none."""
    tags = remote.tags()
    if not tags:
        raise UserError(f"{remote.repo}: no release there, or not yours to read")
    return max(tags)


def local_root(name: str) -> Path:
    """The folder of a dataset: it is one, or the newest or named release of OWNER/NAME is downloaded to the cache."""
    from fm_hub.dataset import dataset_root

    if Path(name).is_dir() or "/" not in name:
        return Path(name)
    repo, revision = split_revision(name)
    return dataset_root(repo, revision or newest(Remote(repo)).tag)


def pull(
    name: str, out: Path, *, api: HfApi | None = None, tick: Callable[[], None] = lambda: None
) -> tuple[Manifest, str]:
    """Download ``OWNER/NAME[@REVISION]`` (default: the newest release) to ``out``; returns manifest and commit.

    A pull that was stopped goes on where it stopped. ``tick`` is called once a file. Raises :class:`BadOutput` if
    ``out`` holds something.
    """
    repo, revision = split_revision(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadOutput(f"{out}: is there already; give another folder with -o")
    remote = Remote(repo, api)
    revision = revision or newest(remote).tag
    commit = remote.head(revision)
    if commit is None:
        raise UserError(f"{repo}@{revision}: no such repository or revision, or not yours to read")
    partial = out.with_name(f".{out.name}.{commit[:12]}.part")
    remote.fetch(commit, partial)
    for extra in (".cache", ".gitattributes"):
        path = partial / extra
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    manifest = read_manifest(partial)
    _check(partial, manifest, tick)
    if out.exists():
        out.rmdir()
    os.replace(partial, out)
    return manifest, commit


def _check(root: Path, manifest: Manifest, tick: Callable[[], None]) -> None:
    """Every file is there with its hash, and no other."""
    here = {p.relative_to(root).as_posix() for p in published_files(root)}
    wrong = sorted(here ^ manifest.files.keys())
    for name in sorted(here & manifest.files.keys()):
        if file_sha256(root / name) != manifest.files[name]:
            wrong.append(name)
            (root / name).unlink()  # so that the next pull gets it anew
        tick()
    if wrong:
        what = f"{len(wrong)} file(s) are not what {MANIFEST} says, e.g. {wrong[0]}"
        raise (HubError if root.name.endswith(".part") else BadDataset)(f"{root}: {what}; pull again")
