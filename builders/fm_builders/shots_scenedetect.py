"""Shots by PySceneDetect's adaptive detector, fed with our own frames: its own readers are wrong on odd files.

It needs the extra ``shots``. Like the default it does not find dissolves and fades.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fm_hub.errors import MissingExtra
from fm_hub.video import VideoIndex, iter_frames

__all__ = ["find_shots"]

SIDE = 256  # pixels, of the longer side: about what PySceneDetect itself shrinks frames to
LEAST_FRAMES = 6  # of a shot; PySceneDetect's own 15 would join short ones, which clips.min_s leaves out with a reason


def find_shots(index: VideoIndex) -> list[tuple[float, float]]:
    """The shots of a video, in order, as half-open ``(t0, t1)`` in seconds; together they cover it.

    Raises :class:`~fm_hub.errors.MissingExtra` without the package, and the errors of :func:`fm_hub.video.iter_frames`.
    """
    try:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector
    except ImportError:
        raise MissingExtra("clips.shots = 'scenedetect'", "shots") from None
    scale = min(1.0, SIDE / max(index.width, index.height))
    size = max(16, round(index.width * scale)), max(16, round(index.height * scale))
    detector, cuts = AdaptiveDetector(min_scene_len=LEAST_FRAMES), set[int]()
    for k, image in iter_frames(index, index.times.tolist(), size=size):
        found = detector.process_frame(FrameTimecode(k, fps=index.fps), np.ascontiguousarray(image[..., ::-1]))
        cuts.update(c.frame_num for c in found)
    cuts.update(c.frame_num for c in detector.post_process(FrameTimecode(index.n_frames - 1, fps=index.fps)))
    edges = [0.0, *(float(index.times[c]) for c in sorted(cuts) if 0 < c < index.n_frames), index.duration]
    return list(pairwise(edges))
