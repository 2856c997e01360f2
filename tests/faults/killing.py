"""Builds that are killed again and again, as a machine that loses power would: the whole process group, at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from coloured import CODE
from fm_builders.ledger import Ledger
from fm_builders.storage import Folder


def start(args: Sequence[object]) -> subprocess.Popen[bytes]:
    """fm-hub in a process group of its own."""
    command = [sys.executable, "-c", CODE, *map(str, args)]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to all of its processes."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def killed_and_resumed(
    args: Sequence[object], kills: int, seed: int, longest: float, after: Callable[[], None] = lambda: None
) -> int:
    """Run a build, kill it at ``kills`` random moments and resume it each time, then let it end.

    Moments are uniform in 0..``longest`` seconds after a start. Returns how many kills met a build at work (a build
    that ends first is not killed; the caller starts the next one anew).
    """
    moments, met = random.Random(seed), 0
    for _ in range(kills):
        process = start(args)
        try:
            process.wait(moments.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            kill(process)
            met += 1
            after()
            continue
        break
    process = start(args)
    if process.wait():
        raise AssertionError(f"the resumed build ended with exit code {process.returncode}")
    return met


def done_twice(out: Path) -> list[tuple[str, str]]:
    """(item, stage) that the ledger says were finished more than once."""
    entries = [e for e in Ledger(Folder(out / ".fm_hub")).read() if e.status == "ok"]
    counts = Counter((e.item, e.stage, e.key) for e in entries)
    return [(item, stage) for (item, stage, _), n in counts.items() if n > 1]


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Poll until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come about")
        time.sleep(0.01)
