"""What ``fm-eval`` prints for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fm_eval_harness.runs import RunResult

__all__ = ["interval", "percent", "show_comparison", "show_run"]


def percent(value: float | None) -> str:
    """A share in per cent, with one decimal.

    >>> percent(0.4217), percent(None)
    ('42.2 %', '-')
    """
    return "-" if value is None else f"{100 * value:.1f} %"


def interval(figures: Mapping[str, Any]) -> str:
    """The 95 % interval, or why there is none."""
    ci = figures["ci95"]
    return f"{100 * ci[0]:.1f} to {100 * ci[1]:.1f} %" if ci else str(figures["ci95_note"])


def show_run(run: RunResult) -> None:
    """Print one run: the score, then a line a question kind, then where things are."""
    console, r = Console(highlight=False), run.results
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("questions", "accuracy", "95 % interval", "chance", "answered"):
        table.add_column(name, justify="left" if name == "questions" else "right")
    rows = {"all": r, **{f"  {k}": v for k, v in r["by"].get("kind", {}).items()}}
    for name, part in rows.items():
        counts = f"{part['n'] - part['n_error']} of {part['n']}"
        table.add_row(escape(name), percent(part["accuracy"]), interval(part), percent(part["chance"]), counts)
    console.print(f"[bold]{escape(run.model)}[/bold] on {escape(r['dataset']['id'])}, task {escape(r['task'])}")
    console.print(table)
    if r["self_made_note"]:
        console.print(f"note: {escape(r['self_made_note'])}")
    console.print(f"report: {escape(str(run.folder / 'report.html'))}", soft_wrap=True)


def show_comparison(comparison: Mapping[str, Any]) -> None:
    """Print a comparison: the models, then each pair."""
    console = Console(highlight=False)
    models = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "accuracy", "95 % interval", "chance", "n"):
        models.add_column(name, justify="left" if name == "model" else "right")
    for m in comparison["models"]:
        models.add_row(
            escape(m["model"]), percent(m["accuracy"]), interval(m), percent(m["chance"]), str(m["n_scored"])
        )
    console.print(models)
    pairs = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("pair", "difference", "95 % interval", "only first right", "only second right", "p (McNemar, Holm)"):
        pairs.add_column(name, justify="left" if name == "pair" else "right")
    for p in comparison["pairs"]:
        gap = "-" if p["difference"] is None else f"{100 * p['difference']:+.1f} points"
        name = f"{p['a']} - {p['b']}"
        pairs.add_row(escape(name), gap, interval(p), str(p["only_a"]), str(p["only_b"]), f"{p['p_holm']:.3g}")
    console.print()
    console.print(pairs)
