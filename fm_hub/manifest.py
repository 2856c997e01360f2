"""``fm_hub.json``: what a dataset folder holds, to the byte."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from fm_hub.claims import CLAIMS_VERSION
from fm_hub.content import content_sha256
from fm_hub.errors import BadDataset
from fm_hub.schemas import SCHEMA_VERSION
from fm_hub.wording import WORDING_VERSION

__all__ = [
    "FETCH",
    "MANIFEST",
    "FileInfo",
    "Manifest",
    "OtherSchema",
    "Written",
    "file_sha256",
    "parse_manifest",
    "published_files",
    "read_manifest",
    "write_manifest",
    "write_text",
]

MANIFEST = "fm_hub.json"
FETCH = "fetch.jsonl"


class OtherSchema(BadDataset):
    """A manifest of another schema MAJOR."""


class FileInfo(BaseModel):
    """A published file: SHA-256 and size in bytes."""

    model_config = ConfigDict(frozen=True)
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Written:
    """A table as it was written: its rows, the hash of its content, and its files relative to the dataset's root.

    ``hashes`` are those of its files, where whoever wrote them has hashed them.
    """

    rows: int
    content: str
    files: tuple[str, ...]
    hashes: Mapping[str, FileInfo] = field(default_factory=dict)

    @classmethod
    def whole(cls, config: str, split: str, table: pa.Table) -> Written:
        """A table that lies in one file."""
        return cls(table.num_rows, content_sha256(table), (f"{config}/{split}-00000.parquet",))


class Manifest(BaseModel):
    """The manifest. Keys that a reader does not know are ignored within a schema MAJOR."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    schema_version: str = SCHEMA_VERSION
    claims_version: int = CLAIMS_VERSION
    wording_version: int = WORDING_VERSION
    data_version: str
    generator: str
    recipe: dict[str, Any]
    models: list[str]
    counts: dict[str, dict[str, int]]
    dropped: dict[str, int]
    files: dict[str, FileInfo] = {}
    content_sha256: dict[str, str]
    shards: dict[str, dict[str, str]]
    repo: str = ""
    videos: bool = True
    """Whether the clips are published with it; without them, ``fetch.jsonl`` says how to make them."""
    redacted: tuple[str, ...] = ()
    accuracy: dict[str, Any] = {}
    """How right such labels are on clips whose truth is exact: ``figures[] command seed date version``; or nothing."""
    language: dict[str, Any] = {}
    """Where a language model worded rows: which, its prompts, and how every text ended."""

    @classmethod
    def measured(
        cls,
        tables: Mapping[tuple[str, str], pa.Table | Written],
        *,
        data_version: str,
        generator: str,
        recipe: dict[str, Any],
        models: list[str],
        dropped: dict[str, int],
        repo: str,
        videos: bool = True,
        language: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """The manifest of tables that were just written; files are hashed by :func:`write_manifest`."""
        counts: dict[str, dict[str, int]] = {}
        content: dict[str, list[str]] = {}
        shards: dict[str, dict[str, str]] = {}
        for (config, split), table in sorted(tables.items()):
            written = table if isinstance(table, Written) else Written.whole(config, split, table)
            counts.setdefault(config, {})[split] = written.rows
            content.setdefault(config, []).append(written.content)
            shards.setdefault(config, {}).update(dict.fromkeys(written.files, data_version))
        digests = {c: hashlib.sha256("".join(x).encode()).hexdigest() for c, x in content.items()}
        return cls(
            data_version=data_version,
            generator=generator,
            recipe=recipe,
            models=models,
            counts=counts,
            dropped=dropped,
            content_sha256=digests,
            shards=shards,
            repo=repo,
            videos=videos,
            language=dict(language or {}),
        )


def file_sha256(path: Path) -> FileInfo:
    """Hash a file in bounded memory."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
            size += len(block)
    return FileInfo(sha256=digest.hexdigest(), bytes=size)


def published_files(root: Path) -> list[Path]:
    """The files of a dataset folder that are published, but for the manifest itself."""
    found = list[Path]()
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f != ".fm_hub"]  # a build keeps several files a clip there
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(p for p in found if p != root / MANIFEST and p.is_file())


def write_manifest(root: Path, manifest: Manifest, known: Mapping[str, FileInfo] | None = None) -> Manifest:
    """Hash every published file, but for those just hashed, and write the manifest, whole or not at all."""
    known = known or {}
    names = {p.relative_to(root).as_posix(): p for p in published_files(root)}
    files = {name: known.get(name) or file_sha256(path) for name, path in names.items()}
    full = manifest.model_copy(update={"files": files})
    text = json.dumps(full.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_text(root / MANIFEST, text)
    return full


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all: tmp beside it, fsync, rename."""
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(tmp, "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.replace(tmp, path)


def read_manifest(root: Path) -> Manifest:
    """Read a dataset's manifest. Raises :class:`BadDataset`, in one line."""
    path = root / MANIFEST
    if not path.is_file():
        raise BadDataset(
            f"{root}: not a dataset of fm-hub (no {MANIFEST}); make one with: fm-hub build VIDEO -o {root}"
        )
    return parse_manifest(path.read_bytes(), str(path))


def parse_manifest(data: bytes, where: str) -> Manifest:
    """A manifest from its bytes; ``where`` is for the message of :class:`BadDataset`."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as e:
        error = e.errors()[0]
        raise BadDataset(f"{where}: {'.'.join(map(str, error['loc']))}: {error['msg']}") from None
    major = manifest.schema_version.partition(".")[0]
    if major != SCHEMA_VERSION.partition(".")[0]:
        raise OtherSchema(
            f"{where}: schema version {manifest.schema_version}; this fm-hub reads {SCHEMA_VERSION.partition('.')[0]}.x"
        )
    return manifest
