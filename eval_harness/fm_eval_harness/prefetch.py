"""Views made ready in the background, a bounded number ahead of the one that is asked about."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fm_hub.errors import EmptyFile, UnreadableFile

__all__ = ["WORKERS", "ahead", "file_sha"]

A = TypeVar("A")
B = TypeVar("B")
WORKERS = min(4, os.cpu_count() or 1)
_BLOCK = 1 << 20


def ahead(items: Iterable[A], prepare: Callable[[A], B], *, workers: int = WORKERS) -> Iterator[tuple[A, B]]:
    """Yield each item with what ``prepare`` made of it, in order; as many as there are workers wait ready.

    ``prepare`` runs in threads; what it raises is raised where its item would come.
    """
    waiting: deque[tuple[A, Future[B]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="prefetch")
    try:
        for item in items:
            waiting.append((item, pool.submit(prepare, item)))
            if len(waiting) > workers:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def file_sha(path: Path) -> str:
    """24 hexadecimal digits of the SHA-256 of a file: what was shown.

    Raises :class:`~fm_hub.errors.UnreadableFile` or :class:`~fm_hub.errors.EmptyFile`: no question is asked
    about a clip that is not there, not even of a model that would not look.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as f:
            while block := f.read(_BLOCK):
                digest.update(block)
            size = f.tell()
    except OSError as e:
        raise UnreadableFile(f"{path.name}: {e.strerror}") from None
    if not size:
        raise EmptyFile(f"{path.name}: zero bytes")
    return digest.hexdigest()[:24]
