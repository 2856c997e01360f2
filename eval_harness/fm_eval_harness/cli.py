"""The command ``fm-eval``. Heavy libraries are imported inside the commands, so that help is there at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from fm_hub.cli import run_command
from fm_hub.errors import UserError

if TYPE_CHECKING:
    from fm_eval_harness.evaluate import Progress
    from fm_eval_harness.runs import RunResult

__all__ = ["app", "main"]

INCOMPLETE = 1

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
MinCoverage = Annotated[float, typer.Option(min=0, max=1, help="Exit with 1 if a smaller share was answered.")]
Runs = Annotated[list[Path], typer.Argument(help="Folders of finished runs on the same questions.", show_default=False)]


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(help="A Hub id, a folder, or baseline:chance, majority, longest or tracker.")
    ] = "",
    dataset: Annotated[
        str | None,
        typer.Option(metavar="PATH|REPO[@REV]", help="The data set; else ./foundationmotion, else FM_HUB_REPO."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Another task than foundationmotion; not with --dataset.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Which questions: benchmark (the default) or mcq.")] = None,
    split: Annotated[str | None, typer.Option(help="train, validation or test; else all.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames shown of each view.")] = 16,
    max_side: Annotated[int, typer.Option(min=1, help="Longer side of a frame, in pixels.")] = 448,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where runs go, or a run to go on with.")] = Path(
        "runs"
    ),
    limit: Annotated[int | None, typer.Option(min=1, help="Ask the first N questions only.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the model.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions in one pass; changes no result.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the error bars and of baseline:chance.")] = 0,
    min_coverage: MinCoverage = 0.9,
    as_json: AsJson = False,
) -> None:
    """Score a vision-language model on motion questions: accuracy with error bars, and a report to look at.

    A run that was stopped goes on where it was when the same command is given again.
    """
    if context.invoked_subcommand:
        return
    if not model:
        raise UserError("name a model: fm-eval --model ORG/NAME, a folder, or baseline:tracker (see --help)")
    if dataset is not None and task is not None:
        raise UserError("--dataset and --task exclude each other: a task names its own data set")
    from fm_eval_harness.evaluate import run

    with _bar(hidden=as_json) as on_progress:
        result = run(
            model,
            dataset,
            task=task or "foundationmotion",
            config=config,
            split=split,
            n_frames=frames,
            max_side=max_side,
            output=output,
            limit=limit,
            device=device,
            dtype=dtype,
            revision=revision,
            batch_size=batch_size,
            seed=seed,
            on_progress=on_progress,
        )
    if as_json:
        _print_json({**result.results, "run": str(result.folder)})
    else:
        from fm_eval_harness.console import show_run

        show_run(result)
    if result.coverage < min_coverage:
        _tell(f"coverage {result.coverage:.2f} is below --min-coverage {min_coverage}: {_first_error(result)}")
        raise typer.Exit(INCOMPLETE)


@app.command()
def compare(runs: Runs, min_coverage: MinCoverage = 0.9, seed: int = 0, as_json: AsJson = False) -> None:
    """Compare runs on the same questions with the first of them, pair by pair."""
    from fm_eval_harness.compare import compare as compare_runs
    from fm_eval_harness.runs import load_run

    comparison = compare_runs([load_run(r) for r in runs], seed)
    if as_json:
        _print_json(comparison)
    else:
        from fm_eval_harness.console import show_comparison

        show_comparison(comparison)
    if comparison["coverage"] < min_coverage:
        _tell(f"coverage {comparison['coverage']:.2f} is below --min-coverage {min_coverage}")
        raise typer.Exit(INCOMPLETE)


@app.command()
def report(
    runs: Runs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    dataset: Annotated[Path | None, typer.Option(help="The data set's folder, if it has moved.")] = None,
    clips: Annotated[int, typer.Option(min=1, help="Show at most this many clips.")] = 40,
) -> None:
    """Write one page that shows clips, tracks, questions, proofs and every model's answers."""
    from fm_eval_harness.report import write_report
    from fm_eval_harness.runs import load_run

    write_report([load_run(r) for r in runs], output, dataset=dataset, max_clips=clips)
    _tell(f"wrote {output}")


def main(argv: list[str] | None = None) -> None:
    """The ``fm-eval`` command."""
    sys.exit(run_command(typer.main.get_command(app), "fm-eval", argv))


def _first_error(result: RunResult) -> str:
    errors = [s["error"] for s in result.samples if s["error"]]
    return f"{len(errors)} question(s) failed, the first with {errors[0]}" if errors else "no question was answered"


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Progress | None]:
    if hidden or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task("questions", total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _tell(text: str) -> None:
    print(f"fm-eval: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
