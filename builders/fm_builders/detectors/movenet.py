"""MoveNet multipose: up to six persons with the 17 keypoints of COCO.

Google's MoveNet MultiPose Lightning (Apache-2.0). It takes any size whose sides are multiples of 32; with 512
pixels on the long side it finds people that 256, the size of its description, misses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped, nms
from fm_builders.detectors import Detections, Detector
from fm_builders.detectors.memory import remembered
from fm_builders.model_files import model_id, onnx_session

__all__ = ["COCO_KEYPOINTS", "MoveNet", "persons"]

# The names of the points, in the order of the model's outputs.
COCO_KEYPOINTS = (
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow"),
    *("right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee"),
    *("left ankle", "right ankle"),
)
SIDE = 512
FLOOR = 0.1
NMS_IOU = 0.5


class MoveNet(Detector):
    """Persons with keypoints of kind ``coco17``."""

    name = "movenet"
    long_side = 2 * SIDE

    def __init__(self) -> None:
        self.model_ids = (model_id("movenet-multipose"),)

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """At most six persons, each with 17 points; one body is kept once."""
        return persons(frame, SIDE)


@remembered
def persons(image: NDArray[np.uint8], side: int) -> Detections:
    """The persons in ``image``, uint8 RGB (H, W, 3), seen with ``side`` pixels on its long side."""
    height, width = image.shape[:2]
    tensor, scale = _input(image, side)
    rows = onnx_session("movenet-multipose").run(None, {"input": tensor})[0][0].astype(np.float64)
    rows = rows[rows[:, 55] >= FLOOR]
    bbox = clipped(rows[:, [52, 51, 54, 53]] * np.tile(scale, 2), width, height)
    big = (bbox[:, 2] - bbox[:, 0] >= 1) & (bbox[:, 3] - bbox[:, 1] >= 1)
    rows, bbox = rows[big], bbox[big]
    keep = nms(bbox, rows[:, 55], NMS_IOU)
    rows, bbox = rows[keep], bbox[keep]
    points = rows[:, :51].reshape(-1, 17, 3)
    score, conf = np.clip(rows[:, 55], 0, 1), np.clip(points[..., 2], 0, 1)
    return Detections.of(MoveNet.name, bbox, score, ["person"] * len(rows), points[..., 1::-1] * scale, conf, "coco17")


def _input(frame: NDArray[np.uint8], side: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The frame in the top left corner of a canvas (1, h, w, 3), and the factors from 0..1 to frame pixels."""
    import cv2

    height, width = frame.shape[:2]
    ratio = side / max(height, width)
    w, h = max(1, round(width * ratio)), max(1, round(height * ratio))
    canvas = np.zeros((-(-h // 32) * 32, -(-w // 32) * 32, 3), np.int32)
    canvas[:h, :w] = cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
    scale = np.array([canvas.shape[1] * width / w, canvas.shape[0] * height / h])
    return canvas[None], scale
