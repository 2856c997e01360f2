"""``fm-hub quickstart``: the main job on real video, offline, ending in a report to look at.

Builder and evaluator are called by their import strings: the core imports neither.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["quickstart"]

BASELINES = ("chance", "majority", "longest", "tracker")


def quickstart(
    output: Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")] = Path(
        "foundationmotion"
    ),
    runs: Annotated[Path, typer.Option(help="The folder for the runs of the evaluator.")] = Path("runs"),
) -> None:
    """Build a dataset from three shipped clips, verify it, load it, score the baselines, write a report.

    Example: fm-hub quickstart && open runs/quickstart.html
    """
    from rich.console import Console
    from rich.table import Table

    from fm_hub.registry import load_string

    console = Console()
    start = time.perf_counter()
    samples = load_string("fm_builders.samples:folder")()
    console.print("[bold]1/5 build[/bold]  fm-hub build SAMPLES --recipe quickstart -o", str(output))
    recipe = load_string("fm_builders.recipe:load_recipe")("quickstart")
    found = load_string("fm_builders.sources:find_sources")([str(samples)])
    built = load_string("fm_builders.build:build")(found, recipe, output)
    counts = {c: sum(s.values()) for c, s in built.manifest.counts.items()}
    parts = ", ".join(f"{counts.get(c, 0)} {c}" for c in ("clips", "tracks", "facts", "captions", "mcq", "benchmark"))
    console.print(f"    {parts}")

    console.print("[bold]2/5 verify[/bold] fm-hub verify", str(output))
    report = _verified(output, counts)
    console.print(f"    {report.questions} questions, {report.proved} proved, {report.failed} failed")

    console.print("[bold]3/5 load[/bold]   ", f"datasets.load_dataset({str(output)!r})")
    _load(console, output)

    console.print("[bold]4/5 score[/bold]  fm-eval --model baseline:NAME --dataset", str(output))
    results = _score(output, runs)
    table = Table("baseline", "accuracy", "chance", "questions", "note")
    for r in results:
        note = "its own tracks made this set" if r.results["self_made"] else ""
        table.add_row(r.results["model"]["id"], *_numbers(r.results), note)
    console.print(table)

    console.print("[bold]5/5 report[/bold] fm-eval report RUN...")
    page = runs / "quickstart.html"
    load_string("fm_eval_harness.report:write_report")([r.folder for r in results], page)
    console.print(f"    done in {time.perf_counter() - start:.0f} s")
    console.print(f"Look at [bold]{page.resolve()}[/bold]", soft_wrap=True)
    raise typer.Exit(0 if report.ok and built.passed else 1)


def _verified(output: Path, counts: dict[str, int]) -> Any:
    from fm_hub.progress import bar
    from fm_hub.verify import verify

    with bar("verifying", sum(counts.get(c, 0) for c in ("mcq", "qa", "benchmark", "captions"))) as tick:
        return verify(output, tick=tick)


def _load(console: Any, output: Path) -> None:
    """Load the folder as any user of ``datasets`` would."""
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    loaded = load_dataset(str(output))
    for split, rows in loaded.items():
        console.print(
            f"    {split}: {rows.num_rows} rows; first: {rows[0]['question']!r}", markup=False, highlight=False
        )


def _score(output: Path, runs: Path) -> list[Any]:
    from fm_hub.progress import bar
    from fm_hub.registry import load_string

    run = load_string("fm_eval_harness.evaluate:run")
    results = []
    with bar("scoring", len(BASELINES)) as tick:
        for name in BASELINES:
            results.append(run(f"baseline:{name}", output, output=runs))
            tick()
    return results


def _numbers(results: dict[str, Any]) -> tuple[str, str, str]:
    percent = ["-" if results[k] is None else f"{100 * results[k]:.0f} %" for k in ("accuracy", "chance")]
    return percent[0], percent[1], str(results["n"])
