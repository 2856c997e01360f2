"""The embedded tier's eye: NanoDet and MoveNet, each checking the other.

NanoDet alone calls an arm, a lamp post and a hole in a tree persons (scores up to 0.6); MoveNet alone overlooks
people who are small in the frame, or before dark trees. So MoveNet takes a second look, enlarged, wherever NanoDet or
a faint score of its own speaks of a person, and wherever one was seen a moment ago: there it finds a real person of
60 pixels or more in 98 of 100 looks, and in none of 100 at other places. A person counts when MoveNet saw one, in the
first look or the second. Whoever was seen in three frames in a row is looked for in the frames before, backwards, as
long as MoveNet sees someone there: people who come in, or who are small, are first found late. A person's box is
MoveNet's: its centre shakes less than NanoDet's (3.8 against 6.0 pixels of 1768 on a walking person, 3.8 against 12.2
on one who waves; the sigma of ``docs/claims.md``).
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import area, clipped, iou, nms, overlap
from fm_builders.detectors import Detections, SecondLook
from fm_builders.detectors.known import Known, remembered, unmatched
from fm_builders.detectors.looks import looks
from fm_builders.detectors.movenet import MoveNet, persons
from fm_builders.detectors.nanodet import NanoDet, people_in

__all__ = ["EmbeddedDetector"]

AGREE_IOU = 0.4  # NanoDet's and MoveNet's box of one person
FIRST_FLOOR = 0.1  # MoveNet's scores in the first look that deserve a second
SURE = 0.2  # MoveNet's score above which, on the clips at hand, it is wrong about one bollard
KNOWN_SURE = 0.15  # the same, of a person who was there a moment ago
HALF_SURE = 0.15  # MoveNet's score that is even odds: it gives 0.3 to those of whom a person would be sure
LOOK_FLOOR = 0.2  # NanoDet's persons below this score are not worth a second look
LOOK_SIDE = 192  # pixels: the size of the second look; with 256 MoveNet finds fewer
MAX_LOOKS = 8  # a frame; each costs a fifth of the first look
NEAR = 1.7  # side of the second look over the box's long side
FIRM = 3  # sightings in a row after which a person is looked for in the frames before them
BACK, LOST = 20, 6  # frames that are kept for that, and frames without a sight after which it ends
INSIDE = 0.2  # share of an expected box in the frame below which the person is not looked for further back
SCAN_EVERY, SCAN_SIDE = 5, 832  # in one frame of so many the first look is a closer one: whoever it finds is known
CLEAR_POINT, FEWEST_POINTS = 0.2, 4  # confidence of a point of a body, and how many say that two are one
SAME_POINT = 0.06  # distance of one point of two bodies, over the longer side of the better one, below which it is one
SAME_THING = 0.55  # IoU above which two boxes of any class are one thing
FILLS = 0.6  # share of the frame above which a thing's box says nothing about its motion (and is mostly wrong)
PART = 0.8  # share of a weak box inside a strong one above which it is a part of it
ON_ALL_FOURS = 0.3  # the same, of a person and an animal: NanoDet takes people on all fours for these
FOUR_LEGGED = {"dog", "cat", "horse", "sheep", "cow", "bear", "bird", "elephant", "zebra", "giraffe", "teddy bear"}

# NanoDet sees that small things are there, but not what they are: it calls a held bottle a cell phone (0.65), then a
# remote, a toothbrush and scissors. A wrong noun would make a wrong question, so these are called "object".
UNNAMED = {
    *("backpack", "handbag", "tie", "frisbee", "skis", "snowboard", "kite", "baseball bat", "baseball glove"),
    *("skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),
    *("banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "donut", "mouse", "remote"),
    *("cell phone", "book", "clock", "vase", "scissors", "hair drier", "toothbrush", "toaster", "sports ball"),
}


@dataclass
class _Past:
    """A frame that was looked at: its pixels, NanoDet's persons, and the persons that were believed."""

    frame: NDArray[np.uint8]
    seen: Detections
    people: Detections


