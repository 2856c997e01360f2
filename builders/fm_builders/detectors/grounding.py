"""Grounding DINO: things named in words, one query a class, so that a box belongs to one name without doubt.

One prompt with all names is cheaper, but then a box is matched to tokens and its name is a guess among words
("coffee" of "coffee cup" or of "coffee machine"); the FoundationMotion paper asks one name at a time for this reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fm_builders.detectors import Detections, Detector
from fm_builders.detectors.detr import corners, kept
from fm_builders.detectors.proposals import Proposer
from fm_builders.gpu import wanted
from fm_builders.hub_models import Device, Dtype, Weights, dtype_name, half, load, need_extra, place, processor
from fm_builders.settings import Settings
from fm_hub.errors import BadRecipe

__all__ = ["GroundingDino", "GroundingSettings"]


class GroundingSettings(Settings):
    """``classes`` are the names to look for, or ``"propose"``: what ``proposer`` names in each clip's key frames.

    ``proposer`` is a model as ``fm-eval --model`` takes it. ``batch`` names are asked for at a time.
    """

    model: str = "IDEA-Research/grounding-dino-tiny@a2bb814dd30d776dcf7e30523b00659f4f141c71"
    classes: tuple[str, ...] | Literal["propose"] = ()
    proposer: str = ""
    score: float = Field(default=0.3, ge=0, le=1)
    batch: int = Field(default=8, ge=1)
    device: Device = "auto"
    dtype: Dtype = "auto"


class GroundingDino(Detector):
    """Boxes of named things; labels are the names, as they were given or proposed."""

    name = "grounding_dino"
    settings = GroundingSettings
    long_side = 1333  # of its own processor

    def __init__(self, told: GroundingSettings | None = None) -> None:
        self.told = told or GroundingSettings()
        self.weights = Weights.of(self.told.model)
        self.model_ids: tuple[str, ...] = (self.weights.id,)
        self.proposer: Proposer | None = None
        if self.told.classes == "propose":
            if not self.told.proposer:
                raise BadRecipe('grounding_dino: classes = "propose" needs proposer = a model, as fm-eval takes it')
            self.proposer = Proposer(self.told.proposer)
            self.model_ids += (self.proposer.id,)
        self._classes: list[str] = []
        self.reset()

    @property
    def gpu_gb(self) -> float:
        """Gigabytes of GPU memory: the weights, and what a batch of queries takes at 800 x 1333 pixels."""
        return self.weights.gb + 0.5 * self.told.batch if wanted(self.told.device) else 0.0

    def prepare(self) -> None:
        """Download the weights where they are not on this machine."""
        need_extra(self.name)
        self.weights.fetch()

    def reset(self) -> None:
        """Forget what was proposed for the clip before."""
        self._classes = [] if self.told.classes == "propose" else [c.strip().lower() for c in self.told.classes]

    def study(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Have the classes proposed from the key frames; those of earlier parts of the clip are kept."""
        if self.proposer is not None:
            self._classes += [c for c in self.proposer.propose(frames) if c not in self._classes]

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """The boxes of every class that score at least ``score``, after suppression among boxes of one class."""
        device, step = place(self.told.device), self.told.batch
        prepare = processor("AutoProcessor", self.told.model)
        picture = prepare.image_processor(images=[frame], return_tensors="pt", device=device).to(device)
        parts = [self._ask(frame, picture, self._classes[i : i + step]) for i in range(0, len(self._classes), step)]
        return Detections.concat(parts)

    def _ask(self, frame: NDArray[np.uint8], picture: Mapping[str, Any], classes: list[str]) -> Detections:
        """The boxes of some classes: one ``picture``, ready for the model, stands beside each of their names."""
        import torch

        spec, device = self.told.model, place(self.told.device)
        model = load("AutoModelForZeroShotObjectDetection", spec, device)
        texts = processor("AutoProcessor", spec)(
            text=[f"{name}." for name in classes], padding=True, return_tensors="pt"
        )
        same = {key: value.expand(len(classes), *value.shape[1:]) for key, value in picture.items()}
        with half(device, dtype_name(self.told.dtype, device, "float16")):
            out = model(**texts.to(device), **same)
        chance = torch.sigmoid(out.logits.float())  # (classes, queries, tokens); beyond the text -inf, so 0
        score = chance.max(2).values.cpu().numpy()
        height, width = frame.shape[:2]
        found = []
        for name, s, shares in zip(classes, score, out.pred_boxes.float().cpu().numpy(), strict=True):
            bbox, every = corners(shares, width, height), np.ones(len(s), bool)
            found.append(kept(self.name, bbox, s, [name] * len(s), np.zeros(len(s), int), every, self.told.score))
        return Detections.concat(found)
