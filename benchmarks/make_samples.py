"""Make the three sample clips of the package from their originals: ``make_samples.py ORIGINALS OUT``.

``ORIGINALS`` holds sports2d_demo.mp4, cup.mp4 and bikes.mp4 (see SAMPLES.toml for where they are from). Prints the
SHA-256 and the size of each clip; they must agree with SAMPLES.toml on the same versions of the libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from pathlib import Path

from fm_hub.video import encode_clip, index_video, iter_frames

CRF = 23


def main() -> None:
    """Read the arguments and make the clips."""
    parser = argparse.ArgumentParser(description="Make the sample clips from their originals.")
    parser.add_argument("originals", type=Path, help="folder with sports2d_demo.mp4, cup.mp4 and bikes.mp4")
    parser.add_argument("out", type=Path, help="folder to write walker.mp4, cup.mp4 and bikes.mp4 to")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    halve(given.originals / "sports2d_demo.mp4", given.out / "walker.mp4")
    for name in ("cup.mp4", "bikes.mp4"):  # H.264 in an .mp4 already
        shutil.copyfile(given.originals / name, given.out / name)
    for name in ("walker.mp4", "cup.mp4", "bikes.mp4"):
        data = (given.out / name).read_bytes()
        sys.stdout.write(f"{hashlib.sha256(data).hexdigest()}  {name}  {len(data)} bytes\n")


def halve(source: Path, dest: Path) -> None:
    """Encode every frame of ``source`` at half its width and height."""
    index = index_video(source)
    size = index.width // 2, index.height // 2
    frames = (image for _, image in iter_frames(index, index.times.tolist(), size=size))
    encode_clip(frames, index.times.tolist(), dest, crf=CRF)


if __name__ == "__main__":
    main()
