"""The command ``export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    dataset: Annotated[str, typer.Argument(metavar="DIR", help="A dataset folder, or OWNER/NAME[@VERSION].")],
    to: Annotated[str, typer.Option("--format", help="trl, llamafactory, ms-swift or lmms-eval.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to make.")],
    config: Annotated[list[str] | None, typer.Option(help="mcq, qa, captions, benchmark; default: by format.")] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Default: train and validation; lmms-eval: all of the benchmark.")
    ] = None,
    grounding: Annotated[
        list[str] | None, typer.Option(help="Only rows vouched for by facts, model or human; default: all.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="trl: pictures a view (default 8); 0 gives the video, which needs torchcodec.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Write a dataset in the form that a trainer or another evaluator reads.

    A question about a part of a clip comes with that part alone. Rows that cannot go are counted by reason.
    Example: fm-hub export foundationmotion --format ms-swift -o swift
    """
    from fm_hub.errors import UnknownName
    from fm_hub.export.run import Asked, rows_to_export
    from fm_hub.export.run import export as run
    from fm_hub.progress import bar
    from fm_hub.release.pull import local_root

    for name in grounding or ():
        if name not in ("facts", "model", "human"):
            raise UnknownName("grounding", name, ("facts", "model", "human"))
    root = local_root(dataset)
    asked = Asked(to, tuple(config or ()), tuple(split or ()), tuple(grounding or ()), frames)
    with bar("exporting", rows_to_export(root, asked)) as tick:
        done = run(root, output, asked, tick=tick)
    if as_json:
        rows = {p.file: p.rows for p in done.parts}
        print(json.dumps({"format": to, "output": str(output), "rows": rows, "left_out": done.left_out}))
        return
    for part in done.parts:
        print(f"{output / part.file}: {part.rows} rows")
    if done.left_out:
        print("left out: " + ", ".join(f"{k} {n}" for k, n in done.left_out.items()))
    print(done.usage, end="")
