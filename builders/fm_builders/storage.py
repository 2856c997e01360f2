"""Where the work of a build is kept: a folder of this machine, or any place that fsspec can reach.

Both keep files whole: a name holds all of what was written, or what it held before. Names are relative and
use ``/``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from fm_hub.errors import UserError

__all__ = ["Appender", "Bucket", "Folder", "Storage", "open_storage", "write_atomic"]

SEGMENT = 64  # lines: what cannot be appended to is written again, so it is kept small


class Appender(Protocol):
    """A growing file with one writer."""

    def add(self, line: bytes) -> None:
        """Append a line, at once and in one piece."""

    def close(self) -> None:
        """Force it to disk."""


class Storage(Protocol):
    """Named files. Reading what is not there gives None; all else that fails raises :class:`OSError`."""

    location: str

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, or None."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""

    def names(self, under: str) -> Iterator[tuple[str, int]]:
        """(name, bytes) of every file under a folder."""

    def delete(self, name: str) -> None:
        """Remove a file; it may be gone already."""

    def adopt(self, path: Path, name: str) -> None:
        """Move a finished file of this machine here."""

    def place(self, name: str, dest: Path) -> bool:
        """Put a copy (or a second name) of a file at ``dest``; False if there is none."""

    def local(self, name: str) -> Any:
        """``with storage.local(name) as path``: a file of this machine with these bytes."""

    def appender(self, name: str) -> Appender:
        """A new file to append lines to."""


def open_storage(location: str | Path) -> Storage:
    """A folder by its path, anything else by its URL (``s3://bucket/work``, ``file:///...``)."""
    text = str(location)
    return Bucket(text) if "://" in text else Folder(Path(text))


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: tmp beside it, fsync, rename."""
    tmp = _beside(path)
    try:
        try:
            f = open(tmp, "wb")  # noqa: SIM115 - closed below
        except FileNotFoundError:  # rarely; asking first would cost every write
            path.parent.mkdir(parents=True, exist_ok=True)
            f = open(tmp, "wb")  # noqa: SIM115
        with f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(tmp, path)
    except OSError:
        tmp.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")


class Folder:
    """Files of this machine, or of a disk that several machines share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, or None."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a file: tmp, fsync, rename."""
        write_atomic(self.root / name, data)

    def names(self, under: str) -> Iterator[tuple[str, int]]:
        """(name, bytes) of every file under a folder; half-written ones are none."""
        folders = [under]
        while folders:
            folder = folders.pop()
            try:
                entries = list(os.scandir(self.root / folder))
            except FileNotFoundError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{folder}/{entry.name}")
                elif not entry.name.startswith("."):
                    yield f"{folder}/{entry.name}", entry.stat().st_size

    def delete(self, name: str) -> None:
        """Remove a file."""
        (self.root / name).unlink(missing_ok=True)

    def adopt(self, path: Path, name: str) -> None:
        """Rename a finished file into place; it must lie on the same disk to be quick."""
        dest = self.root / name
        dest.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(path, dest)
        except OSError:  # another disk
            write_atomic(dest, path.read_bytes())
            path.unlink()

    def place(self, name: str, dest: Path) -> bool:
        """A second name for the file where the disk allows that, else a copy."""
        source = self.root / name
        dest.parent.mkdir(parents=True, exist_ok=True)
        tmp = _beside(dest)
        try:
            try:
                os.link(source, tmp)
            except FileNotFoundError:
                return False
            except OSError:
                shutil.copyfile(source, tmp)
            os.replace(tmp, dest)
        finally:
            tmp.unlink(missing_ok=True)  # renaming one name of a file onto another of its names leaves both
        return True

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """The file itself."""
        yield self.root / name

    def appender(self, name: str) -> Appender:
        """A file in append mode; other writers use other files."""
        return _FileAppender(self.root / name)


class _FileAppender:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)

    def add(self, line: bytes) -> None:
        """One write, which a kill cannot tear; a lost machine may lose the last seconds, not the work behind them."""
        if os.write(self._fd, line) != len(line):
            raise OSError(28, os.strerror(28))  # a short write: the disk is full

    def close(self) -> None:
        """Force it to disk."""
        os.fsync(self._fd)
        os.close(self._fd)


class Bucket:
    """Files behind a URL, through fsspec. An object store replaces a file whole; every file is checked when read."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.location = url
        try:
            self.fs, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as e:
            raise UserError(f"{url}: {e}") from None
        self.root = root.rstrip("/")

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, or None."""
        try:
            data: bytes = self.fs.cat_file(self._at(name))
        except FileNotFoundError:
            return None
        return data

    def write(self, name: str, data: bytes) -> None:
        """Put a file."""
        self.fs.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
        self.fs.pipe_file(self._at(name), data)

    def names(self, under: str) -> Iterator[tuple[str, int]]:
        """(name, bytes) of every file under a folder, listed anew."""
        self.fs.invalidate_cache()
        try:
            found = self.fs.find(self._at(under), detail=True)
        except FileNotFoundError:
            return
        for path, info in found.items():
            yield path[path.index(self.root) + len(self.root) + 1 :], int(info.get("size") or 0)

    def delete(self, name: str) -> None:
        """Remove a file."""
        try:
            self.fs.rm_file(self._at(name))
        except FileNotFoundError:
            return

    def adopt(self, path: Path, name: str) -> None:
        """Upload a finished file and remove it here."""
        self.fs.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
        self.fs.put_file(str(path), self._at(name))
        path.unlink()

    def place(self, name: str, dest: Path) -> bool:
        """Download a file."""
        dest.parent.mkdir(parents=True, exist_ok=True)
        tmp = _beside(dest)
        try:
            self.fs.get_file(self._at(name), str(tmp))
            os.replace(tmp, dest)
        except FileNotFoundError:
            return False
        finally:
            tmp.unlink(missing_ok=True)
        return True

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A copy that is gone after the block."""
        with tempfile.TemporaryDirectory(prefix="fm-hub-") as folder:
            path = Path(folder) / Path(name).name
            self.place(name, path)
            yield path

    def appender(self, name: str) -> Appender:
        """Lines in a row of small files, the last of which is written again with each line."""
        return _Segments(self, name)


class _Segments:
    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket, self._name = bucket, name
        self._segment, self._lines = 0, list[bytes]()

    def add(self, line: bytes) -> None:
        """Write the last file again, with the line."""
        if len(self._lines) >= SEGMENT:
            self._segment, self._lines = self._segment + 1, []
        self._lines.append(line)
        stem, dot, suffix = self._name.rpartition(".")
        self._bucket.write(f"{stem}-{self._segment:06d}{dot}{suffix}", b"".join(self._lines))

    def close(self) -> None:
        """Nothing is left to write."""
