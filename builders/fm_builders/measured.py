"""What was measured of a recipe's labels on clips whose truth is exact: a small file in the package, per recipe.

``benchmarks/perception.py --write`` fills it. A dataset carries the figures of the recipe that it was made with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fm_builders.recipe import Recipe
from fm_hub import __version__
from fm_hub.claims import CLAIMS_VERSION
from fm_hub.manifest import write_text

__all__ = ["measured_for", "write_measured"]

FILE = Path(__file__).parent / "measured.json"


def measured_for(recipe: Recipe, models: Sequence[str]) -> dict[str, Any] | None:
    """The figures that hold for a recipe and its models with the claims of this version; None if none were measured."""
    return _all().get(_key(recipe, models))


def write_measured(
    recipe: Recipe, models: Sequence[str], figures: Sequence[Mapping[str, Any]], command: str, seed: int, date: str
) -> Path:
    """Keep figures (``figure``, ``value``, ``unit``) for a recipe, and drop those of other claims; returns the file."""
    entry = {"recipe": recipe.name, "command": command, "seed": seed, "date": date, "version": __version__}
    entry |= {"claims_version": CLAIMS_VERSION, "figures": [dict(f) for f in figures]}
    kept = {key: old for key, old in _all().items() if old["claims_version"] == CLAIMS_VERSION}
    text = json.dumps({**kept, _key(recipe, models): entry}, indent=1, sort_keys=True)
    write_text(FILE, text + "\n")
    return FILE


def _all() -> dict[str, Any]:
    if not FILE.is_file():
        return {}
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def _key(recipe: Recipe, models: Sequence[str]) -> str:
    """What the figures depend on: how a clip is looked at, what is asked, and by which formulas."""
    parts = [recipe.perception.model_dump(mode="json"), recipe.compose.min_quality, list(models), CLAIMS_VERSION]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
