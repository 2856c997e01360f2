"""The embedded tier's eye: NanoDet and MoveNet, each checking the other.

NanoDet alone calls an arm, a lamp post and a hole in a tree persons (scores up to 0.6); MoveNet alone overlooks
people before dark trees. So a person counts when MoveNet sees one, or when both do, and where they disagree
MoveNet takes a second look at that part of the frame, enlarged: it then finds a real person with nearly the
score of an easy one, and nothing at all at a false one. Persons of the frame before are looked for in the
same way. A person's box is MoveNet's: its centre shakes less than NanoDet's (3.8 against 6.0 pixels of 1768
on a walking person, 3.8 against 12.2 on one who waves; the sigma of ``docs/claims.md``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import iou, nms, overlap
from fm_builders.detectors import Detections, Detector
from fm_builders.detectors.movenet import MoveNet, persons
from fm_builders.detectors.nanodet import NanoDet

__all__ = ["EmbeddedDetector"]

AGREE_IOU = 0.4  # NanoDet's and MoveNet's box of one person
SURE = 0.3  # MoveNet alone, above which it is not wrong on the clips at hand; lower needs NanoDet as well
WEAK, SURE_NANODET = 0.15, 0.65
LOOK_FLOOR = 0.3  # NanoDet's persons below this score are not worth a second look
LOOK_SIDE = 256  # pixels: the size of the second look
MAX_LOOKS = 4  # a frame; each costs a third of the first look
NEAR, NEAR_MEMORY = 1.3, 1.6  # side of the second look over the box's long side; people of the last frame have moved
SAME_THING = 0.55  # IoU above which two boxes of any class are one thing
FILLS = 0.6  # share of the frame above which a thing's box says nothing about its motion (and is mostly wrong)
PART = 0.8  # share of a weak box inside a strong one above which it is a part of it
# NanoDet takes people on all fours for these
FOUR_LEGGED = {"dog", "cat", "horse", "sheep", "cow", "bear", "bird", "elephant", "zebra", "giraffe", "teddy bear"}

# NanoDet sees that small things are there, but not what they are: it calls a held bottle a cell phone (0.65), then a
# remote, a toothbrush and scissors. A wrong noun would make a wrong question, so these are called "object".
UNNAMED = {
    *("backpack", "handbag", "tie", "frisbee", "skis", "snowboard", "kite", "baseball bat", "baseball glove"),
    *("skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),
    *("banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "donut", "mouse", "remote"),
    *("cell phone", "book", "clock", "vase", "scissors", "hair drier", "toothbrush", "toaster", "sports ball"),
}


class EmbeddedDetector(Detector):
    """Persons with ``coco17`` keypoints, and things of COCO-80; **stateful**: looks again for the last frame's persons.

    ``detect`` must be called on the frames of one clip in order, after :meth:`reset`.
    """

    name = "embedded"
    long_side = 1280

    def __init__(self) -> None:
        self._nanodet, self._movenet = NanoDet(), MoveNet()
        self.model_ids = self._nanodet.model_ids + self._movenet.model_ids
        self._last: NDArray[np.float32] = np.empty((0, 4), np.float32)

    def reset(self) -> None:
        """Forget the persons of the last frame."""
        self._last = np.empty((0, 4), np.float32)

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Persons that were confirmed, and things, each thing once."""
        coco, bodies = self._nanodet.detect(frame), self._movenet.detect(frame)
        is_person = np.array([w == "person" for w in coco.label], bool)
        seen, things = coco.take(is_person), coco.take(~is_person)
        people = confirmed(bodies, seen)
        looks = _second_looks(frame, self._regions(people, seen))
        if len(looks):
            people = confirmed(Detections.concat([bodies, looks]), seen)
        self._last = people.bbox
        area = frame.shape[0] * frame.shape[1]
        things = things.take((things.bbox[:, 2:] - things.bbox[:, :2]).prod(1) <= FILLS * area)
        return Detections.concat([people, distinct_things(things, people)])

    def _regions(self, people: Detections, seen: Detections) -> list[NDArray[np.float64]]:
        """Squares (x1, y1, x2, y2) that deserve a second look: most promising first."""
        squares: list[NDArray[np.float64]] = []
        missing = [(b, NEAR_MEMORY) for b in self._last] + [
            (b, NEAR) for b, s in zip(seen.bbox, seen.score, strict=True) if s >= LOOK_FLOOR
        ]
        taken = people.bbox
        for box, factor in missing:
            if (iou(box[None], taken) < AGREE_IOU).all():
                taken = np.concatenate([taken, box[None]])
                middle, half = (box[:2] + box[2:]) / 2, factor * float(np.max(box[2:] - box[:2])) / 2
                squares.append(np.concatenate([middle - half, middle + half]).astype(np.float64))
        return squares[:MAX_LOOKS]


