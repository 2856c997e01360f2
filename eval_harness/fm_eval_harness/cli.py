"""The command ``fm-eval``. Heavy libraries are imported inside the commands, so that help is there at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import typer.main

from fm_eval_harness.commands import (
    INCOMPLETE,
    AsJson,
    CreatePr,
    Details,
    DryRun,
    MinCoverage,
    Runs,
    export,
    print_json,
    push,
    push_run,
    score,
    tasks,
    tell,
)
from fm_hub.cli import run_command
from fm_hub.errors import ItemFailed, UserError

if TYPE_CHECKING:
    from fm_eval_harness.asking import Progress
    from fm_eval_harness.runs import RunResult
    from fm_hub.models import Model
    from fm_hub.models.endpoint import EndpointModel

__all__ = ["app", "main"]

ENDPOINT = "endpoint:"

EXAMPLES = """Examples:

\b
fm-eval --model baseline:tracker --dataset ./foundationmotion
fm-eval --model OWNER/NAME --fps 2 --max-frames 64 --controls blind,frozen --circular
fm-eval --model OWNER/NAME --task mvbench --dataset /data/MVBench --profile official
fm-eval compare runs/A runs/B
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def evaluate(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Option(
            help="A Hub id, a folder, endpoint:URL, replay:RUN, or baseline:chance, majority, longest or tracker."
        ),
    ] = "",
    dataset: Annotated[
        str | None,
        typer.Option(metavar="PATH|REPO[@REV]", help="The data set; else ./foundationmotion, else FM_HUB_REPO."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Another task than foundationmotion: see fm-eval tasks.")
    ] = None,
    profile: Annotated[str, typer.Option(help="How to ask: standard, or another that the task names.")] = "standard",
    answers: Annotated[
        str | None, typer.Option(help="letters, generate (text, strictly parsed) or both; else as the task says.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="Which questions: benchmark (the default) or mcq; or a part of the task.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, validation or test; else all.")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames shown of each view; else as the task says, else 16.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second instead, evenly over the view.")] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="With --fps: never more than this; else 64.")] = None,
    max_side: Annotated[
        int | None, typer.Option(min=1, help="Longer side of a frame, in pixels; 448 if no size is said.")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Width times height of a frame, at most; else as the task says.")
    ] = None,
    decoder: Annotated[str, typer.Option(help="What reads frames: pyav, decord or torchcodec.")] = "pyav",
    controls: Annotated[
        str, typer.Option(help="Ask again with other frames: blind,one-frame,shuffled,reversed,frozen.")
    ] = "",
    circular: Annotated[bool, typer.Option("--circular", help="Ask in every rotation of the options.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where runs go, or a run to go on with.")] = Path(
        "runs"
    ),
    limit: Annotated[int | None, typer.Option(min=1, help="Ask the first N questions only.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")] = "auto",
    device_map: Annotated[
        str | None, typer.Option(help="Spread a model over several GPUs: auto, balanced or sequential.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    attention: Annotated[str, typer.Option(help="auto, sdpa, eager, flash_attention_2 ...")] = "auto",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the model.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Questions in one pass; else 4 on a CPU, 16 on a GPU.")
    ] = None,
    clip_batch: Annotated[
        int | None, typer.Option(min=1, help="Clips in one pass; else 1 on a CPU, 4 on a GPU.")
    ] = None,
    share: Annotated[bool, typer.Option(help="Compute once what the questions about a view share.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the error bars and of baseline:chance.")] = 0,
    on_error: Annotated[
        str, typer.Option(help="When a question fails: skip (count it and go on) or fail (stop there).")
    ] = "skip",
    llm_model: Annotated[str | None, typer.Option(help="Of endpoint:URL: which of the server's models.")] = None,
    llm_budget: Annotated[
        str | None, typer.Option(metavar="5usd|2Mtok", help="Of endpoint:URL: the most that all runs in -o may cost.")
    ] = None,
    llm_price: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="Of endpoint:URL: US dollars a million tokens.")
    ] = None,
    llm_concurrency: Annotated[
        int | None, typer.Option(min=1, help="Of endpoint:URL: requests at once; else 8.")
    ] = None,
    push_results: Annotated[
        bool, typer.Option("--push-results", help="Publish the score at the model and the details, as fm-eval push.")
    ] = False,
    details: Details = None,
    create_pr: CreatePr = False,
    dry_run: DryRun = False,
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
    from fm_eval_harness.evaluate import run
    from fm_eval_harness.ranks import my_rank

    if push_results:
        from fm_eval_harness.results_hub import check_publishable

        check_publishable(model, dataset)
    scorer: str | Model = model
    opened = ExitStack()
    if model.startswith(ENDPOINT):
        llm = llm_model, llm_budget, llm_price, llm_concurrency
        scorer = endpoint = _endpoint(opened, model.removeprefix(ENDPOINT), output, *llm)
        if answers is None and not endpoint.scores_letters:
            tell(
                f"{endpoint.client.url} tells no log-probabilities: answers are written and parsed (--answers generate)"
            )
            answers = "generate"
    elif any(x is not None for x in (llm_model, llm_budget, llm_price, llm_concurrency)):
        raise UserError("--llm-model, --llm-budget, --llm-price and --llm-concurrency go with --model endpoint:URL")
    first = my_rank() == 0
    with opened, _bar(hidden=as_json or not first) as on_progress, _stopping_at_failures():
        result = run(
            scorer,
            dataset,
            task=task or "foundationmotion",
            profile=profile,
            answers=answers,
            on_error=on_error,
            config=config,
            split=split,
            n_frames=frames,
            fps=fps,
            max_frames=max_frames,
            max_side=max_side,
            max_pixels=max_pixels,
            decoder=decoder,
            controls=[controls] if controls else [],
            circular=circular,
            output=output,
            limit=limit,
            device=device,
            dtype=dtype,
            device_map=device_map,
            attention=attention,
            revision=revision,
            batch_size=batch_size,
            clip_batch=clip_batch,
            share=share,
            seed=seed,
            on_progress=on_progress,
        )
    if not first:
        return  # torchrun started several of us: one speaks
    if as_json:
        print_json({**result.results, "run": str(result.folder)})
    else:
        from fm_eval_harness.console import show_run

        show_run(result)
    if result.coverage < min_coverage:
        tell(f"coverage {result.coverage:.2f} is below --min-coverage {min_coverage}: {_first_error(result)}")
        raise typer.Exit(INCOMPLETE)
    if push_results:
        push_run(result, details, create_pr=create_pr, dry_run=dry_run)


