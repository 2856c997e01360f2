"""From what is found in key frames to things with a mask in every frame.

A clip is worked on in parts that share a frame, so that memory does not grow with its length. Within a part, what is
found in a key frame (every second, say) and is not followed yet begins a thing, which is followed to the end of the
part and back to its beginning. From part to part a thing goes on from the shared frame: from the box that was found
there, if that gives the mask that it had (IoU), else from the mask itself. Two that turn out to be one are joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import area, best_pairs, iou, nms
from fm_builders.detectors import Detections
from fm_builders.recipe import Objects
from fm_builders.segmenters import Hint, Mask, Part, Segmenter
from fm_hub.masks import box_of, decode, encode

__all__ = ["Follower", "Sight", "Thing"]

IOU_SIDE = 256  # pixels: masks are compared at this size
TWINS, SHARED = 0.8, 0.5  # IoU, and share of the shorter one's frames, at which two things are one

Carried = tuple["Thing", "NDArray[np.float32] | None"]
Find = Callable[[Sequence[NDArray[np.uint8]]], list[Detections]]


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A thing in one frame: the box and the runs of its mask, in pixels of the frame of ``shape`` (H, W), a small mask
    to compare with, and the chance that it is seen."""

    bbox: NDArray[np.float32]
    runs: NDArray[np.int32]
    small: NDArray[np.bool_]
    seen: float
    shape: tuple[int, int]


@dataclass
class Thing:
    """What is followed. ``votes`` are scores by label, one for each of the ``found`` key frames of ``looked`` in which
    it was to be seen; ``sights`` are the frames of the clip in which it is visible; ``points`` are named points
    (K, 2) and their confidence (K,), in some of them."""

    detectors: Counter[str] = field(default_factory=Counter)
    votes: Counter[str] = field(default_factory=Counter)
    found: int = 0
    looked: int = 0
    sights: dict[int, Sight] = field(default_factory=dict)
    points: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The label with the most votes."""
        return max(self.votes, key=lambda name: (self.votes[name], name), default="")

    @property
    def score(self) -> float:
        """The mean score of its detections."""
        return float(sum(self.votes.values())) / max(self.found, 1)

    def vote(self, found: Detections, i: int) -> None:
        """Count detection ``i`` of a key frame as this thing's."""
        self.votes[found.label[i]] += float(found.score[i])  # type: ignore[assignment]  # Counter sums any number
        self.detectors[found.detector[i]] += 1
        self.found += 1

    def take(self, other: Thing) -> None:
        """Become one with a thing that is the same: from where the two agree last, its sights are ours."""
        both = [f for f in other.sights if f in self.sights and _same(self.sights[f], other.sights[f]) >= SHARED]
        turn = max(both, default=min(other.sights, default=0))
        self.sights = other.sights | {f: s for f, s in self.sights.items() if f < turn}
        self.votes.update(other.votes)
        self.detectors.update(other.detectors)
        self.found, self.looked = self.found + other.found, self.looked + other.looked


