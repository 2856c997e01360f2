"""Hands with 21 points: a palm detector finds them, a landmark model follows them.

Both models are MediaPipe's (Apache-2.0), and so are the constants of anchors and regions: 2016 anchors on grids
of 24 and 12; a region 2.6 palms wide, half a palm towards the fingers; from landmarks, twice the span of the
rigid joints. The palm detector sees open palms best. A hand around a bottle is found once and then kept,
because the region of the next frame is made from the landmarks of this one: that is why this detector
remembers the last frame's hands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped, iou, nms, overlap
from fm_builders.detectors import Detections, Detector
from fm_builders.detectors.memory import remembered
from fm_builders.model_files import model_id, tflite_interpreter

__all__ = ["HandDetector"]

PALM_SIDE, HAND_SIDE = 192, 224
PALM_FLOOR = 0.5
PRESENCE_FLOOR = 0.5
MAX_HANDS = 4
SAME_HAND, PART_OF_HAND = 0.4, 0.7  # IoU, or share of the smaller, of two landmark boxes that are one hand
RIGID = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # wrist and the joints that fingers do not throw about
PAD = 0.06  # landmarks lie inside the fingers: the box is this share of its size larger on each side

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Hand:
    """One hand in one frame: presence in 0..1, 21 points (21, 2) in frame pixels, side in -1 (left) .. 1 (right)."""

    presence: float
    points: Floats
    side: float


@dataclass(frozen=True, slots=True)
class _Region:
    """A rotated square: centre (2,), side in pixels, angle in radians (0: fingers up)."""

    centre: Floats
    side: float
    angle: float


class HandDetector(Detector):
    """Hands with keypoints of kind ``hand21``; **stateful**: looks where hands were in the frame before.

    ``detect`` must be called on the frames of one clip in order, after :meth:`reset`. The same frames in the
    same order give the same detections.
    """

    name = "hands"
    long_side = 1280

    def __init__(self) -> None:
        self.model_ids = (model_id("palm-detection"), model_id("hand-landmark"))
        self._points: list[Floats] = []

    def reset(self) -> None:
        """Forget the hands of the last frame."""
        self._points = []

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """At most four hands; ``score`` is the landmark model's presence."""
        height, width = frame.shape[:2]
        # what was followed comes first and wins over a palm found anew; new hands are looked for in every frame
        looks = [_landmarks(frame, region) for region in [_from_points(p) for p in self._points] + _palms(frame)]
        found = [h for h in looks if h.presence >= PRESENCE_FLOOR and _in_frame(h.points, width, height)]
        found = _distinct(found)[:MAX_HANDS]
        self._points = [h.points for h in found]
        bbox = clipped(np.array([_box(p) for p in self._points]).reshape(-1, 4), width, height)
        presences, sides = [h.presence for h in found], [h.side for h in found]
        xy = np.array(self._points).reshape(-1, 21, 2)
        conf = np.repeat(np.array(presences)[:, None], 21, 1) if found else np.empty((0, 21))
        return Detections.of(self.name, bbox, presences, ["hand"] * len(found), xy, conf, "hand21", sides)


def _in_frame(points: Floats, width: int, height: int) -> bool:
    inside = (points >= 0) & (points <= [width, height])
    return bool(inside.all(1).mean() >= 0.5)


def _box(points: Floats) -> Floats:
    low, high = points.min(0), points.max(0)
    pad = PAD * float(np.max(high - low))
    return np.concatenate([low - pad, high + pad])


def _distinct(found: list[_Hand]) -> list[_Hand]:
    """One entry a hand: the first."""
    kept: list[_Hand] = []
    for hand in found:
        box = _box(hand.points)[None]
        others = np.array([_box(other.points) for other in kept]).reshape(-1, 4)
        if not ((iou(box, others) > SAME_HAND) | (overlap(box, others) > PART_OF_HAND)).any():
            kept.append(hand)
    return kept


