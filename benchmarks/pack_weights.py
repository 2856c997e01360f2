"""Store the weights of an ONNX model in half precision, computed in full: half the file, the same outputs.

    uv run --with onnx python benchmarks/pack_weights.py MODEL.onnx PACKED.onnx [--seed N] [--json]

Each float32 tensor becomes a float16 one and a cast, which onnxruntime folds when it loads. The outputs of both files
are compared on random pictures; above 1e-2 anywhere the new file is not kept. (The weights of NanoDet and MoveNet were
published in half precision, so for them nothing is lost at all.)
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import onnx
from bench import Row, show
from onnx import TensorProto, helper, numpy_helper

LARGE = 64  # elements: smaller tensors are left as they are
AGREE = 1e-2
SIZES = ((416, 416), (288, 512))  # height, width, where the input has none of its own


def packed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its large float32 tensors in half precision."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    casts = []
    for tensor in out.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < LARGE:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}/half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}/full", to=TensorProto.FLOAT))
    nodes = [*casts, *out.graph.node]
    del out.graph.node[:]
    out.graph.node.extend(nodes)
    onnx.checker.check_model(out)
    return out


def largest_difference(before: str, after: str, seed: int) -> float:
    """Of all outputs of two models on the same random pictures."""
    import onnxruntime

    rng, worst = np.random.default_rng(seed), 0.0
    sessions = [onnxruntime.InferenceSession(p, providers=["CPUExecutionProvider"]) for p in (before, after)]
    (given,) = sessions[0].get_inputs()
    for height, width in SIZES:
        fixed = [n for n in given.shape[1:] if isinstance(n, int) and n > 3]
        if len(fixed) == 2:
            height, width = fixed
        first = given.shape[1] == 3
        shape = (1, 3, height, width) if first else (1, height, width, 3)
        picture = rng.integers(0, 256, shape)
        tensor = picture.astype(np.int32) if "int" in given.type else ((picture - 116) / 57).astype(np.float32)
        outputs = [s.run(None, {given.name: tensor}) for s in sessions]
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in zip(*outputs, strict=True)))
    return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("packed", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    chosen = parser.parse_args()
    partial = chosen.packed.with_suffix(".part")
    onnx.save(packed(onnx.load(chosen.model)), partial)
    difference = largest_difference(str(chosen.model), str(partial), chosen.seed)
    share = partial.stat().st_size / chosen.model.stat().st_size
    rows = [
        Row("largest difference of an output", difference, "", "<=", AGREE),
        Row("size of the file", share, "of before", "<=", 0.6),
    ]
    show("pack_weights", rows, chosen)
    if not all(r.ok for r in rows):
        partial.unlink()
        sys.exit(1)
    os.replace(partial, chosen.packed)
