"""Looks that need not be taken twice: what a model saw in the same pixels, kept while someone asks for it.

A builder meets every frame once and remembers nothing. A question's view is another stretch of a clip that was
looked at already: within :func:`remembering` a model runs once for the same pixels. The answer is the same to the
last bit, since the models run on one thread and depend on nothing but their input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Memory", "remembered", "remembering"]

Memory = dict[bytes, Any]
_memory: ContextVar[Memory | None] = ContextVar("looks", default=None)

P = ParamSpec("P")
T = TypeVar("T")
Look = Callable[Concatenate[NDArray[np.uint8], P], T]


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """Keep what :func:`remembered` functions return in ``memory``, and take it from there."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)


def remembered(look: Look[P, T]) -> Look[P, T]:
    """Make a function of a frame, uint8 (H, W, 3), and of plain values one that remembers when it is asked to."""

    @wraps(look)
    def once(frame: NDArray[np.uint8], /, *args: P.args, **kwargs: P.kwargs) -> T:
        memory = _memory.get()
        if memory is None:
            return look(frame, *args, **kwargs)
        said = repr((look.__module__, look.__qualname__, frame.shape, args, kwargs))
        key = hashlib.blake2b(said.encode())
        key.update(np.ascontiguousarray(frame).data)
        if key.digest() not in memory:
            memory[key.digest()] = look(frame, *args, **kwargs)
        return cast("T", memory[key.digest()])

    return cast("Look[P, T]", once)
