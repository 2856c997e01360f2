"""The commands of the core: verify, stats, card, alias. Options here, work in the modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["alias", "card", "stats", "verify"]

Root = Annotated[Path, typer.Argument(help="A dataset folder, as fm-hub build makes it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def verify(
    dataset: Annotated[str, typer.Argument(help="A dataset folder, or OWNER/NAME[@VERSION] on the Hub.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    as_json: Json = False,
) -> None:
    """Re-derive every answer of a dataset from its published tables.

    Example: fm-hub verify foundationmotion --json
    """
    from fm_hub.manifest import read_manifest
    from fm_hub.progress import bar
    from fm_hub.release.pull import local_root
    from fm_hub.verify import verify as run

    root = local_root(dataset)
    counts = read_manifest(root).counts
    total = sum(sum(counts.get(c, {}).values()) for c in ("mcq", "qa", "benchmark", "captions"))
    with bar("verifying", total) as tick:
        report = run(root, workers=workers, tick=tick)
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("", "n", title=f"{dataset}", title_justify="left")
        for name in ("questions", "proved", "failed", "ungrounded", "captions", "sentences", "facts", "files"):
            table.add_row(name, str(getattr(report, name)))
        console = Console()
        console.print(table)
        for p in report.problems:
            console.print(f"{p.where} {p.id}: {p.why}", markup=False, soft_wrap=True)
    raise typer.Exit(0 if report.ok else 1)


def stats(dataset: Root, as_json: Json = False) -> None:
    """Count what a dataset holds, and what was left out and why.

    Example: fm-hub stats foundationmotion
    """
    from fm_hub.stats import statistics

    found = statistics(dataset)
    if as_json:
        print(json.dumps(found))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("config", "train", "validation", "test", title=f"{found['dataset']} {found['data_version']}")
    for config, counts in found["counts"].items():
        table.add_row(config, *(str(counts.get(s, 0)) for s in ("train", "validation", "test")))
    console.print(table)
    sections: list[tuple[str, dict[str, Any]]] = [
        ("sources", found["sources"]["by_status"]),
        ("sources left out, by reason", found["sources"]["reasons"]),
        ("clips", found["clips"]["by_status"]),
        ("clips without questions, by reason", found["clips"]["reasons"]),
        ("camera", found["clips"]["by_camera"]),
        ("tracks", found["tracks"]["by_label"]),
        ("questions by kind", found["mcq"]["kind"]),
        ("questions by answer letter", found["mcq"]["answer"]),
        ("questions by difficulty", found["mcq"]["difficulty"]),
        ("not asked, by reason", found["not_asked"]),
    ]
    for title, counts in sections:
        if counts:
            line = ", ".join(f"{k} {v}" for k, v in counts.items())
            console.print(f"{title}: {line}", markup=False, soft_wrap=True)


def card(
    action: Annotated[str, typer.Argument(help="check: say where the card is not what the data say")],
    dataset: Root,
) -> None:
    """Check that every line of a dataset's card is what its data say.

    Example: fm-hub card check foundationmotion
    """
    from fm_hub.cards import check_card
    from fm_hub.errors import UnknownName
    from fm_hub.manifest import read_manifest

    if action != "check":
        raise UnknownName("action", action, ("check",))
    problems = check_card(dataset, read_manifest(dataset))
    for line in problems:
        print(line)
    if not problems:
        print(f"{dataset}: the card says what the data say")
    raise typer.Exit(1 if problems else 0)


def alias(
    action: Annotated[str, typer.Argument(help="install, uninstall or status")] = "status",
) -> None:
    """Make the bare name "foundationmotion" known to datasets.load_dataset in this environment.

    It then stands for the repository in FM_HUB_REPO; a local folder of that name always wins.
    """
    import os
    import sysconfig

    from fm_hub.alias import NAME
    from fm_hub.errors import UnknownName

    pth = Path(sysconfig.get_paths()["purelib"]) / "fm_hub_alias.pth"
    if action == "install":
        pth.write_text("import fm_hub.alias\n", encoding="utf-8")
    elif action == "uninstall":
        pth.unlink(missing_ok=True)
    elif action != "status":
        raise UnknownName("action", action, ("install", "uninstall", "status"))
    state = "installed" if pth.exists() else "not installed"
    print(f"alias {NAME!r}: {state}; FM_HUB_REPO is {os.environ.get('FM_HUB_REPO') or 'not set'}")
