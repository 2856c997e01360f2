"""Every registered plugin, ready to run: those that need weights get tiny random ones, by the settings of a recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import tiny_vision
from fm_builders.settings import configured
from fm_hub.registry import Registry

MADE: dict[str, Callable[[Path], Path]] = {
    "dfine": tiny_vision.dfine,
    "grounding_dino": tiny_vision.grounding,
    "rtdetr": tiny_vision.rtdetr,
    "sam2": tiny_vision.sam2,
    "vitpose": tiny_vision.vitpose,
}
MORE: dict[str, dict[str, Any]] = {
    "dfine": {"score": 0.0},
    "grounding_dino": {"score": 0.0, "classes": ["cup", "red ball"], "batch": 1},
    "rtdetr": {"score": 0.0},
}


@cache
def weights(name: str) -> str:
    """A folder with the tiny model of this name; it goes with the process."""
    root = tempfile.TemporaryDirectory(prefix=f"tiny-{name}-")
    _kept.append(root)
    return str(MADE[name](Path(root.name) / name))


_kept: list[Any] = []


def settings(*names: str) -> dict[str, dict[str, Any]]:
    """The settings of these plugins in a recipe, with tiny weights."""
    return {name: {"model": weights(name), **MORE.get(name, {})} for name in names}


def plugin(registry: Registry[Any], name: str) -> Any:
    """An instance, as a recipe makes it."""
    return configured(registry.load(name), name, settings(name)[name] if name in MADE else {})
