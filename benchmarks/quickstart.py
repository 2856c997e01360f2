"""Seconds of ``fm-hub quickstart`` from nothing, as a new user runs it."""

from __future__ import annotations

import tempfile

from bench import Row, child_seconds, options, show

if __name__ == "__main__":
    chosen = options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        code = "import sys; sys.argv = ['x', 'quickstart']; from fm_hub.cli import main; main()"
        cpu, wall = child_seconds(["-c", code], cwd=folder)
    show("quickstart", [Row("wall", wall, "s", "<=", 90), Row("CPU", cpu, "s", "<=", 180)], chosen)
