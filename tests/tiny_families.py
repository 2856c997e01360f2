"""Families of video models with tiny random weights, built from their configurations: small, but the real code.

Every builder gives a model and its processor. The weights are larger than fresh ones, so that logits react to
pictures and to positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

PATCH = 14
Built = tuple[Any, Any]


@dataclass(frozen=True)
class Size:
    """How large a model is: ``side`` pixels of a square frame, ``window`` tokens of sliding attention."""

    width: int = 64
    inner: int = 128
    heads: int = 4
    text_layers: int = 3
    vision_layers: int = 2
    side: int = 56
    window: int = 32

    @property
    def square(self) -> dict[str, int]:
        """The size of a frame, as processors take it."""
        return {"height": self.side, "width": self.side}

    @property
    def area(self) -> dict[str, Any]:
        """The bounds of a frame's area for processors that keep its shape."""
        return {"size": {"shortest_edge": 28 * 28, "longest_edge": 64 * self.side * self.side}}

    @property
    def mrope(self) -> list[int]:
        """How the dimensions of a head are shared out to time, height and width."""
        half = self.width // self.heads // 2
        return [half - 2 * (half * 3 // 8), half * 3 // 8, half * 3 // 8]


TINY = Size()
MEDIUM = Size(width=512, inner=1408, heads=8, text_layers=8, vision_layers=8, side=112, window=1024)
"""About 50 million parameters: large enough that the forward pass is what takes the time."""
_WORDS = (
    "Watch the video and answer the question about the motion in it.\nWhich way does the ball go? How many are there?",
    "A. up\nB. down\nC. to the left\nD. to the right\nAnswer with the letter of the right option only.",
    "the square the ball the left hand the car the person the dog the red box the door the cup the wheel go at last",
    "USER: ASSISTANT: system user assistant model Frame Time seconds 0.0s 1.5s (0)? (1)? (2)? (3)? (4)?",
)


def _tokenizer(specials: list[str], roles: dict[str, str], *, eos: str, pad: str, bos: str | None = None) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(_WORDS * 20, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=eos,
        pad_token=pad,
        bos_token=bos,
        extra_special_tokens=roles,
        model_max_length=32768,
        padding_side="left",
    )


def _template(
    image: str, video: str, *, sort: bool = False, turn: str = "<|im_start|>", end: str = "<|im_end|>"
) -> str:
    """A chat template; with ``sort`` all pictures come before the text, wherever the message has them."""
    media = f"{{% if p.type == 'image' %}}{image}{{% elif p.type == 'video' %}}{video}{{% endif %}}"
    words = "{% if p.type == 'text' %}{{ p.text }}{% endif %}"
    part = media + words
    loop = "{{% for p in m.content %}}{}{{% endfor %}}"
    body = loop.format(media) + loop.format(words) if sort else loop.format(part)
    return (
        f"{{% for m in messages %}}{turn}{{{{ m.role }}}}\n{body}{end}\n{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{turn}assistant\n{{% endif %}}"
    )


def _text(s: Size, tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": s.width,
        "intermediate_size": s.inner,
        "num_hidden_layers": s.text_layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": False,
        **more,
    }


def _vision(s: Size, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": s.width,
        "intermediate_size": s.inner,
        "num_hidden_layers": s.vision_layers,
        "num_attention_heads": s.heads,
        "patch_size": PATCH,
        **more,
    }


_QWEN = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
_QWEN_ROLES = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}


def _qwen(s: Size, family: str) -> Built:
    import transformers as t

    template = _template("<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|><|video_pad|><|vision_end|>")
    tokenizer = _tokenizer(_QWEN, _QWEN_ROLES, eos="<|im_end|>", pad="<|endoftext|>")
    rope = {"rope_theta": 1e6, "rope_type": "default", "mrope_section": s.mrope}
    text = _text(s, tokenizer, rope_parameters=rope, bos_token_id=0, eos_token_id=2, pad_token_id=0)
    ids = {f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in _QWEN_ROLES.items()}
    images = {"tokenizer": tokenizer, "chat_template": template}
    if family == "qwen2_vl":
        vision: dict[str, Any] = {
            "depth": s.vision_layers,
            "embed_dim": s.width,
            "hidden_size": s.width,
            "mlp_ratio": 2,
            "num_heads": s.heads,
        }
        config = t.Qwen2VLConfig(text_config=text, vision_config={**vision, "patch_size": PATCH}, **ids)
        parts = t.Qwen2VLImageProcessor(patch_size=PATCH), t.Qwen2VLVideoProcessor(patch_size=PATCH, **s.area)
        return t.Qwen2VLForConditionalGeneration(config), t.Qwen2VLProcessor(
            image_processor=parts[0], video_processor=parts[1], **images
        )
    vision = {
        "depth": s.vision_layers,
        "hidden_size": s.width,
        "intermediate_size": s.inner,
        "num_heads": s.heads,
        "out_hidden_size": s.width,
    }
    if family == "qwen2_5_vl":
        windows = {
            "patch_size": PATCH,
            "window_size": 112,
            "fullatt_block_indexes": [s.vision_layers - 1],
            "tokens_per_second": 2,
        }
        config = t.Qwen2_5_VLConfig(text_config=text, vision_config={**vision, **windows}, **ids)
        parts = t.Qwen2VLImageProcessor(patch_size=PATCH), t.Qwen2VLVideoProcessor(patch_size=PATCH, **s.area)
        return t.Qwen2_5_VLForConditionalGeneration(config), t.Qwen2_5_VLProcessor(
            image_processor=parts[0], video_processor=parts[1], **images
        )
    rope["mrope_interleaved"] = True
    text["head_dim"] = s.width // s.heads
    deep = {"patch_size": 16, "num_position_embeddings": 256, "deepstack_visual_indexes": [0, 1]}
    config = t.Qwen3VLConfig(text_config=text, vision_config={**vision, **deep}, **ids)
    return t.Qwen3VLForConditionalGeneration(config), t.Qwen3VLProcessor(
        image_processor=t.Qwen2VLImageProcessor(patch_size=16), video_processor=t.Qwen3VLVideoProcessor(), **images
    )


def _smolvlm(s: Size) -> Built:
    import transformers as t

    tiles = [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]
    roles = {
        "image_token": "<image>",
        "video_token": "<video>",
        "fake_image_token": "<fake_token_around_image>",
        "end_of_utterance_token": "<end_of_utterance>",
        "global_image_token": "<global-img>",
    }
    tokenizer = _tokenizer(
        ["<|endoftext|>", "<|im_start|>", *roles.values(), *tiles],
        roles,
        eos="<end_of_utterance>",
        pad="<|endoftext|>",
        bos="<|im_start|>",
    )
    template = _template("<image>", "<video>", end="<end_of_utterance>")
    text = _text(s, tokenizer, model_type="llama", pad_token_id=0, bos_token_id=1, eos_token_id=5)
    config = t.SmolVLMConfig(
        text_config=text,
        vision_config=_vision(s, image_size=s.side),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    largest = {"longest_edge": s.side}
    processor = t.SmolVLMProcessor(
        t.SmolVLMImageProcessor(size={"longest_edge": 2 * s.side}, max_image_size=largest),
        tokenizer,
        t.SmolVLMVideoProcessor(size=largest, max_image_size=largest, num_frames=64, fps=1),
        image_seq_len=(s.side // PATCH) ** 2 // 4,
        chat_template=template,
    )
    return t.SmolVLMForConditionalGeneration(config), processor


def _llava_onevision(s: Size) -> Built:
    import transformers as t

    roles = {"image_token": "<image>", "video_token": "<video>"}
    tokenizer = _tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *roles.values()], roles, eos="<|im_end|>", pad="<|endoftext|>"
    )
    pins = [[s.side, s.side], [s.side, 2 * s.side], [2 * s.side, s.side]]
    config = t.LlavaOnevisionConfig(
        text_config=_text(s, tokenizer, model_type="qwen2"),
        vision_config=_vision(s, model_type="siglip_vision_model", image_size=s.side, vision_use_head=False),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pins,
    )
    processor = t.LlavaOnevisionProcessor(
        t.LlavaOnevisionImageProcessor(size=s.square, image_grid_pinpoints=pins),
        tokenizer,
        t.LlavaOnevisionVideoProcessor(size=s.square),
        num_image_tokens=(s.side // PATCH) ** 2,
        vision_feature_select_strategy="full",
        chat_template=_template("<image>\n", "<video>\n", sort=True),
    )
    return t.LlavaOnevisionForConditionalGeneration(config), processor


def _llava_next_video(s: Size) -> Built:
    import transformers as t

    roles = {"image_token": "<image>", "video_token": "<video>"}
    tokenizer = _tokenizer(
        ["<unk>", "<s>", "</s>", "<pad>", *roles.values()], roles, eos="</s>", pad="<pad>", bos="<s>"
    )
    pins = [[s.side, 2 * s.side], [2 * s.side, s.side]]
    config = t.LlavaNextVideoConfig(
        text_config=_text(s, tokenizer, model_type="llama", pad_token_id=3, bos_token_id=1, eos_token_id=2),
        vision_config=_vision(s, model_type="clip_vision_model", image_size=s.side, projection_dim=s.width),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pins,
    )
    crop = {"size": {"shortest_edge": s.side}, "crop_size": s.square}
    processor = t.LlavaNextVideoProcessor(
        video_processor=t.LlavaNextVideoVideoProcessor(**crop),
        image_processor=t.LlavaNextImageProcessor(**crop, image_grid_pinpoints=pins),
        tokenizer=tokenizer,
        chat_template=_template("<image>\n", "<video>\n", sort=True, turn="", end=""),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return t.LlavaNextVideoForConditionalGeneration(config), processor


def _internvl(s: Size) -> Built:
    import transformers as t

    roles = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = _tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *roles.values()], roles, eos="<|im_end|>", pad="<|endoftext|>"
    )
    tokens = (s.side // PATCH) ** 2 // 4
    config = t.InternVLConfig(
        text_config=_text(s, tokenizer, model_type="qwen2"),
        vision_config=_vision(s, image_size=[s.side, s.side]) | {"patch_size": [PATCH, PATCH]},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=tokens,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    processor = t.InternVLProcessor(
        t.GotOcr2ImageProcessor(size=s.square, crop_to_patches=True, min_patches=1, max_patches=4),
        tokenizer,
        t.InternVLVideoProcessor(size=s.square),
        image_seq_length=tokens,
        chat_template=_template("<IMG_CONTEXT>\n", "<video>\n"),
    )
    return t.InternVLForConditionalGeneration(config), processor


def _gemma3(s: Size) -> Built:
    """With a window of 32 tokens, shorter than the pictures: what padding on the left would break."""
    import transformers as t

    roles = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = _tokenizer(
        ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", *roles.values()],
        roles,
        eos="<eos>",
        pad="<pad>",
        bos="<bos>",
    )
    tokens = (s.side // PATCH) ** 2 // 4
    layers = ["full_attention" if i % 3 == 1 else "sliding_attention" for i in range(s.text_layers)]
    text = _text(
        s,
        tokenizer,
        head_dim=s.width // s.heads,
        sliding_window=s.window,
        query_pre_attn_scalar=s.width // s.heads,
        layer_types=layers,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    ids = {f"{n.removesuffix('_token')}_token_index": tokenizer.convert_tokens_to_ids(x) for n, x in roles.items()}
    config = t.Gemma3Config(
        text_config=text,
        vision_config=_vision(s, model_type="siglip_vision_model", image_size=s.side, vision_use_head=False),
        mm_tokens_per_image=tokens,
        tie_word_embeddings=True,
        **ids,
    )
    template = _template("<start_of_image>", "", turn="<start_of_turn>", end="<end_of_turn>")
    processor = t.Gemma3Processor(
        t.Gemma3ImageProcessor(size=s.square),
        tokenizer,
        chat_template="{{ bos_token }}" + template,
        image_seq_length=tokens,
    )
    return t.Gemma3ForConditionalGeneration(config), processor


def _video_llama_3(s: Size) -> Built:
    import transformers as t

    tokenizer = _tokenizer(_QWEN, _QWEN_ROLES, eos="<|im_end|>", pad="<|endoftext|>")
    config = t.VideoLlama3Config(
        text_config=_text(s, tokenizer, model_type="qwen2"),
        vision_config=_vision(s),
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
    )
    processor = t.VideoLlama3Processor(
        t.VideoLlama3ImageProcessor(),
        tokenizer,
        t.VideoLlama3VideoProcessor(**s.area),
        chat_template=_template("<|image_pad|>\n", "<|video_pad|>\n"),
    )
    return t.VideoLlama3ForConditionalGeneration(config), processor


def _perception_lm(s: Size) -> Built:
    import transformers as t

    roles = {"image_token": "<|image|>", "video_token": "<|video|>"}
    tokenizer = _tokenizer(
        ["<|pad|>", "<|begin_of_text|>", "<|eot_id|>", "<|turn|>", *roles.values()],
        roles,
        eos="<|eot_id|>",
        pad="<|pad|>",
        bos="<|begin_of_text|>",
    )
    side = s.side // PATCH
    vision = {
        "model_type": "timm_wrapper",
        "architecture": "vit_pe_core_tiny_patch16_384",
        "do_pooling": False,
        "model_args": {
            "embed_dim": s.width,
            "depth": s.vision_layers,
            "num_heads": s.heads,
            "img_size": [s.side, s.side],
            "patch_size": PATCH,
            "global_pool": "",
            "ref_feat_shape": [side, side],
            "use_post_transformer_norm": False,
        },
    }
    config = t.PerceptionLMConfig(
        text_config=_text(s, tokenizer, model_type="llama", pad_token_id=0, bos_token_id=1, eos_token_id=2),
        vision_config=vision,
        vision_use_cls_token=True,
        projector_pooling_ratio=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
    )
    config.vision_config.embed_dim = s.width
    template = _template("<|image|>", "<|video|>", turn="<|turn|>", end="<|eot_id|>")
    processor = t.PerceptionLMProcessor(
        t.PerceptionLMVideoProcessor(size=s.square),
        t.PerceptionLMImageProcessor(tile_size=s.side, max_num_tiles=4, size=s.square),
        tokenizer,
        patch_size=PATCH,
        pooling_ratio=2,
        chat_template="{{ bos_token }}" + template,
    )
    return t.PerceptionLMForConditionalGeneration(config), processor


def _molmo2(s: Size) -> Built:
    import transformers as t

    roles = {"image_token": "<|image|>", "video_token": "<|video|>"}
    marks = [
        "<im_patch>",
        "<im_col>",
        "<im_start>",
        "<low_res_im_start>",
        "<frame_start>",
        "<im_end>",
        "<frame_end>",
        "<im_low>",
    ]
    tokenizer = _tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *roles.values(), *marks],
        roles,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        bos="<|endoftext|>",
    )
    heads = {
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.heads,
        "head_dim": s.width // s.heads,
        "hidden_size": s.width,
    }
    token = tokenizer.convert_tokens_to_ids
    config = t.Molmo2Config(
        text_config=_text(s, tokenizer, head_dim=s.width // s.heads, additional_vocab_size=8),
        vision_config=_vision(s, image_size=[s.side, s.side], num_position_embeddings=(s.side // PATCH) ** 2) | heads,
        adapter_config={"vision_feature_layer": [-1, 0], "intermediate_size": s.inner, "text_hidden_size": s.width}
        | heads,
        image_start_token_id=token("<im_start>"),
        low_res_image_start_token_id=token("<low_res_im_start>"),
        image_end_token_id=token("<im_end>"),
        image_patch_id=token("<im_patch>"),
        frame_start_token_id=token("<frame_start>"),
        frame_end_token_id=token("<frame_end>"),
    )
    processor = t.Molmo2Processor(
        t.Molmo2ImageProcessor(size=s.square, max_crops=2, overlap_margins=[0, 0]),
        t.Molmo2VideoProcessor(size=s.square, num_frames=64),
        tokenizer,
        chat_template=_template("<|image|>", "<|video|>", sort=True),
    )
    return t.Molmo2ForConditionalGeneration(config), processor


def _paligemma(s: Size) -> Built:
    """Its pictures see the question: no prefix of it can be shared."""
    import transformers as t

    tokenizer = _tokenizer(
        ["<pad>", "<eos>", "<bos>", "<image>"], {"image_token": "<image>"}, eos="<eos>", pad="<pad>", bos="<bos>"
    )
    tokens = (s.side // PATCH) ** 2
    config = t.PaliGemmaConfig(
        text_config=_text(
            s,
            tokenizer,
            model_type="gemma",
            head_dim=s.width // s.heads,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        ),
        vision_config=_vision(
            s, model_type="siglip_vision_model", image_size=s.side, vision_use_head=False, projection_dim=s.width
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=s.width,
        hidden_size=s.width,
    )
    pictures = t.SiglipImageProcessor(size=s.square)
    pictures.image_seq_length = tokens
    template = _template("<image>", "", turn="", end="")
    return t.PaliGemmaForConditionalGeneration(config), t.PaliGemmaProcessor(
        pictures, tokenizer, chat_template=template
    )


FAMILIES: dict[str, Callable[[Size], Built]] = {
    "qwen2_vl": partial(_qwen, family="qwen2_vl"),
    "qwen2_5_vl": partial(_qwen, family="qwen2_5_vl"),
    "qwen3_vl": partial(_qwen, family="qwen3_vl"),
    "smolvlm2": _smolvlm,
    "llava_onevision": _llava_onevision,
    "llava_next_video": _llava_next_video,
    "internvl3": _internvl,
    "gemma3": _gemma3,
    "video_llama_3": _video_llama_3,
    "perception_lm": _perception_lm,
    "molmo2": _molmo2,
}
PREFIX_LM = {"paligemma": _paligemma}


@cache
def family(name: str) -> Built:
    """The tiny model of a family, in float32 on the CPU, and its processor; built once in a test session."""
    return build(name, TINY)


def build(name: str, size: Size) -> Built:
    """A model of a family in a size, and its processor."""
    import torch

    torch.set_num_threads(1)  # so small that two would only wait for each other
    torch.manual_seed(0)
    model, processor = {**FAMILIES, **PREFIX_LM}[name](size)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for path, p in model.named_parameters():
            if p.ndim > 1:
                embeds = "embed" in path and "patch" not in path
                p.normal_(0, 1.0 if embeds else 1 / math.sqrt(p[0].numel()), generator=generator)
            elif "bias" in path:
                p.normal_(0, 0.02, generator=generator)
            elif "lambda" in path:
                p.fill_(1.0)
    return model.float().eval(), processor
