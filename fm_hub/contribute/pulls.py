"""Pull requests that bring a contribution: looked at by their lists of files first, downloaded at one commit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fm_hub.contribution.layout import check_names
from fm_hub.contribution.report import Report, Verdict, read_comment
from fm_hub.contributions import FOLDER, folder_of
from fm_hub.errors import Conflict, HubError, UserError
from fm_hub.manifest import file_sha256
from fm_hub.release.remote import Remote, hub_errors

__all__ = ["PullRequest", "fetch", "files_at", "me", "merge", "open_ones", "post", "send", "verdicts"]

CHECK = "pull request"
BATCH = 250
Files = dict[str, tuple[int, str]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class PullRequest:
    """A pull request as its author left it; ``commit`` is the head of its ref."""

    num: int
    title: str
    author: str
    status: str
    commit: str

    @property
    def ref(self) -> str:
        """Its ref."""
        return f"refs/pr/{self.num}"


def me(remote: Remote) -> str:
    """The user of the token. Raises :class:`HubError`."""
    with hub_errors("cannot tell who you are"):
        return str(remote.api.whoami()["name"])


def open_ones(remote: Remote) -> list[PullRequest]:
    """The open pull requests of a repository, oldest first."""
    with hub_errors(f"cannot list the pull requests of {remote.repo}"):
        found = remote.api.get_repo_discussions(**remote.at, discussion_type="pull_request", discussion_status="open")
        rows = sorted((d.num, d.title, d.author, d.status) for d in found)
    return [PullRequest(*row, remote.head(f"refs/pr/{row[0]}") or "") for row in rows]


def pull_request(remote: Remote, num: int) -> PullRequest:
    """One pull request. Raises :class:`UserError` if it is none."""
    with hub_errors(f"cannot read pull request {num} of {remote.repo}"):
        d = remote.api.get_discussion_details(**remote.at, discussion_num=num)
    if not d.is_pull_request:
        raise UserError(f"{remote.repo}: {num} is a discussion, not a pull request")
    return PullRequest(num, d.title, d.author, d.status, remote.head(f"refs/pr/{num}") or "")


def files_at(remote: Remote, revision: str) -> Files:
    """All files at a revision: size and the Hub's own hash."""
    from huggingface_hub.hf_api import RepoFile

    with hub_errors(f"cannot list {remote.repo}@{revision}"):
        found = list(remote.api.list_repo_tree(**remote.at, revision=revision, recursive=True))
    return {f.path: (f.size, f.lfs.sha256 if f.lfs else f.blob_id) for f in found if isinstance(f, RepoFile)}


def fetch(remote: Remote, num: int, folder: Path, report: Report) -> Path | None:
    """Download the contribution of a pull request, as it is at one commit; None if its files alone refuse it.

    ``report`` gets the commit and the name. Nothing is downloaded before every name and size was looked at.
    """
    pull = pull_request(remote, num)
    report.commit = pull.commit
    report.checked.append(CHECK)
    if pull.status in ("closed", "merged"):
        raise UserError(f"{remote.repo}: pull request {num} is {pull.status}")
    files = _added(remote, pull, report)
    if report.refused:
        return None
    inside = {path.removeprefix(f"{FOLDER}/{report.name}/"): size for path, (size, _) in files.items()}
    check_names(inside, report)
    report.checked.pop()  # it is looked at again on the disk
    if report.refused:
        return None
    pattern = f"{FOLDER}/{report.name}/*"
    shutil.rmtree(folder, ignore_errors=True)
    with hub_errors(f"cannot download pull request {num} of {remote.repo}"):
        remote.api.snapshot_download(
            **remote.at, revision=pull.commit, local_dir=folder, allow_patterns=[pattern], max_workers=8
        )
    return folder / FOLDER / report.name


