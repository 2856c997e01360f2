"""Who is who after two have met: what one frame cannot say, the second before and the second after can.

While two alike things overlap, a detector sees one of them, or neither, and association frame by frame may leave with
the wrong one. Here each such meeting is looked at once more, whole: if the ways, sizes and colours before and after
agree much better with the identities exchanged, they are exchanged. Two that were seen apart all along are left alone.
So is looked at where one is lost as it meets another, and soon a third begins there: the other may have gone on as the
one that was lost, and the third may be the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import area, centre, iou
from fm_builders.detectors import Detections

__all__ = ["uncrossed"]

Hit = tuple[int, int]  # frame, and index in it
AROUND = 1.0  # seconds before and after a meeting that are compared
FEWEST = 4  # detections there, of each of the two
TOUCH = 0.05  # IoU from which two meet
ONE = 0.4  # IoU from which they could be taken for one
PAUSE = 3  # frames apart that do not end a meeting
LOOK_WEIGHT = 3.0  # of unlike colours, against one size of the thing between the places
HIDDEN_S, BOTH_S = 1.5, 0.3  # seconds from the end of one to the beginning of a third, or that both are there
CLOSE = 1.5  # sizes from the other that they end and begin
CLEAR, MUCH = 0.3, 0.7  # by how much, and to what share of it, an exchange must lower the disagreement


@dataclass(frozen=True)
class _Side:
    """A thing on one side of a meeting: a line through its places, its size in pixels, and its mean look."""

    line: NDArray[np.float64]  # (2, 2): where it is at the time of the meeting, and pixels a second
    size: float
    look: NDArray[np.float64]

    def disagrees(self, other: _Side) -> float:
        """How unlike one thing the two are: place at the meeting and way from it, in sizes, growth, and colours."""
        step = np.linalg.norm(self.line - other.line, axis=1) * [1.0, AROUND / 2]
        apart = float(step.sum()) / np.sqrt(self.size * other.size)
        growth = abs(float(np.log(self.size / other.size)))
        known = self.look.any() and other.look.any()
        unlike = 1 - float(np.sqrt(self.look * other.look).sum()) if known else 0.0
        return float(apart + growth + LOOK_WEIGHT * unlike)


def uncrossed(
    things: Sequence[tuple[str, list[Hit]]], detections: Sequence[Detections], t: NDArray[np.float64]
) -> list[list[Hit]]:
    """The detections of each thing (its group, and hits with frames rising), exchanged after a meeting where needed.

    There are fewer where one is found to go on as another.

    ``detections`` has one entry a frame, ``t`` (N,) their times in seconds.
    """
    hits = [list(own) for _, own in things]
    for i, j in combinations(range(len(things)), 2):
        if things[i][0] == things[j][0]:
            for start, end in _meetings(hits[i], hits[j], detections):
                hits[i], hits[j] = _settled(hits[i], hits[j], (start, end), detections, t)
    soon = [(j, k) for j, k in permutations(range(len(things)), 2) if _soon(hits[j], hits[k], t)]
    for i, (j, k) in product(range(len(things)), soon):
        if i not in (j, k) and things[i][0] == things[j][0] == things[k][0] and hits[j] and hits[k]:
            hits[i], hits[j], hits[k] = _handed_on(hits[i], hits[j], hits[k], detections, t)
    return [own for own in hits if own]


def _boxes(hits: Sequence[Hit], detections: Sequence[Detections]) -> NDArray[np.float64]:
    return np.array([detections[f].bbox[k] for f, k in hits], np.float64).reshape(-1, 4)


def _meetings(a: Sequence[Hit], b: Sequence[Hit], detections: Sequence[Detections]) -> list[tuple[int, int]]:
    """The first and last frame of each meeting in which the two could not be seen apart."""
    frames = np.arange(max(a[0][0], b[0][0]), min(a[-1][0], b[-1][0]) + 1)
    if not len(frames):
        return []
    ways = []
    for own in (a, b):
        boxes = _boxes(own, detections)
        ways.append(np.stack([np.interp(frames, [f for f, _ in own], boxes[:, k]) for k in range(4)], 1))
    shared = np.array([float(iou(p[None], q[None])[0, 0]) for p, q in zip(*ways, strict=True)])
    seen = np.isin(frames, [f for f, _ in a]) & np.isin(frames, [f for f, _ in b])
    touch = np.flatnonzero(shared > TOUCH)
    parts = np.split(touch, np.flatnonzero(np.diff(touch) > PAUSE) + 1) if len(touch) else []
    unclear = [part for part in parts if shared[part].max() >= ONE or not seen[part[0] : part[-1] + 1].all()]
    return [(int(frames[part[0]]), int(frames[part[-1]])) for part in unclear]


def _settled(
    a: list[Hit], b: list[Hit], meeting: tuple[int, int], detections: Sequence[Detections], t: NDArray[np.float64]
) -> tuple[list[Hit], list[Hit]]:
    """The two as they are, or with what comes after the middle of the meeting exchanged."""
    start, end = meeting
    middle = (t[start] + t[end]) / 2

    def before(own: list[Hit]) -> _Side | None:
        return _side([h for h in own if t[start] - AROUND <= t[h[0]] < t[start]], middle, detections, t)

    def after(own: list[Hit]) -> _Side | None:
        return _side([h for h in own if t[end] < t[h[0]] <= t[end] + AROUND], middle, detections, t)

    a0, b0, a1, b1 = before(a), before(b), after(a), after(b)
    if a0 is None or b0 is None or a1 is None or b1 is None:
        return a, b
    kept, exchanged = a0.disagrees(a1) + b0.disagrees(b1), a0.disagrees(b1) + b0.disagrees(a1)
    if kept - exchanged < CLEAR or exchanged > MUCH * kept:
        return a, b
    cut = (start + end) / 2
    return (
        [h for h in a if h[0] <= cut] + [h for h in b if h[0] > cut],
        [h for h in b if h[0] <= cut] + [h for h in a if h[0] > cut],
    )


def _handed_on(
    a: list[Hit], b: list[Hit], c: list[Hit], detections: Sequence[Detections], t: NDArray[np.float64]
) -> tuple[list[Hit], list[Hit], list[Hit]]:
    """The three as they are; or, where ``b`` ends and ``c`` begins near ``a``, ``a`` then ``c``, ``b`` then ``a``."""
    end, start = b[-1][0], c[0][0]
    met = bool(a) and a[0][0] < end and start < a[-1][0] and _soon(b, c, t)
    if not (met and _near(a, b[-1], detections) and _near(a, c[0], detections)):
        return a, b, c
    middle = (t[start] + t[end]) / 2
    low, high = sorted((t[start], t[end]))

    def part(own: list[Hit], first: float, last: float) -> _Side | None:
        return _side([h for h in own if first <= t[h[0]] <= last], middle, detections, t)

    a0, b0 = (part(own, low - AROUND, low) for own in (a, b))
    a1, c1 = (part(own, high, high + AROUND) for own in (a, c))
    if a0 is None or b0 is None or a1 is None or c1 is None:
        return a, b, c
    kept, exchanged = a0.disagrees(a1) + b0.disagrees(c1), a0.disagrees(c1) + b0.disagrees(a1)
    if kept - exchanged < CLEAR or exchanged > MUCH * kept:
        return a, b, c
    cut = (start + end) / 2
    return (
        [h for h in a if h[0] <= cut] + [h for h in c if h[0] > cut],
        [h for h in b if h[0] <= cut] + [h for h in a if h[0] > cut],
        [],
    )


def _soon(b: Sequence[Hit], c: Sequence[Hit], t: NDArray[np.float64]) -> bool:
    """Whether one begins as another ends."""
    return bool(-BOTH_S <= t[c[0][0]] - t[b[-1][0]] <= HIDDEN_S)


def _near(a: Sequence[Hit], hit: Hit, detections: Sequence[Detections]) -> bool:
    """Whether a detection lies near where a thing is in its frame, seen there or not."""
    boxes, frames = _boxes(a, detections), [f for f, _ in a]
    box = np.array([np.interp(hit[0], frames, boxes[:, k]) for k in range(4)])
    other = detections[hit[0]].bbox[hit[1]].astype(np.float64)
    return float(np.linalg.norm(centre(box[None]) - centre(other[None]))) <= CLOSE * float(
        np.sqrt(max(area(box[None])[0], 1.0))
    )


def _side(hits: Sequence[Hit], at: float, detections: Sequence[Detections], t: NDArray[np.float64]) -> _Side | None:
    if len(hits) < FEWEST:
        return None
    boxes = _boxes(hits, detections)
    when = t[[f for f, _ in hits]] - at
    line, *_ = np.linalg.lstsq(np.column_stack([np.ones(len(when)), when]), centre(boxes), rcond=None)
    looks = np.array([detections[f].look[k] for f, k in hits], np.float64)
    return _Side(np.asarray(line, np.float64), float(np.median(np.sqrt(np.maximum(area(boxes), 1.0)))), looks.mean(0))
