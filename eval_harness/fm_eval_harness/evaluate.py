"""The evaluation of one model on one data set: the loop, and what a run writes.

Questions are grouped by clip and view, and each group is one call of the model. What a group gave is on the
disk before the next begins, so a killed run goes on where it stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fm_eval_harness.location import Location, locate
from fm_eval_harness.prompts import prompt_sha
from fm_eval_harness.questions import Item, content_of, groups, prompt_of, select
from fm_eval_harness.results import self_made_note, summarise
from fm_eval_harness.results_hub import write_eval_results
from fm_eval_harness.runs import RESULTS, RunResult, Sample, append, load_run, open_folder, read_samples, write_json
from fm_eval_harness.task import load_task
from fm_hub.errors import EmptyFile, ItemError, UnreadableFile, UserError
from fm_hub.models import Model, Options, Prompt, Scores, View, open_model
from fm_hub.tables import inside

__all__ = ["Progress", "run"]

Progress = Callable[[int, int], None]
"""Called with the number of questions done and their total."""


def run(
    model: str | Model,
    dataset: str | Path | None = None,
    *,
    task: str = "foundationmotion",
    config: str | None = None,
    split: str | None = None,
    n_frames: int = 16,
    max_side: int | None = 448,
    output: str | Path = "runs",
    limit: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    batch_size: int = 8,
    seed: int = 0,
    report: bool = True,
    on_progress: Progress | None = None,
) -> RunResult:
    """Score a model on the questions of a data set, and write the run's folder below ``output``.

    ``model`` is a spec (a Hub id, a folder, ``baseline:chance`` ...) or a :class:`~fm_hub.models.Model`.
    ``dataset`` is a folder or ``OWNER/NAME[@rev]``; None means ./foundationmotion or ``FM_HUB_REPO``. A run
    that was killed goes on where it stopped; a question that failed before is asked again. Raises a
    :class:`~fm_hub.errors.UserError` before anything is written.
    """
    if n_frames < 1 or (limit is not None and limit < 1) or (max_side is not None and max_side < 1):
        raise UserError("--frames, --limit and --max-side must be at least 1")
    plan = load_task(task)
    where = locate(dataset if dataset is not None else plan.dataset)
    wanted, part = config or plan.config, split or plan.split
    items = select(where.path, plan, wanted, part)
    content = content_of(items)
    items = items[:limit]
    prompts = {i.question.question_id: prompt_of(i, plan) for i in items}
    options = Options(where.path, device, dtype, revision, batch_size, seed)
    scorer = open_model(model, options) if isinstance(model, str) else model
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
            "content_sha256": content,
        },
        "task": {"name": plan.name, "version": plan.version, "scoring": plan.scoring, "letters": plan.letters},
        "prompt": {"name": plan.prompt, "sha": prompt_sha(plan.prompt)},
        "frames": n_frames,
        "max_side": max_side,
        "limit": limit,
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "versions": _versions(),
    }
    folder = open_folder(Path(output), scorer.name, plan.name, configuration)
    samples = _ask_all(folder, where, scorer, items, prompts, n_frames, max_side, on_progress)
    note = self_made_note(scorer.name, where.manifest)
    write_json(folder / RESULTS, summarise(configuration, plan, items, samples, note))
    result = load_run(folder)
    write_eval_results(result)
    if report:
        from fm_eval_harness.report import write_report

        write_report([result], folder / "report.html", dataset=where.path)
    return result


def _ask_all(
    folder: Path,
    where: Location,
    model: Model,
    items: Sequence[Item],
    prompts: Mapping[str, Prompt],
    n_frames: int,
    max_side: int | None,
    on_progress: Progress | None,
) -> dict[str, Sample]:
    """Ask what has no answer yet, group by group; return the samples by question."""
    before = read_samples(folder)
    done = {i.question.question_id: s for i in items if (s := before.get((i.question.question_id, i.row_sha)))}
    done = {k: s for k, s in done.items() if not s["error"]}
    todo = [i for i in items if i.question.question_id not in done]
    where.fetch(i.question.video_file for i in todo)
    if on_progress:
        on_progress(len(done), len(items))
    for group in groups(todo):
        q = group[0].question
        view = View(q.clip_id, inside(where.path, q.video_file), q.view_t0, q.view_t1, n_frames, max_side)
        asked = [prompts[i.question.question_id] for i in group]
        start = time.monotonic()
        scores = _scores(model, view, asked)
        seconds = (time.monotonic() - start) / len(group)
        new = [_sample(i, s, p, view, seconds) for i, s, p in zip(group, scores, asked, strict=True)]
        append(folder, new)
        done |= {s["id"]: s for s in new}
        if on_progress:
            on_progress(len(done), len(items))
    return done


def _scores(model: Model, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
    """One call of the model; whatever goes wrong with this view is an error on its questions."""
    try:
        _check_file(view.path)
        scores = model.score(view, prompts)
        if [s.id for s in scores] != [p.id for p in prompts]:
            raise ValueError(f"{model.name} returned {len(scores)} scores that do not fit {len(prompts)} questions")
        return [_checked(s, p) for s, p in zip(scores, prompts, strict=True)]
    except ItemError as e:
        return [Scores(p.id, error=_one_line(e)) for p in prompts]
    except UserError:
        raise  # the user's to mend: no other view would do better
    except Exception as e:  # the item boundary: one bad view must not end a run
        return [Scores(p.id, error=_one_line(e)) for p in prompts]


def _check_file(path: Path) -> None:
    """No question is asked about a clip that is not there, not even of a model that would not look."""
    try:
        size = path.stat().st_size
    except OSError as e:
        raise UnreadableFile(f"{path.name}: {e.strerror}") from None
    if not size:
        raise EmptyFile(f"{path.name}: zero bytes")


def _checked(scores: Scores, prompt: Prompt) -> Scores:
    if scores.error:
        return Scores(scores.id, error=" ".join(scores.error.split()))
    strange = sorted(set(scores.logprobs) - set(prompt.letters))
    if strange or not all(math.isfinite(v) for v in scores.logprobs.values()):
        return Scores(scores.id, error="ModelError: scores that are not finite, or for letters that are no options")
    return scores


def _sample(item: Item, scores: Scores, prompt: Prompt, view: View, seconds: float) -> Sample:
    q = item.question
    answer = prompt.letters[q.answer]
    return {
        "id": q.question_id,
        "row_sha": item.row_sha,
        "clip_id": q.clip_id,
        "source_id": q.source_id,
        "kind": q.kind,
        "type": q.type,
        "answer": answer,
        "prediction": scores.letter,
        "correct": not scores.error and scores.letter == answer,
        "scores": {k: round(v, 6) for k, v in sorted(scores.logprobs.items())},
        "error": scores.error,
        "frames": [round(t, 3) for t in view.times()],
        "view": [q.view_t0, q.view_t1],
        "seconds": round(seconds, 4),
    }


def _versions() -> dict[str, str]:
    """The installed versions of what computes a score: recorded for the reader, not compared."""
    found = {}
    for name in ("fm-hub", "transformers", "torch", "av"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:280]}"
