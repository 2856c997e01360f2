"""Clips that the fake detector sees something in, a recipe for it, and the command as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fm_hub.video import encode_clip

CODE = "import sys; from fm_hub.cli import main; main(sys.argv[1:])"
FAKE = 'name = "fake"\n[perception]\ndetectors = ["{detector}"]\n[splits]\ntrain = 0.0\nvalidation = 0.0\n'


def fake_recipe(folder: Path, detector: str = "fake") -> Path:
    """A recipe that sees coloured rectangles: no weights, quick."""
    path = folder / f"{detector}.toml"
    path.write_text(FAKE.format(detector=detector))
    return path


def coloured(
    path: Path,
    *,
    seconds: float = 3.0,
    fps: int = 10,
    size: tuple[int, int] = (160, 120),
    colour: tuple[int, int, int] = (230, 20, 20),
    seed: int = 5,
) -> Path:
    """A square that crosses a grey picture from left to right; another ``seed`` gives other bytes."""
    w, h = size
    n = round(seconds * fps)
    side = h // 5
    coarse = np.random.default_rng(seed).integers(90, 170, (h // 6 + 1, w // 6 + 1, 1), np.uint8)
    texture = np.repeat(np.kron(coarse[..., 0], np.ones((6, 6), np.uint8))[:h, :w, None], 3, axis=2)

    def images() -> list[np.ndarray]:  # type: ignore[type-arg]
        out = []
        for i in range(n):
            image = texture.copy()
            x = int(w * (0.1 + 0.6 * i / n))
            image[h // 2 : h // 2 + side, x : x + side] = colour
            out.append(image)
        return out

    encode_clip(iter(images()), [i / fps for i in range(n)], path)
    return path


def fm(*args: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run fm-hub in a process of its own."""
    command = [sys.executable, "-c", CODE, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})


def tree(root: Path) -> dict[str, bytes]:
    """The published files of a dataset."""
    files = (p for p in root.rglob("*") if p.is_file() and ".fm_hub" not in p.parts)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}
