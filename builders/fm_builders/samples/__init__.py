"""Three short real clips to try the pipeline on; SAMPLES.toml says what they show and where they are from."""

from __future__ import annotations

from pathlib import Path

__all__ = ["folder"]


def folder() -> Path:
    """The folder with walker.mp4, cup.mp4 and bikes.mp4."""
    return Path(__file__).parent
