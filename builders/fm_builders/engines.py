"""How jobs are run: ``local`` (supervised worker processes) or ``inline`` (this process, for debugging).

A job that hangs or kills its worker is reported as :class:`~fm_hub.errors.Timeout` or
:class:`~fm_hub.errors.Crash`; its neighbours go on.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from fm_hub.errors import Crash, ItemError, Timeout, UnknownName, UserError

__all__ = ["ENGINES", "run"]

ENGINES = ("local", "inline")
NOT_MAIN = (
    "the worker processes could not start; in a script, call build() under if __name__ == '__main__': "
    "(workers import the script), or give engine='inline'"
)
J = TypeVar("J")
R = TypeVar("R")


def run(
    engine: str, work: Callable[[J], R], jobs: Sequence[J], *, workers: int | None = None, timeout_s: float = 3600.0
) -> Iterator[tuple[int, R | ItemError]]:
    """Yield (index of the job, result or error) as jobs end. Raises :class:`UnknownName` for the engine."""
    if engine == "inline":
        return ((i, work(job)) for i, job in enumerate(jobs))
    if engine == "local":
        return _local(work, jobs, workers or os.cpu_count() or 1, timeout_s)
    raise UnknownName("engine", engine, ENGINES)


def _end_with_parent() -> None:
    """Have the system end this worker when its parent dies, however that comes about (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _local(
    work: Callable[[J], R], jobs: Sequence[J], workers: int, timeout_s: float
) -> Iterator[tuple[int, R | ItemError]]:
    from concurrent.futures import FIRST_COMPLETED, wait
    from concurrent.futures.process import BrokenProcessPool

    from pebble import ProcessExpired, ProcessPool

    # spawn: the parent may hold threads (Arrow, onnxruntime) that do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPool(min(workers, max(1, len(jobs))), initializer=_end_with_parent, context=context) as pool:
        pending = {pool.schedule(work, args=(job,), timeout=timeout_s): i for i, job in enumerate(jobs)}
        try:
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    i = pending.pop(future)
                    try:
                        yield i, future.result()
                    except TimeoutError:
                        yield i, Timeout(f"stopped after {timeout_s:.0f} s")
                    except ProcessExpired as e:
                        yield i, Crash(f"the worker died with exit code {e.exitcode}")
                    except BrokenProcessPool:
                        raise UserError(NOT_MAIN) from None
                    except Exception as e:  # whatever escaped a job costs that job alone; its name is kept
                        yield i, Crash(f"{type(e).__name__}: {e}")
        finally:
            pool.stop()
