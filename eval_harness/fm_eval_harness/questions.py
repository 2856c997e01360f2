"""The questions of a data set that a task asks, in one order whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from fm_eval_harness.items import Item, Items, groups
from fm_eval_harness.lines import Spool
from fm_eval_harness.prompts import render
from fm_eval_harness.published import read_items
from fm_eval_harness.task import Task
from fm_eval_harness.typed import form_of
from fm_hub.errors import BadDataset, BadTask, UserError
from fm_hub.models import Prompt
from fm_hub.records import Caption, Question
from fm_hub.rows import Row, from_rows, row_sha
from fm_hub.schemas import SPLITS
from fm_hub.tables import check_columns, iter_tables, read_table

__all__ = ["Item", "Items", "duration_of", "groups", "prompt_of", "select"]


def select(root: Path, task: Task, config: str | None, split: str | None) -> Items:
    """The items of a config (and of one split, or of all), sorted by clip, view and id.

    Rows of ours are put aside on the disk, and become records when they are asked for: a data set may be larger
    than the memory. Of a data set with a layout, ``config`` is one of its parts. Raises
    :class:`~fm_hub.errors.UserError` if there are none, naming what there is.
    """
    if task.layout is not None:
        if split is not None:
            raise UserError(
                f"--split {split}: task {task.name} has parts ({', '.join(task.layout.parts)}): see --config"
            )
        items = read_items(task.layout, root, config, task.letters, task.name)
        return Items.found(items, items.__getitem__)
    config = config or task.table
    if config not in task.tables:
        raise UserError(f"--config {config}: must be {' or '.join(task.tables)}")
    if split is not None and split not in SPLITS:
        raise UserError(f"--split {split}: must be {', '.join(SPLITS)}; leave it out for all")
    rows, spool = _rows(root, config, split, task), Spool()
    first = next(rows, None)
    if first is None:
        raise UserError(_nothing(root, config, split, task.tables))

    def item(row: Row) -> Item:
        (record,) = from_rows(config, [row])
        return _described(record, str(row["row_sha"])) if task.type == "caption" else Item(record, str(row["row_sha"]))

    def put(row: Row) -> Item:
        spool.put(row)
        return item(row)

    return Items.found(map(put, chain([first], rows)), lambda n: item(spool[n]))


def _described(caption: Caption, sha: str) -> Item:
    """A caption as something to ask for: the whole clip is its view."""
    question = Question(
        question_id=caption.caption_id,
        clip_id=caption.clip_id,
        source_id=caption.source_id,
        split=caption.split,
        video_file=caption.video_file,
        type="caption",
        kind="caption",
        difficulty=cast("Any", ""),
        view_t0=0.0,
        view_t1=float("inf"),
        text="",
        options=(),
        answer=-1,
        answer_type="caption",
        template="",
        template_args="{}",
        grounding=caption.grounding,
        provenance=caption.provenance,
    )
    return Item(question, sha, caption=caption)


def _rows(root: Path, config: str, split: str | None, task: Task) -> Iterator[Row]:
    changed = []
    for table in iter_tables(root, config, split):
        named = _renamed(table, task)
        check_columns(config, named.column_names)
        for row in named.to_pylist():
            if not task.columns and row_sha(row) != row["row_sha"]:
                changed.append(row["id"])
            yield row
    if changed:
        raise BadDataset(
            f"{root}: {len(changed)} row(s) of {config} were changed after they were written ({changed[0]}, ...); "
            "see: fm-hub verify"
        )


def prompt_of(item: Item, task: Task, n_frames: int = 0) -> Prompt:
    """The question as a model gets it: no answer, and no margins, as their sign would tell it.

    An open question has no letters, and its options do not go along either. ``n_frames`` is for templates that
    name the number of frames.
    """
    q = item.question
    letters = tuple(task.letters[: len(q.options)]) if task.type == "mcq" else ()
    if task.type == "mcq" and len(letters) < len(q.options):
        raise BadTask(f"task {task.name}: {len(task.letters)} letters, but a question has {len(q.options)} options")
    phrases = "; ".join(sorted(o.text for o in q.options))
    text = render(
        task.prompt,
        q.text,
        letters,
        [o.text for o in q.options] if letters else [],
        style=task.style,
        words={
            "{published}": item.published or q.text,
            "{hint}": task.hints.get(form_of(q) if q.options else "", "").replace("{phrases}", phrases),
            "{n_frames}": str(n_frames),
        },
    )
    options = tuple(replace(o, margin=0.0) for o in q.options) if letters else ()
    hidden = replace(q, answer=-1, options=options)
    return Prompt(q.question_id, text, letters, hidden, task.system, task.prefill)


def duration_of(seconds: float) -> str:
    """The class of a view's length in seconds; ``unknown`` where its video could not be opened."""
    if not seconds > 0:
        return "unknown"
    for limit in (2, 5, 10):
        if seconds < limit:
            return f"under {limit} s"
    return "10 s or more"


def _renamed(table: pa.Table, task: Task) -> pa.Table:
    if not task.columns:
        return table
    missing = sorted(set(task.columns.values()) - set(table.column_names))
    if missing:
        raise BadTask(f"task {task.name}: columns names {', '.join(missing)}, which the table does not have")
    back = {theirs: ours for ours, theirs in task.columns.items()}
    return table.rename_columns([back.get(n, n) for n in table.column_names])


def _nothing(root: Path, config: str, split: str | None, tables: Sequence[str]) -> str:
    asked = f"{config}/{split}" if split else config
    filled = [f"{c}/{s} ({n})" for c in tables for s in SPLITS if (n := len(read_table(root, c, s)))]
    if not filled:
        raise BadDataset(f"{root}: no questions at all; build it from videos in which something moves")
    return f"no questions in {asked}; rows are in {', '.join(filled)}: choose with --config and --split"
