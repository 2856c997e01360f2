"""What perception costs, and rendering: CPU over decoding and the detectors, memory of long videos, frames a second."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from bench import IMPORTS, Row
from numpy.typing import NDArray
from perception_clips import scenes

from fm_builders.detectors import Detections, SecondLook
from fm_builders.detectors.fuse import EmbeddedDetector
from fm_builders.perceive import perceive, working_size
from fm_builders.perception_models import detectors_of, long_side
from fm_builders.recipe import Perception
from fm_builders.simulate import SCENES
from fm_builders.simulate.write import encode_film
from fm_hub.video import encode_clip, index_video, iter_frames, sample_times

__all__ = ["memory", "rendering", "speed"]

Pixels = NDArray[np.uint8]


def speed(chosen: argparse.Namespace) -> list[Row]:
    """CPU of perceiving against that of decoding and the models' passes, those of the second look too; best of three.

    The passes are those that were made: the same frames, and the same parts of frames.
    """
    film = SCENES.load("copypaste")(chosen.seed, 0)
    look = Perception()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode_clip((s.image for s in film.shoot(True) if s.image is not None), film.times.tolist(), path)
        index = index_video(path)
        _, t = sample_times(index, 10.0)
        perceive(index, t[:5], "warm", "warm", look)
        ratios, shares, see = [], [], EmbeddedDetector.people_in
        for _ in range(3):
            asked: list[list[Pixels]] = []

            def heard(eye: EmbeddedDetector, parts: Sequence[Pixels], asked: list[Any] = asked) -> list[Detections]:
                asked.append([part.copy() for part in parts])
                return see(eye, parts)

            with patch.object(EmbeddedDetector, "people_in", heard):
                start = time.process_time()
                perceive(index, t, "c", "a", look)
                ours = time.process_time() - start
            eyes = detectors_of(look.detectors, look.settings)
            small = working_size((index.width, index.height), min(look.max_side, long_side(look)))
            start = time.process_time()
            for _, frame in iter_frames(index, t.tolist(), size=small):
                for eye in eyes:
                    eye.detect(frame)
            first = time.process_time() - start
            (again,) = (eye for eye in eyes if isinstance(eye, SecondLook))
            start = time.process_time()
            for parts in asked:
                again.people_in(parts)
            second = time.process_time() - start
            ratios.append(ours / (first + second))
            shares.append(second / first)
        print(f"\nthe second look's passes: {min(shares):.3f} of decoding and the passes over whole frames")
    return [Row("annotate over bare decoding and forwards", min(ratios), "x", "<=", 1.15)]


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from bench import peak_mb
from fm_builders.build import build
from fm_builders.recipe import load_recipe
from fm_builders.sources import find_sources
from fm_hub.video import encode_clip
seconds, folder = int(sys.argv[1]), Path(sys.argv[2])
random = np.random.default_rng(0)
field = np.kron(random.integers(40, 215, (40, 60, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
frames = (field[(i * 2) % 200 :][:240, (i * 3) % 400 :][:, :320] for i in range(seconds * 10))
encode_clip(frames, [i / 10 for i in range(seconds * 10)], folder / "source.mp4", crf=30)
recipe = load_recipe("default")
recipe = recipe.model_copy(update={"perception": recipe.perception.model_copy(update={"detectors": ("nanodet",)})})
build(find_sources([str(folder / "source.mp4")]), recipe, folder / "out", engine="inline")
print(peak_mb())
"""


def memory(chosen: argparse.Namespace) -> list[Row]:
    """Peak memory of one process that builds from 10 s, and from 10 minutes (``--minutes``), of video."""
    peaks = []
    for seconds in (10, round(chosen.minutes * 60)):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", MEMORY, str(seconds), folder]
            out = subprocess.run(
                command, check=True, capture_output=True, text=True, env={**os.environ, **IMPORTS}
            ).stdout
        peaks.append(float(out.split()[-1]))
    print(f"\npeak memory: {peaks[0]:.0f} MB of 10 s, {peaks[1]:.0f} MB of {chosen.minutes:g} min")
    return [Row(f"memory of {chosen.minutes:g} min over 10 s of video", peaks[1] / peaks[0], "x", "<=", 1.1)]


def rendering(chosen: argparse.Namespace) -> list[Row]:
    """Frames rendered, measured and encoded a second of CPU, the median over clips of every rendered scene."""
    rates = []
    for name in scenes()[:-1]:
        for number in range(2):
            film = SCENES.load(name)(chosen.seed, number)
            with tempfile.TemporaryDirectory() as folder:
                start = time.process_time()
                images = (s.image for s in film.shoot(True) if s.image is not None)
                encode_film(film, images, Path(folder) / "x.mp4")
                rates.append(len(film.times) / (time.process_time() - start))
        print(f"  {name}: {np.mean(rates[-2:]):.0f} frames a CPU second")
    return (
        [Row("rendered and encoded at 320x240", float(np.median(rates)), "frames/s/core", ">=", 150)] if rates else []
    )
