"""What the benchmarks of the Hub share: clips, clients in processes of their own, and a Hub for them."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import peak_mb

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fm_hub.errors import FmError
from fm_hub.hubserver.server import LoopbackHub, serving
from fm_hub.records import Annotation
from scenes_made import annotation, clock, line, make_track

__all__ = ["CLIENT", "TOKEN", "R", "child", "hub_for", "pull", "push", "street"]

R = "fm/motion"
TOKEN = "any"  # noqa: S105 - this Hub takes any
CLIENT = mp.get_context("forkserver")


def street(i: int) -> Annotation:
    """A clip that is different for every number."""
    t = clock()
    walker = make_track(f"walker {i}", "person", t, line((60 + i, 200), (500 + i, 190)), seed=i)
    car = make_track(f"car {i}", "car", t, line((600 - i, 300), (100 + i, 300)), size=(90, 45), seed=i)
    return annotation([walker, car], t)


def push(url: str, root: Path, work: Path, small: int, resume: bool, out: Any = None) -> None:
    """A push, in a process of its own; its end goes to ``out``."""
    from huggingface_hub import HfApi

    from fm_hub.release.push import Request
    from fm_hub.release.push import push as run

    try:
        release = run(Request(root, R, work=work, small=small), resume=resume, api=HfApi(endpoint=url, token=TOKEN))
        end = release.tag
    except FmError as e:
        if out is None:
            raise
        end = f"{type(e).__name__}: {e}"
    if out is not None:
        out.put((end, peak_mb()))


def pull(url: str, out: Path, told: Any) -> None:
    """A pull, in a process of its own."""
    from huggingface_hub import HfApi

    from fm_hub.release.pull import pull as run

    run(R, out, api=HfApi(endpoint=url, token=TOKEN))
    told.put(("pulled", peak_mb()))


def child(target: Any, *args: Any) -> tuple[str, float, float]:
    """Run a client to its end: what it says, its peak memory in MB, wall seconds."""
    told = CLIENT.SimpleQueue()
    start = time.perf_counter()
    process = CLIENT.Process(target=target, args=(*args, told))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"a client ended with {process.exitcode}")
    end, memory = told.get()
    if not end.startswith(("v", "pulled")):
        raise SystemExit(f"a client ended with {end}")
    return end, memory, time.perf_counter() - start


@contextlib.contextmanager
def hub_for(folder: Path, *, xet: str = "") -> Iterator[LoopbackHub]:
    """A Hub, and the environment of clients that talk to it."""
    with serving(folder / "hub", xet=xet) as hub:
        os.environ.update(
            HF_ENDPOINT=hub.url,
            HF_HUB_DISABLE_XET="0" if xet else "1",
            HF_TOKEN="any",  # noqa: S106 - this Hub takes any
            HF_HOME=str(folder / "home"),
            HF_HUB_DISABLE_PROGRESS_BARS="1",
            HF_HUB_DISABLE_TELEMETRY="1",
            HF_HUB_OFFLINE="0",
        )
        CLIENT.set_forkserver_preload(["fm_hub.release.push", "fm_hub.verify", "datasets", "huggingface_hub.hf_api"])
        yield hub
