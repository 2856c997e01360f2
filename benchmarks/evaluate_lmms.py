"""fm-eval against lmms-eval 0.7.3 on one exported task, each in its own environment, on the same weights and frames.

lmms-eval writes its answers; it is compared with ours writing as many tokens, and with our letters. CPU seconds of
the process and its children; what start-up takes is measured by runs of one question.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from bench import Row
from evaluate_data import QUESTIONS, make_dataset

__all__ = ["lmms"]

VERSION = "0.7.3"
PACKAGES = (f"lmms-eval=={VERSION}", "decord", "filelock<3.20")
"""It imports decord and does not ask for it, and a part of filelock that later versions do not have."""
NEW_TOKENS = 16
FRAMES, PIXELS = 16, 224 * 224
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
_TASK = f"""name: written
version: 1
type: mcq
config: mcq
prompt: letter-1
letters: ABCD
scoring: generate
max_new_tokens: {NEW_TOKENS}
"""


def environment(folder: Path) -> Path:
    """The Python of lmms-eval's own environment: below ``folder``, or the one that ``FM_LMMS_VENV`` names."""
    venv = Path(os.environ.get("FM_LMMS_VENV") or folder / "lmms")
    python = venv / "bin" / "python"
    if not python.is_file():
        subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", str(venv)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *PACKAGES], check=True)
    said = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('lmms_eval'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == VERSION, said.stdout
    return python


def lmms(folder: Path, *, clips: int, seed: int) -> list[Row]:
    """Seconds of lmms-eval over ours, with and without start-up."""
    import torch

    from tiny_families import MEDIUM, build

    theirs = environment(folder)
    network, processor = build("qwen2_5_vl", replace(MEDIUM, width=256, inner=704, text_layers=4, vision_layers=4))
    processor.video_processor.size = {"shortest_edge": 28 * 28, "longest_edge": FRAMES * PIXELS}
    network.to(torch.bfloat16).save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    data = make_dataset(folder / "data", clips, QUESTIONS, seed=seed, side=(1280, 720), seconds=8)
    exported = folder / "exported"
    fm_hub = sys.executable, "-c", "import sys; from fm_hub.cli import main; main(sys.argv[1:])"
    what = "--format", "lmms-eval", "--config", "mcq", "--split", "test"
    _run([*fm_hub, "export", str(data), *what, "-o", str(exported)])
    (folder / "written.yaml").write_text(_TASK)
    n = clips * QUESTIONS

    def they(limit: int) -> tuple[float, float]:
        model = (
            f"pretrained={folder / 'model'},device_map=cpu,max_num_frames={FRAMES},max_pixels={PIXELS},min_pixels=3136"
        )
        out = folder / f"theirs{limit}"
        where = "--include_path", str(exported), "--tasks", "foundationmotion_mcq", "--output_path", str(out)
        how = "--device", "cpu", "--batch_size", "1", "--limit", str(limit), "--log_samples"
        *spent, said = _run(
            [str(theirs), "-m", "lmms_eval", *where, "--model", "qwen2_5_vl", "--model_args", model, *how]
        )
        assert _written(out) == limit, f"lmms-eval answered {_written(out)} of {limit}: {said[-2000:]}"
        return spent[0], spent[1]

    def we(limit: int, *more: str) -> tuple[float, float]:
        out = folder / f"ours{limit}{len(more)}"
        cpu, wall, _ = _run([sys.executable, "-m", "fm_eval_harness.cli", "--model", str(folder / "model"),
                      "--dataset", str(data), "--config", "mcq", "--device", "cpu", "--dtype", "bfloat16",
                      "--frames", str(FRAMES), "--max-pixels", str(PIXELS), "--limit", str(limit), "-o", str(out),
                      *more])  # fmt: skip
        results = json.loads(next(out.glob("*/results.json")).read_text())
        assert results["coverage"] == 1, results
        return cpu, wall

    written = "--task", str(folder / "written.yaml")
    them, writes, letters = ((ask(1), ask(n)) for ask in (they, lambda k: we(k, *written), we))
    rows = []
    for name, (first, whole), target in (("writing too", writes, 4), ("letters", letters, 6)):
        loop = (them[1][0] - them[0][0]) / (whole[0] - first[0])
        rows += [
            Row(f"lmms-eval over ours, {name}, {n} questions, CPU", them[1][0] / whole[0], "times", ">=", target),
            Row(f"lmms-eval over ours, {name}, without start-up, CPU", loop, "times", ">=", target),
            Row(f"lmms-eval over ours, {name}, by the clock", them[1][1] / whole[1], "times", ">=", 0),
        ]
    for name, (first, whole) in (("lmms-eval", them), ("ours, writing", writes), ("ours, letters", letters)):
        rows += [
            Row(f"{name}: start-up and one question", first[0], "s CPU", ">=", 0),
            Row(f"{name}: each further question", (whole[0] - first[0]) / (n - 1), "s CPU", ">=", 0),
        ]
    return rows


def _run(argv: list[str]) -> tuple[float, float, str]:
    """CPU and wall seconds of a program and its children, and what it said. Raises with its last words if it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environ = {**os.environ, **_OFFLINE, "OMP_NUM_THREADS": "2"}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-2000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, time.perf_counter() - start, done.stdout + done.stderr


def _written(out: Path) -> int:
    """How many questions lmms-eval answered: it ends with 0 where it failed."""
    return sum(1 for path in out.rglob("*_samples_*.jsonl") for line in path.read_text().splitlines() if line)