def _second_looks(frame: NDArray[np.uint8], squares: list[NDArray[np.float64]]) -> Detections:
    height, width = frame.shape[:2]
    found = []
    for square in squares:
        x1, y1, x2, y2 = np.clip(np.round(square), 0, [width, height, width, height]).astype(int)
        if min(x2 - x1, y2 - y1) < 8:
            continue
        there = persons(np.ascontiguousarray(frame[y1:y2, x1:x2]), LOOK_SIDE)
        # what fills little of the enlarged part is someone, or something, else
        there = there.take((there.bbox[:, 2:] - there.bbox[:, :2]).max(1) >= 0.35 * max(x2 - x1, y2 - y1))
        shift = np.array([x1, y1], np.float32)
        found.append(replace(there, bbox=there.bbox + np.tile(shift, 2), keypoints=there.keypoints + shift))
    return Detections.concat(found)


def confirmed(bodies: Detections, seen: Detections) -> Detections:
    """The persons of MoveNet (``bodies``, first and second looks) that are believed, given NanoDet's (``seen``).

    The score is that either model is right, were they independent: ``1 - (1 - m) (1 - n)``.
    """
    bodies = bodies.take(nms(bodies.bbox, bodies.score, 0.5))
    agree = iou(bodies.bbox, seen.bbox) >= AGREE_IOU
    support = np.where(agree, seen.score[None], 0.0).max(1, initial=0.0)
    sure = (bodies.score >= SURE) | ((bodies.score >= WEAK) & (support >= SURE_NANODET))
    score = (1 - (1 - bodies.score) * (1 - support)).astype(np.float32)
    names = tuple("movenet+nanodet" if s > 0 else "movenet" for s in support)
    people = replace(bodies, score=score, detector=names).take(sure)
    return people.take(~_parts(people))


def distinct_things(things: Detections, people: Detections) -> Detections:
    """One box a thing: of boxes on one thing the best, whatever their classes; no parts; no people on all fours."""
    things = things.take(nms(things.bbox, things.score, SAME_THING))
    four_legged = np.array([w in FOUR_LEGGED for w in things.label], bool)
    on_person = (iou(things.bbox, people.bbox) >= 0.3).any(1)
    things = things.take(~(four_legged & on_person))
    things = replace(things, label=tuple("object" if w in UNNAMED else w for w in things.label))
    return things.take(~_parts(things))


def _parts(found: Detections) -> NDArray[np.bool_]:
    """(N,) whether each is a piece of a larger and much surer detection of its label: a torso of a cyclist."""
    size = (found.bbox[:, 2:] - found.bbox[:, :2]).prod(1)
    inside = overlap(found.bbox, found.bbox) > PART
    weaker = found.score[:, None] < 0.8 * found.score[None]
    smaller = size[:, None] < size[None]
    same = np.array([[a == b for b in found.label] for a in found.label], bool).reshape(inside.shape)
    part: NDArray[np.bool_] = (inside & weaker & smaller & same).any(1)
    return part