def _run(name: str, tensor: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    interpreter = tflite_interpreter(name)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor[None])
    interpreter.invoke()
    return {o["name"]: interpreter.get_tensor(o["index"])[0] for o in interpreter.get_output_details()}


@remembered
def _palms(frame: NDArray[np.uint8]) -> list[_Region]:
    """Regions of the hands whose palms are seen, best first."""
    import cv2

    height, width = frame.shape[:2]
    ratio = PALM_SIDE / max(height, width)
    w, h = max(1, round(width * ratio)), max(1, round(height * ratio))
    left, top = (PALM_SIDE - w) // 2, (PALM_SIDE - h) // 2
    canvas = np.zeros((PALM_SIDE, PALM_SIDE, 3), np.uint8)
    canvas[top : top + h, left : left + w] = cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA)
    out = _run("palm-detection", canvas.astype(np.float32) / np.float32(255))
    logit = out["Identity_1"][:, 0].astype(np.float64)
    score = 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
    cell = np.flatnonzero(score >= PALM_FLOOR)
    raw = out["Identity"][cell].astype(np.float64).reshape(-1, 9, 2)
    anchor = _anchors()[cell]
    middle, size, points = raw[:, 0] + anchor, raw[:, 1], raw[:, 2:] + anchor[:, None]
    boxes = np.concatenate([middle - size / 2, middle + size / 2], 1)
    keep = nms(boxes, score[cell], 0.3)[:MAX_HANDS]
    offset = np.array([left, top], np.float64)
    return [_from_palm((boxes[i].reshape(2, 2) - offset) / ratio, (points[i] - offset) / ratio) for i in keep]


def _anchors() -> Floats:
    """(2016, 2) anchor centres in pixels of the palm input: 2 a cell of 24 x 24, 6 a cell of 12 x 12."""
    grids = []
    for grid, repeat in ((24, 2), (12, 6)):
        y, x = np.divmod(np.arange(grid * grid), grid)
        grids.append(np.repeat((np.stack([x, y], 1) + 0.5) * PALM_SIDE / grid, repeat, 0))
    return np.concatenate(grids)


def _upright(direction: Floats) -> float:
    """The angle that turns ``direction`` (wrist to fingers, y down) to straight up."""
    return float(np.arctan2(direction[0], -direction[1]))


def _from_palm(corners: Floats, points: Floats) -> _Region:
    angle = _upright(points[2] - points[0])
    width, height = corners[1] - corners[0]
    shift = 0.5 * height * np.array([np.sin(angle), -np.cos(angle)])
    return _Region(corners.mean(0) + shift, 2.6 * float(max(width, height)), angle)


def _from_points(points: Floats) -> _Region:
    knuckles = (points[5] + points[13]) / 4 + points[9] / 2
    angle = _upright(knuckles - points[0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    level = points[RIGID] @ turn  # turned so that the fingers point up
    low, high = level.min(0), level.max(0)
    middle = (low + high) / 2 - [0, 0.1 * (high[1] - low[1])]
    return _Region(turn @ middle, 2.0 * float(np.max(high - low)), angle)


def _landmarks(frame: NDArray[np.uint8], region: _Region) -> _Hand:
    """What the landmark model sees in one region."""
    import cv2

    scale = region.side / HAND_SIDE
    cos, sin = scale * np.cos(region.angle), scale * np.sin(region.angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    corner = region.centre - turn @ np.full(2, HAND_SIDE / 2)
    matrix = np.column_stack([turn, corner])
    crop = cv2.warpAffine(frame, matrix, (HAND_SIDE, HAND_SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    out = _run("hand-landmark", crop.astype(np.float32) / np.float32(255))
    flat = out["Identity"].astype(np.float64).reshape(21, 3)[:, :2]
    # Identity_2 is the chance of a "left" hand in a mirrored picture; ours are not mirrored
    return _Hand(
        float(out["Identity_1"].ravel()[0]), flat @ turn.T + corner, 2 * float(out["Identity_2"].ravel()[0]) - 1
    )
