"""Where a person should be who is not seen: beyond the ends of a track, and between two sights of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_builders.again.background import Background
from fm_builders.again.template import Template
from fm_builders.boxes import area, clipped, iou
from fm_builders.detectors import Detections
from fm_builders.detectors.looks import looks

__all__ = ["MOST", "NEAREST", "Found", "Look", "Person", "Walk", "between", "beyond", "square"]

NEAREST, OF_SIZE, OF_LOOK = 15, 7, 5  # sights nearest to the place: that may count; for size; for colours
AT_EDGE = 2.0  # pixels from the frame's edge, within which a body may go on behind it
CLEAR = 0.12  # sizes from the edge at which a sight says surely how a person moves
FITTED, FEWEST, OLDEST = 6, 3, 8  # sights that a velocity comes of, at most and at least; frames to the last of them
STEADY = 0.6  # of a velocity that stays when a new place is found
SURE = 5  # sights in one shot that make a person sure there
MOST, MISSES = 30, 5  # frames beyond an end; frames without a sight after which it ends
LEAST_INSIDE, LEAST_SEEN, WHOLE = 0.1, 0.2, 0.98  # share of the body in the frame; for a detector; if it is not cut
APART = 0.3  # IoU with another person's box from which nobody can be told there
REACH, LEAST_REACH = 0.25, 4.0  # of the size, and pixels: how far pixels are looked for
SQUARE = 2.4  # side of what the detector is shown, in the longer sides of the person
SCORE = 0.06  # of NanoDet as a person, where one is expected; elsewhere 2 places of 100 get 0.1
FAINT, ALIKE, LITTLE_ALIKE = 0.04, 0.5, 0.4  # the same, where pixels say so too; likeness on the straight way
SAME, SAME_AT_EDGE = 0.45, 0.3  # IoU with the expected box
LEAPS, FAR = 0.12, 1.2  # score of one who is not there but near, and sizes away
GROWTH = 1.5  # of the side
SURE_PIXELS, SURE_MOVING, MOVING = 0.7, 0.6, 0.15  # likeness enough alone, and of what moves (sizes a frame)
SURE_BARE = 0.65  # the same, of whom another hides in part
SAME_COLOURS = 0.85  # likeness of colours (Bhattacharyya) that who is found must have: 9 of 10 right ones have 0.9
OTHERS = 0.5  # IoU with another's box from which it is theirs

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What a detector is asked to look at: a square (x1, y1, x2, y2) of a frame, whole pixels inside it."""

    frame: int
    square: tuple[int, int, int, int]


@dataclass(frozen=True)
class Found:
    """Where a person is in a frame: a box (4,), and the score of who saw it, 0 where pixels alone say so."""

    frame: int
    box: Floats
    score: float


Walk = Generator[Look, Detections, None]


@dataclass(frozen=True, eq=False)
class Person:
    """One track: the frames ``at`` which it was seen, rising, its ``boxes`` (4,) there, and the clip's ``frames``."""

    at: Sequence[int]
    boxes: Mapping[int, Floats]
    others: Mapping[int, Floats]  # (N, 4) by frame
    frames: Sequence[Pixels]
    cuts: frozenset[int] = frozenset()  # frames that begin another shot
    background: Background | None = None

    def clash(self, frame: int, box: Floats) -> bool:
        """Whether another one is so near that a box could be theirs."""
        others = self.others.get(frame)
        return others is not None and bool(iou(box[None], others).max(initial=0.0) > APART)

    def free(self, frame: int, box: Floats) -> bool:
        """Whether a box is nobody else's."""
        others = self.others.get(frame)
        return others is None or bool(iou(box[None], others).max(initial=0.0) < OTHERS)


