"""The evaluation of one model on one data set, from what the user says to the run's folder.

Questions are grouped by clip and view, and each group is one call of the model, while the next views are decoded
in the background. What a group gave is on the disk before the next begins, so a killed run goes on where it
stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fm_eval_harness.answers import check_can_answer
from fm_eval_harness.asking import Asking, Progress
from fm_eval_harness.location import locate
from fm_eval_harness.outcome import write_outcome
from fm_eval_harness.parsing import PARSER_VERSION
from fm_eval_harness.policy import Policy
from fm_eval_harness.prompts import prompt_sha
from fm_eval_harness.questions import prompt_of, select
from fm_eval_harness.ranks import joined
from fm_eval_harness.runs import RunResult, load_run, open_folder
from fm_eval_harness.samples import Trials
from fm_eval_harness.task import STANDARD, load_task
from fm_eval_harness.trials import check_trials, parse_controls
from fm_hub.decoders import DECODERS
from fm_hub.errors import UserError
from fm_hub.models import Model, Options, open_model

__all__ = ["run"]


def run(
    model: str | Model,
    dataset: str | Path | None = None,
    *,
    task: str = "foundationmotion",
    config: str | None = None,
    split: str | None = None,
    profile: str = STANDARD,
    answers: str | None = None,
    n_frames: int | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
    max_side: int | None = None,
    max_pixels: int | None = None,
    decoder: str = "pyav",
    controls: Sequence[str] = (),
    circular: bool = False,
    output: str | Path = "runs",
    limit: int | None = None,
    on_error: str = "skip",
    device: str = "auto",
    dtype: str = "auto",
    device_map: str | None = None,
    attention: str = "auto",
    revision: str | None = None,
    batch_size: int | None = None,
    clip_batch: int | None = None,
    share: bool = True,
    seed: int = 0,
    report: bool = True,
    on_progress: Progress | None = None,
) -> RunResult:
    """Score a model on the questions of a data set, and write the run's folder below ``output``.

    ``model`` is a spec (a Hub id, a folder, ``baseline:chance`` ...) or a :class:`~fm_hub.models.Model`.
    ``dataset`` is a folder or ``OWNER/NAME[@rev]``; None means the task's own, else ./foundationmotion or
    ``FM_HUB_REPO``. ``profile`` is a way of asking that the task names, ``answers`` replaces its ``scoring``.
    Frames are ``n_frames`` a view, or ``fps`` a second up to ``max_frames`` (64); with neither, as the task says,
    else 16; ``decoder`` reads them. ``controls`` (see :data:`~fm_eval_harness.trials.CONTROLS`) and ``circular``
    ask each question again, in other frames or in every rotation of its options. A run that was killed goes on
    where it stopped; a question that failed before is asked again. Under torchrun each process asks its share.
    Raises a :class:`~fm_hub.errors.UserError` before anything is written, and with ``on_error="fail"``
    :class:`~fm_hub.errors.ItemFailed` at the first question that fails.
    """
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: must be at least 1")
    if batch_size is not None and batch_size < 1:
        raise UserError(f"--batch-size {batch_size}: must be at least 1")
    if clip_batch is not None and clip_batch < 1:
        raise UserError(f"--clip-batch {clip_batch}: must be at least 1")
    if on_error not in ("skip", "fail"):
        raise UserError(f"--on-error {on_error}: must be skip or fail")
    asked_controls = parse_controls(",".join(controls))
    plan = load_task(task, profile).answered(answers)
    policy = Policy.of(n_frames, fps, max_frames, max_side, max_pixels or plan.max_pixels, decoder, task=plan.frames)
    DECODERS.load(decoder)()  # known, and its library installed, or an error now
    where = locate(dataset if dataset is not None else plan.dataset, plan.layout)
    part = split or plan.split
    wanted = config if plan.layout is not None else config or plan.table
    items = select(where.path, plan, wanted, part)
    items = items[:limit]
    prompt_of(items.widest, plan)  # letters for all, or an error now
    options = Options(where.path, device, dtype, revision, batch_size, seed, attention, device_map, share, clip_batch)
    scorer = open_model(model, options) if isinstance(model, str) else model
    check_can_answer(scorer, plan)
    check_trials(scorer, plan, asked_controls, circular=circular)
    configuration: dict[str, Any] = {
        "schema": 1,
        "model": scorer.name,
        "spec": model if isinstance(model, str) else scorer.name,
        "revision": revision,
        "commit": scorer.commit,
        "dataset": {
            "id": where.id,
            "path": str(where.path),
            "revision": where.revision,
            "config": wanted,
            "split": part,
            "content_sha256": items.content,
        },
        "task": plan.record(),
        "parser": PARSER_VERSION,
        "prompt": {"name": plan.prompt, "sha": prompt_sha(plan.prompt)},
        **policy.as_config(),
        "limit": limit,
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "device_map": device_map,
        "attention": attention,
        "share": share,
        "batch_size": batch_size,
        "clip_batch": clip_batch,
        "versions": _versions(),
    }
    with joined() as ranks:
        if ranks.first:
            open_folder(Path(output), scorer.name, plan.name, configuration)
        ranks.wait()
        folder = open_folder(Path(output), scorer.name, plan.name, configuration)
        asking = Asking(folder, where, scorer, plan, policy, ranks, asked_controls, circular, on_error == "fail")
        asking.ask(items, on_progress)
        ranks.wait()
        if ranks.first:
            result = write_outcome(folder, where, configuration, plan, items, Trials(folder))
            if report:
                from fm_eval_harness.report import write_report

                write_report([result], folder / "report.html", dataset=where.path)
        ranks.wait()
        return result if ranks.first else load_run(folder)


def _versions() -> dict[str, str]:
    """The installed versions of what computes a score: recorded for the reader, not compared."""
    found = {}
    for name in ("fm-hub", "transformers", "torch", "av"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
