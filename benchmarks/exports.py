"""Exports read by their real consumers, each in an environment of its own, by the loader that it uses itself.

Needs a package registry, and some gigabytes of disk under ``--envs``; an environment that is there is used again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench import Row, show

from dataset_made import make_dataset
from fm_hub.export.run import Asked, export

SPLITS = ("train", "validation", "test")
# What to install, and the loader, which prints how many rows came.
CONSUMERS: dict[str, tuple[tuple[str, ...], str]] = {
    "trl": (
        ("trl==1.16.0", "torchvision", "transformers>=5.16,<6", "pillow"),
        """
import glob, sys
from datasets import load_dataset
from trl.data_utils import is_conversational, prepare_multimodal_messages
n = 0
for row in load_dataset("parquet", data_files=sorted(glob.glob(sys.argv[1] + "/*.parquet")), split="train"):
    made = prepare_multimodal_messages(row["messages"], images=row["images"])
    assert is_conversational(row) and sum("image" in p for m in made for p in m["content"]) == 8
    n += 1
print(n)
""",
    ),
    "llamafactory": (
        ("llamafactory==0.9.5", "torch==2.11.0", "torchaudio==2.11.0"),
        """
import json, os, sys
from types import SimpleNamespace
from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import ModelArguments
from llamafactory.hparams.data_args import DataArguments
out, n = sys.argv[1], 0
names = list(json.load(open(out + "/dataset_info.json")))
data = DataArguments(dataset=",".join(names), dataset_dir=out, template="qwen2_vl")
run = SimpleNamespace(seed=0, should_log=False, do_train=False, local_process_index=0)
for attr in get_dataset_list(names, out):
    for row in _load_single_dataset(attr, ModelArguments(model_name_or_path="x"), data, run):
        assert row["_prompt"] and row["_response"] and all(map(os.path.isfile, row["_videos"]))
        n += 1
print(n)
""",
    ),
    "ms-swift": (
        ("ms-swift==4.6.0",),
        """
import glob, os, sys
from swift.dataset import load_dataset
out, n = sys.argv[1], 0
for path in sorted(glob.glob(out + "/*.jsonl")):
    for row in load_dataset([path], split_dataset_ratio=0.0, num_proc=1, strict=True)[0]:
        assert all(os.path.isfile(os.path.join(out, v)) for v in row["videos"])
        n += 1
print(n)
""",
    ),
    "lmms-eval": (
        ("lmms-eval==0.7.3",),
        """
import glob, json, subprocess, sys
out = sys.argv[1]
ask = ["--include_path", out, "--tasks", "foundationmotion_benchmark", "--model", "dummy", "--batch_size", "1"]
keep = ["--output_path", out + "/run", "--log_samples"]
subprocess.run([sys.executable, "-m", "lmms_eval", *ask, *keep], check=True, capture_output=True)
found = json.load(open(glob.glob(out + "/run/**/*results.json", recursive=True)[0]))["results"]
assert 0 <= found["foundationmotion_benchmark"]["accuracy,none"] <= 1
print(sum(1 for _ in open(glob.glob(out + "/run/**/*samples*.jsonl", recursive=True)[0])))
""",
    ),
}


def environment(folder: Path, name: str, packages: tuple[str, ...]) -> Path:
    """The Python of an environment with some packages."""
    python = folder / name / "bin" / "python"
    if not (folder / name / "whole").exists():
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", "3.11", str(folder / name)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
        (folder / name / "whole").touch()
    return python


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "fm-hub-consumers")
    parser.add_argument("--only", choices=tuple(CONSUMERS), help="one consumer")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temp:
        make_dataset(Path(temp) / "made")
        for name in CONSUMERS if chosen.only is None else (chosen.only,):
            packages, loader = CONSUMERS[name]
            python, out = environment(chosen.envs, name, packages), Path(temp) / name
            sent = sum(p.rows for p in export(Path(temp) / "made", out, Asked(name, splits=SPLITS)).parts)
            quiet = {"HF_HUB_OFFLINE": "1", "DISABLE_VERSION_CHECK": "1", "ROOT_IMAGE_DIR": str(out)}
            env = {**os.environ, **quiet, "HF_HOME": f"{temp}/home", "MODELSCOPE_CACHE": f"{temp}/home"}
            seen = subprocess.run(
                [str(python), "-c", loader, str(out)], capture_output=True, text=True, env=env, check=False, cwd=temp
            )
            if seen.returncode:
                print(seen.stderr[-2000:], file=sys.stderr)
            got = int(json.loads(seen.stdout.strip().splitlines()[-1])) if not seen.returncode else 0
            rows.append(Row(f"{packages[0]}: rows read of {sent}", got, "rows", ">=", sent))
    show("exports", rows, chosen)
