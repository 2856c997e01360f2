"""``fm-hub show``: a clip with all that is known of it, to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fm_builders.cli import RecipeName

__all__ = ["show"]


def show(
    clip: Annotated[str, typer.Argument(help="A video file; with --dataset the id of a clip, or its first digits.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="What to write: a page (.html) or a video (.mp4).")],
    dataset: Annotated[
        str | None, typer.Option(help="Take the clip from this dataset, as it was published: PATH or OWNER/NAME.")
    ] = None,
    recipe: RecipeName = "default",
) -> None:
    """Draw boxes, ids, trails, points, contacts and the view's motion over a clip, at true speed.

    The page has besides a timeline of facts, and each question with its proof.

    Example: fm-hub show holiday.mp4 -o holiday.html

    Example: fm-hub show 3f2a --dataset foundationmotion -o clip.mp4
    """
    from fm_builders.recipe import load_recipe
    from fm_builders.show.overlay import write_overlay
    from fm_builders.show.page import write_page
    from fm_builders.show.shown import of_dataset, of_file
    from fm_hub.errors import UserError
    from fm_hub.progress import bar

    kind = output.suffix.lower()
    if kind not in (".html", ".mp4"):
        raise UserError(f"-o {output}: give a name that ends in .html or .mp4")
    if not output.parent.is_dir():
        raise UserError(f"-o {output}: no folder {output.parent}")
    if dataset is None and not Path(clip).is_file():
        raise UserError(f"{clip}: no such video file; a clip of a dataset needs --dataset")
    if dataset is None and Path(clip).resolve() == output.resolve():
        raise UserError(f"-o {output} is the video itself")
    shown = of_file(Path(clip), load_recipe(recipe)) if dataset is None else of_dataset(clip, dataset)
    if kind == ".html":
        write_page(shown, output)
    else:
        with bar("draw", shown.annotation.clip.n_frames) as tick:
            write_overlay(shown, output, tick)
    a = shown.annotation
    seen = f"{len(a.tracks)} track(s), {len(a.contacts)} contact(s), {len(shown.questions)} question(s)"
    print(f"{output}: {shown.title}, view {a.camera.label}, {seen}")
