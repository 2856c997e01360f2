"""fm-eval on a GPU: questions a second of a model of the shape of Qwen2.5-VL-3B, against a plain loop and its FLOPs.

Random weights, bfloat16. On a machine without a GPU the same code runs a tiny shape in float32, to see that it works;
its figures then have no target.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from bench import Row
from evaluate_data import QUESTIONS, make_dataset
from evaluate_speed import TASK, Loaded, plain_loop

from fm_eval_harness.evaluate import run
from fm_eval_harness.policy import Policy
from fm_eval_harness.questions import Items, groups, prompt_of, select
from fm_hub.models.shared_prefix import SharedPrefix

__all__ = ["gpu"]

PLAIN_CLIPS = 2
"""The plain loop is so slow that it gets the first clips only; questions a second do not depend on their number."""
TEXT_3B = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_position_embeddings": 128000,
    "tie_word_embeddings": True,
}
VISION_3B = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "patch_size": 14,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "tokens_per_second": 2,
}
"""config.json of Qwen/Qwen2.5-VL-3B-Instruct."""


def gpu(folder: Path, *, clips: int, seed: int) -> list[Row]:
    """Questions a second, ours and plain, and the bound: all FLOPs at the rate of a large matrix product."""
    import torch

    there = torch.cuda.is_available()
    device, dtype = torch.device("cuda" if there else "cpu"), torch.bfloat16 if there else torch.float32
    network, processor = _shape_3b(device, dtype) if there else _tiny()
    model = Loaded("qwen2.5-vl-3b" if there else "tiny", network, processor)
    model.views_at_once = 4
    model.use(SharedPrefix(network, rows=16, videos=4))
    policy = Policy.of(frames=16, max_pixels=224 * 224)
    given = {k: v for k, v in policy.as_config().items() if k not in ("frames", "max_frames", "fps")}
    data = make_dataset(folder / "data", clips, QUESTIONS, seed=seed, side=(1280, 720), seconds=8)
    items = select(data, TASK, "mcq", None)

    def ours(name: str) -> tuple[float, Any]:
        start = time.perf_counter()
        result = run(model, data, config="mcq", n_frames=16, output=folder / name, report=False, **given)
        return len(items) / (time.perf_counter() - start), result

    ours("warm")  # kernels are chosen, and sharing is checked, in the first run
    rate, result = ours("runs")
    assert result.results["modes"] == {"prefix": len(items)}, result.results
    few = items[: PLAIN_CLIPS * QUESTIONS]
    plain_loop(model, few[:2], data, policy)
    start = time.perf_counter()
    letters = plain_loop(model, few, data, policy)
    plain = len(few) / (time.perf_counter() - start)
    said = {s["id"]: s["prediction"] for s in result.samples}
    same = sum(said[i] == x for i, x in letters.items()) / len(letters)
    peak = _matmul_rate(device, dtype)
    bound = QUESTIONS * peak / _flops(model, items, data, policy)
    card = torch.cuda.get_device_name() if there else "no GPU, tiny shape"
    print(f"{card}: {peak / 1e12:.3g} TFLOP/s in a large matrix product; {'; '.join(model.asker.notes)}\n")
    return [
        Row(f"{card}: questions a second, plain loop over ours", rate / plain, "times", ">=", 6 if there else 0),
        Row("questions a second, ours", rate, "/s", ">=", 0),
        Row("questions a second, plain loop", plain, "/s", ">=", 0),
        Row("questions a second, bound by FLOPs", bound, "/s", ">=", 0),
        Row("ours, share of that bound", 100 * rate / bound, "%", ">=", 0),
        Row("same letters (near ties may part in half precision)", same, "share", ">=", 0.9 if there else 1),
    ]


def _shape_3b(device: Any, dtype: Any) -> tuple[Any, Any]:
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from tiny_families import MEDIUM, build

    small, processor = build("qwen2_5_vl", MEDIUM)
    text = small.config.text_config.to_dict()
    rope = {"rope_theta": 1e6, "rope_type": "default", "mrope_section": [16, 24, 24]}
    kept = {k: text[k] for k in ("bos_token_id", "eos_token_id", "pad_token_id")}
    ids = {k: v for k, v in small.config.to_dict().items() if k.endswith("_token_id") and isinstance(v, int)}
    config = Qwen2_5_VLConfig(
        text_config={**TEXT_3B, **kept, "rope_parameters": rope}, vision_config=VISION_3B, **{**kept, **ids}
    )
    with torch.device(device):
        network = Qwen2_5_VLForConditionalGeneration(config).to(dtype).eval()
    generator = torch.Generator(device).manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            if p.ndim > 1:
                p.normal_(0, 1 / math.sqrt(p[0].numel()), generator=generator)
    return network, processor


def _tiny() -> tuple[Any, Any]:
    from tiny_families import TINY, build

    return build("qwen2_5_vl", TINY)


def _flops(model: Loaded, items: Items, root: Path, policy: Policy) -> float:
    """FLOPs of the least that ten questions about one clip need: one prefix and every suffix, nothing checked."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    group = next(groups(items))
    q = group[0].question
    view = policy.view(q.clip_id, root / q.video_file, q.view_t0, q.view_t1)
    frames = torch.from_numpy(view.frames).permute(0, 3, 1, 2)
    with model.chat.one_view():
        inputs = [model.chat.inputs(view, frames, prompt_of(i, TASK).text) for i in group]
    asker = SharedPrefix(model.asker.model, rows=len(group))
    asker.trust.believe("prefix")
    with FlopCounterMode(display=False) as counter:
        answers = asker.ask(inputs)
    assert {a.mode for a in answers} == {"prefix"}
    return float(counter.get_total_flops())


def _matmul_rate(device: Any, dtype: Any) -> float:
    """FLOP/s of a large matrix product: what the device gives, not what its data sheet says."""
    import torch

    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))

    def product(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    product(3)
    return 20 * 2 * n**3 / product(20)
