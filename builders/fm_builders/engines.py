"""How tasks are run: ``local`` (supervised worker processes), ``inline`` (this process, for debugging) or ``ray``.

A task that hangs, kills its worker or takes too much memory is reported as :class:`~fm_hub.errors.Timeout`,
:class:`~fm_hub.errors.Crash` or :class:`~fm_hub.errors.OutOfMemory`; its neighbours go on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fm_builders.supervised import MemoryWatch, Pool, machine_memory, outcome_of
from fm_hub.errors import ItemError, UnknownName

__all__ = ["ENGINES", "Again", "Limits", "Opens", "Workers", "run"]

ENGINES = ("local", "inline", "ray")


class Job(Protocol):
    """What can be run: a task of a stage, which may want the machine for itself."""

    @property
    def stage(self) -> str:
        """The stage; ``perceive`` gets workers of its own on a cluster."""

    @property
    def alone(self) -> bool:
        """Whether nothing may run beside it."""


J = TypeVar("J", bound=Job)
R = TypeVar("R")
Opens = Callable[[J, R], list[J]]
Again = Callable[[J, R | ItemError], J | None]


def nothing(task: Job, result: object) -> list[Any]:
    """A result that opens no task."""
    del task, result
    return []


def never(task: Job, result: object) -> None:
    """No second attempt."""
    del task, result


@dataclass(frozen=True)
class Limits:
    """What tasks may take.

    ``workers`` processes (default: one a core), ``timeout_s`` seconds a task, ``memory`` bytes a worker (default: an
    equal share of 90 % of the machine; a task that runs alone may take all shares), and of a Ray cluster, which is at
    ``ray_address``, so many ``gpus`` an actor that holds models.
    """

    workers: int | None = None
    timeout_s: float = 3600.0
    memory: int | None = None
    ray_address: str | None = None
    gpus: float = 0.0

    @property
    def processes(self) -> int:
        """The number of workers."""
        return self.workers or os.cpu_count() or 1

    @property
    def share(self) -> int:
        """Bytes a worker may hold."""
        return self.memory or int(0.9 * machine_memory() / self.processes)


class Workers:
    """The processes of the engine ``local``: started when first needed, kept from one run to the next, ended with the
    block; each takes seconds to start."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open = ExitStack()
        self._pool: Any = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def pool(self) -> Any:
        """Pebble's pool."""
        if self._pool is None:
            self._pool = self._open.enter_context(Pool(self.limits.processes))
        return self._pool


def run(
    engine: str,
    do: Callable[[J], R],
    tasks: Iterable[J],
    *,
    opens: Opens[J, R] = nothing,
    again: Again[J, R] = never,
    limits: Limits | None = None,
    workers: Workers | None = None,
) -> Iterator[tuple[J, R | ItemError]]:
    """Yield (task, result or error) as tasks end for good; an error stands for a task that was lost with its worker.

    ``tasks`` is taken as needed, so that it may be endless. ``opens`` names the tasks that a result opens; it may be
    called on another machine. ``again`` gives the next attempt of a task, or None; it is called here, once an
    attempt. ``workers`` are those of an earlier run, with its limits. A :class:`UserError` of a task ends the run.
    Raises :class:`UnknownName` for the engine.
    """
    limits = workers.limits if workers else limits or Limits()
    if engine == "inline":
        return _inline(do, tasks, opens, again)
    if engine == "local":
        return _local(do, tasks, opens, again, limits, workers)
    if engine == "ray":
        from fm_builders.engine_ray import run_ray

        return run_ray(do, tasks, opens, again, limits)
    raise UnknownName("engine", engine, ENGINES)


def _inline(
    do: Callable[[J], R], tasks: Iterable[J], opens: Opens[J, R], again: Again[J, R]
) -> Iterator[tuple[J, R | ItemError]]:
    queue, rest = deque[J](), iter(tasks)
    while (task := queue.popleft() if queue else next(rest, None)) is not None:
        result = do(task)
        if (attempt := again(task, result)) is not None:
            queue.appendleft(attempt)
            continue
        queue.extendleft(reversed(opens(task, result)))
        yield task, result


def _local(
    do: Callable[[J], R],
    tasks: Iterable[J],
    opens: Opens[J, R],
    again: Again[J, R],
    limits: Limits,
    kept: Workers | None,
) -> Iterator[tuple[J, R | ItemError]]:
    queue, rest = deque[J](), iter(tasks)
    first = next(rest, None)
    if first is None:
        return
    queue.append(first)
    room = 2 * limits.processes  # running and next in line; the rest waits where it costs nothing
    pending: dict[Future[R], J] = {}
    with ExitStack() as mine, MemoryWatch(limits.share) as watch:
        pool = (kept or mine.enter_context(Workers(limits))).pool()
        while True:
            while len(pending) < room and not any(t.alone for t in pending.values()):
                task = queue.popleft() if queue else next(rest, None)
                if task is None:
                    break
                if task.alone and pending:
                    queue.appendleft(task)
                    break
                watch.limit = limits.share * (limits.processes if task.alone else 1)
                pending[pool.schedule(do, args=(task,), timeout=limits.timeout_s)] = task
            if not pending:
                return
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                task = pending.pop(future)
                result = outcome_of(future, limits.timeout_s, watch)
                # another attempt, and what a task opens, come before what waits: a source is finished soon
                if (attempt := again(task, result)) is not None:
                    queue.appendleft(attempt)
                    continue
                if not isinstance(result, ItemError):
                    queue.extendleft(reversed(opens(task, result)))
                yield task, result
