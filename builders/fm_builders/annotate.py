"""Annotate sources: decide from the ledger what is still to do, run it on an engine, and tell what became of each.

Two passes: every source is hashed, so that the same video is annotated once whatever it is called; then each is cut
and its clips are looked at. What is done, or failed for good, is not run again.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from fm_builders.engines import Limits, Workers, run
from fm_builders.ledger import MAX_ATTEMPTS, Entry, History, Ledger, State, retry_of
from fm_builders.sources import Input
from fm_builders.stages import close, run_task, without_folders
from fm_builders.store import Store
from fm_builders.tasks import ClipFile, Digest, Outcome, Task, Work, entry_of, follow
from fm_hub.errors import ItemError
from fm_hub.progress import bar
from fm_hub.records import Source, content_id

__all__ = [
    "Annotated",
    "AnnotatedClip",
    "Planned",
    "SourceAnnotation",
    "annotate",
    "failures",
    "plan",
    "settled",
    "settled_tasks",
]


@dataclass(frozen=True)
class AnnotatedClip:
    """A clip and the key of its tables; ``reason`` and ``detail`` say why it has none."""

    file: ClipFile
    key: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class SourceAnnotation:
    """What became of a source: its row, its clips, and the reasons for the spans that gave none."""

    source: Source
    clips: tuple[AnnotatedClip, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Annotated:
    """All sources in the order they were given, and how many stages were found done."""

    sources: tuple[SourceAnnotation, ...]
    reused: int = 0

    @property
    def clips(self) -> int:
        """The number of different clips."""
        return len({c.file.clip_id for s in self.sources for c in s.clips})


@dataclass
class Planned:
    """What a build would do: stages that are done, and those still to run, by stage."""

    done: Counter[str] = field(default_factory=Counter)
    to_run: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    uncut: int = 0
    """Sources that are not cut yet: how many clips they hold shows then."""


def annotate(sources: Sequence[Input], work: Work, *, engine: str = "local", limits: Limits | None = None) -> Annotated:
    """Bring all sources through all stages. Raises :class:`~fm_hub.errors.UserError` where the store cannot be written.

    ``work.run`` is set here, to one more than the ledger knows.
    """
    store = Store(work.store)
    with Ledger(store.storage) as ledger, Workers(limits or Limits()) as workers:
        known = _Known(store, ledger.history())
        work = replace(work, run=known.history.run + 1)
        crew = _Crew(work, ledger, engine, workers, partial(run_task, work=work))
        try:
            return _annotate(sources, known, crew)
        finally:
            close(work.store)


class _UnsettledError(Exception):
    """Something is still to run."""


def _refuse(task: Task) -> Outcome:
    raise _UnsettledError(task.key)


def settled(sources: Sequence[Input], work: Work) -> Annotated | None:
    """What :func:`annotate` gives where nothing is left to run; else None. Nothing is written."""
    store = Store(work.store)
    ledger = Ledger(store.storage)
    crew = _Crew(work, ledger, "inline", Workers(Limits()), _refuse)
    try:
        return _annotate(sources, _Known(store, ledger.history()), crew)
    except _UnsettledError:
        return None


def _annotate(sources: Sequence[Input], known: _Known, crew: _Crew) -> Annotated:
    reads = [Task.read(s) for s in sources]
    with bar("reading", len(reads)) as tick:
        read = crew.all(reads, known, tick)
    owner: dict[str, int] = {}
    for i, outcome in enumerate(read):
        if outcome.output is not None:
            owner.setdefault(outcome.output["sha256"], i)
    firsts = sorted(owner.values())
    cuts = [Task.cut(sources[i], Digest(**(read[i].output or {})), crew.work.recipe) for i in firsts]
    with bar("annotating", len(cuts)) as tick:
        outcomes = dict(zip(firsts, crew.all(cuts, known, tick), strict=True))
    told = []
    for i, source in enumerate(sources):
        output = read[i].output
        if output is None:
            told.append(SourceAnnotation(_failed(source, read[i])))
        elif i not in outcomes:
            told.append(SourceAnnotation(_duplicate(source, Digest(**output), sources[owner[output["sha256"]]])))
        else:
            told.append(_told(source, Digest(**output), outcomes[i], crew))
    return Annotated(tuple(told), crew.reused)


def plan(sources: Sequence[Input], work: Work) -> Planned:
    """What :func:`annotate` would find done and what it would run; nothing is read but the ledger, nothing written."""
    planned = Planned()
    for task, outcome in _walk(sources, work):
        if outcome is None:
            planned.to_run[task.stage] += 1
            if task.stage == "read":
                planned.to_run["cut"] += 1
            planned.uncut += task.stage != "perceive"
        elif outcome.status == "ok":
            planned.done[task.stage] += 1
        else:
            planned.failed[task.stage] += 1
            planned.reasons[outcome.reason] += 1
    return planned


def failures(sources: Sequence[Input], work: Work) -> tuple[int, list[Entry]]:
    """The number of the last run, and the last line of everything of these sources that failed and still counts."""
    store = Store(work.store)
    known = _Known(store, Ledger(store.storage).history())
    states = (known.state(task) for task, _ in _walk(sources, work))
    return known.history.run, [s.last for s in states if s is not None and s.last.status == "failed"]


def settled_tasks(sources: Sequence[Input], work: Work) -> Iterator[tuple[str, str, str]]:
    """(stage, key, clip id or nothing) of everything in the store that these sources and this recipe lead to."""
    for task, outcome in _walk(sources, work):
        if outcome is not None or task.stage != "read":
            yield task.stage, task.key, task.clip.clip_id if task.clip else ""
        if outcome is not None and outcome.output is not None and task.stage == "mirror":
            yield from (("perceive", task.key, twin["clip_id"]) for twin in outcome.output["clips"])


def _walk(sources: Sequence[Input], work: Work) -> Iterator[tuple[Task, Outcome | None]]:
    """Every task that is known of, with its outcome where it is settled."""
    store = Store(work.store)
    known = _Known(store, Ledger(store.storage).history())
    seen: set[str] = set()
    for source in sources:
        queue = [Task.read(source)]
        while queue:
            task = queue.pop()
            outcome = known.outcome(task)
            yield task, outcome
            if outcome is None:
                continue
            if task.stage == "read" and outcome.output is not None:
                digest = Digest(**outcome.output)
                if digest.sha256 not in seen:  # the same video is annotated once
                    queue.append(Task.cut(source, digest, work.recipe))
                seen.add(digest.sha256)
            queue.extend(follow(task, outcome, recipe=work.recipe))


class _Known:
    """What earlier runs have settled: by the ledger, and by what lies in the store."""

    def __init__(self, store: Store, history: History) -> None:
        self.store, self.history = store, history
        self._keys: dict[str, set[str]] = {}
        self._clips: set[str] | None = None

    def state(self, task: Task) -> State | None:
        return self.history.get(task.item, task.stage, task.key)

    def outcome(self, task: Task) -> Outcome | None:
        """The outcome of a task that need not be run, else None."""
        state = self.state(task)
        if state is None or not state.settled:
            return None
        entry = state.last
        if entry.status == "failed":
            return Outcome("failed", entry.reason, entry.detail, kept=True)
        if task.stage == "read":
            return Outcome("ok", output=entry.output, kept=True) if entry.output else None
        if task.key not in self._stored(task.stage):
            return None
        if task.stage == "perceive":
            return Outcome("ok", kept=True)
        payload = self.store.get(task.stage, task.key)
        output = json.loads(payload) if payload is not None else None
        if task.stage == "mirror" and output and output["clips"] and task.key not in self._stored("perceive"):
            return None
        if output is None or not all(row["clip_id"] in self._clip_ids() for row in output["clips"]):
            return None
        return Outcome("ok", output=output, kept=True)

    def _stored(self, stage: str) -> set[str]:
        if stage not in self._keys:
            self._keys[stage] = self.store.keys(stage)
        return self._keys[stage]

    def _clip_ids(self) -> set[str]:
        if self._clips is None:
            self._clips = self.store.clips()
        return self._clips


class _Crew:
    """Runs tasks with their retries and remembers the outcome of every clip."""

    def __init__(
        self, work: Work, ledger: Ledger, engine: str, workers: Workers, do: Callable[[Task], Outcome]
    ) -> None:
        self.work, self.ledger, self.engine, self.workers, self.do = work, ledger, engine, workers, do
        self.reused = 0
        self.clips: dict[tuple[str, str], Outcome] = {}
        self._open: Counter[str] = Counter()
        self._settled: deque[tuple[Task, Outcome]] = deque()

    def all(self, tasks: Sequence[Task], known: _Known, tick: Callable[[], None]) -> list[Outcome]:
        """The outcomes of these tasks, in their order, after all that they open has ended too.

        ``tick`` is called as each of them, with what it opened, is over.
        """
        outcomes: dict[str, Outcome] = {}
        for task, outcome in self._stream(tasks, known):
            if task.stage in ("perceive", "mirror"):
                self.clips[task.item, task.key] = outcome
            else:
                outcomes[task.key] = outcome
            self.reused += outcome.kept and outcome.status == "ok" and task.stage != "read"
            self._open[task.source.uri] += len(self._opens(task, outcome)) - 1
            if not self._open[task.source.uri]:
                tick()
        return [outcomes[t.key] for t in tasks]

    def _opens(self, task: Task, outcome: Outcome) -> list[Task]:
        return follow(task, outcome, recipe=self.work.recipe)

    def _stream(self, tasks: Iterable[Task], known: _Known) -> Iterator[tuple[Task, Outcome]]:
        opens = partial(follow, recipe=self.work.recipe)
        unsettled = self._unsettled(tasks, known)
        for task, result in run(self.engine, self.do, unsettled, opens=opens, again=self._again, workers=self.workers):
            yield from self._drained()
            yield task, _outcome(result)
        yield from self._drained()

    def _drained(self) -> Iterator[tuple[Task, Outcome]]:
        while self._settled:
            yield self._settled.popleft()

    def _unsettled(self, tasks: Iterable[Task], known: _Known) -> Iterator[Task]:
        """Walk down from each task to what is still to run; what is settled is put aside."""
        for task in tasks:
            self._open[task.source.uri] += 1
            queue = [task]
            while queue:
                one = queue.pop(0)
                outcome = known.outcome(one)
                if outcome is None:
                    state = known.state(one)
                    yield replace(one, attempt=1 + (state.failures if state else 0))
                else:
                    self._settled.append((one, outcome))
                    queue.extend(self._opens(one, outcome))

    def _again(self, task: Task, result: Outcome | ItemError) -> Task | None:
        """The next attempt, where the reason says that it may help; a lost worker gets its line in the ledger."""
        outcome = _outcome(result)
        if isinstance(result, ItemError):  # only the parent can say so
            self.ledger.add(entry_of(task, outcome, self.work))
        retry = retry_of(outcome.reason) if outcome.reason else "never"
        if retry == "never" or task.attempt >= MAX_ATTEMPTS:
            return None
        wait_s = 2.0**task.attempt if outcome.reason == "Unavailable" else 0.0
        return replace(task, attempt=task.attempt + 1, alone=task.alone or retry == "alone", wait_s=wait_s)


def _outcome(result: Outcome | ItemError) -> Outcome:
    if isinstance(result, Outcome):
        return result
    return Outcome("failed", type(result).__name__, without_folders(str(result)))


def _source_id(source: Input, digest: Digest | None) -> str:
    if source.origin:
        return content_id("origin", source.origin)
    return digest.sha256[:24] if digest else content_id("source", source.name)


def _failed(source: Input, outcome: Outcome, digest: Digest | None = None) -> Source:
    """The row of a source that could not be used."""
    sha256, size = (digest.sha256, digest.bytes) if digest else ("", 0)
    return Source(
        source_id=_source_id(source, digest),
        name=source.name,
        sha256=sha256,
        bytes=size,
        codec="",
        width=0,
        height=0,
        rotation=0,
        n_frames=0,
        duration=0.0,
        vfr=False,
        license=source.license,
        status="failed",
        reason=outcome.reason,
        detail=outcome.detail,
        origin=source.origin,
    )


def _duplicate(source: Input, digest: Digest, first: Input) -> Source:
    """The same bytes under a second name are one source; the second is a row that says so."""
    detail = f"the same bytes as {first.name}"
    if source.spans != first.spans:
        detail += "; its spans were not used: name them all there"
    row = _failed(source, Outcome("failed", "Duplicate", detail), digest)
    return replace(row, source_id=content_id("source", source.name), status="filtered")


def _told(source: Input, digest: Digest, outcome: Outcome, crew: _Crew) -> SourceAnnotation:
    """A source that was read: its row and its clips."""
    if outcome.output is None:
        return SourceAnnotation(_failed(source, outcome, digest))
    found: dict[str, Any] = outcome.output
    clips, no_twin, recipe = list[AnnotatedClip](), list[str](), crew.work.recipe
    for row in found["clips"]:
        task = Task.perceive(source, digest, ClipFile(**row), recipe)
        seen = crew.clips[task.item, task.key]
        clips.append(AnnotatedClip(ClipFile(**row), task.key, seen.reason, seen.detail))
        for twin in follow(task, seen, recipe=recipe):
            made = crew.clips[twin.item, twin.key]
            no_twin += made.output["left_out"] if made.output else [made.reason]
            clips += [AnnotatedClip(ClipFile(**r), twin.key) for r in (made.output["clips"] if made.output else ())]
    ok, left_out = bool(clips), found["left_out"]
    row = Source(
        source_id=_source_id(source, digest),
        name=source.name,
        sha256=digest.sha256,
        bytes=digest.bytes,
        **found["source"],
        license=source.license or recipe.publish.licenses.get(Path(source.name).name, recipe.publish.license),
        status="ok" if ok else "filtered",
        reason="" if ok else (left_out or ["NothingInSpans"])[0],
        detail="" if ok else f"no shot of {recipe.clips.min_s} s or more",
        origin=source.origin,
    )
    return SourceAnnotation(row, tuple(clips), (*left_out, *no_twin))
