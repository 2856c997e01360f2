"""Commands for a folder that was annotated before: compose, status, retry, gc, fetch."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fm_builders.cli import (
    Engine,
    Json,
    LlmBudget,
    LlmModel,
    LlmPrice,
    LlmUrl,
    Memory,
    RayAddress,
    Timeout,
    Workers,
    dropped,
    limits,
    llm_named,
    report,
)

if TYPE_CHECKING:
    from rich.table import Table

    from fm_builders.status import Status

__all__ = ["compose", "fetch", "gc", "retry", "status"]

Folder = Annotated[Path, typer.Argument(help="The output folder of fm-hub build or annotate.")]


def compose(
    output: Folder = Path("foundationmotion"),
    recipe: Annotated[
        str | None, typer.Option(help="Another recipe than that of annotate; a name or a TOML file.")
    ] = None,
    videos: Annotated[
        bool | None, typer.Option("--videos/--no-videos", help="Publish the clips; default: as before.")
    ] = None,
    drop: Annotated[
        Path | None,
        typer.Option(metavar="LIST", help="Ids of questions to leave out of the benchmark; default: as before."),
    ] = None,
    llm: LlmUrl = None,
    llm_model: LlmModel = "",
    llm_budget: LlmBudget = None,
    llm_price: LlmPrice = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Make the dataset of what is annotated: facts, questions, captions, card. Looks at no pixel.

    Example: fm-hub compose foundationmotion --llm http://localhost:8000/v1 --llm-budget 2Mtok
    """
    from fm_builders.build import compose_folder
    from fm_builders.recipe import load_recipe

    chosen = load_recipe(recipe) if recipe else None
    named = llm_named(llm, llm_model, llm_budget, llm_price)
    built = compose_folder(output, chosen, videos=videos, drop=dropped(drop), llm=named, workers=workers)
    report(built, output, as_json=as_json)


def status(
    output: Folder = Path("foundationmotion"),
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds until all is done.")] = False,
    as_json: Json = False,
) -> None:
    """Show where a build stands, also while it runs: counts, times, reasons, time left.

    Example: fm-hub status foundationmotion --watch
    """
    from dataclasses import asdict

    from fm_builders.status import status as look

    if as_json:
        print(json.dumps(asdict(look(output))))
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    now = look(output)
    if not watch:
        console.print(_table(now))
        return
    with Live(_table(now), console=console, auto_refresh=False) as live:
        while not now.over:
            time.sleep(2)
            now = look(output)
            live.update(_table(now), refresh=True)


def _table(now: Status) -> Table:
    from rich.table import Table

    title = "all done" if now.over else f"about {_duration(now.eta_s)} left" if now.eta_s is not None else "under way"
    reasons = ", ".join(f"{k} {v}" for k, v in sorted(now.reasons.items()))
    table = Table(title=title, title_justify="left", caption=f"failed: {reasons}" if reasons else None)
    for column in ("stage", "ok", "failed", "to run", "p50", "p95", "attempts lost"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for name, s in now.stages.items():
        to_run = f"{s.to_run}+" if name == "perceive" and now.uncut else str(s.to_run)
        times = (_duration(s.p50_s), _duration(s.p95_s))
        table.add_row(name, str(s.ok), str(s.failed), to_run, *times, str(s.lost))
    return table


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def retry(
    output: Folder = Path("foundationmotion"),
    reason: Annotated[
        str, typer.Option(help="The reason of the failures to take up: Timeout, Crash, DecodeError ...")
    ] = ...,  # type: ignore[assignment]  # typer's sign for an option that must be given
    engine: Engine = "local",
    workers: Workers = None,
    timeout: Timeout = 3600.0,
    memory: Memory = None,
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """Try again what failed for a reason, however often it was tried, and compose anew.

    Example: fm-hub retry foundationmotion --reason Timeout --timeout 7200
    """
    from fm_builders.build import retry as run

    n, built = run(output, reason, engine=engine, limits=limits(workers, timeout, memory, ray_address))
    if not as_json:
        print(f"{n} failure(s) with reason {reason} taken up")
    report(built, output, as_json=as_json)


def gc(
    output: Folder = Path("foundationmotion"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove work that the sources and the recipe no longer lead to. The published dataset is not touched.

    Example: fm-hub gc foundationmotion --dry-run
    """
    from fm_builders.status import collect_garbage

    found = collect_garbage(output, dry_run=dry_run)
    if as_json:
        print(json.dumps({"files": found.files, "bytes": found.bytes, "kept": found.kept, "dry_run": dry_run}))
        return
    verb = "would be removed" if dry_run else "removed"
    print(f"{output}: {found.files} file(s), {found.bytes / 1e6:.1f} MB {verb}; {found.kept} kept")


def fetch(
    dataset: Annotated[Path, typer.Argument(help="A dataset that was built with --no-videos.")],
    sources: Annotated[list[str], typer.Argument(help="The source videos, or folders that hold them.")],
    as_json: Json = False,
) -> None:
    """Make the clips of a dataset that was published without videos, from source files of your own.

    Example: fm-hub fetch foundationmotion downloads/
    """
    from fm_builders.fetch import fetch_clips, read_fetch_list
    from fm_builders.sources import find_sources
    from fm_hub.progress import bar

    files = [Path(s.uri) for s in find_sources(sources, dataset).sources]
    with bar("fetching", len(read_fetch_list(dataset))) as tick:
        found = fetch_clips(dataset, files, tick=tick)
    if as_json:
        print(json.dumps({"made": found.made, "present": found.present, "missing": found.missing}))
    else:
        print(f"{dataset}: {found.made} clip(s) made, {found.present} there before, {len(found.missing)} missing")
        for clip, why in found.missing:
            print(f"  {clip}: {why}")
        print(f"next: fm-hub verify {shlex.quote(str(dataset))}")
    raise typer.Exit(1 if found.missing else 0)
