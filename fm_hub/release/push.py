"""A release in steps, each noted in a journal, each looked up on the Hub before it is done again.

Small: one commit on main with its parent checked, then the tag. Larger: a draft pull request; commits to its ref;
everything downloaded from that ref, verified and loaded; merge; tag. Either way the tag is made only when the
Hub's own list of files is the verified one, and main shows the old release or the new one, never a mixture.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fm_hub.errors import Conflict, HubError, UserError
from fm_hub.manifest import MANIFEST, OtherSchema, read_manifest
from fm_hub.release.folding import Folded, fold, pending
from fm_hub.release.growth import Before, link
from fm_hub.release.journal import Journal, locked
from fm_hub.release.plan import Plan, make_plan
from fm_hub.release.remote import Remote
from fm_hub.release.stage import Staged, check_tree, stage, staged_before
from fm_hub.release.versions import Level, Version, check_version

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Release", "Request", "push"]

SMALL = 100  # files; up to here one commit is all it takes
BATCH = 250
Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to release: a folder, where to, as which version (None: the least that the changes ask for).

    ``work`` is where the staged tree and the journal lie, ``base`` an older release whose shards are
    continued, ``redact`` clips to leave out from now on.
    """

    root: Path
    repo: str
    version: Version | None = None
    private: bool = False
    redact: frozenset[str] = frozenset()
    base: Before | None = None
    work: Path | None = None
    small: int = SMALL

    @property
    def folder(self) -> Path:
        """The work folder of this release."""
        return (self.work or self.root / ".fm_hub" / "release") / self.repo.replace("/", "--")


@dataclass(frozen=True)
class Release:
    """What came of it: the commit that the tag names; ``commit`` is empty after a dry run."""

    plan: Plan
    tag: str
    commit: str = ""


def push(
    request: Request,
    *,
    dry_run: bool = False,
    resume: bool = False,
    restart: bool = False,
    api: HfApi | None = None,
    say: Say = lambda _: None,
) -> Release:
    """Release a dataset folder. Raises :class:`UserError` before anything is sent, :class:`HubError` after.

    After an error that is not a :class:`Conflict` the same call with ``resume`` goes on where it stopped.
    """
    remote = Remote(request.repo, api)
    with locked(request.folder):
        return _push(request, remote, dry_run=dry_run, resume=resume, restart=restart, say=say)


def _push(request: Request, remote: Remote, *, dry_run: bool, resume: bool, restart: bool, say: Say) -> Release:
    journal = Journal(request.folder / "journal.jsonl")
    if resume:
        if not journal.unfinished:
            raise UserError(f"{request.root}: no unfinished release to {request.repo}; push without --resume")
        tag = journal.get("begin", "tag")
        if request.version and request.version.tag != tag:
            raise UserError(f"{request.root}: the unfinished release is {tag}; resume it as that, or use --restart")
        return _Push(request, remote, journal, _restored(request, journal), say).run()
    if journal.unfinished and not dry_run and not restart:
        what = f"the release {journal.get('begin', 'tag')} is unfinished"
        raise UserError(f"{request.root}: {what}; go on with --resume, or drop it with --restart")
    work = request.folder / "dry-run" if dry_run else request.folder
    if not dry_run:
        shutil.rmtree(request.folder, ignore_errors=True)
        journal = Journal(journal.path)  # without the steps of a release that is over
    try:
        staged, plan, begin = _prepare(request, remote, work, say)
        if dry_run:
            return Release(plan, begin["tag"])
    finally:
        if dry_run:
            shutil.rmtree(work, ignore_errors=True)
            with contextlib.suppress(OSError):  # it holds a release that is unfinished
                request.folder.rmdir()
    say("verifying and loading what will be published")
    check_tree(staged.root, work / "cache")
    journal.note("plan", **plan.as_dict())
    journal.note("begin", id=secrets.token_hex(6), manifest=staged.files[MANIFEST], **begin)
    return _Push(request, remote, journal, (staged, plan), say).run()


