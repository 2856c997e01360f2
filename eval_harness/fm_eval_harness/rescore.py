"""Score a run again from what it wrote down, without a model: after a change of the parser, or to check a score."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fm_eval_harness.answers import Judge
from fm_eval_harness.location import locate
from fm_eval_harness.outcome import write_outcome
from fm_eval_harness.parsing import PARSER_VERSION
from fm_eval_harness.questions import Items, select
from fm_eval_harness.runs import CONFIG, RunResult, load_config, write_json
from fm_eval_harness.samples import Sample, SampleLog, Trials
from fm_eval_harness.task import Task
from fm_eval_harness.trials import CONTROLS, Trial, trials_of
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
    if items.content != config["dataset"]["content_sha256"]:
        raise BadDataset(f"{where.path}: not the questions that {folder} asked; name its data set with --dataset")
    items = items[: config["limit"]]
    with SampleLog(folder) as log:  # nobody else is writing
        before, changed = Trials(folder), 0
        if any(Trial(i).key not in before for i in items):
            raise BadOutput(f"{folder}: this run is not finished; give its fm-eval command again to go on")
        for sample in _changed(items, before, Judge(task, where.path)):
            log.append([{**sample, "round": before.rounds + 1}])
            changed += 1
        config["parser"] = PARSER_VERSION
        write_json(folder / CONFIG, config)
        return write_outcome(folder, where, config, task, items, Trials(folder)), changed


def _changed(items: Items, before: Trials, judge: Judge) -> Iterator[Sample]:
    """The trials that are judged differently now."""
    for item in items:
        for trial in trials_of(item, CONTROLS, circular=before.turned):
            old = before.get(trial.key)
            if old is None:
                continue
            said = Scores(old["id"], old["scores"], old["error"], old.get("text", ""))
            new = {**old, **judge.fields(trial.turned, said)}
            if new != old:
                yield new
