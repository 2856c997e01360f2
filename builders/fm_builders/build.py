"""``build``: annotate every source, then compose the dataset. The two steps of the builders as one."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path

from fm_builders.annotate import Annotated, Job, annotate, failed_source, work_folder
from fm_builders.compose import compose
from fm_builders.engines import ENGINES, run
from fm_builders.recipe import Recipe
from fm_builders.sources import Found
from fm_builders.store import Entry, Ledger
from fm_hub.errors import BadOutput, ItemError, UnknownName
from fm_hub.manifest import MANIFEST, Manifest
from fm_hub.progress import bar
from fm_hub.records import Source, content_id
from fm_hub.tables import read_records

__all__ = ["Built", "build"]


@dataclass(frozen=True)
class Built:
    """What a build gave: its manifest, the source rows, and how many stages were found done."""

    manifest: Manifest
    sources: tuple[Source, ...]
    clips: int
    reused: int

    @property
    def passed(self) -> int:
        """Sources that gave at least one clip."""
        return sum(s.status == "ok" for s in self.sources)


def build(
    found: Found, recipe: Recipe, out: Path, *, engine: str = "local", workers: int | None = None, replace: bool = False
) -> Built:
    """Build a dataset from sources into ``out``. Raises :class:`BadOutput` and writes nothing if that is not ours.

    A source that fails is a row with its reason. A build that was stopped goes on where it stopped.
    """
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    _check_output(found, out, replace=replace)
    with _locked(out):
        jobs = [Job(path.absolute(), name, recipe, out.absolute()) for path, name in found.sources]
        results = _annotate_all(jobs, out, engine, workers)
        results = _without_duplicates(results)
        n_clips = len({c.clip_id for a in results for c in a.clips})
        with bar("composing", n_clips) as tick:
            manifest = compose(results, recipe, out, tick=tick)
    return Built(manifest, tuple(a.source for a in results), n_clips, sum(a.reused for a in results))


def _annotate_all(jobs: Sequence[Job], out: Path, engine: str, workers: int | None) -> list[Annotated]:
    results: dict[int, Annotated] = {}
    with Ledger(work_folder(out) / "ledger") as ledger, bar("annotating", len(jobs)) as tick:
        for i, result in run(engine, annotate, jobs, workers=workers):
            if isinstance(result, ItemError):  # the worker itself was lost: only the parent can say so
                name, reason = jobs[i].name, type(result).__name__
                entry = Entry(content_id("source", name), name, "annotate", "", "failed", reason, str(result))
                ledger.add(entry)
                result = Annotated(failed_source(jobs[i], result), (), ())
            results[i] = result
            tick()
    return [results[i] for i in sorted(results)]


def _without_duplicates(results: Sequence[Annotated]) -> list[Annotated]:
    """The same bytes under a second name are one source; the second is a row that says so."""
    seen: dict[str, str] = {}
    out = []
    for a in results:
        s = a.source
        if s.status != "failed" and s.source_id in seen:
            row = replace_fields(
                s,
                source_id=content_id("source", s.name),
                status="filtered",
                reason="Duplicate",
                detail=f"the same bytes as {seen[s.source_id]}",
            )
            out.append(Annotated(row, (), ()))
        else:
            seen.setdefault(s.source_id, s.name)
            out.append(a)
    return out


def _check_output(found: Found, out: Path, *, replace: bool) -> None:
    """Refuse a folder that holds something else, or a dataset of other sources."""
    if out.exists() and not out.is_dir():
        raise BadOutput(f"{out}: is a file; give -o a folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / MANIFEST).exists() and not work_folder(out).is_dir():
        raise BadOutput(f"{out}: holds something that is not a dataset of fm-hub; give -o an empty or new folder")
    if (out / MANIFEST).exists() and not replace:
        names = {name for _, name in found.sources}
        gone = sorted(s.name for s in read_records(out, "sources") if s.name not in names)
        if gone:
            raise BadOutput(
                f"{out}: holds a dataset with {len(gone)} source(s) that are not given now ({', '.join(gone[:3])}"
                f"{', …' if len(gone) > 3 else ''}); give them too, choose another -o, or say --replace"
            )


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One build a folder at a time."""
    try:
        work_folder(out).mkdir(parents=True, exist_ok=True)
        lock = open(work_folder(out) / "lock", "w")  # noqa: SIM115 - held until the end of the block
    except OSError as e:
        raise BadOutput(f"{out}: cannot be written: {e.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadOutput(f"{out}: another build is at work there; wait for it, or choose another -o") from None
        yield
