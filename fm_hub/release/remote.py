"""A dataset repository on a Hub, in the few words that releases need. Every failure becomes one line of ours."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fm_hub.errors import Conflict, FmError, HubError, UserError
from fm_hub.manifest import MANIFEST, Manifest, parse_manifest
from fm_hub.release.versions import Version

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Blob", "Remote", "git_oid", "hub_errors"]

DATASET = "dataset"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_SECRET = re.compile(r"hf_[A-Za-z0-9]{6,}|(?<=sig=)[^&\s]+|(?i:(?<=bearer )\S+)")


@dataclass(frozen=True)
class Blob:
    """What the Hub says that a file is: its size, its git id, and its SHA-256 if it is kept as a large file."""

    size: int
    oid: str
    sha256: str | None

    def is_file(self, path: Path, sha256: str) -> bool:
        """Whether it is a local file of this SHA-256."""
        return self.sha256 == sha256 if self.sha256 else self.oid == git_oid(path)


def git_oid(path: Path) -> str:
    """The id that git gives to a file."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)  # noqa: S324 - git's
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn whatever the client raises into one line without secrets: it is one conversation, and it failed."""
    try:
        yield
    except (FmError, KeyboardInterrupt):
        raise
    except Exception as e:  # the client raises HTTP, OS, runtime and value errors, of two libraries
        status = getattr(getattr(e, "response", None), "status_code", None)
        told = getattr(e, "server_message", None) or str(e.__cause__ or e) or type(e).__name__
        line = _SECRET.sub("…", " ".join(told.split()))[:300]
        if status in (409, 412):
            raise Conflict(f"{what}: {line}") from None
        if status in (401, 403) or type(e).__name__ == "GatedRepoError":
            line = f"{line} (log in with `hf auth login`, or ask for access on the dataset's page)"
        raise HubError(f"{what}: {line}") from None


class Remote:
    """One dataset repository; ``api`` is the client, by default that of the environment."""

    def __init__(self, repo: str, api: HfApi | None = None) -> None:
        from huggingface_hub import HfApi

        if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
            raise UserError(f"{repo!r} is no repository: write OWNER/NAME")
        self.repo = repo
        self.api = api or HfApi(library_name="fm-hub")
        self.at: dict[str, Any] = {"repo_id": repo, "repo_type": DATASET}

    def create(self, *, private: bool) -> None:
        """Make the repository, if it is not there."""
        with hub_errors(f"cannot create {self.repo}"):
            self.api.create_repo(self.repo, repo_type=DATASET, private=private, exist_ok=True)

    def head(self, revision: str = "main") -> str | None:
        """The commit of a revision, None if there is no such repository or revision."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        with hub_errors(f"cannot read {self.repo}"):
            try:
                return self.api.dataset_info(self.repo, revision=revision).sha
            except GatedRepoError:
                raise
            except (RepositoryNotFoundError, RevisionNotFoundError):
                return None

    def tags(self) -> dict[Version, str]:
        """The released versions and their commits, oldest first; empty if there is no repository."""
        if self.head() is None:
            return {}
        with hub_errors(f"cannot read the tags of {self.repo}"):
            found = self.api.list_repo_refs(**self.at).tags
        versions = {Version.of_tag(t.name): t.target_commit for t in found}
        return dict(sorted((v, sha) for v, sha in versions.items() if v))

    def blobs(self, revision: str) -> dict[str, Blob]:
        """The files at a revision, but for ``.gitattributes``, which the Hub made."""
        from huggingface_hub.hf_api import RepoFile

        with hub_errors(f"cannot list {self.repo}@{revision}"):
            found = list(self.api.list_repo_tree(**self.at, revision=revision, recursive=True))
        files = [f for f in found if isinstance(f, RepoFile)]
        blobs = {f.path: Blob(f.size, f.blob_id, f.lfs.sha256 if f.lfs else None) for f in files}
        blobs.pop(".gitattributes", None)
        return blobs

    def manifest(self, revision: str) -> Manifest | None:
        """The manifest at a revision, None if there is none. Raises :class:`BadDataset` if it is not ours."""
        from huggingface_hub.errors import EntryNotFoundError

        with hub_errors(f"cannot read {self.repo}@{revision}"):
            try:
                path = self.api.hf_hub_download(**self.at, filename=MANIFEST, revision=revision)
            except EntryNotFoundError:
                return None
        return parse_manifest(Path(path).read_bytes(), f"{self.repo}@{revision}/{MANIFEST}")

    def fetch(self, revision: str, folder: Path, *, without: str | None = None) -> None:
        """Download the files of a revision to a folder; what is there already is not sent again."""
        with hub_errors(f"cannot download {self.repo}@{revision}"):
            self.api.snapshot_download(
                **self.at, revision=revision, local_dir=folder, ignore_patterns=without, max_workers=8
            )

    def commit(
        self,
        revision: str,
        add: Mapping[str, tuple[Path, str]],
        delete: Sequence[str],
        *,
        title: str,
        text: str,
        parent: str,
    ) -> str:
        """One commit, all or nothing; returns its hash. ``add`` gives for each name the file and its SHA-256.

        Raises :class:`Conflict` if the parent is not the head.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        adding = {name: CommitOperationAdd(name, path) for name, (path, _) in sorted(add.items())}
        once = {sha: name for name, (_, sha) in add.items()}
        operations: list[Any] = [*adding.values()]
        operations += [CommitOperationDelete(name, is_folder=False) for name in sorted(delete)]
        with hub_errors(f"cannot commit to {self.repo}@{revision}"):
            if len(once) < len(add):  # the client would send equal files once for each name
                first = [adding[name] for name in once.values()]
                self.api.preupload_lfs_files(**self.at, additions=first, revision=revision, free_memory=False)
            info = self.api.create_commit(
                **self.at,
                operations=operations,
                commit_message=title,
                commit_description=text,
                revision=revision,
                parent_commit=parent,
            )
        return str(info.oid)

    def find_commit(self, title: str) -> str | None:
        """The commit on main with a title, None if there is none."""
        with hub_errors(f"cannot read the history of {self.repo}"):
            found = self.api.list_repo_commits(**self.at)
        return next((c.commit_id for c in found if c.title == title), None)

    def pull_requests(self, title: str) -> list[int]:
        """The open pull requests of this title."""
        with hub_errors(f"cannot list the pull requests of {self.repo}"):
            found = self.api.get_repo_discussions(**self.at, discussion_type="pull_request", discussion_status="open")
            return sorted(d.num for d in found if d.title == title)

    def open_pull_request(self, title: str, text: str) -> int:
        """A draft pull request; returns its number."""
        with hub_errors(f"cannot open a pull request on {self.repo}"):
            return self.api.create_pull_request(**self.at, title=title, description=text).num

    def pull_request(self, num: int) -> tuple[str, str]:
        """The status of a pull request, and the commit that it became (empty until it is merged)."""
        with hub_errors(f"cannot read pull request {num} of {self.repo}"):
            details = self.api.get_discussion_details(**self.at, discussion_num=num)
        return details.status, details.merge_commit_oid or ""

    def set_status(self, num: int, status: Any, comment: str = "") -> None:
        """Open or close a pull request."""
        with hub_errors(f"cannot change pull request {num} of {self.repo}"):
            self.api.change_discussion_status(**self.at, discussion_num=num, new_status=status, comment=comment)

    def merge(self, num: int) -> None:
        """Merge a pull request. Raises :class:`Conflict`."""
        with hub_errors(f"cannot merge pull request {num} of {self.repo}"):
            self.api.merge_pull_request(**self.at, discussion_num=num)

    def tag(self, version: Version, commit: str, text: str) -> None:
        """Tag a commit. Raises :class:`Conflict` if the tag exists: it is never moved."""
        with hub_errors(f"cannot tag {self.repo}"):
            self.api.create_tag(**self.at, tag=version.tag, revision=commit, tag_message=text)
