"""``fm-hub build``. Options here, work in ``fm_builders.build``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["build"]


def _next(output: str, counts: dict[str, int]) -> str:
    """What to do next: only what will work."""
    if not counts.get("mcq"):
        return f"no question could be proved; why: fm-hub stats {output}"
    config = "" if counts.get("benchmark") else " --config mcq"  # few sources: none fell into the test split
    score = f"fm-eval --model baseline:tracker --dataset {output}{config}"
    return f"next: fm-hub verify {output}; fm-hub stats {output}; {score}"


def build(
    sources: Annotated[list[str], typer.Argument(help="Videos, or folders that are searched for videos.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")] = Path(
        "foundationmotion"
    ),
    recipe: Annotated[str, typer.Option(help="A recipe that comes with fm-hub, or a TOML file.")] = "default",
    engine: Annotated[str, typer.Option(help="local (a process a core) or inline (debugging).")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of the local engine; default: cores.")] = None,
    replace: Annotated[bool, typer.Option(help="Allow a folder that holds a dataset of other sources.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Make a dataset from videos: tracks, facts, captions, questions, benchmark.

    Example: fm-hub build clips/ holiday.mp4 -o foundationmotion
    """
    from fm_builders.build import build as run
    from fm_builders.recipe import load_recipe
    from fm_builders.sources import find_sources

    chosen = load_recipe(recipe)
    found = find_sources(sources, output)
    built = run(found, chosen, output, engine=engine, workers=workers, replace=replace)
    counts = {c: sum(s.values()) for c, s in built.manifest.counts.items()}
    failed = [(s.name, s.reason, s.detail) for s in built.sources if s.status != "ok"]
    if as_json:
        keys = {"dataset": str(output), "sources": len(built.sources), "passed": built.passed, "counts": counts}
        print(json.dumps({**keys, "left_out": failed, "reused_stages": built.reused, "passed_over": found.passed_over}))
    else:
        rows = ", ".join(f"{c} {counts.get(c, 0)}" for c in ("clips", "tracks", "mcq", "captions", "benchmark"))
        print(f"{output}: {built.passed} of {len(built.sources)} source(s) used; {rows}")
        for name, reason, detail in failed:
            print(f"  left out: {name}: {reason}: {detail}")
        if found.passed_over:
            print(f"  {found.passed_over} file(s) in the folders do not end like a video and were not looked at")
        print(_next(shlex.quote(str(output)), counts))
    raise typer.Exit(0 if built.passed else 1)