@dataclass(frozen=True, eq=False)
class _Body:
    """A person as seen near a place: whole sides (2,), template, colours, and the frame's size (2,)."""

    sides: Floats
    template: Template
    look: Floats
    size: Floats

    @property
    def scale(self) -> float:
        return float(np.sqrt(self.sides.prod()))

    def looks_like(self, pixels: Pixels, box: Floats) -> bool:
        """Whether what is in a box has the person's colours; a box too small for colours has."""
        look = looks(pixels, box[None].astype(np.float32))[0]
        return not look.any() or float(np.sqrt(self.look * look).sum()) >= SAME_COLOURS

    def reach(self, missed: int) -> float:
        """How far pixels are looked for, in pixels, after so many frames without a sight."""
        return max(LEAST_REACH, REACH * self.scale) * (1 + 0.5 * missed)

    def box(self, middle: Floats) -> Floats:
        """The part of the whole body around ``middle`` (2,) that lies in the frame."""
        whole = np.concatenate([middle - self.sides / 2, middle + self.sides / 2])
        inside: Floats = clipped(whole[None], *self.size.tolist())[0].astype(np.float64)
        return inside

    def inside(self, middle: Floats) -> float:
        """The share of the whole body there that lies in the frame."""
        return float(area(self.box(middle)[None])[0] / self.sides.prod())

    def middle(self, box: Floats) -> Floats:
        """The middle of the whole body of which ``box`` is what lies in the frame."""
        out: Floats = (box[:2] + box[2:]) / 2
        for k in (0, 1):
            low, high = box[k] <= AT_EDGE, box[k + 2] >= self.size[k] - AT_EDGE
            if low != high and box[k + 2] - box[k] <= 0.9 * self.sides[k]:
                out[k] = box[k + 2] - self.sides[k] / 2 if low else box[k] + self.sides[k] / 2
        return out

    def clear(self, box: Floats) -> bool:
        """Whether a box is so far from the edges that it is the whole body's."""
        edge = CLEAR * self.sides
        return bool((box[:2] > edge).all() and (box[2:] < self.size - edge).all())

    def square(self, frame: int, middle: Floats) -> Look:
        """What to look at for someone at ``middle``."""
        return Look(frame, square(middle, float(self.sides.max()), self.size))


def square(middle: Floats, longest: float, size: Floats) -> tuple[int, int, int, int]:
    """The part (x1, y1, x2, y2) of a frame of ``size`` (W, H) to look at for someone so long at ``middle`` (2,)."""
    half = SQUARE * longest / 2
    x1, y1, x2, y2 = np.clip(np.round([*(middle - half), *(middle + half)]), 0, [*size] * 2).astype(int)
    return int(x1), int(y1), int(x2), int(y2)


def _body(person: Person, near: Sequence[int]) -> _Body | None:
    """The body from the sights ``near`` a place, nearest first; None where the frame's edge always cuts it."""
    height, width = person.frames[0].shape[:2]
    size = np.array([width, height], np.float64)
    whole = [f for f in near[:NEAREST] if (person.boxes[f][:2] > AT_EDGE).all()]
    whole = [f for f in whole if (person.boxes[f][2:] < size - AT_EDGE).all()]
    if not whole:
        return None
    boxes = np.array([person.boxes[f] for f in whole[:OF_SIZE]])
    sides = np.median(boxes[:, 2:] - boxes[:, :2], axis=0)
    parts, colours = [], []
    for f in whole[:OF_LOOK]:
        x1, y1, x2, y2 = np.round(person.boxes[f]).astype(int)
        if min(x2 - x1, y2 - y1) >= 6:
            parts.append(person.frames[f][y1:y2, x1:x2])
            colours.append(looks(person.frames[f], person.boxes[f][None].astype(np.float32))[0])
    return _Body(sides, Template(parts, sides), np.mean(colours, axis=0), size) if parts else None


def _way(person: Person, body: _Body, near: Sequence[int]) -> tuple[Floats, Floats]:
    """The middle at the sight nearest to an end, and its velocity in pixels a frame: of sights far from the edge."""
    sure = [f for f in near if body.clear(person.boxes[f])][:FITTED]
    if len(sure) < FEWEST or abs(sure[0] - near[0]) > OLDEST:
        sure = list(near[:FITTED])
    middles = np.array([body.middle(person.boxes[f]) for f in sure])
    velocity = np.polyfit(np.array(sure, float), middles, 1)[0] if len(sure) >= FEWEST else np.zeros(2)
    return middles[0] + velocity * (near[0] - sure[0]), velocity


def beyond(person: Person, way: int, found: list[Found]) -> Walk:
    """After the last sight of a person (``way`` 1), or before the first one (-1), frame by frame until they are lost.

    Yields what a detector must look at, and is sent what it saw there, in pixels of the frame. Whatever is found
    is added to ``found``.
    """
    near = list(person.at[::-1] if way > 0 else person.at)
    near = [f for f in near if not any(min(f, near[0]) < cut <= max(f, near[0]) for cut in person.cuts)]
    if len(near) < SURE:
        return
    body = _body(person, near[:NEAREST])
    if body is None:
        return
    place, velocity = _way(person, body, near[:NEAREST])
    velocity, last = velocity * way, place
    missed = 0
    for frame in range(near[0] + way, near[0] + way * (MOST + 1), way):
        place = place + velocity
        if max(frame, frame - way) in person.cuts:
            break
        if missed > MISSES or not 0 <= frame < len(person.frames) or body.inside(place) < LEAST_INSIDE:
            break
        seen = None
        if person.clash(frame, body.box(place)):
            seen = _behind(person, body, frame, place, missed)
        elif body.inside(place) >= LEAST_SEEN:
            seen = yield from _seen(person, body, frame, place, velocity, missed)
        if seen is None:
            seen = _at_edge(person, body, frame, place)
        if seen is None:
            missed += 1
            continue
        middle, one = seen
        velocity = STEADY * velocity + (1 - STEADY) * (middle - last) / (missed + 1)
        place, last, missed = middle, middle, 0
        found.append(one)


