"""A detector of another package, which the colour of a square in the picture sends into trouble.

Red is harmless. Green kills the process as a bad pointer does, blue never comes back, yellow takes memory without
end, cyan raises. What happens is also written to a file, so that attempts can be counted.
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fm_builders.detectors import Detections, Detector
from fm_builders.detectors.fake import FakeDetector


class Troubled(Detector):
    """The fake detector, with trouble by colour."""

    name = "troubled"

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        found = FakeDetector().detect(frame)
        colours = set(found.label)
        if log := os.environ.get("TROUBLED_LOG"):
            with Path(log).open("a") as f:
                f.write(",".join(sorted(colours)) + "\n")
        if "green block" in colours:
            ctypes.string_at(0)
        if "blue block" in colours:
            time.sleep(3600)
        if "yellow block" in colours:
            held = []
            while True:
                held.append(np.ones(10_000_000, np.uint8))
        if "cyan block" in colours:
            raise RuntimeError("not my colour")
        time.sleep(float(os.environ.get("TROUBLED_SLEEP", "0")))
        return found


def install(folder: Path) -> dict[str, str]:
    """Make it known as a package's entry point; returns the environment in which it is."""
    info = folder / "troubled-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: troubled\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fm_hub.detectors]\ntroubled = troubled:Troubled\n")
    (folder / "troubled.py").write_text(Path(__file__).read_text())
    before = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{before}", "TROUBLED_LOG": str(folder / "log")}
