"""``fm-hub simulate``: clips whose truth is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fm_builders.cli import Json, report

__all__ = ["simulate"]


def simulate(
    scenes: Annotated[
        list[str], typer.Argument(help="copypaste, cars, daily, hands, robots; all. The last four need: simulate.")
    ],
    count: Annotated[int, typer.Option(min=1, help="Clips of each scene.")] = 10,
    seed: Annotated[int, typer.Option(help="Another seed draws another set; the same gives the same bytes.")] = 0,
    output: Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")] = Path("simulated"),
    recipe: Annotated[str, typer.Option(help="What is asked of the clips; a name or a TOML file.")] = "simulated",
    replace: Annotated[bool, typer.Option(help="Allow a folder that holds other simulated clips.")] = False,
    as_json: Json = False,
) -> None:
    """Make clips whose truth is exact, with their questions: to measure detectors, trackers and formulas.

    Example: fm-hub simulate copypaste --count 20 -o truth

    Then, with a detector: fm-hub build truth/videos -o seen

    Example: fm-hub simulate cars hands --count 50 --seed 7 -o truth
    """
    from fm_builders.recipe import load_recipe
    from fm_builders.simulate import films
    from fm_builders.simulate.write import simulate as run

    chosen = load_recipe(recipe)
    built = run(films(scenes, count, seed), chosen, output, replace_old=replace)
    report(built, output, as_json=as_json)
