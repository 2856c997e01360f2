"""What contributions are kept out or shown to a person, and how well copies of a video are told by what is to be seen.

The hostile ones are those of ``tests/hostile.py``. Good ones are checked as a pull request's folder is, in processes
with limits, and that is timed; the hostile ones by the same functions in this process, which saves an hour of starts.
Copies are made of the shipped clips; the clips are told from one another.
"""

from __future__ import annotations

import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench import Row, options, show

from contributions_made import annotators, contribution, in_this_process
from fm_builders.samples import folder
from fm_hub.contribution.check import check
from fm_hub.contribution.report import Report
from fm_hub.video import encode_clip, index_video, iter_frames
from fm_hub.video_hash import NEAR, hash_video, similarity
from hostile import HOSTILE, wanted_of

Picture = NDArray[np.uint8]
Copy = tuple[str, Callable[[Picture], Picture], float, float, int]


def _crop(share: float) -> Callable[[Picture], Picture]:
    def crop(x: Picture) -> Picture:
        h, w = (round(n * share) for n in x.shape[:2])
        return x[h : x.shape[0] - h, w : x.shape[1] - w]

    return crop


def _noisy(x: Picture) -> Picture:
    noise = np.random.default_rng(0).normal(0, 10, x.shape)
    noisy: Picture = np.clip(x + noise, 0, 255).astype(np.uint8)
    return noisy


def _pale(x: Picture) -> Picture:
    pale: Picture = np.clip(x * 0.7 + 30, 0, 255).astype(np.uint8)
    return pale


#: name, what is done to a picture, where the copy begins and ends (shares of the clip), quality of the encoding.
COPIES: tuple[Copy, ...] = (
    ("encoded poorly", lambda x: x, 0, 1, 40),
    ("half the size", lambda x: x[::2, ::2], 0, 1, 23),
    ("flattened", lambda x: x[::2], 0, 1, 23),
    ("cropped by 5 %", _crop(0.05), 0, 1, 23),
    ("cropped by 10 %", _crop(0.10), 0, 1, 23),
    ("mirrored", lambda x: x[:, ::-1], 0, 1, 23),
    ("letterboxed", lambda x: np.pad(x, ((48, 48), (0, 0), (0, 0))), 0, 1, 23),
    ("paler", _pale, 0, 1, 23),
    ("noisy", _noisy, 0, 1, 23),
    ("grey", lambda x: np.repeat(x.mean(2, keepdims=True), 3, 2).astype(np.uint8), 0, 1, 23),
    ("a part", lambda x: x, 0.3, 0.7, 23),
)


def copies(clip: Path, work: Path) -> Iterator[tuple[str, Path]]:
    """The copies of a clip, one after the other."""
    index = index_video(clip)
    for name, change, start, end, crf in COPIES:
        times = index.times[(index.times >= start * index.duration) & (index.times < end * index.duration)]
        out = work / "copy.mp4"
        encode_clip((change(p) for _, p in iter_frames(index, times.tolist())), times.tolist(), out, crf=crf)
        yield name, out


def hostile(work: Path) -> tuple[int, int]:
    """Kinds that were found with their reason, and kinds that were not."""
    contribution(work / "good")
    found = 0
    with pytest.MonkeyPatch.context() as patch:
        annotators(patch)
        in_this_process(patch)
        for i, kind in enumerate(HOSTILE):
            shutil.copytree(work / "good" / "contrib", work / str(i) / "contrib")
            root = work / str(i) / "contrib" / "eve-kitchen"
            report = check(root, wanted_of(kind.spoil(root)), Report())
            told = [f for f in report.findings if re.fullmatch(kind.check, f.check) and re.search(kind.says, f.why)]
            found += report.status == kind.status and bool(told)
            if report.status != kind.status or not told:
                print(f"not found: {kind.name}: {report.lines()}")
            shutil.rmtree(work / str(i))
    return found, len(HOSTILE) - found


def timed(work: Path, seed: int) -> tuple[bool, float]:
    """Whether a good contribution is accepted, and the CPU seconds of the processes that looked at it."""
    root = contribution(work / "another", seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        annotators(patch)
        patch.setenv("PYTHONPATH", sys.path[0])  # for the annotator that knows what was drawn
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        status = check(root, wanted_of(None), Report()).status
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return status == "accepted", after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    chosen = options(__doc__)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        found, missed = hostile(work)
        accepted, seconds = timed(work, chosen.seed + 5)
        clips = sorted(folder().glob("*.mp4"))
        hashes = {clip: hash_video(clip) for clip in clips}
        alike = [
            (clip.name, what, similarity(hashes[clip], hash_video(path)))
            for clip in clips
            for what, path in copies(clip, work)
        ]
        for clip_name, what, value in alike:
            if value < NEAR:
                print(f"not seen to be a copy: {clip_name}, {what}: {value:.2f}")
        others = [similarity(hashes[a], hashes[b]) for a, b in combinations(clips, 2)]
    rows = [
        Row("kinds of hostile contributions refused or shown to a person, with the reason", found, "", ">=", 30),
        Row("kinds that passed, or for another reason", missed, "", "<=", 0),
        Row("good contributions accepted", int(accepted), "", ">=", 1),
        Row("copies of a video that are seen", sum(v >= NEAR for *_, v in alike) / len(alike), "", ">=", 0.9),
        Row("pairs of other videos taken for copies", sum(v >= NEAR for v in others), "", "<=", 0),
        Row("CPU time of the processes that check two clips", seconds, "s", "<=", 30),
    ]
    show("contributions", rows, chosen)


if __name__ == "__main__":
    main()
