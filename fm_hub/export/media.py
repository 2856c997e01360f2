"""The videos of an export: a clip as it is where a question is about all of it, else the part that it is about.

A question may only be asked inside its view: with the whole clip, "what happens next" would be shown. Consumers know
no views, so a part becomes a file of its own, named by clip and milliseconds; a file that is there is not made again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fm_hub.errors import UnreadableFile
from fm_hub.export.examples import Example
from fm_hub.tables import inside
from fm_hub.video import VideoIndex, encode_clip, index_video, iter_frames, read_frames

__all__ = ["Media"]

SLACK = 5e-4  # seconds: a view read back from three decimals still means the same frames
STEP = 0.1  # seconds, of the default clock: a view that ends on the last sampled frame is the whole clip
QUALITY = 90
KEEP = 1024  # indexes in memory


class Media:
    """Makes the files under ``out`` that the examples of a dataset folder are about."""

    def __init__(self, root: Path, out: Path) -> None:
        self._root, self._out = root, out
        self._indexes: dict[str, VideoIndex] = {}
        self._videos: dict[tuple[str, float, float | None], str] = {}

    def video(self, example: Example) -> str:
        """The path below ``out`` of the video of an example. Raises an :class:`~fm_hub.errors.ItemError`."""
        key = (example.video_file, example.t0, example.t1)
        if key not in self._videos:
            self._videos[key] = self._video(example)
        return self._videos[key]

    def _video(self, example: Example) -> str:
        index = self._index(example.video_file)
        times = self._shown(index, example)
        if len(times) == index.n_frames:
            target = self._out / example.video_file
            if not target.exists():
                _link(index.path, target)
            return example.video_file
        name = f"views/{_part(example)}.mp4"
        target = self._out / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shown = times.tolist()
            encode_clip((image for _, image in iter_frames(index, shown)), shown, target)
        return name

    def frames(self, example: Example, n: int) -> list[str]:
        """The paths below ``out`` of ``n`` pictures, the frames that fm-eval shows of the view."""
        from PIL import Image

        from fm_hub.models import View

        index = self._index(example.video_file)
        t1 = index.duration if example.t1 is None else example.t1
        folder = self._out / "frames" / _part(example)
        names = [f"frames/{_part(example)}/{i:02d}-of-{n}.jpg" for i in range(n)]
        if not (self._out / names[-1]).exists():
            folder.mkdir(parents=True, exist_ok=True)
            times = View("", index.path, example.t0, t1, n).times()
            for name, pixels in zip(names, read_frames(index, times), strict=True):
                if pixels is None:
                    raise UnreadableFile(f"{index.path.name}: no picture in {example.t0}..{t1} s")
                partial = self._out / f"{name}.tmp"
                Image.fromarray(pixels).save(partial, "JPEG", quality=QUALITY)
                partial.replace(self._out / name)
        return names

    def _index(self, name: str) -> VideoIndex:
        if name not in self._indexes:
            if len(self._indexes) >= KEEP:
                self._indexes.pop(next(iter(self._indexes)))
            self._indexes[name] = index_video(inside(self._root, name))
        return self._indexes[name]

    @staticmethod
    def _shown(index: VideoIndex, example: Example) -> NDArray[np.float64]:
        """The times of the frames that can be seen in the view."""
        times = index.times
        t1 = float(times[-1]) if example.t1 is None else example.t1
        if example.t0 <= STEP and t1 >= times[-1] - STEP - SLACK:
            return times
        first = max(int(np.searchsorted(times, example.t0 + SLACK, side="right")) - 1, 0)
        end = int(np.searchsorted(times, t1 + SLACK, side="right"))
        return times[first : max(end, first + 1)]


def _part(example: Example) -> str:
    clip = Path(example.video_file).stem
    end = "end" if example.t1 is None else round(example.t1 * 1000)
    return f"{clip[:2]}/{clip}-{round(example.t0 * 1000)}-{end}"


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        partial = target.with_name(f".{target.name}.tmp")
        shutil.copyfile(source, partial)
        partial.replace(target)
