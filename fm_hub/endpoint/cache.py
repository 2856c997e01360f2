"""Every answer, under the hash of what was asked, and what each request cost: one SQLite file.

An answer and its price are one transaction in a write-ahead log: a process that is killed loses at most the requests
that were under way. Several processes may share the file. Neither prompts nor keys are in it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fm_hub import errors
from fm_hub.endpoint.request import Reply
from fm_hub.errors import BadOutput, ItemError, UserError

__all__ = ["Cache", "Spent", "key_of"]

VERSION = 1
_LAYOUT = f"""
CREATE TABLE answers (key TEXT PRIMARY KEY, model TEXT NOT NULL, reply TEXT, error TEXT, detail TEXT, t REAL NOT NULL);
CREATE TABLE ledger (t REAL NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL, usd REAL NOT NULL, outcome TEXT NOT NULL);
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True)
class Spent:
    """What the requests of a file have cost together."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    usd: float


def key_of(url: str, dialect: str, body: Mapping[str, Any]) -> str:
    """The hash of a request: the server, how it is spoken to, and every byte of the body, pictures included."""
    asked = json.dumps(["ask", 1, url, dialect, body], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(asked.encode()).hexdigest()


class Cache:
    """The file at ``path``, made when there is an answer to keep; None keeps everything in memory.

    To be used from one thread. Raises :class:`~fm_hub.errors.UserError` for a file of another kind.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._awaited = path is not None and not path.exists()
        self._db = self._open(None if self._awaited else path)

    def _open(self, path: Path | None) -> sqlite3.Connection:
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            # Autocommit: each transaction is begun and ended by name.
            name = str(path) if path else ":memory:"
            db = sqlite3.connect(name, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                self._lay_out(db)
            except BaseException:
                db.close()
                raise
        except (OSError, sqlite3.Error) as e:
            raise UserError(f"{path}: cannot be used as a file of answers ({e}); name another one") from None
        return db

    def _lay_out(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")  # of two processes that begin at once, one lays out
        try:
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, VERSION):
                raise UserError(f"{self.path}: its version is {found}, this is for {VERSION}; name another file")
            if found == 0:
                for statement in _LAYOUT.split(";"):
                    db.execute(statement)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    def _settle(self) -> None:
        """Move from memory to the file; what trying the server out has cost moves along."""
        charges = self._db.execute("SELECT * FROM ledger").fetchall()
        db = self._open(self.path)
        db.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)", charges)
        self._db.close()
        self._db, self._awaited = db, False

    def get(self, key: str) -> Reply | ItemError | None:
        """What was answered before, a permanent error included; None if nothing was."""
        if self._awaited and self.path is not None and self.path.exists():  # another process made it
            self._settle()
        row = self._db.execute("SELECT reply, error, detail FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[1]:
            kind = getattr(errors, row[1], None)
            known = isinstance(kind, type) and issubclass(kind, ItemError)
            return kind(row[2]) if known else None  # type: ignore[misc]
        reply = json.loads(row[0])
        return Reply(**{**reply, "top": tuple((t, p) for t, p in reply["top"]), "cached": True})

    def put(
        self,
        key: str,
        model: str,
        outcome: Reply | ItemError,
        tokens: tuple[int, int],
        usd: float,
        *,
        estimated: bool = False,
        keep: bool = True,
    ) -> None:
        """Keep an outcome with what it cost. An error that may pass is paid for, but not kept as the answer."""
        now = time.time()
        answer: tuple[str | None, str | None, str | None]
        if isinstance(outcome, ItemError):
            said, lasting = type(outcome).__name__, outcome.retry == "never"
            answer = None, said, str(outcome)
        else:
            said, lasting = "ok", True
            kept = {k: v for k, v in asdict(outcome).items() if k != "cached"}
            answer = json.dumps(kept, ensure_ascii=False), None, None
        if keep and self._awaited:
            self._settle()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if keep and lasting:
                self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", (key, model, *answer, now))
            charge = (now, key, model, *tokens, int(estimated), usd, said)
            self._db.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)", charge)
            self._db.execute("COMMIT")
        except sqlite3.Error as e:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise BadOutput(f"{self.path}: the answer cannot be kept ({e}); what was kept before is there") from None

    def spent(self) -> Spent:
        """What all requests of the file have cost."""
        sums = "count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(usd), 0.0)"
        return Spent(*self._db.execute(f"SELECT {sums} FROM ledger").fetchone())  # noqa: S608 (a constant)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
