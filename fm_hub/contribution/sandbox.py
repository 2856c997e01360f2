"""A check in a process of its own: what strangers' bytes do to a decoder or a parser happens there.

The process may hold so much memory, run so long, and write no byte to any file; it has no token and no network
settings in its environment. It is told what to do in JSON and answers in JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from fm_hub.errors import Crash, ItemError, OutOfMemory, Timeout
from fm_hub.registry import load_string

__all__ = ["run_each", "run_limited"]

MEMORY = 8 << 30  # bytes of address space
SECONDS = 900.0
BATCH = 24
OUT_OF_MEMORY = 77
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
# One thread each: address space is counted, and every thread takes some.
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"), "1")


def run_limited(target: str, args: dict[str, Any], *, seconds: float = SECONDS, memory: int = MEMORY) -> Any:
    """Call ``module:function`` with keyword arguments that are plain values, within limits; returns plain values.

    Raises :class:`Timeout`, :class:`OutOfMemory` or :class:`Crash`, which here are findings about the input.
    """
    env = {k: os.environ[k] for k in KEPT if k in os.environ}
    env |= {**ALONE, "MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    order = json.dumps({"target": target, "args": args, "seconds": seconds, "memory": memory})
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "fm_hub.contribution.sandbox"],
            input=order.encode(),
            capture_output=True,
            timeout=seconds,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Timeout(f"the check ran past {seconds:.0f} s") from None
    if ended.returncode == OUT_OF_MEMORY:
        raise OutOfMemory(f"the check needed more than {memory / 1e9:.0f} GB")
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"status {ended.returncode}"
        raise Crash(f"the check ended with {how}{': ' + said[-1][:200] if said else ''}")
    return json.loads(ended.stdout)


def run_each(target: str, orders: Sequence[dict[str, Any]], *, seconds: float) -> Iterator[dict[str, Any]]:
    """The answer to each order, or ``{"error", "why"}`` where there is none; ``seconds`` are for each.

    A process takes many, since starting one is dear; where it does not end well, each of them has one of its own.
    """
    for i in range(0, len(orders), BATCH):
        batch = orders[i : i + BATCH]
        yield from _answers(target, batch, seconds)


def _answers(target: str, batch: Sequence[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    try:
        args = {"target": target, "orders": list(batch)}
        found = run_limited("fm_hub.contribution.sandbox:all_of", args, seconds=seconds * len(batch))
    except ItemError as e:
        if len(batch) == 1:
            return [{"error": type(e).__name__, "why": str(e)}]
        return [answer for order in batch for answer in _answers(target, [order], seconds)]
    return list(found)


def all_of(target: str, orders: list[dict[str, Any]]) -> list[Any]:
    """The answers of a function to several orders, within the process."""
    function, answers = load_string(target), []
    for order in orders:
        try:
            answers.append(function(**order))
        except ItemError as e:
            answers.append({"error": type(e).__name__, "why": str(e)})
    return answers


def _bounded(seconds: float, memory: int) -> None:
    import resource

    wanted = ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, int(seconds) + 1), (resource.RLIMIT_FSIZE, 0))
    for what, limit in (*wanted, (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))


def main() -> None:
    """The process: limits first, then the function."""
    order = json.load(sys.stdin)
    _bounded(order["seconds"], order["memory"])
    try:
        answer = load_string(order["target"])(**order["args"])
    except ItemError as e:
        answer = {"error": type(e).__name__, "why": str(e)}
    except Exception as e:
        if isinstance(e, MemoryError) or type(e).__name__ == "ArrowMemoryError":
            os._exit(OUT_OF_MEMORY)  # at once: there is nothing left to clean up with
        raise
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # libraries that were half loaded under a limit may not end well


if __name__ == "__main__":
    main()
