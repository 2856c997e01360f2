"""What ``fm-eval`` does with runs that are there: score, export and publish them; and the list of tasks.

Light to import: each command imports what it needs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fm_hub.errors import UserError

if TYPE_CHECKING:
    from fm_eval_harness.runs import RunResult

__all__ = ["INCOMPLETE", "AsJson", "CreatePr", "Details", "DryRun", "MinCoverage", "Runs"]
__all__ += ["export", "print_json", "push", "push_run", "score", "tasks", "tell"]

INCOMPLETE = 1

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
MinCoverage = Annotated[float, typer.Option(min=0, max=1, help="Exit with 1 if a smaller share was answered.")]
Runs = Annotated[list[Path], typer.Argument(help="Folders of finished runs on the same questions.", show_default=False)]


Details = Annotated[
    str | None, typer.Option(metavar="OWNER/NAME", help="Data set for the details; else YOU/fm-eval-details.")
]
CreatePr = Annotated[bool, typer.Option("--create-pr", help="Open a pull request at the model instead of a commit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be published, and send nothing.")]


def score(
    runs: Runs,
    dataset: Annotated[Path | None, typer.Option(help="The data set's folder, if it has moved.")] = None,
    min_coverage: MinCoverage = 0.9,
    as_json: AsJson = False,
) -> None:
    """Score runs again from what they wrote down, without a model."""
    from fm_eval_harness.console import show_run
    from fm_eval_harness.rescore import rescore

    low = False
    for folder in runs:
        result, changed = rescore(folder, dataset)
        low = low or result.coverage < min_coverage
        if as_json:
            print_json({**result.results, "run": str(result.folder), "changed": changed})
        else:
            show_run(result)
            print(f"{changed} of {len(result.samples)} answers are judged differently than before")
    if low:
        raise typer.Exit(INCOMPLETE)


def export(
    runs: Runs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV file to write.")],
) -> None:
    """Write every question of some runs with its answers as CSV."""
    from fm_eval_harness.export import write_csv
    from fm_eval_harness.runs import load_run

    write_csv([load_run(r) for r in runs], output)
    tell(f"wrote {output}")


def tasks(
    names: Annotated[list[str] | None, typer.Argument(help="A task or task file; or: check FILE...")] = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks, show some of them, or check task files: fm-eval tasks check mine.yaml."""
    from fm_eval_harness.task import TASKS, load_task

    wanted = list(names or [])
    checking = wanted[:1] == ["check"]
    if checking and len(wanted) < 2:
        raise UserError("check needs a task file: fm-eval tasks check FILE")
    loaded = [load_task(n) for n in (wanted[1:] if checking else wanted or TASKS.names())]
    if as_json:
        print_json({"tasks": [{**t.model_dump(mode="json"), "profiles": ["standard", *t.profiles]} for t in loaded]})
    elif checking:
        for name, task in zip(wanted[1:], loaded, strict=True):
            print(f"{name}: a good task ({task.type}, profiles: {', '.join(['standard', *task.profiles])})")
    elif wanted:
        from fm_eval_harness.console import show_task

        for task in loaded:
            show_task(task)
    else:
        for task in loaded:
            print(f"{task.name:<30} {task.type:<8} {task.description}")


def push(
    runs: Runs,
    details: Details = None,
    create_pr: CreatePr = False,
    dry_run: DryRun = False,
) -> None:
    """Publish finished runs: the score to the model's repository, the details as a data set."""
    from fm_eval_harness.runs import load_run

    for folder in runs:
        push_run(load_run(folder), details, create_pr=create_pr, dry_run=dry_run)


def push_run(run: RunResult, details: str | None, *, create_pr: bool, dry_run: bool) -> None:
    """Publish one run, or say what would be sent."""
    from fm_eval_harness import results_hub

    if dry_run:
        plan = results_hub.plan_push(run, details or "YOU/fm-eval-details")
        for line in plan.lines():
            print(f"would send {line}", file=sys.stderr)
        return
    plan = results_hub.plan_push(run, details or results_hub.default_details())
    tell(f"published {results_hub.push(plan, create_pr=create_pr)}")


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def tell(text: str) -> None:
    """Say something to the user, beside what the command prints."""
    print(f"fm-eval: {text}", file=sys.stderr)