class EmbeddedDetector(SecondLook):
    """Persons with ``coco17`` keypoints, and things of COCO-80; **stateful**: looks for the persons of earlier frames.

    ``detect`` must be called on the frames of one clip in order, after :meth:`reset`.
    """

    name = "embedded"
    long_side = 1280

    def __init__(self) -> None:
        self._nanodet, self._movenet = NanoDet(), MoveNet()
        self.model_ids = self._nanodet.model_ids + self._movenet.model_ids
        self.reset()

    def reset(self) -> None:
        """Forget the persons of earlier frames."""
        self._known: list[Known] = []
        self._past: deque[_Past] = deque(maxlen=BACK)
        self._late: list[tuple[int, Detections]] = []
        self._first = True

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Persons that were confirmed, and things, each thing once."""
        coco = self._nanodet.detect(frame)
        bodies = persons(frame, SCAN_SIDE) if self._first or _drawn(frame) else self._movenet.detect(frame)
        self._first = False
        is_person = np.array([w == "person" for w in coco.label], bool)
        seen, things = coco.take(is_person), coco.take(~is_person)
        expected = np.array([k.box for k in self._known]).reshape(-1, 4)
        people = confirmed(bodies, seen, expected)
        closer = _second_looks(frame, _regions(people, expected, bodies, seen))
        if len(closer):
            people = confirmed(Detections.concat([bodies, closer]), seen, expected)
        known = remembered(self._known, people.bbox.astype(np.float64))
        self._known = [k.moved() for k in known]
        self._past.append(_Past(frame, seen, people))
        self._late = [late for k in known if k.run == FIRM and not k.unseen for late in _before(k, self._past)]
        things = things.take(area(things.bbox) <= FILLS * frame.shape[0] * frame.shape[1])
        return Detections.concat([people, distinct_things(things, people)])

    def people_in(self, parts: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """What NanoDet says of them: at the edge, and of who is small, MoveNet says nothing."""
        return people_in(parts)

    def recalled(self) -> list[tuple[int, Detections]]:
        """The persons in earlier frames that the last one told of: how many frames ago, and who."""
        return self._late


def _drawn(frame: NDArray[np.uint8]) -> bool:
    """One frame of so many, by its pixels: the same frames of a clip in whatever stretch of it one begins."""
    return zlib.crc32(np.ascontiguousarray(frame[::16, ::16]).data) % SCAN_EVERY == 0


def _before(known: Known, past: Sequence[_Past]) -> list[tuple[int, Detections]]:
    """Where a person was before the row of sightings that makes one sure: how many frames ago, and what was seen.

    It goes back frame by frame until the person was seen already, or is lost. What is found is added to ``past``.
    """
    found = []
    way = replace(known, box=known.first, step=-known.step, unseen=0)
    for ago in range(FIRM, len(past)):
        then, way = past[-1 - ago], way.moved()
        height, width = then.frame.shape[:2]
        expected = clipped(way.box[None], width, height).astype(np.float64)
        outside = area(expected)[0] < INSIDE * area(way.box[None])[0]
        if outside or (iou(expected, then.people.bbox) >= AGREE_IOU).any():
            break
        there = confirmed(_second_looks(then.frame, [_around(way.box)]), then.seen, expected)
        fits = (iou(there.bbox, expected)[:, 0] >= AGREE_IOU) & (iou(there.bbox, then.people.bbox) < AGREE_IOU).all(1)
        there = there.take(np.flatnonzero(fits)[:1])
        if len(there):
            way = way.seen(there.bbox[0].astype(np.float64))
            then.people = Detections.concat([then.people, there])
            found.append((ago, replace(there, look=looks(then.frame, there.bbox))))
        elif way.unseen > LOST:
            break
    return found


def _around(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """The square (x1, y1, x2, y2) of a second look at ``box``."""
    middle, half = (box[:2] + box[2:]) / 2, NEAR * float(np.max(box[2:] - box[:2])) / 2
    return np.concatenate([middle - half, middle + half])


def _regions(
    people: Detections, expected: NDArray[np.float64], bodies: Detections, seen: Detections
) -> list[NDArray[np.float64]]:
    """Squares (x1, y1, x2, y2) that deserve a second look: most promising first."""
    faint, likely = bodies.score >= FIRST_FLOOR, seen.score >= LOOK_FLOOR
    taken = people.bbox.astype(np.float64)
    missing = unmatched(expected, taken, AGREE_IOU)  # they may be hidden in part by one who is seen
    squares = [_around(box) for box in missing]
    taken = np.concatenate([taken, missing])
    for box in np.concatenate([seen.bbox[likely], bodies.bbox[faint]]).astype(np.float64):
        if (iou(box[None], taken) < AGREE_IOU).all():
            taken = np.concatenate([taken, box[None]])
            squares.append(_around(box))
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


def confirmed(bodies: Detections, seen: Detections, expected: NDArray[np.float64] | None = None) -> Detections:
    """The persons of MoveNet (``bodies``, first and second looks) that are believed, given NanoDet's (``seen``).

    ``expected`` (N, 4) says where persons were a moment ago. The score is that either model is right, were they
    independent: ``1 - (1 - m) (1 - n)``, where ``m`` is MoveNet's score ``s`` as a share of certainty,
    ``s / (s + HALF_SURE)``.
    """
    known = np.empty((0, 4)) if expected is None else expected
    bodies = bodies.take(nms(bodies.bbox, bodies.score, 0.5))
    bodies = bodies.take(~(_parts(bodies) | _same_body(bodies)))
    support = np.where(iou(bodies.bbox, seen.bbox) >= AGREE_IOU, seen.score[None], 0.0).max(1, initial=0.0)
    expects = (iou(bodies.bbox, known) >= AGREE_IOU).any(1)
    sure = bodies.score >= np.where(expects, KNOWN_SURE, SURE)
    mine = bodies.score / (bodies.score + HALF_SURE)
    score = (1 - (1 - mine) * (1 - support)).astype(np.float32)
    names = tuple("movenet+nanodet" if s > 0 else "movenet" for s in support)
    return replace(bodies, score=score, detector=names).take(sure)


def _same_body(found: Detections) -> NDArray[np.bool_]:
    """(N,) whether half of the points of each, best first, lie where those of a better one do: half a body, again."""
    again = np.zeros(len(found), bool)
    for i in range(1, len(found)):
        for j in np.flatnonzero(~again[:i]):
            clear = np.minimum(found.conf[i], found.conf[j]) >= CLEAR_POINT
            apart = np.linalg.norm(found.keypoints[i] - found.keypoints[j], axis=1)
            near = apart < SAME_POINT * float(np.max(found.bbox[j, 2:] - found.bbox[j, :2]))
            again[i] |= bool(clear.sum() >= FEWEST_POINTS and (near & clear).sum() >= clear.sum() / 2)
    return again


def distinct_things(things: Detections, people: Detections) -> Detections:
    """One box a thing: of boxes on one thing the best, whatever their classes; no parts; no people on all fours."""
    things = things.take(nms(things.bbox, things.score, SAME_THING))
    four_legged = np.array([w in FOUR_LEGGED for w in things.label], bool)
    on_person = iou(things.bbox, people.bbox).max(1, initial=0.0)
    things = things.take(on_person < np.where(four_legged, ON_ALL_FOURS, SAME_THING))
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
