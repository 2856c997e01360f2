"""Clips whose truth is exact: where everything is in every frame is known, because it was put there.

Each scene family is a function ``film(seed, number)`` in a file of its own. What comes out are our own tables, so that
``compose`` runs on truth or on perception; and a file of the truth itself, as the scene planned it, which is what the
answers are held against (:mod:`fm_builders.simulate.judge`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fm_builders.simulate.film import Film
from fm_hub.registry import Registry

__all__ = ["RENDERED", "SCENES", "films"]

#: The scenes that MuJoCo renders (extra: simulate); ``copypaste`` needs nothing.
RENDERED = ("cars", "daily", "hands", "robots")

SCENES: Registry[Callable[[int, int], Film]] = Registry(
    "scene",
    "fm_hub.scenes",
    {name: f"fm_builders.simulate.{name}:film" for name in ("copypaste", *RENDERED)},
)


def films(scenes: Sequence[str], count: int, seed: int) -> list[Film]:
    """Plan ``count`` clips of each scene (``all``: of every one). Raises :class:`~fm_hub.errors.UnknownName`, and
    :class:`~fm_hub.errors.MissingExtra` where a scene needs MuJoCo.
    """
    names = SCENES.names() if "all" in scenes else list(dict.fromkeys(scenes))
    makers = [SCENES.load(name) for name in names]
    return [maker(seed, number) for maker in makers for number in range(count)]