class Follower:
    """Follows things through one clip; ``things`` is what came of it, after :meth:`through` is exhausted.

    ``find`` gives the detections of a part's key frames.
    """

    def __init__(self, segmenter: Segmenter, find: Find, told: Objects) -> None:
        self.segmenter, self.find, self.told = segmenter, find, told
        self.things: list[Thing] = []

    def through(
        self, frames: Iterable[NDArray[np.uint8]], t: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray[np.uint8], list[tuple[Thing, Sight]]]]:
        """Yield each frame with the things that are seen in it, part by part.

        ``frames`` are uint8 RGB (H, W, 3) at times ``t`` (N,), seconds, rising.
        """
        keys = _key_frames(t, self.told.every_s)
        ends = _ends(t, keys, self.told.part_s)
        held: list[NDArray[np.uint8]] = []
        first, carried = 0, list[Carried]()
        for i, frame in enumerate(frames):
            held.append(frame)
            if i == ends[0]:
                carried = self._part(held, first, [k for k in keys if first <= k <= i], carried)
                last = len(ends) == 1
                for k, one in enumerate(held if last else held[:-1]):
                    yield one, [(thing, thing.sights[first + k]) for thing in self.things if first + k in thing.sights]
                held, first, ends = held[-1:], i, ends[1:]
        self._finish()

    def _part(
        self,
        frames: list[NDArray[np.uint8]],
        first: int,
        keys: list[int],
        carried: list[Carried],
    ) -> list[Carried]:
        """Follow everything through one part; return what goes on in the next, with its box in the last frame."""
        part = self.segmenter.open(frames)
        for thing, box in carried:
            self._go_on(part, thing, box, first)
        new = [k for k in keys if k > first or first == 0]
        boxes: dict[int, NDArray[np.float32]] = {}
        for key, found in zip(new, self.find([frames[k - first] for k in new]) if new else [], strict=True):
            boxes = self._key_frame(part, key, self._believable(found, frames[0].shape), first)
        if self.told.refine_every:
            self._refine(part, first, len(frames))
        end = first + len(frames) - 1
        fresh = boxes if keys and keys[-1] == end else {}
        return [(thing, fresh.get(id(thing))) for thing in self.things if end in thing.sights]

    def _key_frame(self, part: Part, key: int, found: Detections, first: int) -> dict[int, NDArray[np.float32]]:
        """Match what is found with what is followed, and begin what is new; return the boxes, by the things' ids."""
        alive = [t for t in self.things if key in t.sights]
        pairs = _pairs(np.array([t.sights[key].bbox for t in alive]), found.bbox, self.told.match_iou)
        for thing in alive:
            thing.looked += 1
        for a, d in pairs:
            alive[a].vote(found, d)
        boxes = {id(alive[a]): found.bbox[d] for a, d in pairs}
        for d in sorted(set(range(len(found))) - {d for _, d in pairs}):
            born = self._born(part, found, d, key, first)
            twin = self._twin(born)
            if twin is not None:
                twin.take(born)
            elif born.sights:
                self.things.append(born)
            boxes[id(twin or born)] = found.bbox[d]
        return boxes

    def _born(self, part: Part, found: Detections, d: int, key: int, first: int) -> Thing:
        """A thing that is found for the first time, followed both ways."""
        thing = Thing(looked=1)
        thing.vote(found, d)
        hint = Hint(key - first, found.bbox[d].astype(np.float64))
        self._add(thing, part.follow([hint], reverse=True), first)
        self._add(thing, part.follow([hint]), first)
        return thing

    def _go_on(self, part: Part, thing: Thing, box: NDArray[np.float32] | None, first: int) -> None:
        """Follow a thing of the part before: from a box that was found if that gives its mask, else from its mask."""
        before = thing.sights[first]
        if box is not None:
            again = Thing()
            self._add(again, part.follow([Hint(0, box.astype(np.float64))]), first)
            if first in again.sights and _same(before, again.sights[first]) >= self.told.match_iou:
                thing.sights.update(again.sights)
                return
        self._add(thing, part.follow([Hint(0, decode(before.runs, *before.shape))]), first)
        thing.sights[first] = before

    def _refine(self, part: Part, first: int, n: int) -> None:
        """Follow everything again from a memory of boxes: those of its own masks, every so many frames."""
        for thing in self.things:
            at = [f for f in sorted(thing.sights) if first <= f < first + n and f % self.told.refine_every == 0]
            if not at:
                continue
            hints = [Hint(f - first, thing.sights[f].bbox.astype(np.float64)) for f in at]
            anew = Thing()
            self._add(anew, part.follow(hints, reverse=True), first)
            self._add(anew, part.follow(hints), first)
            kept = {f: s for f, s in thing.sights.items() if not first <= f < first + n}
            thing.sights = kept | anew.sights

    def _add(self, thing: Thing, masks: Iterable[Mask], first: int) -> None:
        """Keep the frames in which the thing is seen and large enough."""
        for one in masks:
            box = box_of(one.mask)
            if one.seen > 0.5 and np.count_nonzero(one.mask) >= max(self.told.min_area, 1):
                step = max(1, -(-max(one.mask.shape) // IOU_SIDE))
                small = one.mask[::step, ::step].copy()
                thing.sights[first + one.frame] = Sight(box, encode(one.mask), small, one.seen, one.mask.shape)
            else:
                thing.sights.pop(first + one.frame, None)

    def _believable(self, found: Detections, shape: tuple[int, ...]) -> Detections:
        """What may begin or continue a thing: not tiny, not the whole picture, and once, whatever it is called."""
        height, width = shape[:2]
        side = (found.bbox[:, 2:] - found.bbox[:, :2]).min(1, initial=np.inf) if len(found) else np.empty(0)
        size = area(found.bbox)
        small = (side < self.told.min_side) | (size < self.told.min_box)
        found = found.take(np.flatnonzero(~small & (size <= self.told.max_share * width * height)))
        return found.take(np.sort(nms(found.bbox, found.score, self.told.nms_iou)))

    def _twin(self, born: Thing) -> Thing | None:
        """The thing that a new one is: the same masks in most of the frames that both have."""
        best, most = None, self.told.match_iou
        for thing in self.things:
            both = [f for f in born.sights if f in thing.sights]
            mean = float(np.mean([_same(born.sights[f], thing.sights[f]) for f in both])) if both else 0.0
            if mean >= most:
                best, most = thing, mean
        return best

    def _finish(self) -> None:
        """Leave out what was found too rarely, and of two that are one the one that was found less often."""
        kept: list[Thing] = []
        for thing in sorted(self.things, key=lambda t: -sum(t.votes.values())):
            enough = thing.found >= self.told.support * thing.looked and len(thing.sights) >= self.told.min_frames
            if enough and not any(_twins(thing, other) for other in kept):
                kept.append(thing)
        self.things = sorted(kept, key=lambda t: (min(t.sights), *t.sights[min(t.sights)].bbox.tolist()))


def _same(a: Sight, b: Sight) -> float:
    """The IoU of two small masks of one frame."""
    union = np.count_nonzero(a.small | b.small)
    return np.count_nonzero(a.small & b.small) / union if union else 0.0


def _twins(a: Thing, b: Thing) -> bool:
    both = [f for f in a.sights if f in b.sights]
    alike = sum(_same(a.sights[f], b.sights[f]) >= TWINS for f in both)
    return alike >= SHARED * min(len(a.sights), len(b.sights))


def _pairs(have: NDArray[np.float32], found: NDArray[np.float32], least: float) -> list[tuple[int, int]]:
    """The best pairs of a followed box and a found one that overlap at least so much."""
    if not len(have) or not len(found):
        return []
    return best_pairs(iou(have, found), least)


def _key_frames(t: NDArray[np.float64], every_s: float) -> list[int]:
    """The first frame, then the first one at least so much later, and the last; with 0 the first alone.

    >>> _key_frames(np.arange(25) / 10, 1.0)
    [0, 10, 20, 24]
    """
    keys = [0]
    if every_s > 0:
        for i in range(1, len(t)):
            if t[i] - t[keys[-1]] >= every_s - 1e-6:
                keys.append(i)
        if keys[-1] != len(t) - 1:
            keys.append(len(t) - 1)
    return keys


def _ends(t: NDArray[np.float64], keys: list[int], part_s: float) -> list[int]:
    """The last frame of each part: a key frame, where there are some, and of the last part the last of all."""
    ends, start = list[int](), 0
    for i in keys[1:] if len(keys) > 1 else range(1, len(t)):
        if t[i] - t[start] >= part_s - 1e-6 and i < len(t) - 1:
            ends.append(i)
            start = i
    return [*ends, len(t) - 1]
