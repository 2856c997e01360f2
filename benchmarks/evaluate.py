"""What fm-eval costs and what it keeps: shared prefixes against a plain loop, start-up, size, kills.

CPU seconds of this process, two threads; models of about 50 M random weights (``tests/tiny_families.py``). Parts:
``speed long startup fake kills``, all of them by default; by name only, ``lmms`` (lmms-eval 0.7.3, which it installs in
an environment of its own) and ``gpu``: python benchmarks/evaluate.py gpu
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
# Threads that wait for each other sleep, so that what else runs on the machine is not counted as our work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bench import IMPORTS, Row, show
from evaluate_data import QUESTIONS, make_dataset, wide_dataset
from evaluate_speed import long_videos, speed

from fm_eval_harness.policy import Policy

PARTS = ("speed", "long", "startup", "fake", "kills")
BY_NAME = ("lmms", "gpu")


_LIBRARIES = "import torch, transformers"
_LOADERS = (
    "import torch, torchvision; from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor; "
    "import transformers.models.qwen2_5_vl.modeling_qwen2_5_vl, transformers.models.qwen2_5_vl.processing_qwen2_5_vl"
)
"""What transformers itself imports to load such a model: its top level alone loads nearly nothing."""


def startup(folder: Path) -> list[Row]:
    """From the start of the command to its first sample, over imports of the libraries; medians of five.

    The second row is the one that can be won: to load such a model the library imports its video processor, that
    torchvision, and that torch._dynamo, as many CPU seconds again as torch and transformers. ``import torch,
    transformers`` alone loads none of them.
    """
    from tiny_families import TINY, build

    network, processor = build("qwen2_5_vl", TINY)
    network.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    data = make_dataset(folder / "data", 2, 2, seed=1, side=(320, 240), seconds=2)
    found: dict[str, list[tuple[float, float]]] = {"libraries": [], "loaders": [], "ours": []}
    for i in range(5):
        found["libraries"].append(_until([sys.executable, "-c", _LIBRARIES], None))
        found["loaders"].append(_until([sys.executable, "-c", _LOADERS], None))
        argv = [sys.executable, "-m", "fm_eval_harness.cli", "--model", str(folder / "model"), "--dataset", str(data)]
        out = folder / f"runs{i}"
        found["ours"].append(_until([*argv, "--config", "mcq", "--device", "cpu", "-o", str(out)], out))
    cpu, wall = ({k: statistics.median(x[j] for x in v) for k, v in found.items()} for j in (0, 1))
    label = "start to first sample"
    return [
        Row(f"{label}, over {_LIBRARIES}, CPU", cpu["ours"] / cpu["libraries"], "times", "<=", 1.5),
        Row(
            f"{label}, over what transformers imports to load it, CPU", cpu["ours"] / cpu["loaders"], "times", "<=", 1.5
        ),
        Row(f"{label}, over {_LIBRARIES}, by the clock", wall["ours"] / wall["libraries"], "times", ">=", 0),
        Row(label, cpu["ours"], "s CPU", ">=", 0),
    ]


def _until(argv: list[str], out: Path | None) -> tuple[float, float]:
    """CPU and wall seconds until a samples file holds a line (then it is ended), or until the program ends."""
    start, ended = time.perf_counter(), False
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        seconds = time.perf_counter() - start
        if pid:
            break
        if out is not None and any(p.stat().st_size for p in out.glob("*/samples.jsonl")):
            process.kill()
            _, _, used = os.wait4(process.pid, 0)
            ended = True
            break
        time.sleep(0.005)
    process.returncode = 0  # it was waited for here
    assert ended or (out is None and status == 0), f"ended with {status}: {' '.join(argv)}"
    return used.ru_utime + used.ru_stime, seconds


_FAKE = """
import json, sys, time
from bench import peak_mb
from fm_eval_harness.evaluate import run
start = time.perf_counter()
result = run("fake:hash", sys.argv[1], config="mcq", output=sys.argv[2], report=False)
print(json.dumps([time.perf_counter() - start, result.results["n_scored"], peak_mb(), time.process_time()]))
"""


def fake(folder: Path, n: int) -> list[Row]:
    """A hundred thousand questions through ``fake:``: seconds, and memory a question beside ten thousand."""
    found = {}
    for total in (n // 10, n):
        data = folder / f"fake{total}"
        wide_dataset(data, total)
        done = subprocess.run(
            [sys.executable, "-c", _FAKE, str(data), str(folder / f"out{total}")],
            capture_output=True,
            text=True,
            env={**os.environ, **IMPORTS},
        )
        assert done.returncode == 0, done.stderr
        found[total] = json.loads(done.stdout)
        assert found[total][1] == total
        shutil.rmtree(data)
    return [
        Row(f"{n} samples through fake:", found[n][3], "s CPU", "<=", 60),
        Row("the same, by the clock of a machine that may be busy", found[n][0], "s", ">=", 0),
        Row("their peak memory", found[n][2], "MiB", "<=", 4096),
        Row(f"the same over that at {n // 10}", found[n][2] / found[n // 10][2], "times", "<=", 1.25),
        Row("memory a further question", 1024 * (found[n][2] - found[n // 10][2]) / (n - n // 10), "KiB", "<=", 0.5),
    ]


_SLOW = """
import sys, time
from fm_eval_harness.evaluate import run
from fm_hub.models.fake import FakeModel
class Slow(FakeModel):
    looks = True
    def score(self, view, prompts):
        time.sleep(0.01)
        return super().score(view, prompts)
