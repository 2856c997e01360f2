"""The command ``import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["import_dataset"]

SHOWN = 10


def import_dataset(
    layout: Annotated[str, typer.Argument(help="Whose layout it is: wolf (FoundationMotion's own).")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")],
    split: Annotated[str, typer.Option(help="The split of all rows: train, validation or test.")] = "test",
    license: Annotated[str, typer.Option(help="The licence of the videos, if you know it.")] = "unknown",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Make a dataset folder of other people's videos and questions. No row of it counts as proved.

    Example: fm-hub import wolf v2-dev/hands_eval -o daily && fm-hub verify daily
    """
    from fm_builders.importing import LAYOUTS, import_items
    from fm_hub.errors import UnknownName
    from fm_hub.progress import bar
    from fm_hub.schemas import SPLITS

    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    items = LAYOUTS.load(layout)(folder)
    chosen: Any = split
    with bar("importing", len(items)) as tick:
        done = import_items(layout, items, output, split=chosen, license_name=license, tick=tick)
    counts = {c: sum(s.values()) for c, s in done.manifest.counts.items()}
    if as_json:
        said = {"counts": counts, "sources": dict(done.sources), "dropped": done.manifest.dropped, "bad": done.bad}
        print(json.dumps(said))
        return
    print(f"{output}: " + ", ".join(f"{c} {counts[c]}" for c in ("clips", "mcq", "captions") if c in counts))
    for line in done.bad[:SHOWN]:
        print(f"left out: {line}")
    if len(done.bad) > SHOWN:
        print(f"left out: {len(done.bad) - SHOWN} more (--json)")
    print(f"next: fm-hub verify {output}; fm-hub stats {output}")