def _added(remote: Remote, pull: PullRequest, report: Report) -> Files:
    """The files that a pull request adds, if it adds one contribution and does nothing else."""
    there, main = files_at(remote, pull.commit), files_at(remote, "main")
    before = files_at(remote, _base(remote, pull))
    gone = sorted(before.keys() - there.keys())
    changed = sorted(n for n in before.keys() & there.keys() if before[n] != there[n])
    added = {n: f for n, f in there.items() if n not in before}
    for what, names in (("removes", gone), ("changes", changed)):
        if names:
            report.refuse(CHECK, names[0], f"it {what} {len(names)} file(s) of others; a contribution only adds")
    brought = {folder_of(n) for n in added}
    outside = sorted(n for n in added if folder_of(n) is None)
    if outside:
        why = f"{len(outside)} file(s) lie outside of {FOLDER}/<user>-<slug>/"
        report.refuse(CHECK, outside[0], why)
    elif len(brought) != 1:
        report.refuse(CHECK, "", f"it brings {len(brought)} contributions; one pull request brings one")
    name = next((n for n in brought if n), "")
    report.name = name
    taken = {n.split("/")[1].casefold() for n in (*main, *before) if n.startswith(f"{FOLDER}/")}
    if name and name.casefold() in taken:
        report.refuse(CHECK, name, "there is a contribution of this name already; choose another --slug")
    if name and pull.author and not name.startswith(f"{pull.author}-"):
        report.refuse(CHECK, name, f"the folder is not {pull.author}'s, who opened the pull request")
    return added


def _base(remote: Remote, pull: PullRequest) -> str:
    """Where the pull request and main parted."""
    with hub_errors(f"cannot read the history of {remote.repo}"):
        main = {c.commit_id for c in remote.api.list_repo_commits(**remote.at)}
        own = remote.api.list_repo_commits(**remote.at, revision=pull.ref)
    base = next((c.commit_id for c in own if c.commit_id in main), None)
    if base is None:
        raise HubError(f"{remote.repo}: pull request {pull.num} has no history in common with main")
    return base


def send(remote: Remote, root: Path, name: str, *, user: str, title: str, text: str, say: Say) -> int:
    """Open a pull request with a folder, or go on with one's own of that title; returns its number."""
    own = [p for p in open_ones(remote) if p.title == title and p.author == user]
    if own:
        num = own[0].num
        say(f"going on with pull request {num}")
    else:
        num = remote.open_pull_request(title, text)
        say(f"opened pull request {num} as a draft")
    ref = f"refs/pr/{num}"
    files = {f"{FOLDER}/{name}/{p.relative_to(root).as_posix()}": p for p in sorted(root.rglob("*")) if p.is_file()}
    there = remote.blobs(ref)
    hashes = {n: file_sha256(p).sha256 for n, p in files.items()}
    lack = [n for n, p in files.items() if n not in there or not there[n].is_file(p, hashes[n])]
    gone = sorted(n for n in there if folder_of(n) == name and n not in files)
    for i in range(0, max(len(lack), bool(gone)), BATCH):
        part = lack[i : i + BATCH]
        say(f"sending files {i + 1} to {i + len(part)} of {len(lack)}")
        add = {n: (files[n], hashes[n]) for n in part}
        parent = remote.head(ref) or ""
        remote.commit(ref, add, gone if i == 0 else [], title=title, text="", parent=parent)
    if pull_request(remote, num).status == "draft":
        remote.set_status(num, "open")
    return num


def post(remote: Remote, num: int, text: str) -> None:
    """Comment on a pull request."""
    with hub_errors(f"cannot comment on pull request {num} of {remote.repo}"):
        remote.api.comment_discussion(**remote.at, discussion_num=num, comment=text)


def verdicts(remote: Remote, num: int, trusted: frozenset[str]) -> Iterator[Verdict]:
    """The verdicts that people who are trusted posted to a pull request, oldest first; others' are not looked at."""
    with hub_errors(f"cannot read pull request {num} of {remote.repo}"):
        events = remote.api.get_discussion_details(**remote.at, discussion_num=num).events
    for event in events:
        if event.type == "comment" and event.author in trusted:
            found = read_comment(str(getattr(event, "content", "")))
            if found:
                yield found


def merge(remote: Remote, num: int, report: Report) -> None:
    """Merge what was checked, and make sure that this is what is on main then. Raises :class:`Conflict`."""
    pull = pull_request(remote, num)
    if pull.commit != report.commit:
        raise Conflict(f"{remote.repo}: pull request {num} has changed since it was checked; validate it again")
    if pull.status == "draft":
        raise Conflict(f"{remote.repo}: pull request {num} is a draft; its author has not finished it")
    wanted = {n: f for n, f in files_at(remote, report.commit).items() if folder_of(n) == report.name}
    wanted |= files_at(remote, "main")
    remote.merge(num)
    landed = files_at(remote, "main")
    if landed != wanted:
        names = sorted(n for n in landed.keys() | wanted.keys() if landed.get(n) != wanted.get(n))
        raise Conflict(
            f"{remote.repo}: main is not what it was with {FOLDER}/{report.name} beside it (see {names[0]}); "
            "look at it before a release"
        )
