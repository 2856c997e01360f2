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
    for name in ("questions", r["metric"], "95 % interval", "chance", "answered"):
        table.add_column(name, justify="left" if name == "questions" else "right")
    rows = {"all": r, **{f"  {k}": v for k, v in r["by"].get("kind", {}).items()}}
    for name, part in rows.items():
        counts = f"{part['n'] - part['n_error']} of {part['n']}"
        bars = interval(part) if part["ci95"] else "-"
        table.add_row(escape(name), percent(part["accuracy"]), bars, percent(part["chance"]), counts)
    profile = "" if r["profile"] == "standard" else f", profile {escape(r['profile'])}"
    console.print(
        f"[bold]{escape(run.model)}[/bold] on {escape(r['dataset']['id'])}, task {escape(r['task'])}{profile}"
    )
    console.print(table)
    for line in _remarks(r):
        console.print(line)
    _show_trials(console, r)
    if r["self_made_note"]:
        console.print(f"note: {escape(r['self_made_note'])}")
    console.print(f"report: {escape(str(run.folder / 'report.html'))}", soft_wrap=True)


def _remarks(r: Mapping[str, Any]) -> list[str]:
    """What the table does not say, where there is something to say."""
    lines = []
    if r["ci95"] is None:
        lines.append(f"no interval: {r['ci95_note']}")
    if r["n_unkeyed"]:
        lines.append(f"{r['n_unkeyed']} questions have no published key: answered, in no figure above")
    if r["n_unparsed"]:
        lines.append(f"{r['n_unparsed']} answers were not understood, and count as wrong")
    if g := r.get("generation"):
        lines.append(
            f"written answers: {percent(g['accuracy'])}, {g['n_unparsed']} not understood; "
            f"{percent(g['agreement'])} of {g['n_agreement']} agree with the letters"
        )
    if f := r.get("facts"):
        lines.append(", ".join(f"{name} {percent(f[name])}" for name in ("precision", "recall", "order")))
    return lines


def _show_trials(console: Console, r: Mapping[str, Any]) -> None:
    """What controls and rotations say, if any were asked."""
    if r["controls"]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("control", "accuracy", "gain", "95 % interval", "measures"):
            table.add_column(name, justify="left" if name in ("control", "measures") else "right")
        for control, f in r["controls"].items():
            gain = "-" if f["gain"] is None else f"{100 * f['gain']:+.1f} points"
            table.add_row(control, percent(f["accuracy"]), gain, interval(f), f["measures"])
        console.print()
        console.print(table)
    if r["solved_without_motion"] is not None:
        console.print(f"right without motion: {r['solved_without_motion']} of {r['n']} (solved_without_motion.txt)")
    if r["circular"]:
        c = r["circular"]
        prior = ", ".join(f"{x} {percent(p['chosen'])} ({percent(p['fair'])})" for x, p in c["letter_prior"].items())
        console.print(
            f"all rotations of the options: mean accuracy {percent(c['accuracy'])}, right in every one "
            f"{percent(c['all_rotations']['accuracy'])}; letters chosen (fair share): {prior}"
        )


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
    for name in ("pair", "difference", "95 % interval", "first / second only", "p (Holm)", "McNemar", "detectable"):
        pairs.add_column(name, justify="left" if name == "pair" else "right")
    for p in comparison["pairs"]:
        pairs.add_row(*_pair_cells(f"{p['a']} - {p['b']}", p))
        for value, part in p["by"].get("kind", {}).items():
            pairs.add_row(*_pair_cells(f"  {value}", part))
    console.print()
    console.print(pairs)
    console.print(
        "p: paired test over source videos, Holm over pairs, and over the kinds of a pair; McNemar's exact test takes "
        "questions as independent; detectable: the smallest difference that is found 4 times of 5.",
        style="dim",
    )


def _pair_cells(name: str, p: Mapping[str, Any]) -> list[str]:
    gap = "-" if p["difference"] is None else f"{100 * p['difference']:+.1f} points"
    least = "-" if p["detectable"] is None else f"{100 * p['detectable']:.1f} points"
    only = f"{p['only_a']} / {p['only_b']}"
    return [escape(name), gap, interval(p), only, f"{p['p_holm']:.3g}", f"{p['p_mcnemar']:.3g}", least]


def show_task(task: Any) -> None:
    """Print one task: what it asks, of what, how, and from where that is known."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(task.name)}[/bold] version {task.version}: {escape(task.description)}")
    facts = {
        "type": f"{task.type}, answers: {task.scoring}",
        "data set": task.dataset or "none of its own: name one with --dataset",
        "parts": ", ".join(task.layout.parts) if task.layout else ", ".join(task.tables),
        "profiles": ", ".join(["standard", *task.profiles]),
        "licence": task.license,
    }
    for name, value in facts.items():
        if value:
            console.print(f"  {name:<9} {escape(value)}")
    for source in task.sources:
        console.print(f"  source    {escape(source)}")
    for name, profile in task.profiles.items():
        for departure in profile.departures:
            console.print(f"  {name}: {escape(departure)}")
