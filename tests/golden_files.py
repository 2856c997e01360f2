"""Golden files: readable text that a change must change knowingly. ``FM_UPDATE_GOLDEN=1 pytest`` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare text with ``tests/golden/<name>``."""
    path = FOLDER / name
    if os.environ.get("FM_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no golden file {name}; write it with FM_UPDATE_GOLDEN=1"
    assert text == path.read_text(encoding="utf-8"), f"{name} differs; if that is meant: FM_UPDATE_GOLDEN=1 pytest"
