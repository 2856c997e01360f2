"""From what the user names to the list of source videos."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from fm_builders.source_lists import Listed, read_list, read_manifest_of_sources
from fm_hub.errors import UserError

__all__ = ["EXTENSIONS", "Found", "Input", "find_sources"]

EXTENSIONS = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv")
)
HUB = "hf://"


@dataclass(frozen=True)
class Input:
    """One source video: where it is (a path, or ``hf://datasets/...``) and what is known of it beforehand.

    ``name`` is what is published of its place. ``origin`` is the video that the file was cut from, in the user's own
    words (a URL, an id): files of one origin share a split. ``spans`` are the parts to use, seconds; none means all.
    """

    uri: str
    name: str
    license: str = ""
    origin: str = ""
    spans: tuple[tuple[float, float], ...] = ()
    stamp: tuple[int, ...] | None = None

    def stamped(self) -> Input:
        """With what changes when the file changes: its size and times; None where that cannot be told."""
        try:
            s = os.stat(self.uri)
        except (OSError, ValueError):
            return replace(self, stamp=None)
        return replace(self, stamp=(s.st_size, s.st_mtime_ns, s.st_ctime_ns))


@dataclass(frozen=True)
class Found:
    """The sources, the number of files in folders that are no videos by name, and what else was not used."""

    sources: tuple[Input, ...]
    passed_over: int = 0
    notes: tuple[str, ...] = field(default=())


def find_sources(given: Sequence[str], out: Path | None = None) -> Found:
    """Find what the user names: files, folders, globs, lists, manifests, datasets of the Hub.

    A file is taken as it is. A folder is searched to the bottom for names that end like a video; hidden folders,
    and the folder ``out`` that is to be built, are not. ``*``, ``?`` and ``**`` are globs. ``FILE.txt`` is a list, one
    source a line; ``FILE.jsonl`` and ``FILE.parquet`` are manifests (:mod:`fm_builders.source_lists`).
    ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]`` is a dataset repository with video files.

    The published name is relative to what was named, so that no part of the machine's paths is published.
    Raises :class:`UserError` for a name that does not exist at all, or where nothing was found.
    """
    search = _Search(out)
    for text in given:
        search.add(text)
    if not search.found:
        raise UserError(f"no video in {', '.join(given)} (looked for {', '.join(sorted(EXTENSIONS))})")
    sources = tuple(source.stamped() for source in _distinct(search.found.values()))
    return Found(sources, search.passed_over, tuple(search.notes))


class _Search:
    def __init__(self, out: Path | None) -> None:
        self.out = out
        self.found: dict[str, Input] = {}
        self.passed_over = 0
        self.notes: list[str] = []

    def add(self, text: str) -> None:
        path = Path(text)
        if text.startswith(HUB):
            self._hub(text)
        elif path.is_dir():
            self._folder(path)
        elif path.suffix.lower() == ".txt" and path.is_file():
            self._listed(path, read_list(path))
        elif path.suffix.lower() in (".jsonl", ".parquet") and path.is_file():
            listed, unused = read_manifest_of_sources(path)
            self._listed(path, listed)
            if unused:
                self.notes.append(f"{path.name}: columns that are not used: {', '.join(unused)}")
        elif path.exists() or path.is_symlink():
            self._file(path, path.name)
        elif glob.has_magic(text):
            self._glob(text)
        else:
            raise UserError(f"{text}: no such file or folder")

    def _file(self, path: Path, name: str) -> None:
        uri = str(path.absolute())
        self.found.setdefault(uri, Input(uri, _text(name)))

    def _video(self, path: Path, name: str) -> None:
        """A file that was found, not named: only if it is called like a video."""
        if path.suffix.lower() in EXTENSIONS:
            self._file(path, name)
        else:
            self.passed_over += 1

    def _folder(self, folder: Path) -> None:
        for file in sorted(folder.rglob("*")):
            inner = file.relative_to(folder)
            hidden = any(part.startswith(".") for part in inner.parts)
            if (file.is_dir() and not file.is_symlink()) or hidden or _under(file, self.out):
                continue
            self._video(file, inner.as_posix())

    def _glob(self, text: str) -> None:
        fixed = Path(*_fixed_parts(Path(text)))
        for match in sorted(glob.glob(text, recursive=True)):
            path = Path(match)
            if path.is_file() and not _under(path, self.out):
                self._video(path, path.relative_to(fixed).as_posix())

    def _hub(self, text: str) -> None:
        from fm_builders.hub_sources import list_videos

        for uri, name in list_videos(text, EXTENSIONS):
            self.found.setdefault(uri, Input(uri, name))

    def _listed(self, where: Path, listed: Sequence[Listed]) -> None:
        """Rows of one file are one source with several spans."""
        rows: dict[str, list[Listed]] = {}
        for row in listed:
            uri = row.video if row.video.startswith(HUB) else str((where.parent / row.video).absolute())
            rows.setdefault(uri, []).append(row)
        for uri, same in rows.items():
            first = same[0]
            for row in same:
                if (row.license, row.origin) != (first.license, first.origin):
                    raise UserError(f"{row.where}: {row.video} has another license or source_id than in {first.where}")
            whole = any(row.span is None for row in same)
            spans = () if whole else tuple(sorted({row.span for row in same if row.span is not None}))
            told = Input(uri, _text(_name(first.video)), first.license, first.origin, spans)
            before = self.found.setdefault(uri, told)
            if before == Input(uri, before.name):  # named before without a word about it
                self.found[uri] = replace(told, name=before.name)
            elif replace(before, name="") != replace(told, name=""):
                raise UserError(f"{first.where}: {first.video} was named before with other license, source_id or parts")


def _fixed_parts(path: Path) -> Iterator[str]:
    """The part of a glob before its first wildcard."""
    for part in path.parts:
        if glob.has_magic(part):
            return
        yield part


def _name(video: str) -> str:
    """What is published of a path in a list: relative ones as they are, of others the last part."""
    path = PurePosixPath(video.removeprefix(HUB))
    inner = not path.is_absolute() and ".." not in path.parts
    return str(path) if inner else path.name


def _under(file: Path, out: Path | None) -> bool:
    return out is not None and out.absolute() in file.absolute().parents


def _text(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are spelt out, so that the name can be stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _distinct(found: Iterable[Input]) -> Iterator[Input]:
    """Names are made distinct by a number, in the order of the inputs: an id may depend on a name."""
    seen: dict[str, int] = {}
    for source in found:
        seen[source.name] = seen.get(source.name, 0) + 1
        n = seen[source.name]
        yield source if n == 1 else replace(source, name=f"{source.name}#{n}")
