"""Where a data set is: a folder, or a repository of the Hub of which only what is needed is fetched."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from fm_eval_harness.layouts import Layout
from fm_hub.errors import BadDataset
from fm_hub.manifest import MANIFEST, Manifest, read_manifest
from fm_hub.tables import inside

__all__ = ["DEFAULT_FOLDER", "Location", "locate"]

DEFAULT_FOLDER = "foundationmotion"
_TABLES = ("benchmark", "mcq", "qa", "captions", "clips", "frames", "tracks", "camera", "facts")
_REPO = re.compile(r"(?P<id>\w[\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Location:
    """A data set that can be read: ``id`` as results name it, ``revision`` the commit (empty for a folder).

    ``manifest`` is None for data sets of other people.
    """

    id: str
    path: Path
    revision: str
    manifest: Manifest | None

    def fetch(self, files: Iterable[str]) -> None:
        """Bring the named files of a repository here; a folder has them already, or they are missing."""
        wanted = sorted(glob.escape(f) for f in {*files} if not inside(self.path, f).exists())
        if self.revision and wanted:
            _download(self.id, self.revision, wanted)


def locate(dataset: str | Path | None, layout: Layout | None = None) -> Location:
    """Find a data set: the one named, else ./foundationmotion, else the repository in ``FM_HUB_REPO``.

    With a ``layout`` it is one of other people, in a folder or on the Hub, and needs no manifest. Raises
    :class:`~fm_hub.errors.BadDataset` in one line.
    """
    if dataset is None and layout:
        raise BadDataset("this task's data set has no address of its own: name its folder with --dataset")
    if dataset is None:
        folder, named = Path(DEFAULT_FOLDER), os.environ.get("FM_HUB_REPO", "")
        if not folder.is_dir() and not named:
            raise BadDataset(
                "no data set: ./foundationmotion is not there and FM_HUB_REPO is not set; make one with "
                "'fm-hub build VIDEOS', or name one with --dataset FOLDER or OWNER/NAME"
            )
        dataset = folder if folder.is_dir() else named
    path = Path(dataset)
    if path.is_dir():
        return Location(str(dataset), path.resolve(), "", None if layout else read_manifest(path))
    repo = _REPO.fullmatch(str(dataset)) if isinstance(dataset, str) else None
    if repo is None:
        beside = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        near = get_close_matches(path.name, beside, 1)
        raise BadDataset(
            f"{dataset}: no such folder, and not a repository such as OWNER/NAME or OWNER/NAME@REVISION"
            + (f"; did you mean {path.parent / near[0]}?" if near else "")
        )
    if layout:
        # The Hub's patterns want a folder where a glob's ** may be none.
        wanted = [p for glob_ in layout.parts.values() for p in dict.fromkeys((glob_, glob_.replace("**/", "")))]
        root = _download(repo["id"], repo["revision"], wanted)
        return Location(repo["id"], root, root.name, None)
    root = _download(repo["id"], repo["revision"], [MANIFEST, *(f"{t}/*.parquet" for t in _TABLES)])
    return Location(repo["id"], root, root.name, read_manifest(root))


def _download(repo: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except RepositoryNotFoundError:
        raise BadDataset(f"{repo}: no such data set on the Hub, or a private one (hf auth login)") from None
    except RevisionNotFoundError:
        raise BadDataset(f"{repo}: has no revision {revision!r}") from None
    except (HfHubHTTPError, OSError, ValueError) as e:
        why = " ".join(str(e).split())[:200]
        raise BadDataset(f"{repo}: cannot be fetched from the Hub ({type(e).__name__}: {why})") from None
