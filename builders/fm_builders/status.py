"""Where a build stands: all from the ledger. And what of its store nothing needs any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, quantiles

from fm_builders.annotate import Planned, plan, settled_tasks
from fm_builders.given import given_name
from fm_builders.ledger import Entry, Ledger
from fm_builders.store import Store, clip_name
from fm_builders.tasks import Work
from fm_builders.workplace import Workplace
from fm_hub.errors import BadOutput

__all__ = ["STAGES", "Collected", "StageStatus", "Status", "collect_garbage", "status"]

STAGES = ("read", "cut", "perceive", "mirror")


@dataclass(frozen=True)
class StageStatus:
    """One stage: items by status, seconds of wall clock at the 50th and 95th percentile, attempts that failed."""

    ok: int
    failed: int
    to_run: int
    p50_s: float | None
    p95_s: float | None
    lost: int


@dataclass(frozen=True)
class Status:
    """The stages, the failures by reason, sources whose clips are not known yet, workers lately seen, seconds left."""

    stages: dict[str, StageStatus]
    reasons: dict[str, int]
    uncut: int
    workers: int
    eta_s: float | None

    @property
    def over(self) -> bool:
        """Whether nothing is left to run."""
        return not any(s.to_run for s in self.stages.values())


def status(out: Path) -> Status:
    """The state of what is, or was, annotated in ``out``. Raises :class:`~fm_hub.errors.BadOutput` if nothing was."""
    job = Workplace(out).load()
    entries = list(Ledger(Store(job.store).storage).read())
    planned = plan(job.sources, Work(job.recipe, job.store))
    stages = {}
    for stage in STAGES if job.recipe.quality.mirrored_twins else STAGES[:-1]:
        walls = [e.wall_s for e in entries if e.stage == stage and e.status == "ok"]
        p50, p95 = _percentiles(walls)
        lost = sum(e.stage == stage and e.status == "failed" for e in entries) - planned.failed[stage]
        stages[stage] = StageStatus(
            planned.done[stage], planned.failed[stage], planned.to_run[stage], p50, p95, max(0, lost)
        )
    last = max((e.run for e in entries), default=0)
    workers = len({e.worker for e in entries if e.run == last and e.stage != "read"})
    return Status(stages, dict(planned.reasons), planned.uncut, workers, _eta(planned, entries, workers))


def _percentiles(walls: list[float]) -> tuple[float | None, float | None]:
    if not walls:
        return None, None
    cuts = quantiles(walls, n=20, method="inclusive") if len(walls) > 1 else walls * 19
    return cuts[9], cuts[18]


def _eta(planned: Planned, entries: list[Entry], workers: int) -> float | None:
    """What is left, at the mean cost of what was done, over the workers of the last run."""
    walls = {s: [e.wall_s for e in entries if e.stage == s and e.status == "ok"] for s in STAGES}
    clips_a_source = planned.done["perceive"] / max(1, planned.done["cut"])
    todo = {**planned.to_run, "perceive": planned.to_run["perceive"] + round(planned.uncut * clips_a_source)}
    if any(n and not walls[stage] for stage, n in todo.items()):
        return None
    return sum(n * fmean(walls[stage]) for stage, n in todo.items() if n) / max(1, workers)


@dataclass(frozen=True)
class Collected:
    """Files that nothing needs, and their bytes; those that are kept."""

    files: int
    bytes: int
    kept: int


def collect_garbage(out: Path, *, dry_run: bool = False) -> Collected:
    """Remove artifacts and clips that the sources and the recipe of ``out`` do not lead to, and half-written files."""
    place = Workplace(out)
    job = place.load()
    if job.store != place.own_store:
        raise BadOutput(f"{job.store}: may serve other outputs too; gc works on a store within its output folder")
    with place.locked():
        store = Store(job.store)
        left = sum(plan(job.sources, Work(job.recipe, job.store)).to_run.values())
        if left:  # what they lead to is not known yet, and must not be taken for garbage
            raise BadOutput(f"{out}: {left} stage(s) are still to run; finish the build first")
        needed = set(_needed(store, settled_tasks(job.sources, Work(job.recipe, job.store))))
        counts: Counter[str] = Counter()
        if given := job.recipe.perception.given:
            clips = {clip for _, _, clip in settled_tasks(job.sources, Work(job.recipe, job.store)) if clip}
            needed |= {given_name(given, clip) for clip in clips}
        for folder in ("artifacts", "clips", "given", "tmp"):
            for name, size in list(store.storage.names(folder)):
                if name in needed:
                    counts["kept"] += 1
                    continue
                counts["files"] += 1
                counts["bytes"] += size
                if not dry_run:
                    store.storage.delete(name)
    return Collected(counts["files"], counts["bytes"], counts["kept"])


def _needed(store: Store, tasks: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    for stage, key, clip_id in tasks:
        if clip_id:
            yield clip_name(clip_id)
        if stage != "read":
            yield store.name(stage, key)
