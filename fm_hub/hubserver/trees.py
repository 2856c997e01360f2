"""Trees of files, one record a folder, named by content: unchanged folders are shared by all versions."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fm_hub.hubserver.refusal import Refusal

__all__ = ["Entry", "Trees", "check_path"]

MAX_ENTRIES = 10_000  # in one folder: the Hub's own limit
MAX_PATH = 1024
_BAD = re.compile(r"[\x00-\x1f\x7f\\]")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A file (``lfs`` is its SHA-256 if it is kept as a large file) or a folder (``size`` 0)."""

    kind: str
    oid: str
    size: int = 0
    lfs: str = ""


def check_path(name: str) -> Path:
    """The parts of a file's name in a repository. Raises :class:`Refusal` for one that could lead out of it."""
    parts = tuple(name.split("/"))
    if (
        not name
        or len(name.encode()) > MAX_PATH
        or _BAD.search(name)
        or any(p in ("", ".", "..") or p.lower() == ".git" or len(p.encode()) > 255 for p in parts)
    ):
        raise Refusal(400, f"Invalid file name {name[:80]!r}")
    return parts


class Trees:
    """The tree objects of a store; used inside the store's transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.execute("CREATE TABLE IF NOT EXISTS trees (oid TEXT PRIMARY KEY, entries TEXT NOT NULL) WITHOUT ROWID")

    def read(self, oid: str) -> dict[str, Entry]:
        """The entries of a folder, by name."""
        found = self._db.execute("SELECT entries FROM trees WHERE oid = ?", (oid,)).fetchone()
        return {name: Entry(*fields) for name, fields in json.loads(found[0]).items()}

    def write(self, entries: Mapping[str, Entry]) -> str:
        """Keep a folder and return its id."""
        plain = {n: [e.kind, e.oid, e.size, e.lfs] for n, e in sorted(entries.items())}
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        oid = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - a name, as git's are
        self._db.execute("INSERT OR IGNORE INTO trees VALUES (?, ?)", (oid, text))
        return oid

    def find(self, root: str, path: Path) -> Entry | None:
        """The file or folder of a path; the empty path is the root."""
        entry = Entry("directory", root)
        for part in path:
            inside = self.read(entry.oid).get(part) if entry.kind == "directory" else None
            if inside is None:
                return None
            entry = inside
        return entry

    def walk(self, oid: str, prefix: str = "", *, recursive: bool = True) -> Iterator[tuple[str, Entry]]:
        """Files and folders with their names, a folder before what is in it."""
        for name, entry in self.read(oid).items():
            yield prefix + name, entry
            if recursive and entry.kind == "directory":
                yield from self.walk(entry.oid, f"{prefix}{name}/")

    def edit(self, root: str, changes: Mapping[Path, Entry | None]) -> str:
        """The tree with files set or (None) removed. Raises :class:`Refusal`."""
        entries = self.read(root) if root else {}
        below: dict[str, dict[Path, Entry | None]] = {}
        for path, entry in changes.items():
            if len(path) > 1:
                below.setdefault(path[0], {})[path[1:]] = entry
            elif entry is not None:
                if path[0] in entries and entries[path[0]].kind != entry.kind:
                    raise Refusal(400, f"{path[0]!r} is a folder and cannot become a file")
                entries[path[0]] = entry
            elif entries.pop(path[0], None) is None:
                raise Refusal(404, f"A file with this name doesn't exist: {path[0]}", "EntryNotFound")
        for name, inner in below.items():
            old = entries.get(name)
            if old and old.kind != "directory":
                raise Refusal(400, f"{name!r} is a file and cannot hold files")
            oid = self.edit(old.oid if old else "", inner)
            if self.read(oid):
                entries[name] = Entry("directory", oid)
            else:
                entries.pop(name, None)
        if len(entries) > MAX_ENTRIES:
            raise Refusal(400, f"A folder would hold {len(entries)} entries; at most {MAX_ENTRIES} are allowed")
        return self.write(entries)

    def changes(self, old: str, new: str, at: Path = ()) -> dict[Path, Entry | None]:
        """What makes the new tree out of the old one, files only."""
        if old == new:
            return {}
        a, b = self.read(old) if old else {}, self.read(new) if new else {}
        out: dict[Path, Entry | None] = {}
        for name in a.keys() | b.keys():
            x, y = a.get(name), b.get(name)
            if x == y:
                continue
            x_dir, y_dir = (e.oid if e and e.kind == "directory" else "" for e in (x, y))
            if x and not x_dir:
                out[*at, name] = None
            if x_dir or y_dir:
                out.update(self.changes(x_dir, y_dir, (*at, name)))
            if y and not y_dir:
                out[*at, name] = y
        return out

    def merge(self, base: str, ours: str, theirs: str) -> tuple[str, list[str]]:
        """Three ways: the merged tree, and the files that both sides changed differently (then nothing is merged)."""
        mine, new = self.changes(base, ours), self.changes(base, theirs)
        conflicts = sorted("/".join(p) for p in mine.keys() & new.keys() if mine[p] != new[p])
        if conflicts:
            return ours, conflicts
        return self.edit(ours, {p: e for p, e in new.items() if p not in mine}), []
