"""Discussions and pull requests: a pull request is a ref of its own that is merged three ways, or not at all."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

from fm_hub.hubserver.refusal import Refusal
from fm_hub.hubserver.store import Commit, Repo, Store, now

__all__ = ["Discussion", "Pulls"]

BASE = "refs/heads/main"


@dataclass(frozen=True)
class Discussion:
    """A discussion; ``merged`` is the commit that a merged pull request became."""

    repo: str
    num: int
    title: str
    status: str
    author: str
    created: str
    is_pr: bool
    merged: str
    events: tuple[dict[str, Any], ...]

    @property
    def ref(self) -> str:
        """The ref of the pull request."""
        return f"refs/pr/{self.num}"

    def head(self) -> dict[str, Any]:
        """What a list of discussions shows of it."""
        return {
            "num": self.num,
            "title": self.title,
            "status": self.status,
            "createdAt": self.created,
            "author": {"name": self.author},
            "repo": {"name": self.repo, "type": "dataset"},
            "isPullRequest": self.is_pr,
        }


def _event(kind: str, author: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"id": secrets.token_hex(12), "type": kind, "createdAt": now(), "author": {"name": author}, "data": data}


def _comment(author: str, text: str) -> dict[str, Any]:
    latest = {"raw": text, "html": ""}  # this Hub has no pages, so that nothing is rendered
    return _event("comment", author, {"latest": latest, "edited": False, "hidden": False, "numEdits": 0})


class Pulls:
    """The discussions of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, repo: Repo, *, title: str, text: str, author: str, is_pr: bool, status: str) -> Discussion:
        """Start a discussion, or a pull request with its ref at the head of main."""
        if not title.strip():
            raise Refusal(400, "A title is needed")
        db = self._store.db
        with self._store.transaction():
            num = db.execute(
                "SELECT coalesce(max(num), 0) + 1 FROM discussions WHERE repo = ?", (repo.name,)
            ).fetchone()[0]
            d = Discussion(repo.name, num, title.strip(), status, author, now(), is_pr, "", (_comment(author, text),))
            if is_pr:
                self._store.add_ref(repo.name, d.ref, self._store.commit(repo.name, BASE).sha)
            self._save(d)
        return d

    def get(self, repo: Repo, num: int) -> Discussion:
        """A discussion. Raises :class:`Refusal` (404)."""
        with self._store.transaction():
            row = self._store.db.execute(
                "SELECT * FROM discussions WHERE repo = ? AND num = ?", (repo.name, num)
            ).fetchone()
        if row is None:
            raise Refusal(404, f"No discussion {num} in {repo.name}", "EntryNotFound")
        return self._of(row)

    def all(self, repo: Repo) -> list[Discussion]:
        """The discussions of a repository, newest first."""
        with self._store.transaction():
            rows = self._store.db.execute(
                "SELECT * FROM discussions WHERE repo = ? ORDER BY num DESC", (repo.name,)
            ).fetchall()
        return [self._of(r) for r in rows]

    def details(self, repo: Repo, num: int, *, diff: bool) -> dict[str, Any]:
        """A discussion with its events and, for a pull request, what it changes and what stands against it."""
        with self._store.transaction():
            d = self.get(repo, num)
            out = {**d.head(), "events": list(d.events)}
            if d.is_pr:
                base, head, main = self._three(d)
                conflicts = [] if d.merged else self._store.trees.merge(base.tree, main.tree, head.tree)[1]
                merge = {"mergeCommitId": d.merged} if d.merged else {}
                out |= {"changes": {"base": BASE, **merge}, "filesWithConflicts": conflicts}
                if diff:
                    changed = self._store.trees.changes(base.tree, head.tree)
                    out["diff"] = "\n".join(f"{'M' if e else 'D'} {'/'.join(p)}" for p, e in sorted(changed.items()))
        return out

    def comment(self, repo: Repo, num: int, text: str, author: str) -> dict[str, Any]:
        """Add a comment and return its event."""
        if not text.strip():
            raise Refusal(400, "A comment needs a text")
        return self._add(repo, num, _comment(author, text))

    def rename(self, repo: Repo, num: int, title: str, author: str) -> dict[str, Any]:
        """Give a discussion another title and return the event."""
        if not title.strip():
            raise Refusal(400, "A title is needed")
        with self._store.transaction():
            old = self.get(repo, num)
            event = _event("title-change", author, {"from": old.title, "to": title.strip()})
            return self._add(repo, num, event, title=title.strip())

    def set_status(self, repo: Repo, num: int, status: str, text: str, author: str) -> dict[str, Any]:
        """Open or close a discussion and return the event."""
        if status not in ("open", "closed"):
            raise Refusal(400, "The status of a discussion is 'open' or 'closed'")
        with self._store.transaction():
            if self.get(repo, num).merged:
                raise Refusal(409, "This pull request is merged")
            if text:
                self.comment(repo, num, text, author)
            return self._add(repo, num, _event("status-change", author, {"status": status}), status=status)

    def note_commit(self, repo: Repo, num: int, commit: Commit) -> None:
        """Note that a commit was added to a pull request."""
        self._add(repo, num, _event("commit", commit.author, {"oid": commit.sha, "subject": commit.title}))

    def merge(self, repo: Repo, num: int, text: str, author: str) -> dict[str, Any]:
        """Merge a pull request into main as one commit. Raises :class:`Refusal` (409) on a conflict."""
        with self._store.transaction():
            d = self.get(repo, num)
            if not d.is_pr:
                raise Refusal(400, "This is not a pull request")
            if d.status != "open":
                raise Refusal(409, f"This pull request is {d.status}; only an open one can be merged")
            base, head, main = self._three(d)
            tree, conflicts = self._store.trees.merge(base.tree, main.tree, head.tree)
            if conflicts:
                raise Refusal(409, f"Merge conflict on {', '.join(conflicts[:5])}")
            title = f"{d.title} (#{num})"
            commit = self._store.add_tree(repo.name, BASE, tree, title=title, message=text, author=author)
            if text:
                self.comment(repo, num, text, author)
            event = _event("status-change", author, {"status": "merged"})
            return self._add(repo, num, event, status="merged", merged=commit.sha)

    def _three(self, d: Discussion) -> tuple[Commit, Commit, Commit]:
        """Where the pull request and main parted, and both heads."""
        head, main = self._store.commit(d.repo, d.ref), self._store.commit(d.repo, BASE)
        known = {c.sha for c in self._store.history(d.repo, main.sha)}
        base = next(c for c in self._store.history(d.repo, head.sha) if c.sha in known)
        return base, head, main

    def _add(self, repo: Repo, num: int, event: dict[str, Any], **fields: Any) -> dict[str, Any]:
        with self._store.transaction():
            d = self.get(repo, num)
            self._save(replace(d, **fields, events=(*d.events, event)))
        return event

    def _save(self, d: Discussion) -> None:
        row = (d.repo, d.num, d.title, d.status, d.author, d.created, d.is_pr, d.merged, json.dumps(d.events))
        self._store.db.execute("INSERT OR REPLACE INTO discussions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    @staticmethod
    def _of(row: tuple[Any, ...]) -> Discussion:
        repo, num, title, status, author, created, is_pr, merged, events = row
        return Discussion(repo, num, title, status, author, created, bool(is_pr), merged, tuple(json.loads(events)))
