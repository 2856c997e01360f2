"""What a release will change on the Hub, to be looked at before anything is sent."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fm_hub.contributions import folder_of
from fm_hub.errors import Conflict
from fm_hub.manifest import MANIFEST, Manifest
from fm_hub.release.growth import Before
from fm_hub.release.remote import Blob
from fm_hub.release.stage import Staged
from fm_hub.release.versions import Level

__all__ = ["Plan", "make_plan", "manifest_diff"]

CARD_LINES = 12


@dataclass(frozen=True)
class Plan:
    """Files to send and to remove, and what that means for the rows."""

    repo: str
    version: str
    last: str
    level: Level
    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    bytes: int
    rows: dict[str, dict[str, Any]]
    card: tuple[str, ...] = field(default=())

    @property
    def send(self) -> tuple[str, ...]:
        """The files that go up."""
        return (*self.new, *self.changed)

    @classmethod
    def of(cls, noted: dict[str, Any]) -> Plan:
        """The plan that a journal noted."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in noted.items()}
        return cls(**fields)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.repo}: {self.version} after {self.last or 'nothing'} (what changed asks for: {self.level})"
        n = len(self.send)
        yield f"  {n} file(s) to send, {self.bytes / 1e6:.1f} MB: {len(self.new)} new, {len(self.changed)} changed"
        for name in (*self.send[:10], *(("…",) if n > 10 else ())):
            yield f"    + {name}"
        for name in (*self.gone[:10], *(("…",) if len(self.gone) > 10 else ())):
            yield f"    - {name}"
        for config, c in self.rows.items():
            if c["added"] or c["changed"] or c["gone"] or c["columns"]:
                lost = f", columns lost: {', '.join(c['columns'])}" if c["columns"] else ""
                yield f"  {config}: {c['rows']} rows (+{c['added']} ~{c['changed']} -{c['gone']}){lost}"
        yield from (f"  card: {line}" for line in self.card[:CARD_LINES])


def make_plan(
    staged: Staged,
    repo: str,
    before: Before | None,
    last: str,
    there: Mapping[str, Blob],
    on_main: Manifest | None,
    folded: frozenset[str] = frozenset(),
) -> Plan:
    """Compare a staged tree with what lies at the head of main, whose manifest is ``on_main``.

    ``folded`` are the contributions on main whose rows are in the tree.

    Raises :class:`Conflict` if there are files that no release put there: they would be lost, or published unverified.
    """
    ours = {*(on_main.files if on_main else ()), MANIFEST, "README.md"}
    strange = sorted(n for n in there.keys() - ours if folder_of(n) not in folded)
    if strange:
        names = f"{', '.join(strange[:3])}{', …' if len(strange) > 3 else ''}"
        raise Conflict(
            f"{repo}: main holds {len(strange)} file(s) that no release put there ({names}); remove them first"
        )
    files = staged.files
    new = sorted(files.keys() - there.keys())
    changed = sorted(n for n in files.keys() & there.keys() if not there[n].is_file(staged.root / n, files[n]))
    card = before.root / "README.md" if before else None
    return Plan(
        repo=repo,
        version=staged.manifest.data_version,
        last=last,
        level=staged.level,
        new=tuple(new),
        changed=tuple(changed),
        gone=tuple(sorted(there.keys() - files.keys())),
        bytes=sum((staged.root / n).stat().st_size for n in (*new, *changed)),
        rows={c: vars(change) for c, change in staged.changes.items()},
        card=tuple(_card_diff(card, staged.root / "README.md")) if card and card.is_file() else (),
    )


def _card_diff(old: Path, new: Path) -> list[str]:
    a, b = (p.read_text(encoding="utf-8").splitlines() for p in (old, new))
    found = [x for x in difflib.unified_diff(a, b, n=0, lineterm="") if x[:3] not in ("+++", "---", "@@ ")]
    return [x for x in found if "description: rows" not in x]  # the hashes of rows: the counts say more


def manifest_diff(a: Manifest, b: Manifest) -> dict[str, Any]:
    """What is different between two datasets, from their manifests alone."""
    files = a.files.keys() | b.files.keys()
    changed = [n for n in files if n in a.files and n in b.files and a.files[n].sha256 != b.files[n].sha256]
    configs = sorted(a.counts.keys() | b.counts.keys())
    rows = {c: [sum(m.counts.get(c, {}).values()) for m in (a, b)] for c in configs}
    plain = ("data_version", "schema_version", "claims_version", "wording_version", "generator", "models", "recipe")
    return {
        "versions": [a.data_version, b.data_version],
        "fields": {k: [getattr(a, k), getattr(b, k)] for k in plain if getattr(a, k) != getattr(b, k)},
        "files": {
            "new": sorted(b.files.keys() - a.files.keys()),
            "changed": sorted(changed),
            "gone": sorted(a.files.keys() - b.files.keys()),
        },
        "bytes": sum(i.bytes for n, i in b.files.items() if n in changed or n not in a.files),
        "rows": rows,
        "same_rows": [c for c in configs if a.content_sha256.get(c) == b.content_sha256.get(c)],
    }