def _prepare(request: Request, remote: Remote, work: Path, say: Say) -> tuple[Staged, Plan, dict[str, str]]:
    head, tags = remote.head(), remote.tags()
    last = max(tags, default=None)
    before, major = None, False
    if last:
        say(f"reading {request.repo}@{last.tag}")
        remote.fetch(last.tag, work / "before", without="videos/**")
        try:
            before = Before(read_manifest(work / "before"), work / "before")
        except OtherSchema:
            major = True

    def choose(level: Level) -> Version:
        if last is None:
            return request.version or Version.parse(read_manifest(request.root).data_version)
        if level == "none":
            raise UserError(f"{request.root}: no row is different from {request.repo}@{last.tag}; nothing to release")
        check_version(request.version or last.bump(level), last, level)
        return request.version or last.bump(level)

    there = remote.blobs(head) if head else {}
    folded = _folded(request, remote, head or "", sorted(there), before, work, say)
    say("staging")
    tree = work / "tree" / request.repo.partition("/")[2]
    staged = stage(
        folded.root, tree, request.repo, choose, before, base=request.base, redact=request.redact, major=major
    )
    on_main = remote.manifest(head) if head and MANIFEST in there else None
    plan = make_plan(staged, request.repo, before, str(last or ""), there, on_main, folded.names)
    return staged, plan, {"tag": Version.parse(plan.version).tag, "base": head or ""}


def _folded(
    request: Request, remote: Remote, head: str, files: list[str], before: Before | None, work: Path, say: Say
) -> Folded:
    """The folder to release with the contributions in it; an older release comes back as it was."""
    names = pending(files)
    if request.base is None:
        if names:
            say(f"checking and taking in {len(names)} contribution(s)")
        return fold(request.root, remote, head, files, before, work / "folded")
    if names:
        raise UserError(
            f"{request.repo}: main holds contributions that no release has ({', '.join(sorted(names)[:3])}); "
            "release them first (fm-hub push)"
        )
    return Folded(request.root)


def _restored(request: Request, journal: Journal) -> tuple[Staged, Plan]:
    """The staged tree and the plan of a journal, if they are still what they were."""
    plan = Plan.of(journal.steps["plan"])
    tree = request.folder / "tree" / request.repo.partition("/")[2]
    return staged_before(tree, journal.get("begin", "manifest"), plan.level), plan


