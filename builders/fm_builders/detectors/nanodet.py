"""NanoDet-g: the 80 classes of COCO at 416 pixels, one stage, no anchors.

Input and decoding follow the upstream project (github.com/RangiLyu/nanodet, Apache-2.0): BGR less the ImageNet
mean, a class score for each cell of three grids, and each side of the box as a distribution over 0..10
strides whose mean is the distance (generalised focal loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped, nms
from fm_builders.detectors import Detections, Detector
from fm_builders.detectors.memory import remembered
from fm_builders.model_files import model_id, onnx_session

__all__ = ["COCO_LABELS", "NanoDet", "people_in"]

# The class names of COCO, in the order of the model's outputs.
COCO_LABELS: tuple[str, ...] = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
    *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase"),
    *("scissors", "teddy bear", "hair drier", "toothbrush"),
)
SIDE = 416
STRIDES = (8, 16, 32)
BINS = 11
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
STD = np.array([57.375, 57.12, 58.395], np.float32)
FLOOR = 0.2  # the second stage of the tracker uses weak boxes too; below this there is only noise
FAINT = 0.03  # of a person where somebody is expected
NMS_IOU = 0.6  # the upstream setting


class NanoDet(Detector):
    """COCO-80 boxes; labels are COCO's names."""

    name = "nanodet"
    long_side = 2 * SIDE

    def __init__(self) -> None:
        self.model_ids = (model_id("nanodet"),)

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """The boxes that score at least 0.2, after suppression among boxes of one class."""
        return _things(frame)


@remembered
def _things(frame: NDArray[np.uint8]) -> Detections:
    height, width = frame.shape[:2]
    tensor, scale = _input(frame)
    outputs = onnx_session("nanodet").run(None, {"input_1": tensor})
    raw, score, label = _decode(outputs)
    bbox = clipped(raw / scale, width, height)
    big = (bbox[:, 2] - bbox[:, 0] >= 1) & (bbox[:, 3] - bbox[:, 1] >= 1)
    bbox, score, label = bbox[big], score[big], label[big]
    # boxes of different classes are moved apart, so that they cannot suppress each other
    keep = nms(bbox + label[:, None] * 4.0 * max(width, height), score, NMS_IOU)
    return Detections.of(NanoDet.name, bbox[keep], score[keep], [COCO_LABELS[i] for i in label[keep]])


def people_in(parts: Sequence[NDArray[np.uint8]]) -> list[Detections]:
    """What may be a person in each of these parts of frames, uint8 RGB, whatever else it may be; four a forward pass.

    Each is shown at half the size of the input: faint scores down to 0.03 say something of a place alone where
    somebody is expected.
    """
    import cv2

    half, found = SIDE // 2, []
    for first in range(0, len(parts), 4):
        canvas, corners, scales = np.zeros((SIDE, SIDE, 3), np.uint8), [], []
        for k, part in enumerate(parts[first : first + 4]):
            height, width = part.shape[:2]
            ratio = half / max(height, width)
            w, h = max(1, round(width * ratio)), max(1, round(height * ratio))
            x, y = half * (k % 2), half * (k // 2)
            how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
            canvas[y : y + h, x : x + w] = cv2.resize(part, (w, h), interpolation=how)
            corners.append((x, y, x + w, y + h))
            scales.append(np.array([w / width, h / height] * 2))
        there = _faint(canvas)
        middle = (there.bbox[:, :2] + there.bbox[:, 2:]) / 2
        for (x1, y1, x2, y2), scale in zip(corners, scales, strict=True):
            mine = there.take(np.flatnonzero((middle >= (x1, y1)).all(1) & (middle < (x2, y2)).all(1)))
            bbox = (np.clip(mine.bbox, (x1, y1, x1, y1), (x2, y2, x2, y2)) - (x1, y1, x1, y1)) / scale
            found.append(replace(mine, bbox=bbox.astype(np.float32)))
    return found


@remembered
def _faint(canvas: NDArray[np.uint8]) -> Detections:
    tensor, _ = _input(canvas)
    bbox, score, _ = _decode(onnx_session("nanodet").run(None, {"input_1": tensor}), FAINT, slice(0, 1))
    keep = nms(bbox, score, NMS_IOU)
    return Detections.of(NanoDet.name, bbox[keep], score[keep], ["person"] * len(keep))


def _input(frame: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The frame in the top left corner of a square, (1, 3, 416, 416), and the scale of x, y, x, y."""
    import cv2

    height, width = frame.shape[:2]
    ratio = SIDE / max(height, width)
    w, h = max(1, round(width * ratio)), max(1, round(height * ratio))
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    # area averaging: plain bilinear shrinking skips pixels, and boxes then shake with the phase of the grid
    canvas[:h, :w] = cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
    tensor = (canvas[..., ::-1].astype(np.float32) - MEAN) / STD
    return np.ascontiguousarray(tensor.transpose(2, 0, 1)[None]), np.array([w / width, h / height] * 2)


def _decode(
    outputs: list[NDArray[np.float32]], floor: float = FLOOR, wanted: slice = slice(None)
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.intp]]:
    """Boxes (N, 4) in input pixels, scores (N,) and classes (N,) of all cells above the floor."""
    found = []
    for stride in STRIDES:
        grid = SIDE // stride
        scores, sides = (next(o[0] for o in outputs if o.shape[1:] == (grid**2, c)) for c in (80, 4 * BINS))
        scores = scores[:, wanted]
        best = scores.max(1)
        cell = np.flatnonzero(best >= floor)
        logits = sides[cell].reshape(-1, 4, BINS).astype(np.float64)
        weight = np.exp(logits - logits.max(2, keepdims=True))
        distance = (weight @ np.arange(BINS)) / weight.sum(2) * stride
        middle = np.stack([cell % grid, cell // grid], 1) * stride + stride / 2
        corners = [middle - distance[:, :2], middle + distance[:, 2:]]
        found.append((np.concatenate(corners, 1), best[cell], scores[cell]))
    boxes, best_scores, classes = (np.concatenate(part) for part in zip(*found, strict=True))
    return boxes, best_scores, classes.argmax(1)
