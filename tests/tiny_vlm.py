"""A Qwen2.5-VL of 0.4 M random weights, saved as an ordinary model folder: small, but the real code path."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
    "{% if part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TEXT = (
    "Watch the video and answer the question about the motion in it.",
    "Which way does the square go? A. up B. down C. to the left D. to the right",
    "Answer with the letter of the right option only.",
)
_HIDDEN = 64
_saved: list[Path] = []


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder, made once in a test session, however many files import this."""
    if not _saved:
        _saved.append(save_tiny_vlm(tmp_path_factory.mktemp("tiny-vlm")))
    return _saved[0]


def save_tiny_vlm(folder: Path) -> Path:
    """Build the model and its processor, and save both."""
    import torch
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = _tokenizer()
    token = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": _HIDDEN,
            "intermediate_size": 2 * _HIDDEN,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 8192,
            "tie_word_embeddings": False,
            "rope_parameters": {"rope_theta": 1e6, "rope_type": "default", "mrope_section": [2, 3, 3]},
            "bos_token_id": 0,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": 0,
        },
        vision_config={
            "depth": 2,
            "hidden_size": _HIDDEN,
            "intermediate_size": 2 * _HIDDEN,
            "num_heads": 4,
            "out_hidden_size": _HIDDEN,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [1],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    torch.set_num_threads(1)  # so small that two would only wait for each other
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config)
    with torch.no_grad():  # larger weights than a fresh model's, so that the answer depends on the picture
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 1 / math.sqrt(parameter[0].numel()))
    model.save_pretrained(folder)
    small: dict[str, Any] = {"size": {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}}
    Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=14, **small),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(patch_size=14, **small),
        chat_template=_TEMPLATE,
    ).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(_SPECIALS), initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(_TEXT * 20, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=_SPECIALS[2],
        pad_token=_SPECIALS[0],
        extra_special_tokens={"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
        model_max_length=8192,
        padding_side="left",
    )
