"""The questions of a data set that a task asks, in one order whatever the order of the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from fm_eval_harness.prompts import render
from fm_eval_harness.task import Task
from fm_hub.errors import BadDataset, BadTask, UserError
from fm_hub.models import Prompt
from fm_hub.records import Question
from fm_hub.tables import SPLITS, from_table, read_table, row_sha

__all__ = ["CONFIGS", "Item", "content_of", "duration_of", "groups", "prompt_of", "select"]

CONFIGS = ("benchmark", "mcq")


@dataclass(frozen=True)
class Item:
    """A question and the hash of its row."""

    question: Question
    row_sha: str

    @property
    def place(self) -> tuple[str, float, float, str]:
        """What items are sorted by: the clip, the view, the question."""
        q = self.question
        return q.clip_id, q.view_t0, q.view_t1, q.question_id

    @property
    def group(self) -> tuple[str, float, float]:
        """Items of one group are scored in one call: the same clip and view."""
        return self.place[:3]


def select(root: Path, task: Task, config: str, split: str | None) -> list[Item]:
    """The items of a config (and of one split, or of all), sorted by clip, view and id.

    Raises :class:`~fm_hub.errors.UserError` if there are none, naming what there is.
    """
    if config not in CONFIGS:
        raise UserError(f"--config {config}: must be {' or '.join(CONFIGS)}")
    if split is not None and split not in SPLITS:
        raise UserError(f"--split {split}: must be {', '.join(SPLITS)}; leave it out for all")
    table = _renamed(read_table(root, config, split), task)
    if not len(table):
        raise UserError(_nothing(root, config, split))
    if not task.columns:
        _check_rows(root, config, table)
    items = map(Item, from_table(config, table), map(str, table.column("row_sha").to_pylist()))
    return sorted(items, key=lambda i: i.place)


def _check_rows(root: Path, config: str, table: pa.Table) -> None:
    changed = [row["id"] for row in table.to_pylist() if row_sha(row) != row["row_sha"]]
    if changed:
        raise BadDataset(
            f"{root}: {len(changed)} row(s) of {config} were changed after they were written ({changed[0]}, ...); "
            "see: fm-hub verify"
        )


def content_of(items: Sequence[Item]) -> str:
    """A hash of the items' ids and rows, for a data set whose manifest has none."""
    rows = sorted(f"{i.question.question_id} {i.row_sha}" for i in items)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def groups(items: Sequence[Item]) -> list[list[Item]]:
    """The items by clip and view; each group is one call of the model."""
    return [list(members) for _, members in groupby(items, key=lambda i: i.group)]


def prompt_of(item: Item, task: Task) -> Prompt:
    """The question as a model gets it: no answer, and no margins, as their sign would tell it."""
    q = item.question
    letters = tuple(task.letters[: len(q.options)])
    if len(letters) < len(q.options):
        raise BadTask(f"task {task.name}: {len(task.letters)} letters, but a question has {len(q.options)} options")
    text = render(task.prompt, q.text, letters, [o.text for o in q.options])
    options = tuple(replace(o, margin=0.0) for o in q.options)
    return Prompt(q.question_id, text, letters, replace(q, answer=-1, options=options))


def duration_of(question: Question) -> str:
    """The class of the view's length."""
    seconds = question.view_t1 - question.view_t0
    for limit in (2, 5, 10):
        if seconds < limit:
            return f"under {limit} s"
    return "10 s or more"


def _renamed(table: pa.Table, task: Task) -> pa.Table:
    if not task.columns:
        return table
    missing = sorted(set(task.columns.values()) - set(table.column_names))
    if missing and len(table):
        raise BadTask(f"task {task.name}: columns names {', '.join(missing)}, which the table does not have")
    back = {theirs: ours for ours, theirs in task.columns.items()}
    return table.rename_columns([back.get(n, n) for n in table.column_names])


def _nothing(root: Path, config: str, split: str | None) -> str:
    asked = f"{config}/{split}" if split else config
    filled = [f"{c}/{s} ({n})" for c in CONFIGS for s in SPLITS if (n := len(read_table(root, c, s)))]
    if not filled:
        raise BadDataset(f"{root}: no questions at all; build it from videos in which something moves")
    return f"no questions in {asked}; rows are in {', '.join(filled)}: choose with --config and --split"
