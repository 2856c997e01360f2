"""CPU seconds of the two help pages: median of seven runs each."""

from __future__ import annotations

from statistics import median

from bench import Row, child_seconds, options, show

if __name__ == "__main__":
    chosen = options(__doc__)
    rows = []
    for name, module in (("fm-hub --help", "fm_hub.cli"), ("fm-eval --help", "fm_eval_harness.cli")):
        code = f"import sys; sys.argv = ['x', '--help']; from {module} import main; main()"
        cpu = median(child_seconds(["-c", code])[0] for _ in range(7))
        rows.append(Row(name, cpu, "s CPU", "<=", 0.4))
    show("startup", rows, chosen)
