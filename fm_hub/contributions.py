"""Contributions: the statement that comes with each (``contribution.json``), and what a dataset holds of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fm_hub.errors import BadDataset
from fm_hub.tables import read_table

__all__ = [
    "FOLDER",
    "OPEN_LICENSES",
    "RESTRICTED_LICENSES",
    "STATEMENT",
    "Statement",
    "counted",
    "credit_rows",
    "folder_of",
    "parse_statement",
    "row_id",
]

FOLDER = "contrib"
STATEMENT = "contribution.json"
USER = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9])?"
SLUG = r"[a-z0-9][a-z0-9_]{0,39}"  # no hyphen, so that the last one of a folder's name ends the user
IN_FOLDER = re.compile(rf"{FOLDER}/(?P<user>{USER})-(?P<slug>{SLUG})/")
ROW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: Free to copy, change and redistribute, also for money; spelled as the Hub does.
OPEN_LICENSES = frozenset(
    (
        *("apache-2.0", "bsd-3-clause", "mit", "cc0-1.0", "pddl", "odc-by", "odbl", "cdla-permissive-2.0"),
        *("cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-2.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
    )
)
#: Known, but not for every use: a person decides.
RESTRICTED_LICENSES = frozenset(("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"))
LEAST = 12  # characters of a statement that says anything


class Statement(BaseModel):
    """What a contributor states. ``clips`` are the ids of all clips of the folder, for credit and for removal."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = Field(default=1, ge=1, le=1)
    repo: str = Field(max_length=200)
    user: str = Field(pattern=rf"^{USER}$")
    slug: str = Field(pattern=rf"^{SLUG}$")
    title: str = Field(min_length=1, max_length=120)
    license: str = Field(max_length=40)
    source: str = Field(min_length=LEAST, max_length=2000)
    consent: str = Field(min_length=LEAST, max_length=2000)
    clips: tuple[str, ...] = Field(min_length=1)
    rows: dict[str, dict[str, int]]
    """For each of mcq, qa and captions: rows by grounding."""

    @field_validator("source", "consent", "title")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if len(value.strip()) < min(LEAST, len(value)) or not value.strip():
            raise ValueError("says nothing")
        return value

    @property
    def name(self) -> str:
        """The name of the folder below ``contrib/``."""
        return f"{self.user}-{self.slug}"

    def text(self) -> str:
        """The file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse_statement(data: bytes, where: str) -> Statement:
    """A statement from its bytes. Raises :class:`BadDataset` in one line; what is wrong is named, not repeated."""
    try:
        return Statement.model_validate_json(data)
    except ValidationError as e:
        error = e.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, error["loc"]))[:80]
        raise BadDataset(f"{where}: {place}: {error['msg']}") from None


def folder_of(path: str) -> str | None:
    """The contribution, ``<user>-<slug>``, that a path of a repository lies in; None if in none.

    >>> folder_of("contrib/eve-kitchen/mcq/train-00000.parquet")
    'eve-kitchen'
    """
    found = IN_FOLDER.match(path)
    return f"{found['user']}-{found['slug']}" if found else None


def row_id(name: str, own: str) -> str:
    """The id of a row that no claim proves: the contributor's own, in the contribution's name space."""
    return f"{name}:{own}"


def credit_rows(root: Path) -> list[dict[str, Any]]:
    """The contributions that a dataset folder credits: who gave what, and the clips and rows that it holds of them.

    Rows (of mcq, qa and captions) are counted by grounding, from the tables; what contributors wrote is made safe for
    a cell of a Markdown table. Raises :class:`BadDataset`.
    """
    paths = sorted((root / FOLDER).glob(f"*/{STATEMENT}"))
    statements = [parse_statement(p.read_bytes(), p.relative_to(root).as_posix()) for p in paths]
    if not statements:
        return []
    home = {clip: i for i, s in enumerate(statements) for clip in s.clips}
    counts: list[Counter[str]] = [Counter() for _ in statements]
    for config in ("clips", "mcq", "qa", "captions"):
        table = read_table(root, config)
        names = ["clip_id"] if config == "clips" else ["clip_id", "grounding"]
        for row in table.select(names).to_pylist() if table.num_rows else ():
            if row["clip_id"] in home:
                counts[home[row["clip_id"]]][row.get("grounding", "clips")] += 1
    kinds = ("clips", "facts", "model", "human")
    said = [{k: _cell(getattr(s, k)) for k in ("title", "user", "license", "source")} for s in statements]
    return [{**texts, **{k: n[k] for k in kinds}} for texts, n in zip(said, counts, strict=True)]


def _cell(text: str) -> str:
    """Foreign text for a cell of a Markdown table: one line without markup, links or mentions."""
    line = " ".join(re.sub(r"[^\w .,:;/+()'\"?!%&-]", " ", text).split())
    return line.replace("://", ": ").replace("&", "and")[:160]


def counted(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Rows by grounding."""
    out: dict[str, int] = {}
    for row in rows:
        out[row["grounding"]] = out.get(row["grounding"], 0) + 1
    return dict(sorted(out.items()))
