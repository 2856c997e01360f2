"""The files of a contribution: which there may be, how many, how large. Looked at before any of them is opened."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from fm_hub.contribution.report import Report
from fm_hub.contributions import STATEMENT
from fm_hub.manifest import MANIFEST

__all__ = ["CONFIGS", "check_names", "check_tree", "listed"]

CHECK = "files"
#: The tables that may be contributed. What a model is scored on (`benchmark`) is chosen by who releases.
CONFIGS = ("mcq", "qa", "captions", "sources", "clips", "frames", "tracks", "camera", "keypoints", "contacts", "facts")
REQUIRED = (MANIFEST, STATEMENT)
MAX_FILES = 9_000  # the Hub allows 10,000 in a folder
MAX_BYTES = 20 << 30
MAX_CLIP = 200 << 20
MAX_TABLE = 200 << 20
MAX_JSON = 8 << 20
_TABLE = re.compile(rf"(?:{'|'.join(CONFIGS)})/(?:train|validation|test)-00000\.parquet")
_VIDEO = re.compile(r"videos/([0-9a-f]{2})/(\1[0-9a-f]{22})\.mp4")
_MAGIC = {".parquet": (0, b"PAR1"), ".mp4": (4, b"ftyp"), ".json": (0, b"{")}


def listed(root: Path, report: Report) -> dict[str, int]:
    """The files of a folder with their sizes; what is no plain file of its own is refused. No link is followed."""
    sizes: dict[str, int] = {}
    for folder, folders, files in os.walk(root, followlinks=False):
        for name in (*folders, *files):
            path = Path(folder) / name
            at = path.relative_to(root).as_posix()
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                report.refuse(CHECK, at, "is a link")
            elif stat.S_ISREG(status.st_mode):
                sizes[at] = status.st_size
                if status.st_nlink > 1:
                    report.refuse(CHECK, at, "is a hard link: the same file has another name elsewhere")
                if status.st_mode & 0o111:
                    report.refuse(CHECK, at, "may be executed; take that right away")
            elif not stat.S_ISDIR(status.st_mode):
                report.refuse(CHECK, at, "is no plain file")
            if len(sizes) > MAX_FILES:
                report.refuse(CHECK, "", f"more than {MAX_FILES} files")
                return sizes
    return sizes


def check_names(sizes: Mapping[str, int], report: Report) -> None:
    """Only the files that a contribution consists of, of sizes that can be handled, and all that it needs."""
    report.checked.append(CHECK)
    folded: dict[str, str] = {}
    for name, size in sizes.items():
        twin = folded.setdefault(name.casefold(), name)
        if twin != name:
            report.refuse(CHECK, name, "differs from another file in capital letters only")
        limit = _limit(name)
        if limit is None:
            report.refuse(CHECK, name, _why_not(name))
        elif not size:
            report.refuse(CHECK, name, "is empty")
        elif size > limit:
            report.refuse(CHECK, name, f"has {size} bytes; at most {limit} are allowed")
    if len(sizes) > MAX_FILES:
        report.refuse(CHECK, "", f"{len(sizes)} files; at most {MAX_FILES} are allowed")
    if sum(sizes.values()) > MAX_BYTES:
        report.refuse(CHECK, "", f"{sum(sizes.values())} bytes in all; at most {MAX_BYTES} are allowed")
    for name in REQUIRED:
        if name not in sizes:
            report.refuse(CHECK, name, "is missing")
    for config in ("clips", "frames", "sources"):
        if not any(n.startswith(f"{config}/") for n in sizes):
            report.refuse(CHECK, config, "the table is missing")


def _limit(name: str) -> int | None:
    if name in REQUIRED:
        return MAX_JSON
    if _TABLE.fullmatch(name):
        return MAX_TABLE
    return MAX_CLIP if _VIDEO.fullmatch(name) else None


def _why_not(name: str) -> str:
    if name.startswith(("/", "~")) or ".." in name.split("/") or "\\" in name:
        return "leads out of the folder"
    if name.startswith(("benchmark/", "benchmark_videos/")):
        return "the benchmark is not open to contributions; leave it out"
    if not name.isascii():
        return "its name has other characters than a contribution's files have"
    return "is no file of a contribution: manifest, statement, tables and videos/xx/<hash>.mp4 only"


def check_tree(root: Path, sizes: Mapping[str, int], report: Report) -> None:
    """Every file begins as its type does (what only pretends to be one is refused), and is ours to read."""
    for name in sizes:
        at, magic = _MAGIC[Path(name).suffix]
        try:
            with open(root / name, "rb") as f:
                begins = f.read(at + len(magic))[at:]
        except OSError as e:
            report.refuse(CHECK, name, f"cannot be read: {e.strerror}")
            continue
        if begins != magic:
            report.refuse(CHECK, name, f"is no {Path(name).suffix[1:]} file, whatever its name says")
