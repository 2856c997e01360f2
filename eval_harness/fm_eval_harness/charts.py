"""The figures of the report: accuracy by kind with intervals, a radar, position bias, and what failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fm_eval_harness.console import interval, percent
from fm_eval_harness.drawing import COLOURS
from fm_eval_harness.results import answered
from fm_eval_harness.runs import RunResult

__all__ = ["by_class", "controls", "failures", "positions", "radar", "rotations"]

RADIUS, MIDDLE = 130, 190
MOST_CLASSES = 24
"""A breakdown with more classes than this is no chart: the CSV has it."""


def by_class(runs: Sequence[RunResult]) -> tuple[str, list[dict[str, Any]]]:
    """The breakdown that is drawn, and a row a class: chance, and for each model accuracy, interval and count.

    The first breakdown with two classes or more is taken: kinds, else types, else durations.
    """
    by = runs[0].results["by"]
    usable = [n for n in ("kind", "type", "difficulty", "duration") if 1 < len(by.get(n, {})) <= MOST_CLASSES]
    name = usable[0] if usable else next((n for n in ("kind", "type", "duration") if by.get(n)), "")
    rows = []
    for value, part in by.get(name, {}).items():
        bars = [_bar(run.results["by"].get(name, {}).get(value)) for run in runs]
        rows.append({"name": value, "n": part["n"], "chance": _point(part["chance"]), "bars": bars})
    return name, rows[:MOST_CLASSES]


def _bar(part: Mapping[str, Any] | None) -> dict[str, Any]:
    if part is None or part["accuracy"] is None:
        return {"at": None, "text": "-", "interval": "", "low": None, "width": None, "n": part["n"] if part else 0}
    ci = part["ci95"]
    low, high = (_point(ci[0]), _point(ci[1])) if ci else (None, None)
    return {
        "at": _point(part["accuracy"]),
        "text": percent(part["accuracy"]),
        "interval": interval(part),
        "low": low,
        "width": None if low is None or high is None else round(high - low, 1),
        "n": part["n_scored"] + part["n_unparsed"],
    }


def _point(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def radar(rows: Sequence[Mapping[str, Any]], runs: Sequence[RunResult]) -> dict[str, Any] | None:
    """Rings, spokes and a polygon a model, in pixels of a 380 by 380 picture; None under three classes.

    A class in which a model has no score stands at 0.
    """
    n = len(rows)
    if n < 3:
        return None

    def at(i: int, share: float) -> tuple[float, float]:
        angle = 2 * math.pi * i / n - math.pi / 2
        return round(MIDDLE + RADIUS * share * math.cos(angle), 1), round(MIDDLE + RADIUS * share * math.sin(angle), 1)

    def path(shares: Sequence[float]) -> str:
        return " ".join(f"{x},{y}" for x, y in (at(i, s) for i, s in enumerate(shares)))

    spokes = []
    for i, row in enumerate(rows):
        x, y = at(i, 1.0)
        tx, ty = at(i, 1.1)
        anchor = "middle" if abs(tx - MIDDLE) < 12 else "start" if tx > MIDDLE else "end"
        name = str(row["name"])
        spokes.append({"x": x, "y": y, "tx": tx, "ty": ty + 4, "anchor": anchor, "name": _short(name)})
    return {
        "size": 2 * MIDDLE,
        "middle": MIDDLE,
        "rings": [
            {"points": path([r] * n), "text": f"{round(100 * r)} %" if r < 1 else "", "y": at(0, r)[1]}
            for r in (0.25, 0.5, 0.75, 1)
        ],
        "spokes": spokes,
        "chance": path([(row["chance"] or 0.0) / 100 for row in rows]),
        "models": [
            {
                "name": run.model,
                "colour": COLOURS[k % len(COLOURS)],
                "points": path([(row["bars"][k]["at"] or 0.0) / 100 for row in rows]),
            }
            for k, run in enumerate(runs)
        ],
    }


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"


def positions(runs: Sequence[RunResult]) -> list[dict[str, Any]]:
    """For each letter the share of keys and of each model's answers: a model that favours a place shows here.

    Empty for tasks without letters. Questions with fewer options have fewer letters: compare with the keys.
    """
    letters = sorted({s["answer"] for s in runs[0].samples if len(str(s["answer"])) == 1})
    if runs[0].config["task"]["type"] != "mcq" or not letters:
        return []
    keys = Counter(str(s["answer"]) for s in runs[0].samples if s["answer"])
    said = [Counter(str(s["prediction"]) for s in run.samples if answered(s) and s["prediction"]) for run in runs]
    letters = sorted(set(letters).union(*said))
    return [
        {
            "letter": x,
            "key": round(100 * keys[x] / max(1, keys.total()), 1),
            "models": [round(100 * c[x] / max(1, c.total()), 1) for c in said],
        }
        for x in letters
    ]


def controls(runs: Sequence[RunResult]) -> list[dict[str, Any]]:
    """A row a control that was asked of any run: what it measures, and each run's accuracy under it and its gain."""
    names = list(dict.fromkeys(name for run in runs for name in run.results["controls"]))
    rows = []
    for name in names:
        mine = [run.results["controls"].get(name) for run in runs]
        measures = next(f["measures"] for f in mine if f)
        rows.append({"name": name, "measures": measures, "models": [_gain(f) for f in mine]})
    return rows


def _gain(figures: Mapping[str, Any] | None) -> dict[str, str]:
    if figures is None or figures["gain"] is None:
        return {"accuracy": "-", "gain": "-", "interval": "not asked" if figures is None else "nothing was answered"}
    ci, flipped = figures["ci95"], figures.get("flipped", {})
    told = f"{100 * ci[0]:+.1f} to {100 * ci[1]:+.1f}" if ci else str(figures["ci95_note"])
    if flipped.get("n"):
        told += (
            f"; of {flipped['n']} whose key turns round: {percent(flipped['accuracy'])} by the new key, "
            f"{percent(flipped['keeps_the_old_answer'])} keep the old"
        )
    return {"accuracy": percent(figures["accuracy"]), "gain": f"{100 * figures['gain']:+.1f} points", "interval": told}


def rotations(runs: Sequence[RunResult]) -> list[dict[str, str]]:
    """For each run that was asked in all rotations of the options: mean accuracy, all-rotations accuracy, letters."""
    rows = []
    for run in runs:
        if found := run.results["circular"]:
            prior = found["letter_prior"].items()
            rows.append(
                {
                    "name": run.model,
                    "accuracy": percent(found["accuracy"]),
                    "interval": interval(found),
                    "every": percent(found["all_rotations"]["accuracy"]),
                    "letters": ", ".join(f"{x} {percent(p['chosen'])} ({percent(p['fair'])})" for x, p in prior),
                }
            )
    return rows


def failures(runs: Sequence[RunResult]) -> list[dict[str, Any]]:
    """What kept questions from being scored: for each reason how many a model, and one example."""
    rows: dict[str, dict[str, Any]] = {}
    for k, run in enumerate(runs):
        for s in run.samples:
            if s["error"]:
                reason, example = s["error"].partition(":")[0], s["error"]
            elif not s["prediction"]:
                reason, example = f"not understood: {s.get('rule') or 'no answer'}", str(s.get("text", ""))
            else:
                continue
            row = rows.setdefault(reason, {"reason": reason, "counts": [0] * len(runs), "example": example[:200]})
            row["counts"][k] += 1
    return [rows[r] for r in sorted(rows, key=lambda r: (-sum(rows[r]["counts"]), r))]
