"""New releases made of old ones: a rollback, and the removal of clips."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fm_hub.errors import UnknownName, UserError
from fm_hub.manifest import read_manifest
from fm_hub.release.growth import Before
from fm_hub.release.pull import newest, pull
from fm_hub.release.push import Release, Request, push
from fm_hub.release.remote import Remote
from fm_hub.release.versions import Version
from fm_hub.tables import read_table

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["redact", "rollback"]

Say = Callable[[str], None]


def rollback(
    repo: str,
    to: Version,
    work: Path,
    *,
    version: Version | None = None,
    dry_run: bool = False,
    resume: bool = False,
    api: HfApi | None = None,
    say: Say = lambda _: None,
) -> Release:
    """Release again what an older version held, shards and all, under a new version. Old tags stay where they are.

    Clips that were redacted since stay out. Raises :class:`UserError`, :class:`HubError`.
    """
    remote = Remote(repo, api)
    tags = remote.tags()
    if to not in tags:
        raise UnknownName(f"version of {repo}", str(to), map(str, tags))
    tree = _tree(remote, to, work, say)
    request = Request(tree, repo, version, base=Before(read_manifest(tree), tree), work=work)
    return push(request, dry_run=dry_run, resume=resume, restart=not resume, api=api, say=say)


def redact(
    repo: str,
    clips: Sequence[str],
    work: Path,
    *,
    version: Version | None = None,
    dry_run: bool = False,
    resume: bool = False,
    api: HfApi | None = None,
    say: Say = lambda _: None,
) -> Release:
    """Release the newest version without some clips: no row, no file, no name of a source that has nothing left.

    The manifest remembers the ids, so that no later release brings them back. Older versions still hold them.
    """
    remote = Remote(repo, api)
    tree = _tree(remote, newest(remote), work, say)
    known = read_table(tree, "clips").column("clip_id").to_pylist()
    for clip in clips:
        if clip not in known and not resume:
            raise UnknownName(f"clip in {repo}", clip, known if len(known) < 50 else ())
    if not clips:
        raise UserError("name the clips to redact: 24 hexadecimal digits each")
    request = Request(tree, repo, version, redact=frozenset(clips), work=work)
    return push(request, dry_run=dry_run, resume=resume, restart=not resume, api=api, say=say)


def _tree(remote: Remote, version: Version, work: Path, say: Say) -> Path:
    """The tree of a version in the work folder, downloaded unless it is there."""
    tree = work / version.tag / remote.repo.partition("/")[2]
    if not tree.is_dir():
        say(f"downloading {remote.repo}@{version.tag}")
        shutil.rmtree(tree.parent, ignore_errors=True)
        tree.parent.mkdir(parents=True)
        pull(f"{remote.repo}@{version.tag}", tree, api=remote.api)
    return tree
