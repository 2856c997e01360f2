"""The view of a question: which file, which seconds."""

from __future__ import annotations

import math
from pathlib import Path

from fm_eval_harness.items import Item
from fm_eval_harness.policy import Policy
from fm_hub.errors import EmptyFile, TooShort, UnreadableFile
from fm_hub.models import View
from fm_hub.tables import inside

__all__ = ["file_of", "view_of"]


def file_of(root: Path, item: Item) -> Path:
    """The item's video: the first of its names that is there; never one outside the folder.

    Raises :class:`~fm_hub.errors.UnreadableFile` or :class:`~fm_hub.errors.EmptyFile`: a question whose video
    is missing is counted as failed, and never asked without it.
    """
    paths = [inside(root, name) for name in item.files]
    path = next((p for p in paths if p.is_file()), paths[0])
    try:
        size = path.stat().st_size
    except OSError as e:
        raise UnreadableFile(f"{path.name}: {e.strerror}") from None
    if path.is_dir():
        raise UnreadableFile(f"{path.name}: a folder of pictures, not a video file")
    if not size:
        raise EmptyFile(f"{path.name}: zero bytes")
    return path


def view_of(root: Path, item: Item, policy: Policy) -> View:
    """The view of an item. A file is opened only where its length must be known.

    Raises an :class:`~fm_hub.errors.ItemError` if the file cannot be read, or ends before the view begins.
    """
    q, path = item.question, file_of(root, item)
    t0, t1 = q.view_t0, q.view_t1
    if math.isinf(t1) or item.videos:
        from fm_hub.video import index_video

        duration = index_video(path).duration
        t1 = min(t1, duration)
        if t0 >= t1:
            raise TooShort(f"{path.name}: ends at {duration:.2f} s, before its question's view ({t0:.2f} s)")
    return policy.view(q.clip_id, path, t0, t1)
