"""The engine ``ray``: two stages of Ray Data actors over a cluster, with paths as payload.

What opens other tasks (reading, cutting) runs in one pool of actors, and looking at clips in another, each with its own
number of actors and, where the detectors ask for it, a GPU an actor. Ray Data streams between them and holds back
the first when the second is behind. Every actor runs its tasks in a supervised process of its own, so that a clip which
hangs or kills it is a row here too, and its models stay loaded. What a lost node was at is run again elsewhere: work
that was finished is found in the store, which all nodes must reach.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fm_builders.supervised import MemoryWatch, Pool, outcome_of
from fm_hub.errors import ItemError, MissingExtra, UserError

if TYPE_CHECKING:
    from fm_builders.engines import Again, J, Limits, Opens, R

__all__ = ["run_ray"]

LOOKS = "perceive"  # the stage that holds models
TASKS_A_BLOCK = 8


def run_ray(
    do: Callable[[J], R], tasks: Iterable[J], opens: Opens[J, R], again: Again[J, R], limits: Limits
) -> Iterator[tuple[J, R | ItemError]]:
    """Run tasks on a Ray cluster; arguments and results are those of :func:`fm_builders.engines.run`."""
    # Said before the import: Ray would send every worker back through "uv run", and report its use to its makers.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        from ray.exceptions import RayTaskError
    except ImportError:
        raise MissingExtra("--engine ray", "ray") from None
    todo = list(tasks)
    if not todo:
        return
    actors = _join(limits)
    # On one machine all actors begin at once: the pool would grow when the work is half done. On a cluster it grows.
    least = 1 if limits.ray_address else actors
    while todo:
        rows = [{"task": task, "result": None, "done": False} for task in todo]
        todo = []
        blocks = max(min(len(rows), 4 * actors), len(rows) // TASKS_A_BLOCK)
        data = ray.data.from_items(rows, override_num_blocks=blocks)
        for stage in (False, True):
            given = {"do": do, "opens": opens, "looks": stage, "limits": limits}
            data = data.flat_map(
                _Actor,
                fn_constructor_kwargs=given,
                compute=ray.data.ActorPoolStrategy(min_size=least, max_size=actors),
                num_cpus=0.5,  # both stages share the cores; either may be the slow one
                num_gpus=limits.gpus if stage and limits.gpus else None,
            )
        try:
            for row in data.iter_rows():
                if not row["done"]:  # opened by what was looked at
                    todo.append(row["task"])
                    continue
                attempt = again(row["task"], row["result"])
                if attempt is not None:
                    todo.append(attempt)
                else:
                    yield row["task"], row["result"]
        except RayTaskError as e:
            if isinstance(e.cause, UserError):
                raise e.cause from None
            raise


def _join(limits: Limits) -> int:
    """Join the cluster, or start one on this machine, which ends with the process; the actors a stage may have."""
    import ray

    if not ray.is_initialized():
        address = limits.ray_address
        _check_reachable(address)
        logging.getLogger("ray").setLevel(logging.ERROR)
        cpus = None if address else limits.processes
        try:
            ray.init(
                address=address or "local",
                num_cpus=cpus,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, ValueError, RuntimeError) as e:
            raise UserError(f"no Ray cluster at {address or 'this machine'}: {e}") from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    cores = int(ray.cluster_resources().get("CPU", 1))
    return max(1, min(limits.workers or cores, cores))


def _check_reachable(address: str | None) -> None:
    """Ray would wait for minutes for a cluster that is not there."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():  # auto, local: Ray itself looks around
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as e:
        raise UserError(f"no Ray cluster at {address}: {e.strerror or e}") from None


class _Actor:
    """One worker of one stage, with its process; rows of the other stage pass through."""

    def __init__(self, do: Callable[[Any], Any], opens: Callable[..., Any], looks: bool, limits: Limits) -> None:
        self.do, self.opens, self.looks = do, opens, looks
        self.limits = replace(limits, workers=1)
        self.pool = Pool(1).__enter__()
        self.watch = MemoryWatch(limits.share).__enter__()

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        task = row["task"]
        if row["done"] or (task.stage == LOOKS) != self.looks:
            return [row]
        future = self.pool.schedule(self.do, args=(task,), timeout=self.limits.timeout_s)
        result = outcome_of(future, self.limits.timeout_s, self.watch)
        opened = [] if isinstance(result, ItemError) else self.opens(task, result)
        done = {"task": task, "result": result, "done": True}
        return [done, *({"task": t, "result": None, "done": False} for t in opened)]
