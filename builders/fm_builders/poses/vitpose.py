"""ViTPose (Xu et al., NeurIPS 2022) through transformers: a crop a person, a heatmap a point.

The crop keeps the shape of the model's input (3 to 4) and is a quarter larger than the box, as the model was trained;
what lies outside the frame is black. Places go between crop and heatmap by their outer pixel centres ("unbiased data
processing", Huang et al., CVPR 2020), and within a heatmap's cell by a parabola through the logarithms of its smoothed
neighbours ("distribution-aware", Zhang et al., CVPR 2020).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fm_builders.gpu import wanted
from fm_builders.hub_models import Device, Dtype, Weights, dtype_name, half, load, need_extra, place, processor
from fm_builders.poses import BODY, WHOLE_BODY, Pose
from fm_builders.settings import Settings
from fm_hub.errors import UserError

__all__ = ["VitPose", "VitPoseSettings", "peaks"]

GROW = 1.25
SMOOTH = 0.8  # sigma in cells, of the Gaussian before the parabola
Floats = NDArray[np.floating]
Floats32 = NDArray[np.float32]


class VitPoseSettings(Settings):
    """``expert`` is the part of a ViTPose+ that answers: 0 for COCO's points, 5 for COCO-WholeBody's."""

    model: str = "usyd-community/vitpose-base-simple@a93ac0c67e0b7e2c55287d21d4c460c8f3c54d45"
    expert: int = Field(default=0, ge=0)
    batch: int = Field(default=16, ge=1)
    device: Device = "auto"
    dtype: Dtype = "auto"


class VitPose(Pose):
    """17 or 133 points, as the weights have it."""

    name = "vitpose"
    settings = VitPoseSettings

    def __init__(self, told: VitPoseSettings | None = None) -> None:
        self.told = told or VitPoseSettings()
        self.weights = Weights.of(self.told.model)
        self.model_ids = (self.weights.id,)

    @property
    def gpu_gb(self) -> float:
        """Gigabytes of GPU memory: the weights, and what a batch of crops takes."""
        return self.weights.gb + 0.5 if wanted(self.told.device) else 0.0

    def prepare(self) -> None:
        """Download the weights where they are not on this machine."""
        need_extra(self.name)
        self.weights.fetch()

    def points(self, frame: NDArray[np.uint8], bbox: NDArray[np.float32]) -> tuple[Floats32, Floats32]:
        """See :meth:`Pose.points`; the confidence is the heatmap's peak."""
        import torch

        device = place(self.told.device)
        model = load("VitPoseForPoseEstimation", self.told.model, device)
        if model.config.num_labels not in (BODY, WHOLE_BODY):
            raise UserError(f"{self.told.model}: gives {model.config.num_labels} points; needed are 17 or 133")
        prepare = processor("AutoImageProcessor", self.told.model)
        height, width = model.config.backbone_config.image_size
        mean, std = (np.array(v, np.float32) for v in (prepare.image_mean, prepare.image_std))
        place_of = [_crop(box, width / height) for box in bbox.astype(np.float64)]
        xy, conf = [np.empty((0, model.config.num_labels, 2))], [np.empty((0, model.config.num_labels))]
        for i in range(0, len(bbox), self.told.batch):
            group = place_of[i : i + self.told.batch]
            crops = np.stack([_cut(frame, low, size, (width, height)) for low, size in group])
            pixels = torch.from_numpy((crops / np.float32(255) - mean) / std).permute(0, 3, 1, 2).to(device)
            expert = torch.full((len(group),), self.told.expert, device=device)
            more = {"dataset_index": expert} if model.config.backbone_config.num_experts > 1 else {}
            with half(device, dtype_name(self.told.dtype, device, "float16")):
                maps = model(pixels, **more).heatmaps
            cells, peak = peaks(maps.float().cpu().numpy())
            outer = np.array(maps.shape[:1:-1]) - 1  # from the first to the last cell, x and y
            low, size = (np.array(v)[:, None] for v in zip(*group, strict=True))
            xy.append(low + cells / outer * size + 0.5)
            conf.append(np.clip(peak, 0, 1))
        return np.concatenate(xy).astype(np.float32), np.concatenate(conf).astype(np.float32)


def _crop(box: Floats, shape: float) -> tuple[Floats, Floats]:
    """The corner and the size (2,) of the crop of a box: ``shape`` is width to height.

    A pixel's middle lies half a pixel behind its number in boxes, and at its number where pictures are cut: the corner
    is the number of the pixel that the crop begins with.
    """
    size = box[2:] - box[:2]
    size = GROW * np.maximum(size, [size[1] * shape, size[0] / shape])
    return (box[:2] + box[2:]) / 2 - 0.5 - size / 2, size


def _cut(frame: NDArray[np.uint8], low: Floats, size: Floats, to: tuple[int, int]) -> NDArray[np.float32]:
    """The crop, float32 (h, w, 3) in 0..255."""
    import cv2

    scale = size / (np.array(to) - 1)
    matrix = np.array([[scale[0], 0, low[0]], [0, scale[1], low[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(frame.astype(np.float32), matrix, to, flags=flags), np.float32)


def peaks(maps: Floats) -> tuple[Floats, Floats]:
    """The place (N, K, 2), x and y in cells, and height (N, K) of the peak of each of the heatmaps (N, K, h, w)."""
    from scipy.ndimage import gaussian_filter

    n, k, h, w = maps.shape
    flat = maps.reshape(n, k, h * w)
    best, peak = flat.argmax(2), flat.max(2)
    smooth = gaussian_filter(maps, (0, 0, SMOOTH, SMOOTH), radius=(0, 0, 2, 2))
    log = np.log(np.clip(smooth, 1e-3, None))
    rows, columns = np.ix_(range(n), range(k))
    y, x = np.divmod(best, w)

    def at(dy: int, dx: int) -> Floats:
        found: Floats = log[rows, columns, np.clip(y + dy, 0, h - 1), np.clip(x + dx, 0, w - 1)]
        return found

    shift = []
    for before, after in (((0, -1), (0, 1)), ((-1, 0), (1, 0))):
        low, high, middle = at(*before), at(*after), at(0, 0)
        bend = low + high - 2 * middle
        flat_top = bend > -1e-6
        shift.append(np.clip(np.where(flat_top, 0.0, (low - high) / np.where(flat_top, 1.0, 2 * bend)), -0.5, 0.5))
    return np.stack([x + shift[0], y + shift[1]], -1), peak
