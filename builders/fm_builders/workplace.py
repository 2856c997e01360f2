"""``<output>/.fm_hub``: the lock, what is being built, and (unless a URL is named) the store."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fm_builders.recipe import Recipe
from fm_builders.sources import Found, Input
from fm_builders.storage import write_atomic
from fm_hub.errors import BadOutput
from fm_hub.manifest import MANIFEST
from fm_hub.tables import read_records

__all__ = ["Plan", "Workplace", "work_folder"]


def work_folder(out: Path) -> Path:
    """Where a build keeps what it does not publish."""
    return out / ".fm_hub"


@dataclass(frozen=True)
class Plan:
    """What a folder is built from: sources, recipe, the place of the store, and whether videos are published.

    ``drop`` are the ids of questions that stay out of the benchmark.
    """

    sources: tuple[Input, ...]
    recipe: Recipe
    store: str
    videos: bool = True
    drop: frozenset[str] = frozenset()


class Workplace:
    """The work folder of one output."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = work_folder(out)
        self.own_store = str(self.folder.absolute())

    def store(self, named: str | None) -> str:
        """The place of the store: as named now, else as before, else within the folder."""
        if named:
            return named if "://" in named else str(Path(named).absolute())
        try:
            return self.load().store
        except BadOutput:
            return self.own_store

    def save(self, plan: Plan) -> None:
        """Remember the plan for ``status``, ``compose``, ``retry`` and ``gc``."""
        rows = (json.dumps(_row(s), sort_keys=True) for s in plan.sources)
        store = "" if plan.store == self.own_store else plan.store  # a folder that is moved finds its own store
        head = {"recipe": plan.recipe.model_dump(mode="json"), "store": store, "videos": plan.videos}
        head["drop"] = sorted(plan.drop)
        try:
            write_atomic(self.folder / "sources.jsonl", "".join(f"{r}\n" for r in rows).encode())
            write_atomic(self.folder / "plan.json", json.dumps(head, indent=1, sort_keys=True).encode())
        except OSError as e:
            raise BadOutput(f"{self.out}: cannot be written: {e.strerror}") from None

    def load(self) -> Plan:
        """The plan. Raises :class:`BadOutput` where nothing was annotated, or its file is damaged."""
        try:
            head = json.loads((self.folder / "plan.json").read_bytes())
            lines = (self.folder / "sources.jsonl").read_bytes().splitlines()
            sources = tuple(_input(json.loads(line)) for line in lines)
            recipe = Recipe.model_validate(head["recipe"])
            drop = frozenset(map(str, head.get("drop", ())))
            return Plan(sources, recipe, head["store"] or self.own_store, bool(head["videos"]), drop)
        except FileNotFoundError:
            raise BadOutput(
                f"{self.out}: nothing is annotated there; start with: fm-hub build VIDEO -o {self.out}"
            ) from None
        except (ValueError, KeyError, TypeError, ValidationError) as e:
            raise BadOutput(f"{self.folder}: damaged ({type(e).__name__}); run the same fm-hub build again") from None

    def check(self, found: Found, *, replace: bool) -> None:
        """Refuse a folder that holds something else, or a dataset of other sources."""
        if self.out.exists() and not self.out.is_dir():
            raise BadOutput(f"{self.out}: is a file; give -o a folder")
        if not self.out.is_dir() or not any(self.out.iterdir()):
            return
        if not (self.out / MANIFEST).exists() and not self.folder.is_dir():
            raise BadOutput(
                f"{self.out}: holds something that is not a dataset of fm-hub; give -o an empty or new folder"
            )
        gone = sorted(self._names() - {s.name for s in found.sources})
        if gone and not replace:
            raise BadOutput(
                f"{self.out}: holds a dataset with {len(gone)} source(s) that are not given now ({', '.join(gone[:3])}"
                f"{', …' if len(gone) > 3 else ''}); give them too, choose another -o, or say --replace"
            )

    def _names(self) -> set[str]:
        """The sources of what is built, or half built, there."""
        if (self.out / MANIFEST).exists():
            return {s.name for s in read_records(self.out, "sources")}
        try:
            return {s.name for s in self.load().sources}
        except BadOutput:
            return set()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One build a folder at a time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / "lock", "w")  # noqa: SIM115 - held until the end of the block
        except OSError as e:
            raise BadOutput(f"{self.out}: cannot be written: {e.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BadOutput(
                    f"{self.out}: another build is at work there; wait for it, or choose another -o"
                ) from None
            yield


def _row(s: Input) -> dict[str, Any]:
    spans = [[t0, t1 if math.isfinite(t1) else None] for t0, t1 in s.spans]
    return {"uri": s.uri, "name": s.name, "license": s.license, "origin": s.origin, "spans": spans, "stamp": s.stamp}


def _input(row: dict[str, Any]) -> Input:
    spans = tuple((t0, math.inf if t1 is None else t1) for t0, t1 in row["spans"])
    stamp = tuple(row["stamp"]) if row["stamp"] else None
    return Input(row["uri"], row["name"], row["license"], row["origin"], spans, stamp)
