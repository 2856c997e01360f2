"""From what the user names to the list of source videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fm_hub.errors import UserError

__all__ = ["Found", "find_sources"]

EXTENSIONS = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv")
)


@dataclass(frozen=True)
class Found:
    """The sources as (path, published name), and the number of files in folders that are no videos by name."""

    sources: tuple[tuple[Path, str], ...]
    passed_over: int


def find_sources(given: Sequence[str], out: Path | None = None) -> Found:
    """Files as they are; folders searched to the bottom for names that end like a video.

    Hidden folders, and the folder ``out`` that is to be built, are not searched.

    The published name is relative to the folder that was named, so that no part of the machine's paths is
    published. Raises :class:`UserError` for a name that does not exist at all, or where nothing was found.
    """
    found: dict[Path, str] = {}
    passed_over = 0
    for text in given:
        path = Path(text)
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                inner = file.relative_to(path)
                hidden = any(part.startswith(".") for part in inner.parts)
                if (file.is_dir() and not file.is_symlink()) or hidden or _under(file, out):
                    continue
                if file.suffix.lower() in EXTENSIONS:
                    found.setdefault(file, _text(inner.as_posix()))
                else:
                    passed_over += 1
        elif path.exists() or path.is_symlink():
            found.setdefault(path, _text(path.name))
        else:
            raise UserError(f"{text}: no such file or folder")
    if not found:
        raise UserError(f"no video in {', '.join(given)} (looked for {', '.join(sorted(EXTENSIONS))})")
    return Found(tuple(_distinct(found)), passed_over)


def _under(file: Path, out: Path | None) -> bool:
    return out is not None and out.absolute() in file.absolute().parents


def _text(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are spelt out, so that the name can be stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _distinct(found: dict[Path, str]) -> list[tuple[Path, str]]:
    """Names are made distinct by a number, in the order of the paths: an id may depend on a name."""
    seen: dict[str, int] = {}
    out = []
    for path, name in found.items():
        seen[name] = seen.get(name, 0) + 1
        out.append((path, name if seen[name] == 1 else f"{name}#{seen[name]}"))
    return out