class _Push:
    """The steps that talk to the Hub."""

    def __init__(
        self, request: Request, remote: Remote, journal: Journal, ready: tuple[Staged, Plan], say: Say
    ) -> None:
        self.request, self.remote, self.journal, self.say = request, remote, journal, say
        self.staged, self.plan = ready
        self.files = self.staged.files
        self.tag, self.base = journal.get("begin", "tag"), journal.get("begin", "base")
        self.title = f"Release {self.tag} [{journal.get('begin', 'id')}]"

    def run(self) -> Release:
        """All steps that are not done yet."""
        try:
            commit = self.journal.get("landed", "commit") or self._land()
            self.journal.note("landed", commit=commit)
            if not self._same(commit):
                raise Conflict(f"{self.remote.repo}: main is not what was sent; {self.tag} is not set")
            self._tag(commit)
            self._read_back(commit)
        except Conflict as e:
            self.journal.note("abandoned", why=str(e))
            raise
        except HubError as e:
            raise HubError(f"{e}; nothing is lost: go on with --resume") from None
        self.journal.note("done", commit=commit)
        shutil.rmtree(self.request.folder / "tree", ignore_errors=True)
        shutil.rmtree(self.request.folder / "before", ignore_errors=True)
        shutil.rmtree(self.request.folder / "folded", ignore_errors=True)
        return Release(self.plan, self.tag, commit)

    def _land(self) -> str:
        if not self.base:
            self.say(f"creating {self.remote.repo}")
            self.remote.create(private=self.request.private)
            self.base = self.journal.get("created", "head") or self._head()
            self.journal.note("created", head=self.base)
            if self.remote.blobs(self.base):
                raise Conflict(f"{self.remote.repo}: someone else made a release there first")
        n = len(self.plan.send) + len(self.plan.gone)
        return self._land_at_once() if n <= self.request.small else self._land_by_pull_request()

    def _land_at_once(self) -> str:
        landed = self.remote.find_commit(self.title)  # it may have landed, and its answer was lost
        if landed:
            return landed
        self._check_base(self._head())
        self.say(f"sending {len(self.plan.send)} file(s) in one commit")
        add = self._named(self.plan.send)
        text = f"{self.plan.level} release after {self.plan.last or 'nothing'}"
        try:
            return self.remote.commit("main", add, self.plan.gone, title=self.title, text=text, parent=self.base)
        except Conflict:
            landed = self.remote.find_commit(self.title)
            if not landed:  # else it was ours, sent twice on the way
                raise
            return landed

    def _land_by_pull_request(self) -> str:
        num = self.journal.get("pull-request", "num") or next(iter(self.remote.pull_requests(self.title)), None)
        if not num:
            self.say("opening a draft pull request")
            text = "A release of fm-hub, verified at this ref before it is merged."
            num = self.remote.open_pull_request(self.title, text)
        self.journal.note("pull-request", num=num)
        status, merged = self.remote.pull_request(num)
        if not merged:
            merged = self._merge(num, status)
        for twin in self.remote.pull_requests(self.title):  # of a request that was sent twice on the way
            self.remote.set_status(twin, "closed", f"The same release as {num}.")
        return merged

    def _merge(self, num: int, status: str) -> str:
        ref = f"refs/pr/{num}"
        if status == "closed":
            raise Conflict(f"{self.remote.repo}: someone closed pull request {num} of this release")
        parent = self.remote.head(ref) or ""
        for add, gone in self._missing(ref):
            self.say(f"sending {len(add)} file(s) to pull request {num}")
            try:
                parent = self.remote.commit(ref, add, gone, title=self.title, text="", parent=parent)
            except Conflict:
                parent, there = self.remote.head(ref) or "", self.remote.blobs(ref)
                if not all(n in there and there[n].is_file(path, sha) for n, (path, sha) in add.items()):
                    raise  # else it was ours, sent twice on the way
        sha = self.remote.head(ref) or ""
        if not self._same(sha):
            raise HubError(f"{self.remote.repo}: pull request {num} does not hold what was sent")
        if self.journal.get("verified", "commit") != sha:
            self._verify_at(sha)
            self.journal.note("verified", commit=sha)
        if status == "draft":
            self.remote.set_status(num, "open")
        head = self._head()
        try:
            self._check_base(head)
            self.say(f"merging pull request {num}")
            self.remote.merge(num)
        except Conflict:
            merged = self.remote.pull_request(num)[1]
            if not merged:  # else it was ours, and the answer was lost
                self.remote.set_status(num, "closed", "Another release was first; nothing of this one is on main.")
                raise
        return self.remote.pull_request(num)[1]

    def _named(self, names: Iterable[str]) -> dict[str, tuple[Path, str]]:
        return {n: (self.staged.root / n, self.files[n]) for n in names}

    def _missing(self, ref: str) -> Iterator[tuple[dict[str, tuple[Path, str]], list[str]]]:
        """Batches of what the ref lacks: large files first, the manifest with the last of them."""
        there = self.remote.blobs(ref)
        lack = [n for n, sha in self.files.items() if n not in there or not there[n].is_file(self.staged.root / n, sha)]
        gone = sorted(there.keys() - self.files.keys())
        lack.sort(key=lambda n: (n in (MANIFEST, "README.md"), not n.startswith("videos/"), n))
        for i in range(0, len(lack), BATCH):
            last = i + BATCH >= len(lack)
            yield self._named(lack[i : i + BATCH]), gone if last else []
        if gone and not lack:
            yield {}, gone

    def _verify_at(self, sha: str) -> None:
        """Download the ref, but for the videos, whose hashes the Hub itself has checked; verify and load it."""
        self.say(f"verifying {self.remote.repo}@{sha[:8]}")
        folder = self.request.folder / "check" / self.staged.root.name
        shutil.rmtree(folder, ignore_errors=True)
        self.remote.fetch(sha, folder, without="videos/**")
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        for name in self.files:
            if name.startswith("videos/"):
                link(self.staged.root / name, folder / name)
        check_tree(folder, self.request.folder / "cache")
        shutil.rmtree(folder.parent, ignore_errors=True)

    def _tag(self, commit: str) -> None:
        version = Version.parse(self.tag)
        there = self.remote.tags().get(version)
        if there is None:
            self.say(f"tagging {self.tag}")
            try:
                self.remote.tag(version, commit, self.title)
            except Conflict:
                there = self.remote.tags().get(version)
                if there != commit:
                    raise
        elif there != commit:
            raise Conflict(
                f"{self.remote.repo}: {self.tag} exists and names {there[:8]}; a tag never moves: give another version"
            )

    def _read_back(self, commit: str) -> None:
        """What a reader gets under the tag is what was verified."""
        if self.remote.head(self.tag) != commit or not self._same(self.tag):
            raise HubError(f"{self.remote.repo}@{self.tag} does not read back as it was sent")

    def _head(self) -> str:
        head = self.remote.head()
        if head is None:
            raise HubError(f"{self.remote.repo}: the repository is gone, or not yours to read")
        return head

    def _check_base(self, head: str) -> None:
        if head != self.base:
            raise Conflict(
                f"{self.remote.repo}: main has moved on since the plan (from {self.base[:8]} to {head[:8]}); "
                "look at it and push again"
            )

    def _same(self, revision: str) -> bool:
        """Whether the Hub's list of files at a revision is the staged tree, by hash."""
        there = self.remote.blobs(revision)
        if there.keys() != self.files.keys():
            return False
        return all(there[n].is_file(self.staged.root / n, sha) for n, sha in self.files.items())
