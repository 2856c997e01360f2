"""Shared prefixes of fm-eval against a plain loop, on models of random weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import Row

from fm_eval_harness.evaluate import run
from fm_eval_harness.policy import Policy
from fm_eval_harness.questions import Item, groups, prompt_of, select
from fm_eval_harness.task import load_task
from fm_hub.models import Options, View
from fm_hub.models.chat import Chat
from fm_hub.models.shared_prefix import SharedPrefix
from fm_hub.models.transformers import TransformersModel
from fm_hub.models.weights import place

__all__ = ["TASK", "Loaded", "long_videos", "plain_loop", "speed"]

TASK = load_task("foundationmotion")


class Loaded(TransformersModel):
    """A model that was built here rather than loaded."""

    def __init__(self, name: str, network: Any, processor: Any) -> None:
        self.name = f"bench-{name}"
        self.commit = "bench"
        self.options = Options(Path())
        self.chat = Chat(name, processor)
        self._asker = SharedPrefix(network, rows=place(self.options).rows)

    def use(self, asker: SharedPrefix) -> None:
        """Ask through another asker."""
        self._asker = asker


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

    spent, asker = 0.0, SharedPrefix(model.asker.model, rows=model.asker.rows)
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
        Row(
            f"{label}: the same over ours without the question that is checked at its start",
            plain / (ours - max(0.0, checked - least)),
            "times",
            ">=",
            0,
        ),
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
