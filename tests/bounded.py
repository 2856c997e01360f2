"""Functions for the process that strangers' bytes are looked at in: greedy, slow, dying, writing."""

from __future__ import annotations

import os
import signal
import time


def environment() -> list[str]:
    """Settings that hold secrets or a way to a network."""
    return [k for k in os.environ if "TOKEN" in k or "KEY" in k or "ENDPOINT" in k]


def hungry() -> int:
    """Take 4 GB."""
    return len(bytearray(4 << 30))


def slow() -> None:
    """Do nothing for long."""
    time.sleep(60)


def dies() -> None:
    """End as a decoder does that reads where it may not."""
    os.kill(os.getpid(), signal.SIGSEGV)


def writes(path: str) -> None:
    """Write to a file."""
    with open(path, "w") as f:
        f.write("x")


def unlucky(n: int) -> dict[str, int]:
    """Die of the number 13."""
    if n == 13:
        dies()
    return {"n": n}
