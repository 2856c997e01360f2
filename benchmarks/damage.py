"""Files with random bytes overwritten or cut out: how often a read without an error shows a wrong picture.

Each file is 60 numbered frames. A strict read is **wrong** if a frame is another than the one of that time, or if
frames are gone or all times are shifted without an error; **altered** if all frames are the right ones but some
pixels are not (a decoder cannot know: the bytes still mean a picture); **refused** is a typed error. ``salvage``
counts the files where a salvaged frame is another than the one of that time. Every other damaged file is asked for
7 of its frames only, so that frames are skipped over.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from bench import Row, show

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from conformance import KINDS, N
from fm_hub.errors import FmError
from fm_hub.video import VideoIndex, index_video, read_frames
from videos_made import damaged, number_of, numbered


def outcome(path: Path, start: int, whole: list[np.ndarray], asked: list[int], *, salvage: bool) -> str:
    """What a read of a damaged file comes to; ``start`` is the first pts of the sound file, ``whole`` its pictures."""
    try:
        index: VideoIndex = index_video(path)
        numbers = ((index.pts - start) * float(index.time_base) * 25).round().astype(int)
        places = [i for i in asked if i < index.n_frames]
        got = read_frames(index, index.times[places].tolist(), salvage=salvage)
    except FmError:
        return "refused"
    pairs = [(int(numbers[i]), image) for i, image in zip(places, got, strict=True) if image is not None]
    if any(number_of(image) != number for number, image in pairs):
        return "wrong"
    if not salvage and (index.n_frames != N or numbers[0] != 0):
        return "wrong"
    return "right" if all(np.array_equal(image, whole[number]) for number, image in pairs) else "altered"


def main() -> None:
    """Damage every kind of file and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--files", type=int, default=200, help="damaged files of each kind")
    chosen = parser.parse_args()
    rows = []
    print(
        f"| {chosen.files} files of | refused | right | altered | wrong | salvage: wrong |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, how in KINDS.items():
            sound = numbered(Path(folder) / name, N, gop=12, **how)
            index = index_video(sound)
            whole = [image for image in read_frames(index, index.times.tolist()) if image is not None]
            counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
            path = sound.with_name(f"damaged_{name}")
            for seed in range(chosen.seed * chosen.files, (chosen.seed + 1) * chosen.files):
                damaged(sound, path, seed)
                asked = list(range(N)) if seed % 2 else list(range(3, N, 9))
                for salvage, count in counts.items():
                    count[outcome(path, int(index.pts[0]), whole, asked, salvage=salvage)] += 1
            strict = counts[False]
            figures = " | ".join(str(strict[k]) for k in ("refused", "right", "altered", "wrong"))
            print(f"| {name} | {figures} | {counts[True]['wrong']} |", flush=True)
            rows.append(Row(f"{name}: wrong without an error", strict["wrong"] / chosen.files, "of files", "<=", 0))
    print()
    show("damage", rows, chosen)


if __name__ == "__main__":
    main()