run(Slow("hash"), sys.argv[1], output=sys.argv[2], config="mcq", controls=["frozen"], circular=True, n_frames=2,
    report=False)
"""


def kills(folder: Path, times: int, seed: int) -> list[Row]:
    """Runs that are killed at random moments until they are through: is the result that of one never killed?"""
    data = make_dataset(folder / "data", 12, 4, seed=2, side=(160, 120), seconds=2)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", _SLOW, str(data), str(folder / "whole")], check=True)
    whole_seconds = time.perf_counter() - start
    whole = next((folder / "whole").iterdir()) / "results.json"
    rng, killed, same, doubled, round_ = random.Random(seed), 0, 0, 0, 0
    while killed < times:
        out, finished = folder / f"cut{round_}", False
        while not finished:
            process = subprocess.Popen([sys.executable, "-c", _SLOW, str(data), str(out)], stderr=subprocess.PIPE)
            try:
                _, err = process.communicate(timeout=rng.uniform(0.3, 1.1) * whole_seconds if killed < times else None)
                assert process.returncode == 0, err.decode()
                finished = True
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed += 1
        result = next(out.iterdir()) / "results.json"
        keys = [tuple(map(json.loads(x).get, ("id", "control", "rotation")))
                for x in (result.parent / "samples.jsonl").read_bytes().splitlines()]  # fmt: skip
        same += result.read_bytes() == whole.read_bytes()
        doubled += len(keys) - len(set(keys))
        round_ += 1
    return [
        Row(
            f"results.json like an unbroken run's, after {killed} kills in {round_} runs",
            same / round_,
            "share",
            ">=",
            1,
        ),
        Row("samples that were written twice", doubled, "", "<=", 0),
    ]


def main() -> None:
    """Run the parts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("only", nargs="*", metavar="PART", help=f"of {' '.join((*PARTS, *BY_NAME))}")
    parser.add_argument("--families", nargs="*", default=["qwen2_5_vl", "smolvlm2", "internvl3"])
    parser.add_argument("--clips", type=int, default=8)
    chosen = parser.parse_args()
    chosen.only = chosen.only or PARTS
    for part in chosen.only:
        if part not in (*PARTS, *BY_NAME):
            parser.error(f"no part {part}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "speed" in chosen.only:
            data = make_dataset(folder / "data", chosen.clips, QUESTIONS, seed=chosen.seed, side=(1280, 720), seconds=8)
            for family in chosen.families:
                qwen = family.startswith("qwen")
                policy = Policy.of(frames=16 if qwen else 32, max_pixels=224 * 224)
                rows += speed(family, data, policy, 7 if qwen else 6, folder / "runs")
        if "long" in chosen.only:
            rows += long_videos()
        if "startup" in chosen.only:
            rows += startup(folder / "startup")
        if "fake" in chosen.only:
            rows += fake(folder / "fake", 100_000)
        if "kills" in chosen.only:
            rows += kills(folder / "kills", 50, chosen.seed)
        if "lmms" in chosen.only:
            from evaluate_lmms import lmms

            rows += lmms(folder / "lmms", clips=3 * chosen.clips, seed=chosen.seed)
        if "gpu" in chosen.only:
            from evaluate_gpu import gpu

            rows += gpu(folder / "gpu", clips=chosen.clips, seed=chosen.seed)
    show("evaluate", rows, chosen)


if __name__ == "__main__":
    main()
