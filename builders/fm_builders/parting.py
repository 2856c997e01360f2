"""When two things that were together part, from where one is seen from the other: a place that trembles.

As long as they are together the place stays; when they part it goes off, and for a while straight. So the path is a
**hinge**: a point up to some moment, a line from there on. The moment that leaves the least squares is found even where
the boxes tremble by more than the things move in a few frames, for it looks at all of them at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["together"]

LOOK = 2.5  # seconds of the path that are looked at, at either end
FEWEST = 6  # frames
LEAST_GAIN = 3.0  # variance of the hinge over that of what it leaves, per degree of freedom (an F statistic)
PARTINGS = 3  # a thing is put down, and then the hand goes: one after the other

Floats = NDArray[np.float64]


def together(
    t: Floats, place: Floats, speed: float, way: float, *, meet: bool = True, part: bool = True
) -> tuple[int, int]:
    """The rows ``start <= k < stop`` of a path in which the two are together: without its partings at either end.

    ``t`` (N,) rises; ``place`` (N, 2) is where one thing is seen from the other. A parting is at least as fast as
    ``speed``, in units of ``place`` a second, and goes at least as far as ``way``. ``meet`` and ``part``: whether one
    is looked for at the start and at the end. Of two that both fit, the plainer one is taken off first: what is left
    may need no other.
    """
    start, stop = 0, len(t)
    for _ in range(PARTINGS):
        here = slice(start, stop)
        last, gain = _parting(t[here], place[here], speed, way) if part else (stop, 0.0)
        first, gain_before = _parting(-t[here][::-1], place[here][::-1], speed, way) if meet else (stop, 0.0)
        if gain <= 0 and gain_before <= 0:
            break
        if gain >= gain_before:
            stop = start + last
        else:
            start = stop - first
    return start, stop


def _parting(t: Floats, place: Floats, speed: float, way: float) -> tuple[int, float]:
    """How many rows come before the parting at the end of a path, and how plain it is: (N, 0) if there is none."""
    late = t >= t[-1] - LOOK
    skipped, t, place = int((~late).sum()), t[late], place[late]
    n = len(t)
    if n < FEWEST:
        return skipped + n, 0.0
    since = np.maximum(t - t[1 : n - 2, None], 0.0)  # (hinges, rows)
    since -= since.mean(1, keepdims=True)
    off = place - place.mean(0)
    spread = (since**2).sum(1)
    slope = since @ off / spread[:, None]
    gained = (slope**2).sum(1) * spread
    k = int(gained.argmax())
    left = max(float((off**2).sum() - gained[k]), 1e-9)
    gain = float(gained[k]) / 3 / (left / (2 * n - 5))
    pace = float(np.hypot(*slope[k]))
    if gain < LEAST_GAIN or pace < speed or pace * float(t[-1] - t[1 + k]) < way:
        return skipped + n, 0.0
    return skipped + k + 2, gain
