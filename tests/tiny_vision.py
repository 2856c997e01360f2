"""Vision models with tiny random weights, built from their configurations and saved as the Hub has them.

Small, but the real code: the same classes load them, the same processors feed them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIDE = 128
WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    ".",
    "?",
    "a",
    "red",
    "blue",
    "block",
    "cup",
    "ball",
    "car",
    "dog",
)
NAMES = ("person", "car", "cup", "dog")


def sam2(folder: Path, side: int = SIDE, width: int = 128) -> Path:
    """SAM 2 for video: about a million parameters."""
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 12,
        "num_attention_heads": 1,
        "image_size": [side, side],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [12, 24, 48, 96],
        "num_attention_heads_per_stage": [1, 1, 2, 4],
        "window_size_per_stage": [8, 4, 8, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [7, 7],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [96, 48, 24, 12],
        "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
        "fpn_hidden_size": width,
    }
    torch.manual_seed(0)
    config = Sam2VideoConfig(
        vision_config=vision,
        image_size=side,
        prompt_encoder_config={"hidden_size": width, "image_size": side, "patch_size": 16, "mask_input_channels": 8},
        mask_decoder_config={"hidden_size": width, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
        memory_attention_hidden_size=width,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[side // 16] * 2,
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=64,
    )
    Sam2VideoModel(config).save_pretrained(folder)
    return folder


def dfine(folder: Path, side: int = SIDE) -> Path:
    """D-FINE with a tiny HGNet, 20 queries and four classes."""
    import torch
    from transformers import DFineConfig, DFineForObjectDetection, RTDetrImageProcessor

    torch.manual_seed(0)
    backbone = {
        "model_type": "hgnet_v2",
        "num_channels": 3,
        "hidden_sizes": [16, 16, 16, 16],
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 16, 16],
        "stage_mid_channels": [8, 8, 8, 8],
        "stage_out_channels": [16, 16, 16, 16],
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
        "stage_downsample": [False, True, True, True],
        "stage_light_block": [False, False, False, False],
        "stage_kernel_size": [3, 3, 3, 3],
        "out_features": ["stage2", "stage3", "stage4"],
        "out_indices": [2, 3, 4],
    }
    config = DFineConfig(backbone_config=backbone, **_detr(side))
    DFineForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def rtdetr(folder: Path, side: int = SIDE) -> Path:
    """RT-DETRv2 with a tiny ResNet."""
    import torch
    from transformers import RTDetrImageProcessor, RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    torch.manual_seed(0)
    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrV2Config(backbone_config=backbone, **_detr(side))
    RTDetrV2ForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def _detr(side: int) -> dict[str, Any]:
    return {
        "encoder_in_channels": [16, 16, 16],
        "encoder_hidden_dim": 32,
        "encoder_ffn_dim": 32,
        "encoder_attention_heads": 2,
        "decoder_in_channels": [32, 32, 32],
        "d_model": 32,
        "decoder_ffn_dim": 32,
        "decoder_attention_heads": 2,
        "decoder_layers": 2,
        "num_queries": 20,
        "num_denoising": 0,
        "anchor_image_size": None,
        "id2label": dict(enumerate(NAMES)),
        "label2id": {name: i for i, name in enumerate(NAMES)},
    }


def grounding(folder: Path, side: int = SIDE) -> Path:
    """Grounding DINO with a tiny Swin and BERT, and a vocabulary of 15 words."""
    import torch
    from transformers import (
        BertTokenizerFast,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
    )

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "image_size": side,
            "embed_dim": 16,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 2, 2, 2],
            "window_size": 4,
            "out_features": ["stage2", "stage3", "stage4"],
        },
        text_config={
            "model_type": "bert",
            "vocab_size": len(WORDS),
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 64,
        },
        d_model=32,
        encoder_layers=1,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=32,
        decoder_attention_heads=2,
        num_queries=20,
        max_text_len=32,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    pictures = GroundingDinoImageProcessor(size={"shortest_edge": side, "longest_edge": 2 * side})
    GroundingDinoProcessor(pictures, BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))).save_pretrained(folder)
    return folder


def vitpose(folder: Path, points: int = 133, experts: int = 1) -> Path:
    """ViTPose for crops of 64 x 48 pixels, with as many points as are wanted; several experts: ViTPose+."""
    import torch
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation, VitPoseImageProcessor

    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48],
        patch_size=[16, 16],
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_experts=experts,
        part_features=8 if experts > 1 else 0,
        out_indices=[1],
    )
    config = VitPoseConfig(backbone_config=backbone, num_labels=points)
    VitPoseForPoseEstimation(config).save_pretrained(folder)
    VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(folder)
    return folder
