"""What a Hub keeps: repositories, commits and refs in SQLite, bytes in files named by their hash.

A commit is one transaction: a reader sees the ref before it or after it. One connection behind one lock:
requests are short, and bytes do not pass through here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fm_hub.hubserver.refusal import Refusal
from fm_hub.hubserver.trees import Entry, Trees

__all__ = ["Commit", "Repo", "Store", "blob_oid", "now"]

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS repos (repo TEXT PRIMARY KEY, private INTEGER, gated TEXT, created TEXT);
CREATE TABLE IF NOT EXISTS refs (repo TEXT, ref TEXT, target TEXT, PRIMARY KEY (repo, ref));
CREATE TABLE IF NOT EXISTS commits (repo TEXT, sha TEXT, parent TEXT, tree TEXT, title TEXT, message TEXT,
  author TEXT, date TEXT, PRIMARY KEY (repo, sha));
CREATE TABLE IF NOT EXISTS lfs (repo TEXT, oid TEXT, size INTEGER, PRIMARY KEY (repo, oid));
CREATE TABLE IF NOT EXISTS discussions (repo TEXT, num INTEGER, title TEXT, status TEXT, author TEXT, created TEXT,
  is_pr INTEGER, merged TEXT, events TEXT, PRIMARY KEY (repo, num));
"""


