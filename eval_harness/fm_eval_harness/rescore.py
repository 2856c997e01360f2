"""Score a run again from what it wrote down, without a model: after a change of the parser, or to check a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fm_eval_harness.answers import Judge
from fm_eval_harness.location import locate
from fm_eval_harness.outcome import write_outcome
from fm_eval_harness.parsing import PARSER_VERSION
from fm_eval_harness.questions import Item, content_of, select
from fm_eval_harness.runs import CONFIG, RunResult, Sample, SampleLog, load_config, read_trials, write_json
from fm_eval_harness.runs import Trial as Key
from fm_eval_harness.task import Task
from fm_eval_harness.trials import Trial
from fm_hub.errors import BadDataset, BadOutput
from fm_hub.models import Scores

__all__ = ["rescore"]


def rescore(folder: Path, dataset: str | Path | None = None) -> tuple[RunResult, int]:
    """Judge every answer of a run again and write its results anew; returns the run and the number of changed samples.

    Those of controls and rotations are judged too.

    ``dataset`` is the data set's folder, by default where the run found it: its questions hold the keys. Changed
    samples are appended, so that the log keeps what was said before. Raises :class:`~fm_hub.errors.BadDataset` if
    the questions are not those that were asked, :class:`~fm_hub.errors.BadOutput` if some were not asked yet.
    """
    config = load_config(folder)
    task = Task.of_record(config["task"])
    where = locate(dataset or config["dataset"]["path"], task.layout)
    items = select(where.path, task, config["dataset"]["config"], config["dataset"]["split"])
    if content_of(items) != config["dataset"]["content_sha256"]:
        raise BadDataset(f"{where.path}: not the questions that {folder} asked; name its data set with --dataset")
    items = items[: config["limit"]]
    with SampleLog(folder) as log:  # nobody else is writing
        answers, changed = _judged(items, read_trials(folder), Judge(task, where.path), folder)
        log.append(changed)
        config["parser"] = PARSER_VERSION
        write_json(folder / CONFIG, config)
        return write_outcome(folder, where, config, task, items, answers), len(changed)


def _judged(
    items: Sequence[Item], before: Mapping[Key, Sample], judge: Judge, folder: Path
) -> tuple[dict[Key, Sample], list[Sample]]:
    """Every trial as it is judged now, and those that changed. Raises if a question was not asked as it is."""
    by_row = {(i.question.question_id, i.row_sha): i for i in items}
    if any(Trial(i).key not in before for i in items):
        raise BadOutput(f"{folder}: this run is not finished; give its fm-eval command again to go on")
    answers: dict[Key, Sample] = {}
    changed: list[Sample] = []
    for key, old in before.items():
        item = by_row.get(key[:2])
        if item is None:
            continue
        said = Scores(old["id"], old["scores"], old["error"], old.get("text", ""))
        new = {**old, **judge.fields(Trial(item, *key[2:]).turned, said)}
        answers[key] = new
        if new != old:
            changed.append(new)
    return answers, changed
