"""The GPU of this machine, asked without loading torch."""

from __future__ import annotations

import subprocess
from functools import cache

__all__ = ["free_gb", "wanted"]

NVIDIA = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")


def free_gb() -> float | None:
    """Gigabytes that are free on the emptiest GPU; None where there is none to be seen."""
    try:
        told = subprocess.run(NVIDIA, capture_output=True, text=True, check=True, timeout=30).stdout  # noqa: S603 - a constant
        return max(float(line) for line in told.splitlines()) / 1024
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


@cache
def _seen() -> bool:
    return free_gb() is not None


def wanted(device: str) -> bool:
    """Whether a recipe with this ``device`` (``auto``, ``cpu``, ``cuda``) runs on a GPU here."""
    return device == "cuda" or (device == "auto" and _seen())
