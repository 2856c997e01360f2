"""Detectors of COCO's 80 classes through transformers: D-FINE and RT-DETRv2.

Both stretch the picture to a square, and give boxes as shares of it (centre and size), so that a box is in pixels of
the frame after one multiplication. Scores are sigmoids, a class each; the best pairs of box and class are kept.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fm_builders.boxes import clipped, nms
from fm_builders.detectors import Detections, Detector
from fm_builders.gpu import wanted
from fm_builders.hub_models import Device, Dtype, Weights, dtype_name, half, load, need_extra, place, processor
from fm_builders.settings import Settings

__all__ = ["DFine", "Detr", "DetrSettings", "RTDetr", "corners"]

NMS_IOU = 0.7  # the models need none in principle; two queries on one thing do happen


class DetrSettings(Settings):
    """``score`` is the least, ``labels`` are the only classes wanted (none: all)."""

    model: str = ""
    score: float = Field(default=0.3, ge=0, le=1)
    labels: tuple[str, ...] = ()
    device: Device = "auto"
    dtype: Dtype = "auto"


class Detr(Detector):
    """Base of detectors that load with ``AutoModelForObjectDetection``; labels are the model's own names."""

    settings = DetrSettings
    default: ClassVar[str]
    activations_gb: ClassVar[float] = 1.0

    def __init__(self, told: DetrSettings | None = None) -> None:
        self.told = told or DetrSettings()
        self.weights = Weights.of(self.told.model or self.default)
        self.model_ids = (self.weights.id,)

    @property
    def gpu_gb(self) -> float:
        """Gigabytes of GPU memory: the weights, and what a picture takes."""
        return (self.weights.gb + self.activations_gb) if wanted(self.told.device) else 0.0

    def prepare(self) -> None:
        """Download the weights where they are not on this machine."""
        need_extra(self.name)
        self.weights.fetch()

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """The boxes that score at least ``score``, after suppression among boxes of one class."""
        import torch

        spec, device = self.told.model or self.default, place(self.told.device)
        model, prepare = load("AutoModelForObjectDetection", spec, device), processor("AutoImageProcessor", spec)
        ready = prepare(images=[frame], return_tensors="pt", input_data_format="channels_last", device=device)
        with half(device, dtype_name(self.told.dtype, device, "float16")):
            out = model(**ready)
        chance = torch.sigmoid(out.logits[0].float())
        score, index = torch.topk(chance.flatten(), min(len(chance), chance.numel()))
        row, kind = (index // chance.shape[1]).cpu().numpy(), (index % chance.shape[1]).cpu().numpy()
        height, width = frame.shape[:2]
        bbox = corners(out.pred_boxes[0].float().cpu().numpy()[row], width, height)
        names = [str(model.config.id2label[int(k)]) for k in kind]
        asked = np.array([not self.told.labels or name in self.told.labels for name in names], bool)
        return kept(self.name, bbox, score.cpu().numpy(), names, kind, asked, self.told.score)


def corners(shares: NDArray[np.floating], width: int, height: int) -> NDArray[np.float32]:
    """(N, 4) centre x, centre y, width, height as shares of the frame, to x1, y1, x2, y2 in its pixels, inside it.

    >>> corners(np.array([[0.5, 0.5, 1.0, 0.5]]), 200, 100).tolist()
    [[0.0, 25.0, 200.0, 75.0]]
    """
    middle, size = shares[:, :2].astype(np.float64), shares[:, 2:].astype(np.float64)
    bbox = np.concatenate([middle - size / 2, middle + size / 2], 1)
    return clipped(bbox * [width, height, width, height], width, height)


def kept(
    detector: str,
    bbox: NDArray[np.float32],
    score: NDArray[np.float32],
    names: list[str],
    kind: NDArray[np.integer],
    asked: NDArray[np.bool_],
    least: float,
) -> Detections:
    """What is asked for, sure enough and at least a pixel large, one box a thing of one class, best first."""
    big = (bbox[:, 2] - bbox[:, 0] >= 1) & (bbox[:, 3] - bbox[:, 1] >= 1)
    good = np.flatnonzero(asked & big & (score >= least))
    apart = bbox[good] + kind[good, None].astype(np.float64) * 1e5  # classes cannot suppress each other
    good = good[nms(apart, score[good], NMS_IOU)]
    return Detections.of(detector, bbox[good], score[good], [names[i] for i in good])


class DFine(Detr):
    """D-FINE (Peng et al., ICLR 2025), Apache-2.0; default: L, trained on Objects365, then COCO."""

    name = "dfine"
    default = "ustc-community/dfine-large-obj2coco-e25@c89de47153e338c07cddc81fc21a776b97cbf75e"


class RTDetr(Detr):
    """RT-DETRv2 (Lv et al., 2024), Apache-2.0. It has no default weights: name some in the recipe."""

    name = "rtdetr"
    default = "PekingU/rtdetr_v2_r50vd"