@dataclass(frozen=True)
class Repo:
    """A dataset repository: ``OWNER/NAME``; ``gated`` is empty, ``auto`` or ``manual``."""

    name: str
    private: bool
    gated: str
    created: str

    @property
    def namespace(self) -> str:
        """The owner."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Commit:
    """A commit; ``tree`` is the id of its root folder."""

    sha: str
    parent: str
    tree: str
    title: str
    message: str
    author: str
    date: str


def now() -> str:
    """The time, as the Hub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def blob_oid(data: bytes) -> str:
    """The id that git gives to a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - git's


class Store:
    """A folder with everything that a Hub holds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for part in ("git", "lfs", "incoming"):
            (root / part).mkdir(parents=True, exist_ok=True)
        for left in (root / "incoming").iterdir():  # of a server that was killed
            left.unlink()
        self._lock = threading.RLock()
        self.db = sqlite3.connect(root / "hub.sqlite", check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.executescript(_SCHEMA)
        self.trees = Trees(self.db)

    def close(self) -> None:
        """Close the data base."""
        with self._lock:
            self.db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing of it; one block at a time."""
        with self._lock:
            outermost = not self.db.in_transaction
            if outermost:
                self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if outermost:
                    self.db.execute("ROLLBACK")
                raise
            if outermost:
                self.db.execute("COMMIT")

    # Repositories

    def create(self, name: str, *, private: bool, author: str, files: Mapping[tuple[str, ...], Entry]) -> Repo:
        """Make a repository with a first commit. Raises :class:`Refusal` (409) if there is one of that name."""
        owner, _, rest = name.partition("/")
        if not all(_NAME.fullmatch(p) and ".." not in p and "--" not in p for p in (owner, rest)):
            raise Refusal(400, f"Invalid repository name {name[:80]!r}; it is OWNER/NAME")
        with self.transaction():
            if self.db.execute("SELECT 1 FROM repos WHERE repo = ?", (name,)).fetchone():
                raise Refusal(409, "You already created this dataset repo", url=f"/datasets/{name}")
            self.db.execute("INSERT INTO repos VALUES (?, ?, '', ?)", (name, private, now()))
            self.db.execute("INSERT INTO refs VALUES (?, 'refs/heads/main', '')", (name,))
            tree = self.trees.edit("", files)
            self._add_commit(name, "refs/heads/main", "", tree, "initial commit", "", author)
        return self.repo(name)

    def repo(self, name: str) -> Repo:
        """A repository. Raises :class:`KeyError`."""
        with self._lock:
            row = self.db.execute("SELECT * FROM repos WHERE repo = ?", (name,)).fetchone()
        if row is None:
            raise KeyError(name)
        return Repo(row[0], bool(row[1]), row[2], row[3])

    def repos(self) -> list[Repo]:
        """All repositories."""
        with self._lock:
            rows = self.db.execute("SELECT * FROM repos ORDER BY repo").fetchall()
        return [Repo(r[0], bool(r[1]), r[2], r[3]) for r in rows]

    def change(self, name: str, *, private: bool | None, gated: str | None) -> None:
        """Change who may see a repository."""
        with self.transaction():
            if private is not None:
                self.db.execute("UPDATE repos SET private = ? WHERE repo = ?", (private, name))
            if gated is not None:
                self.db.execute("UPDATE repos SET gated = ? WHERE repo = ?", (gated, name))

    def delete(self, name: str) -> None:
        """Remove a repository; bytes that others share stay."""
        with self.transaction():
            for table in ("repos", "refs", "commits", "lfs", "discussions"):
                self.db.execute(f"DELETE FROM {table} WHERE repo = ?", (name,))  # noqa: S608 - our own names

    # Commits and refs

    def refs(self, repo: str, prefix: str) -> dict[str, str]:
        """The refs below a prefix, by the rest of their name."""
        with self._lock:
            rows = self.db.execute(
                "SELECT ref, target FROM refs WHERE repo = ? AND substr(ref, 1, ?) = ? ORDER BY rowid",
                (repo, len(prefix), prefix),
            ).fetchall()
        return {ref[len(prefix) :]: target for ref, target in rows}

    def ref_of(self, repo: str, revision: str) -> str | None:
        """The full name of the ref that a revision means, if it is one."""
        with self._lock:
            for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
                if self.db.execute("SELECT 1 FROM refs WHERE repo = ? AND ref = ?", (repo, ref)).fetchone():
                    return ref
        return None

    def commit(self, repo: str, revision: str) -> Commit:
        """The commit of a branch, a tag, a pull request's ref or a hash. Raises :class:`Refusal` (404)."""
        with self._lock:
            ref = self.ref_of(repo, revision)
            if ref:
                query, args = "sha = (SELECT target FROM refs WHERE repo = ?1 AND ref = ?2)", (repo, ref)
            elif re.fullmatch(r"[0-9a-f]{7,40}", revision):
                query, args = "substr(sha, 1, length(?2)) = ?2", (repo, revision)
            else:
                raise Refusal(404, f"Invalid rev id: {revision[:80]}", "RevisionNotFound")
            rows = self.db.execute(
                f"SELECT sha, parent, tree, title, message, author, date FROM commits WHERE repo = ?1 AND {query}",  # noqa: S608
                args,
            ).fetchall()
        if len(rows) != 1:
            raise Refusal(404, f"Invalid rev id: {revision[:80]}", "RevisionNotFound")
        return Commit(*rows[0])

    def history(self, repo: str, revision: str) -> Iterator[Commit]:
        """A commit and its ancestors."""
        sha = revision
        while sha:
            commit = self.commit(repo, sha)
            yield commit
            sha = commit.parent

    def add_commit(
        self,
        repo: str,
        ref: str,
        changes: Mapping[tuple[str, ...], Entry | None],
        *,
        title: str,
        message: str,
        author: str,
        parent: str = "",
    ) -> Commit:
        """Add a commit to a ref. Raises :class:`Refusal` (412) if the ref has moved on from ``parent``."""
        with self.transaction():
            head = self.commit(repo, ref)
            if parent and parent != head.sha:
                raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            tree = self.trees.edit(head.tree, changes)
            return self._add_commit(repo, ref, head.sha, tree, title, message, author)

    def add_tree(self, repo: str, ref: str, tree: str, *, title: str, message: str, author: str) -> Commit:
        """Add a commit with a whole tree to a ref; inside a transaction of the caller."""
        return self._add_commit(repo, ref, self.commit(repo, ref).sha, tree, title, message, author)

    def _add_commit(self, repo: str, ref: str, parent: str, tree: str, title: str, message: str, author: str) -> Commit:
        date = now()
        text = json.dumps([repo, parent, tree, title, message, author, date, secrets.token_hex(8)])
        sha = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - a name, as git's are
        row = (sha, parent, tree, title, message, author, date)
        self.db.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (repo, *row))
        self.db.execute("UPDATE refs SET target = ? WHERE repo = ? AND ref = ?", (sha, repo, ref))
        return Commit(*row)

    def add_ref(self, repo: str, ref: str, target: str) -> None:
        """Make a ref. Raises :class:`Refusal` (409) if there is one: refs are never overwritten."""
        if not _REF.fullmatch(ref) or ".." in ref or ref.endswith(("/", ".lock")) or "//" in ref:
            raise Refusal(400, f"Invalid reference name {ref[:80]!r}")
        with self.transaction():
            if self.ref_of(repo, ref):
                what = "Tag" if ref.startswith("refs/tags/") else "Branch"
                raise Refusal(409, f"{what} reference exists already", url=f"/datasets/{repo}")
            self.db.execute("INSERT INTO refs VALUES (?, ?, ?)", (repo, ref, target))

    def delete_ref(self, repo: str, ref: str) -> None:
        """Remove a ref. Raises :class:`Refusal` (404)."""
        with self.transaction():
            if not self.db.execute("DELETE FROM refs WHERE repo = ? AND ref = ?", (repo, ref)).rowcount:
                raise Refusal(404, f"No such reference: {ref[:80]}", "RevisionNotFound")

    # Bytes

    def git_path(self, oid: str) -> Path:
        """Where a small file's bytes are."""
        return self.root / "git" / oid[:2] / oid

    def lfs_path(self, oid: str) -> Path:
        """Where a large file's bytes are."""
        return self.root / "lfs" / oid[:2] / oid

    def put_blob(self, data: bytes) -> Entry:
        """Keep a small file."""
        oid = blob_oid(data)
        path = self.git_path(oid)
        if not path.exists():
            temp = self.incoming()
            temp.write_bytes(data)
            self.land(temp, path)
        return Entry("file", oid, len(data))

    def incoming(self) -> Path:
        """A new file for bytes that are on their way."""
        return self.root / "incoming" / secrets.token_hex(16)

    def land(self, temp: Path, path: Path) -> None:
        """Move bytes to their place, whole or not at all."""
        path.parent.mkdir(exist_ok=True)
        os.replace(temp, path)

    def has_lfs(self, repo: str, oid: str) -> int | None:
        """The size of a large file if *this repository* has it: knowing a hash gives no right to the bytes."""
        with self._lock:
            row = self.db.execute("SELECT size FROM lfs WHERE repo = ? AND oid = ?", (repo, oid)).fetchone()
        return int(row[0]) if row else None

    def add_lfs(self, repo: str, oid: str, size: int) -> None:
        """Note that a repository has a large file."""
        with self.transaction():
            self.db.execute("INSERT OR IGNORE INTO lfs VALUES (?, ?, ?)", (repo, oid, size))

    def lfs_entry(self, oid: str, size: int) -> Entry:
        """The entry of a large file: git keeps a pointer, whose id this is."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
        return Entry("file", blob_oid(pointer), size, oid)
