"""Worker processes under supervision: limits of time and memory, and an end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from fm_hub.errors import Crash, ItemError, OutOfMemory, Timeout, UserError
from fm_hub.processes import end_with_parent

__all__ = ["MemoryWatch", "Pool", "machine_memory", "outcome_of"]

NOT_MAIN = (
    "the worker processes could not start; in a script, call build() under if __name__ == '__main__': "
    "(workers import the script), or give engine='inline'"
)
TASKS_A_WORKER = 500  # then a fresh process takes its place: decoders and models leak
WATCH_S = 0.05
R = TypeVar("R")


def machine_memory() -> int:
    """Bytes of memory that this machine, or the container around this process, has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            total = min(total, int(Path(limit).read_text()))
    return total


class Pool:
    """Worker processes that end with the block; ``pool`` is pebble's."""

    def __init__(self, workers: int) -> None:
        from pebble import ProcessPool

        # spawn: the parent may hold threads (Arrow, onnxruntime) that do not survive a fork
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPool(workers, max_tasks=TASKS_A_WORKER, initializer=end_with_parent, context=context)

    def __enter__(self) -> Any:
        return self.pool.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.pool.stop()
        self.pool.__exit__(*error)


def outcome_of(future: Future[R], timeout_s: float, watch: MemoryWatch) -> R | ItemError:
    """The result of a task, or how it was lost."""
    from pebble import ProcessExpired

    try:
        return future.result()
    except TimeoutError:
        return Timeout(f"stopped after {timeout_s:g} s; a longer limit: --timeout")
    except ProcessExpired as e:
        if e.pid in watch.stopped:
            watch.stopped.pop(e.pid)  # how much it held differs from run to run, and is not published
            return OutOfMemory("held more memory than a worker may; a higher limit: --memory")
        return Crash(f"the worker died with exit code {e.exitcode}")
    except BrokenProcessPool:
        raise UserError(NOT_MAIN) from None
    except UserError:
        raise
    except Exception as e:  # whatever escaped a task costs that task alone; its name is kept
        return Crash(f"{type(e).__name__}: {e}")


class MemoryWatch:
    """Stops worker processes of this one that hold more than ``limit`` bytes, from outside: a library that
    allocates without end does not let a thread of its own process run. Linux only; elsewhere nothing is stopped."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stopped: dict[int, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(WATCH_S):
            for process in multiprocessing.active_children():
                pid = process.pid or 0
                held = _resident(pid)
                if held > self.limit and pid not in self.stopped:
                    self.stopped[pid] = held
                    process.kill()


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
