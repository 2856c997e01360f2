"""Worker processes that end with the process that started them."""

from __future__ import annotations

import ctypes
import signal
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """Have the system end this worker when its parent dies, however that comes about, and first of all processes when
    memory runs out (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        with suppress(OSError):  # not in every sandbox
            Path("/proc/self/oom_score_adj").write_text("900")
