"""``build``: annotate every source, then compose the dataset. The two steps of the builders, alone and as one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fm_builders.annotate import Annotated, annotate, failures, plan, settled
from fm_builders.compose import Absent, compose
from fm_builders.engines import ENGINES, Limits
from fm_builders.given import Given
from fm_builders.gpu import free_gb
from fm_builders.ledger import Entry, Ledger
from fm_builders.perception_models import gpu_gb
from fm_builders.preflight import preflight
from fm_builders.recipe import GivenTables, Recipe
from fm_builders.sources import Found
from fm_builders.store import Store
from fm_builders.tasks import Work
from fm_builders.workplace import Plan, Workplace
from fm_hub.errors import BadOutput, UnknownName, UserError
from fm_hub.manifest import Manifest
from fm_hub.progress import bar
from fm_hub.records import Source

if TYPE_CHECKING:
    from fm_builders.language import Language

__all__ = ["Built", "Llm", "annotate_sources", "build", "compose_folder", "retry", "with_given"]


@dataclass(frozen=True)
class Llm:
    """A language model on a server, as the command line names it; ``budget`` like ``5usd`` or ``2Mtok``."""

    url: str
    model: str = ""
    budget: str | None = None
    price: str | None = None


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
    found: Found,
    recipe: Recipe,
    out: Path,
    *,
    engine: str = "local",
    limits: Limits | None = None,
    replace: bool = False,
    store: str | None = None,
    videos: bool = True,
    drop: Collection[str] = (),
    given: Given | None = None,
    llm: Llm | None = None,
) -> Built:
    """Build a dataset from sources into ``out``. Raises :class:`BadOutput` and writes nothing if that is not ours.

    A source that fails is a row with its reason. A build that was stopped goes on where it stopped. ``store`` is the
    URL or folder of artifacts, clips and ledger (default: within ``out``). Questions whose id is in ``drop`` stay out
    of the benchmark. ``llm`` names a language model that rewords what is proved.
    """
    place = _admitted(found, out, engine, replace=replace)
    with place.locked():
        job = _saved(place, found, recipe, store, videos=videos, drop=drop, given=given)
        with _opened(llm, place, recipe) as language:  # before anything is annotated: a wrong address is told now
            return _build(place, job, engine, limits or Limits(), language)


def annotate_sources(
    found: Found,
    recipe: Recipe,
    out: Path,
    *,
    engine: str = "local",
    limits: Limits | None = None,
    replace: bool = False,
    store: str | None = None,
    given: Given | None = None,
) -> Annotated:
    """The first half of :func:`build`: what looks at pixels. ``given`` is saved output in place of stages."""
    place = _admitted(found, out, engine, replace=replace)
    with place.locked():
        job = _saved(place, found, recipe, store, given=given)
        return _annotate(job, engine, limits or Limits())


def compose_folder(
    out: Path,
    recipe: Recipe | None = None,
    *,
    videos: bool | None = None,
    drop: Collection[str] | None = None,
    llm: Llm | None = None,
    workers: int | None = None,
) -> Built:
    """The second half of :func:`build`, for what is annotated in ``out``; the sources themselves are not needed.

    ``recipe`` (default: the one annotated with) may ask, word and split otherwise; ``videos`` and ``drop`` are as
    before where they are None. Raises :class:`BadOutput` where a
    source is not annotated as the recipe says.
    """
    place = Workplace(out)
    job = place.load()
    with place.locked():
        job = dataclasses.replace(
            job,
            recipe=with_given(recipe, job.recipe.perception.given) if recipe else job.recipe,
            videos=job.videos if videos is None else videos,
            drop=job.drop if drop is None else frozenset(drop),
        )
        work = Work(job.recipe, job.store)
        annotated = settled(job.sources, work)
        if annotated is None:
            what = ", ".join(f"{n} to {stage}" for stage, n in sorted(plan(job.sources, work).to_run.items()))
            raise BadOutput(f"{out}: not annotated with this recipe ({what}); run fm-hub annotate with it first")
        with _opened(llm, place, job.recipe) as language:
            built = _built(_compose(place, job, annotated, language, workers), annotated)
        place.save(job)  # not before: what was refused is not remembered
        return built


def retry(out: Path, reason: str, *, engine: str = "local", limits: Limits | None = None) -> tuple[int, Built]:
    """Try again what failed for ``reason``, whatever it is and however often it was tried, and compose anew.

    Returns the number of failures that were taken up. Raises :class:`UnknownName` if none has this reason.
    """
    place = Workplace(out)
    job = place.load()
    with place.locked():
        storage = Store(job.store).storage
        with Ledger(storage) as ledger:
            run, failed = failures(job.sources, Work(job.recipe, job.store))
            chosen = [e for e in failed if e.reason == reason]
            if not chosen:
                raise UnknownName("failure with reason", reason, Counter(e.reason for e in failed))
            for e in chosen:
                ledger.add(Entry(e.item, e.name, e.stage, e.key, "retry", reason, run=run + 1, attempts=0))
        # What is gone by now keeps its stamp, and with it what was found of it.
        fresh = ((s, s.stamped()) for s in job.sources)
        job = dataclasses.replace(job, sources=tuple(new if new.stamp else old for old, new in fresh))
        place.save(job)
        return len(chosen), _build(place, job, engine, limits or Limits())


def _admitted(found: Found, out: Path, engine: str, *, replace: bool) -> Workplace:
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    place = Workplace(out)
    place.check(found, replace=replace)
    return place


def _saved(
    place: Workplace,
    found: Found,
    recipe: Recipe,
    store: str | None,
    *,
    videos: bool = True,
    drop: Collection[str] = (),
    given: Given | None = None,
) -> Plan:
    recipe = with_given(recipe, given.told if given else None)
    job = Plan(found.sources, recipe, place.store(store), videos, frozenset(drop))
    preflight(job, place.out)
    if given:
        given.put(Store(job.store))
    place.save(job)
    return job


def with_given(recipe: Recipe, told: GivenTables | None) -> Recipe:
    """The recipe with saved output in place of stages, or without."""
    return recipe.model_copy(update={"perception": recipe.perception.model_copy(update={"given": told})})


@contextmanager
def _opened(llm: Llm | None, place: Workplace, recipe: Recipe) -> Iterator[Language | None]:
    """The language model of a build; its answers are kept with the work, so that a build that goes on has them."""
    if llm is None:
        yield None
        return
    from fm_builders.language import open_language

    answers = place.folder / "answers.sqlite"
    language = open_language(llm.url, llm.model, recipe.language, answers, budget=llm.budget, price=llm.price)
    with language.client:
        yield language


def _build(place: Workplace, job: Plan, engine: str, limits: Limits, language: Language | None = None) -> Built:
    annotated = _annotate(job, engine, limits)
    workers = 1 if engine == "inline" else limits.workers
    try:
        return _built(_compose(place, job, annotated, language, workers), annotated)
    except Absent:  # the disk lost something: what was lost is made again
        annotated = _annotate(job, engine, limits)
        return _built(_compose(place, job, annotated, language, workers), annotated)


def _annotate(job: Plan, engine: str, limits: Limits) -> Annotated:
    if needed := gpu_gb(job.recipe.perception):
        fit = max(1, int((free_gb() or needed) / needed))  # every worker holds the models
        limits = dataclasses.replace(limits, gpus=1.0, workers=limits.workers or min(limits.processes, fit))
    try:
        return annotate(job.sources, Work(job.recipe, job.store), engine=engine, limits=limits)
    except OSError as e:
        raise BadOutput(f"{job.store}: {e.strerror or type(e).__name__}; finished work is kept") from e


def _compose(
    place: Workplace, job: Plan, annotated: Annotated, language: Language | None, workers: int | None
) -> Manifest:
    with bar("composing", annotated.clips) as tick:
        try:
            store = Store(job.store)
            return compose(
                annotated.sources,
                job.recipe,
                place.out,
                store,
                videos=job.videos,
                drop=job.drop,
                language=language,
                workers=workers,
                tick=tick,
            )
        except UserError:
            raise
        except OSError as e:
            raise BadOutput(
                f"{place.out}: {e.strerror or type(e).__name__}; see to it and run the same command again; "
                "finished work is kept"
            ) from e


def _built(manifest: Manifest, annotated: Annotated) -> Built:
    return Built(manifest, tuple(a.source for a in annotated.sources), annotated.clips, annotated.reused)
