"""What the benchmarks share: a seed, Markdown rows, and the one JSON line of docs/design.md §8."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["IMPORTS", "Row", "child_seconds", "options", "peak_mb", "show"]

IMPORTS = {"PYTHONPATH": str(Path(__file__).parent)}
"""What the environment of a child process needs to import from here."""


@dataclass(frozen=True)
class Row:
    """One figure and its target: ``ok`` says whether value ``op`` target holds."""

    figure: str
    value: float
    unit: str
    op: str
    target: float

    @property
    def ok(self) -> bool:
        """Whether the target is reached."""
        return self.value <= self.target if self.op == "<=" else self.value >= self.target


def options(description: str | None) -> argparse.Namespace:
    """``--seed`` and ``--json``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    return parser.parse_args()


def show(bench: str, rows: Sequence[Row], chosen: argparse.Namespace) -> None:
    """Print the table, and with --json the line."""
    print("| figure | value | target |\n|---|---|---|")
    for r in rows:
        value = f"{r.value:.4g}" if abs(r.value) < 10_000 else f"{r.value:,.0f}"
        print(f"| {r.figure} | {value} {r.unit} | {r.op} {r.target:g} {r.unit} {'ok' if r.ok else 'MISSED'} |")
    if chosen.json:
        lines = [{**asdict(r), "ok": r.ok} for r in rows]
        print(json.dumps({"bench": bench, "seed": chosen.seed, "rows": lines}))


def child_seconds(args: Sequence[str], cwd: str | None = None) -> tuple[float, float]:
    """CPU and wall seconds of a child process and its children. Raises if it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *args], check=True, capture_output=True, cwd=cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def peak_mb(pid: int | str = "self") -> float:
    """The most memory that a process itself has held, MiB (Linux).

    ``ru_maxrss`` does not tell: a process begins with the peak of the one that started it.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