@app.command()
def compare(runs: Runs, min_coverage: MinCoverage = 0.9, seed: int = 0, as_json: AsJson = False) -> None:
    """Compare runs on the same questions with the first of them, pair by pair."""
    from fm_eval_harness.compare import compare as compare_runs
    from fm_eval_harness.runs import load_run

    comparison = compare_runs([load_run(r) for r in runs], seed)
    if as_json:
        print_json(comparison)
    else:
        from fm_eval_harness.console import show_comparison

        show_comparison(comparison)
    if comparison["coverage"] < min_coverage:
        tell(f"coverage {comparison['coverage']:.2f} is below --min-coverage {min_coverage}")
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
    tell(f"wrote {output}")


for command in (score, export, tasks, push):
    app.command()(command)


def main(argv: list[str] | None = None) -> None:
    """The ``fm-eval`` command."""
    sys.exit(run_command(typer.main.get_command(app), "fm-eval", argv))


def _first_error(result: RunResult) -> str:
    errors = [s["error"] for s in result.samples if s["error"]]
    return f"{len(errors)} question(s) failed, the first with {errors[0]}" if errors else "no question was answered"


def _endpoint(
    opened: ExitStack,
    address: str,
    output: Path,
    name: str | None,
    budget: str | None,
    price: str | None,
    concurrency: int | None,
) -> EndpointModel:
    """The model at an address. Its answers are kept beside the runs, so that no run asks what another has asked."""
    from fm_hub.endpoint.client import Client, Settings
    from fm_hub.endpoint.limits import Budget, Price
    from fm_hub.models.endpoint import EndpointModel

    url, _, named = address.partition("#")
    runs = output.parent if (output / "config.json").is_file() else output
    settings = Settings(
        cache=runs / "llm.sqlite",
        budget=Budget.parse(budget) if budget else None,
        price=Price.parse(price) if price else None,
        concurrency=concurrency or 8,
    )
    client = Client(url, name or named, settings)
    with ExitStack() as unless:
        unless.callback(client.close)
        found = EndpointModel(client)
        opened.push(unless.pop_all())
    return found


@contextmanager
def _stopping_at_failures() -> Iterator[None]:
    try:
        yield
    except ItemFailed as e:
        tell(f"{e}; finished work is kept")
        raise typer.Exit(INCOMPLETE) from None


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


if __name__ == "__main__":
    main()
