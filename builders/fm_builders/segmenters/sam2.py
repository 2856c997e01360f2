"""SAM 2.1 (Ravi et al., 2024; weights Apache-2.0) through transformers' ``Sam2VideoModel``.

A thing is followed in a session of its own: the library loops over objects anyway, joint and separate sessions agree,
and then a thing may begin anywhere. Frames are encoded once for all things and both directions. The library's session
never forgets: it keeps masks and memories of every frame, megabytes each at 1024 pixels. The model looks back 15
frames at most (``max_object_pointers_in_encoder``), so what is older is dropped, and nothing changes to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.gpu import wanted
from fm_builders.hub_models import Device, Dtype, Weights, dtype_name, load, need_extra, place
from fm_builders.segmenters import Hint, Mask, Part, Segmenter
from fm_builders.settings import Settings

if TYPE_CHECKING:
    import torch

__all__ = ["Sam2Segmenter", "Sam2Settings"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as the published weights want them
BOX_CORNERS = (2, 3)  # labels of the two points that are a box
ENCODED_AT_ONCE = 8  # frames, on a GPU


class Sam2Settings(Settings):
    """Which weights, and how they run."""

    model: str = "facebook/sam2.1-hiera-small@ee5bba1d82bb8749febdf90f45e84b687142ba03"
    device: Device = "auto"
    dtype: Dtype = "auto"


class Sam2Segmenter(Segmenter):
    """Masks of followed things; ``Mask.seen`` is the model's object score, which falls under 0.5 in an occlusion."""

    name = "sam2"
    settings = Sam2Settings

    def __init__(self, told: Sam2Settings | None = None) -> None:
        self.told = told or Sam2Settings()
        self.weights = Weights.of(self.told.model)
        self.model_ids = (self.weights.id,)

    @property
    def gpu_gb(self) -> float:
        """Gigabytes of GPU memory: the weights, a part's features (20 MB a frame), a batch that is encoded."""
        return self.weights.gb + 3.0 if wanted(self.told.device) else 0.0

    def prepare(self) -> None:
        """Download the weights where they are not on this machine."""
        need_extra(self.name)
        self.weights.fetch()

    def open(self, frames: Sequence[NDArray[np.uint8]]) -> Part:
        """Encode the frames when they are first looked at."""
        device = place(self.told.device)
        dtype = dtype_name(self.told.dtype, device, "bfloat16")
        return Sam2Part(load("Sam2VideoModel", self.told.model, device, dtype), frames)


class Sam2Part(Part):
    """Frames and, for those that were looked at, what the image encoder made of them.

    ``forget`` is how many frames back a memory is kept (None: for ever, as the library does).
    """

    def __init__(self, model: Any, frames: Sequence[NDArray[np.uint8]], forget: int | None = 16) -> None:
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceCache

        if forget is not None:
            forget = max(forget, model.config.max_object_pointers_in_encoder, model.config.num_maskmem)
        self.model, self.frames, self.forget = model, frames, forget
        self.pixels = _Pixels(frames, model.config.image_size, model.dtype, model.device)
        self.cache = Sam2VideoInferenceCache(model.device, model.device, max_vision_features_cache_size=len(frames) + 1)

    def follow(self, hints: Sequence[Hint], *, reverse: bool = False) -> Iterator[Mask]:
        """See :meth:`Part.follow`."""
        import torch
        import torch.nn.functional as F

        height, width = self.frames[0].shape[:2]
        with torch.inference_mode():
            session = self._session(hints)
            for hint in hints:  # every hint becomes a memory before anything is followed
                session.obj_with_new_inputs = [0]
                self._encode(hint.frame, reverse=reverse)
                self.model(session, frame_idx=hint.frame)
            at = [hint.frame for hint in hints]
            for i in range(max(at), -1, -1) if reverse else range(min(at), len(self.frames)):
                self._encode(i, reverse=reverse)
                out = self.model(session, frame_idx=i, reverse=reverse)
                logits = F.interpolate(out.pred_masks.float(), (height, width), mode="bilinear", align_corners=False)
                seen = torch.sigmoid(out.object_score_logits.float()).item()
                yield Mask(i, (logits[0, 0] > 0).cpu().numpy(), seen)
                self._forget(session, i)

    def _session(self, hints: Sequence[Hint]) -> Any:
        """An inference session with one object, number 0, and all of its hints."""
        import torch
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        device, side = self.model.device, self.model.config.image_size
        height, width = self.frames[0].shape[:2]
        session = Sam2VideoInferenceSession(
            None, height, width, device, device, device, self.model.dtype, len(self.frames) + 1
        )
        session.processed_frames, session.cache = self.pixels, self.cache
        number = session.obj_id_to_idx(0)
        for hint in hints:
            if hint.is_box:
                scale = np.array([side / width, side / height])
                points = torch.tensor(np.asarray(hint.where, np.float64).reshape(1, 1, 2, 2) * scale)
                labels = torch.tensor(BOX_CORNERS, dtype=torch.int32).view(1, 1, 2)
                inputs = {"point_coords": points.to(self.model.dtype), "point_labels": labels}
                session.add_point_inputs(number, hint.frame, inputs)
            else:
                mask = torch.from_numpy(np.asarray(hint.where, np.float32))[None, None]
                square = torch.nn.functional.interpolate(mask, (side, side), mode="bilinear", antialias=True)
                session.add_mask_inputs(number, hint.frame, (square >= 0.5).float())
        return session

    def _encode(self, frame: int, *, reverse: bool) -> None:
        """Have the image encoder look at a frame, on a GPU with the next ones of this direction."""
        if frame in self.cache._vision_features:
            return
        at_once = ENCODED_AT_ONCE if self.model.device.type == "cuda" else 1
        ahead = range(frame, -1, -1) if reverse else range(frame, len(self.frames))
        todo = [i for i in ahead[:at_once] if i not in self.cache._vision_features]
        out = self.model.get_image_features(_stacked([self.pixels[i] for i in todo]), return_dict=True)
        for k, i in enumerate(todo):
            feats = [f[:, k : k + 1].clone() for f in out.fpn_hidden_states]
            places = [p[:, k : k + 1] if p.shape[1] > 1 else p for p in out.fpn_position_encoding]
            if self.cache._vision_features:  # the same for every frame: kept once
                places = next(iter(self.cache._vision_features.values()))["vision_pos_embeds"]
            self.cache.cache_vision_features(i, {"vision_feats": feats, "vision_pos_embeds": places})

    def _forget(self, session: Any, frame: int) -> None:
        if self.forget is not None:
            kept = session.output_dict_per_obj[0]["non_cond_frame_outputs"]
            for old in [i for i in kept if abs(i - frame) >= self.forget]:
                del kept[old]


def _stacked(pixels: Sequence[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.stack(list(pixels))


class _Pixels:
    """The frames as the model takes them, (3, S, S) each, made on its device when asked for."""

    def __init__(
        self, frames: Sequence[NDArray[np.uint8]], side: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.frames, self.side, self.dtype, self.device = frames, side, dtype, device

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, i: int) -> torch.Tensor:
        import torch
        import torch.nn.functional as F

        picture = torch.from_numpy(np.ascontiguousarray(self.frames[i])).to(self.device)
        x = picture.permute(2, 0, 1)[None].float() / 255
        x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True, align_corners=False)
        mean, std = (torch.tensor(v, device=self.device).view(3, 1, 1) for v in (MEAN, STD))
        return ((x[0] - mean) / std).to(self.dtype)