def _behind(person: Person, body: _Body, frame: int, place: Floats, missed: int) -> tuple[Floats, Found] | None:
    """What is seen of a body of which another's box hides a part: the rest of it, by its pixels alone."""
    at, alike = body.template.find(person.frames[frame], place, body.reach(missed))
    box = body.box(at)
    return (at, Found(frame, box, 0.0)) if alike >= SURE_BARE and person.free(frame, box) else None


def _at_edge(person: Person, body: _Body, frame: int, place: Floats) -> tuple[Floats, Found] | None:
    """What is seen of a body that the frame's edge cuts, and no detector knows: what is not background there."""
    if person.background is None or body.inside(place) >= WHOLE:
        return None
    part = person.background.part(frame, body.box(place), person.others.get(frame, np.empty((0, 4))))
    return None if part is None else (place, Found(frame, part, 0.0))


def between(person: Person, gap: tuple[int, int], frame: int, found: list[Found]) -> Walk:
    """In one ``frame`` of a ``gap`` between two sights of a person, who goes straight from the one to the other.

    As :func:`beyond`. Where nothing is seen, pixels that are a little like the person are enough for the straight way.
    """
    before, after = gap
    near = [f for f in reversed(person.at) if f <= before]
    body = _body(person, near[:NEAREST])
    if body is None or person.cuts & set(range(before + 1, after + 1)):
        return
    ends = [body.middle(person.boxes[f]) for f in gap]
    place = ends[0] + (ends[1] - ends[0]) * (frame - before) / (after - before)
    if person.clash(frame, body.box(place)):
        seen = _behind(person, body, frame, place, 0)
    else:
        seen = yield from _seen(person, body, frame, place, None, 0)
    if seen is not None:
        found.append(seen[1])
    elif body.template.find(person.frames[frame], place, body.reach(0))[1] >= LITTLE_ALIKE:
        share = (frame - before) / (after - before)
        found.append(Found(frame, person.boxes[before] + (person.boxes[after] - person.boxes[before]) * share, 0.0))


def _seen(
    person: Person, body: _Body, frame: int, place: Floats, velocity: Floats | None, missed: int
) -> Generator[Look, Detections, tuple[Floats, Found] | None]:
    """The middle of the body and the box that a look at ``place`` gives, if it gives any.

    ``velocity`` is known beyond an end, where one can also leap; None between two sights.
    """
    alike_at, alike = body.template.find(person.frames[frame], place, body.reach(missed))
    there = yield body.square(frame, place)
    expected, pixel_box = body.box(place), body.box(alike_at)
    cut = body.inside(place) < WHOLE
    boxes, score = there.bbox.astype(np.float64), there.score.astype(np.float64)
    overlap = iou(boxes, expected[None])[:, 0]
    agrees = iou(boxes, pixel_box[None])[:, 0]
    growth = np.abs(np.log(np.sqrt(np.maximum(area(boxes), 1e-9) / area(expected[None])[0])))
    there_too = (score >= FAINT) & (alike >= ALIKE) & (agrees >= SAME)
    scores = (score >= SCORE) | there_too
    away = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - place, axis=1) / body.scale
    leaps = (score >= LEAPS) & (away < FAR) & (velocity is not None) & (not cut)
    fits = scores & ((overlap >= (SAME_AT_EDGE if cut else SAME)) | leaps) & (growth < np.log(GROWTH))
    pixels = person.frames[frame]
    for k in np.flatnonzero(fits):
        fits[k] = person.free(frame, boxes[k]) and body.looks_like(pixels, boxes[k])
    if fits.any():
        best = int(np.argmax(np.where(fits, score + 0.3 * overlap, -1.0)))
        box, sure = boxes[best], float(score[best])
        if cut:  # what is seen of a body at the edge says little of where it is
            return place, Found(frame, (expected + box) / 2, sure)
        middle = body.middle(box)
        if alike >= SURE_PIXELS and agrees[best] >= 0.4:
            middle = (middle + alike_at) / 2
        return middle, Found(frame, body.box(middle), sure)
    moves = velocity is not None and float(np.linalg.norm(velocity)) >= MOVING * body.scale
    if not cut and alike >= (SURE_MOVING if moves else SURE_PIXELS) and person.free(frame, pixel_box):
        return alike_at, Found(frame, pixel_box, 0.0)
    return None
