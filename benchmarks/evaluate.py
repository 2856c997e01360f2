"""What fm-eval costs and what it keeps: shared prefixes against a plain loop, start-up, size, kills.

CPU seconds of this process, two threads; models of about 50 M random weights (``tests/tiny_families.py``). Parts:
``speed long startup fake kills``, all by default, or those named with ``--only``.
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
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
# Threads that wait for each other sleep, so that what else runs on the machine is not counted as our work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bench import Row, show

from fm_eval_harness.evaluate import run
from fm_eval_harness.policy import Policy
from fm_eval_harness.questions import Item, groups, prompt_of, select
from fm_eval_harness.task import load_task
from fm_hub.manifest import Manifest, write_manifest
from fm_hub.models import Options, View
from fm_hub.models.chat import Chat
from fm_hub.models.shared_prefix import SharedPrefix
from fm_hub.models.transformers import TransformersModel
from fm_hub.records import Claim, Option, Provenance, Question, content_id
from fm_hub.tables import to_table, write_table
from fm_hub.video import encode_clip

QUESTIONS = 10
TASK = load_task("foundationmotion")


# -- a data set --------------------------------------------------------------------------------------------------------


def make_dataset(root: Path, clips: int, questions: int, *, seed: int, side: tuple[int, int], seconds: float) -> Path:
    """Clips of moving squares, and as many questions about each; what is right is of no interest here."""
    rng, rows = np.random.default_rng(seed), []
    for c in range(clips):
        length = seconds * (0.75 + 0.5 * c / max(1, clips - 1))
        path = root / "videos" / f"{c:02x}" / f"{c}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw(path, rng, side, length)
        clip_id = content_id("clip", c, seed)
        rows += [_question(clip_id, str(path.relative_to(root)), length, i) for i in range(questions)]
    table = to_table("mcq", rows)
    write_table(table, root / "mcq" / "test-00000.parquet")
    write_manifest(
        root,
        Manifest.measured(
            {("mcq", "test"): table}, data_version="0.1.0", generator="bench", recipe={}, models=[], dropped={}, repo=""
        ),
    )
    return root


def _draw(path: Path, rng: np.random.Generator, side: tuple[int, int], seconds: float) -> None:
    width, height = side
    n, size = max(2, int(seconds * 24)), height // 5
    ground = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    (x0, y0), (x1, y1) = rng.uniform(0, 1, (2, 2)) * (width - size, height - size)
    colour = rng.integers(0, 255, 3, dtype=np.uint8)

    def picture(i: int) -> Any:
        image, s = ground.copy(), i / (n - 1)
        x, y = int(x0 + s * (x1 - x0)), int(y0 + s * (y1 - y0))
        image[y : y + size, x : x + size] = colour
        return image

    encode_clip(map(picture, range(n)), [i / 24 for i in range(n)], path)


def _question(clip_id: str, video_file: str, seconds: float, i: int) -> Question:
    things = ("square", "ball", "left hand", "car", "person", "dog", "red box", "door", "cup", "wheel")
    ways = ("up", "down", "to the left", "to the right") if i % 2 else ("up", "down", "left", "right")
    claim = Claim.of("at_once", {"label": things[i % 10], "is": i}, 0, seconds)
    text = f"Which way does the {things[i % 10]} go" + (" at last" if i % 3 else "") + f" ({i})?"
    return Question(
        question_id=content_id("question", clip_id, i),
        clip_id=clip_id,
        source_id=clip_id,
        split="test",
        video_file=video_file,
        type="motion recognition",
        kind="direction",
        difficulty="easy",
        view_t0=0.0,
        view_t1=seconds,
        text=text,
        options=tuple(Option(w, claim, 0.0) for w in ways),
        answer=i % 4,
        answer_type="direction",
        template="t",
        template_args="{}",
        grounding="human",
        provenance=Provenance("bench", 0),
    )


# -- speed -------------------------------------------------------------------------------------------------------------


class Loaded(TransformersModel):
    """A model that was built here rather than loaded."""

    def __init__(self, name: str, network: Any, processor: Any) -> None:
        self.name = f"bench-{name}"
        self.commit = "bench"
        self.options = Options(Path())
        self.chat = Chat(name, processor)
        self._asker = SharedPrefix(network)


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, all threads, and what the work gave."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def plain_loop(model: Loaded, items: Sequence[Item], root: Path, policy: Policy) -> dict[str, str]:
    """As it is done elsewhere: decode, process and run every question for itself."""
    import torch

    letters, asker = {}, SharedPrefix(model.asker.model, share=False)
    for item in items:
        q = item.question
        view = policy.view(q.clip_id, root / q.video_file, q.view_t0, q.view_t1)
        prompt = prompt_of(item, TASK)
        frames = torch.from_numpy(view.frames).permute(0, 3, 1, 2)
        (answer,) = asker.ask([model.chat.inputs(view, frames, prompt.text)])
        letters[prompt.id] = model._scores(prompt, answer).letter
    return letters


def bound(model: Loaded, items: Sequence[Item], root: Path, policy: Policy, *, check: bool) -> float:
    """CPU seconds of what cannot be left out: decoding each clip once, one prefix each, and every suffix."""
    import torch

    spent, asker = 0.0, SharedPrefix(model.asker.model)
    if not check:
        asker.trust.believe("prefix")
    for group in groups(items):
        q = group[0].question
        view = policy.view(q.clip_id, root / q.video_file, q.view_t0, q.view_t1)
        start = time.process_time()
        frames = torch.from_numpy(view.frames).permute(0, 3, 1, 2)
        spent += time.process_time() - start
        with model.chat.one_view():
            inputs = [model.chat.inputs(view, frames, prompt_of(i, TASK).text) for i in group]
        start = time.process_time()
        asker.ask(inputs)
        spent += time.process_time() - start
    return spent


def speed(name: str, root: Path, policy: Policy, target: float, out: Path) -> list[Row]:
    """The plain loop over ours, for one family; the letters must be the same."""
    import torch

    from tiny_families import MEDIUM, build

    model = Loaded(name, *build(name, MEDIUM))
    torch.set_num_threads(2)
    items = select(root, TASK, "mcq", None)
    given = {k: v for k, v in policy.as_config().items() if k not in ("frames", "max_frames", "fps")}
    ours, result = cpu(
        lambda: run(model, root, config="mcq", n_frames=policy.frames, output=out, report=False, **given)
    )
    assert result.results["modes"] == {"prefix": len(items)}, result.results
    least = bound(model, items, root, policy, check=False)
    checked = bound(model, items, root, policy, check=True)
    plain, letters = cpu(lambda: plain_loop(model, items, root, policy))
    same = sum(letters[s["id"]] == s["prediction"] for s in result.samples) / len(items)
    label = f"{name}, {policy.frames} frames"
    return [
        Row(f"{label}: plain loop over ours, CPU", plain / ours, "times", ">=", target),
        Row(f"{label}: the same over the bound (decode, one prefix, suffixes)", plain / least, "times", ">=", 0),
        Row(f"{label}: same letters", same, "share", ">=", 1),
        Row(f"{label}: over decoding and forward passes (checks included)", 100 * (ours / checked - 1), "%", "<=", 10),
        Row(f"{label}: plain loop", plain / len(items), "s CPU a question", ">=", 0),
    ]


def long_videos() -> list[Row]:
    """Logits of the shared path against the plain one where time outruns height and width."""
    import torch

    from tiny_families import MEDIUM, build

    rows = []
    for name in ("qwen2_5_vl", "qwen3_vl"):
        network, processor = build(name, replace(MEDIUM, text_layers=4, vision_layers=4))
        torch.set_num_threads(2)
        chat, worst = Chat(name, processor), 0.0
        for n in (48, 64):
            view = View("clip", Path(), 0.0, n / 2, n)
            frames = torch.randint(0, 256, (n, 3, 112, 112), dtype=torch.uint8)
            with chat.one_view():
                inputs = [
                    chat.inputs(view, frames, q) for q in ("Up? A. yes B. no", "Which way does it go? A. up B. down")
                ]
            shared = SharedPrefix(network).ask(inputs)
            plain = SharedPrefix(network, share=False).ask(inputs)
            assert {a.mode for a in shared} == {"prefix"}
            worst = max(worst, *(float((a.logits - b.logits).abs().max()) for a, b in zip(shared, plain, strict=True)))
        rows.append(
            Row(f"{name}, 48 and 64 frames at 2 a second: largest difference of a logit", worst, "", "<=", 1e-3)
        )
    return rows


# -- the rest ----------------------------------------------------------------------------------------------------------


def startup(folder: Path) -> list[Row]:
    """Seconds until the first sample is on the disk, over those of importing the libraries; medians of five."""
    from tiny_families import TINY, build

    network, processor = build("qwen2_5_vl", TINY)
    network.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    data = make_dataset(folder / "data", 2, 2, seed=1, side=(320, 240), seconds=2)
    libraries, ours = [], []
    for i in range(5):
        libraries.append(_until([sys.executable, "-c", "import torch, transformers"], None))
        argv = [sys.executable, "-m", "fm_eval_harness.cli", "--model", str(folder / "model"), "--dataset", str(data)]
        out = folder / f"runs{i}"
        ours.append(_until([*argv, "--config", "mcq", "--device", "cpu", "-o", str(out)], out))
    ratio = statistics.median(ours) / statistics.median(libraries)
    return [
        Row("start to first sample, over import torch, transformers", ratio, "times", "<=", 1.5),
        Row("start to first sample", statistics.median(ours), "s", ">=", 0),
    ]


def _until(argv: list[str], out: Path | None) -> float:
    """Wall seconds until a samples file holds a line, or until the program ends."""
    start = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None:
        if out is not None and any(p.stat().st_size for p in out.glob("*/samples.jsonl")):
            break
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    _, err = process.communicate()
    assert process.returncode == 0, err.decode()
    return seconds


_FAKE = """
import json, resource, sys, time
from fm_eval_harness.evaluate import run
start = time.perf_counter()
result = run("fake:hash", sys.argv[1], config="mcq", output=sys.argv[2], report=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([time.perf_counter() - start, result.results["n_scored"], peak, time.process_time()]))
"""


def fake(folder: Path, n: int) -> list[Row]:
    """A hundred thousand questions through ``fake:``: seconds, and memory a question beside ten thousand."""
    found = {}
    for total in (n // 10, n):
        data = folder / f"fake{total}"
        _wide(data, total)
        done = subprocess.run(
            [sys.executable, "-c", _FAKE, str(data), str(folder / f"out{total}")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found[total] = json.loads(done.stdout)
        assert found[total][1] == total
        shutil.rmtree(data)
    return [
        Row(f"{n} samples through fake:", found[n][3], "s CPU", "<=", 60),
        Row("the same, by the clock of a machine that may be busy", found[n][0], "s", ">=", 0),
        Row("their peak memory", found[n][2], "MiB", "<=", 4096),
        Row("memory a further question", 1024 * (found[n][2] - found[n // 10][2]) / (n - n // 10), "KiB", "<=", 16),
    ]


def _wide(root: Path, total: int) -> None:
    """Many questions, ten a clip; the clips are small files that no one opens."""
    rows = []
    for c in range(total // QUESTIONS):
        path = root / "videos" / f"{c % 256:02x}" / f"{c}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip %d" % c)
        clip_id = content_id("clip", c)
        rows += [_question(clip_id, str(path.relative_to(root)), 8.0, i) for i in range(QUESTIONS)]
    table = to_table("mcq", rows)
    write_table(table, root / "mcq" / "test-00000.parquet")
    measured = Manifest.measured(
        {("mcq", "test"): table}, data_version="0.1.0", generator="bench", recipe={}, models=[], dropped={}, repo=""
    )
    write_manifest(root, measured)


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
    parser.add_argument("--only", nargs="*", default=["speed", "long", "startup", "fake", "kills"])
    parser.add_argument("--families", nargs="*", default=["qwen2_5_vl", "smolvlm2", "internvl3"])
    parser.add_argument("--clips", type=int, default=8)
    chosen = parser.parse_args()
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
    show("evaluate", rows, chosen)


if __name__ == "__main__":
    main()
