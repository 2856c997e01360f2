"""The truth of a clip: where every thing was, whole, and what was planned to happen; a file beside the tables.

It comes from the scene, never from the tables or from the formulas of claims, so that answers can be held against it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.film import Event, Film, Seen, Touch, View
from fm_hub.errors import BadDataset

__all__ = ["FOLDER", "Thing", "Truth", "read_truths", "truth_of"]

FOLDER = "truth"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Thing:
    """One object over the sampled frames.

    ``whole`` (F, 4) is its box with what is hidden or outside of the frame, ``share`` (F,) how much of it is seen,
    ``depth`` (F,) smaller the nearer. ``track`` is its id in the tables, or empty. ``points`` (F, K, 2) are its joints,
    not a number where the scene does not know one; K is 0 for a thing without.
    """

    name: str
    label: str
    track: str
    whole: Floats
    share: Floats
    depth: Floats
    points: Floats


@dataclass(frozen=True, eq=False)
class Truth:
    """Everything about a clip: ``t`` (F,) seconds of the sampled frames; ``size`` (width, height) pixels."""

    clip_id: str
    name: str
    scene: str
    seed: int
    number: int
    size: tuple[int, int]
    t: Floats
    things: tuple[Thing, ...]
    events: tuple[Event, ...]
    touches: tuple[Touch, ...]
    view: View
    tags: Mapping[str, str]

    def as_json(self) -> str:
        """One JSON object; lengths in pixels to a hundredth."""
        things = {
            x.name: {
                "label": x.label,
                "track": x.track,
                "whole": np.round(x.whole, 2).tolist(),
                "share": np.round(x.share, 4).tolist(),
                "depth": np.round(x.depth, 3).tolist(),
                "points": _written(x.points),
            }
            for x in self.things
        }
        v = self.view
        path = np.round(np.column_stack([v.turn.real, v.turn.imag, v.shift.real, v.shift.imag]), 6).tolist()
        head = {"clip_id": self.clip_id, "name": self.name, "scene": self.scene, "seed": self.seed}
        body = {
            **head,
            "number": self.number,
            "size": list(self.size),
            "t": np.round(self.t, 6).tolist(),
            "things": things,
            "events": [asdict(e) for e in self.events],
            "contacts": [asdict(c) for c in self.touches],
            "camera": {"kind": v.kind, "turn_shift": path, "ok": v.ok.tolist()},
            "tags": dict(self.tags),
        }
        return json.dumps(body, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Truth:
        """The truth that :meth:`as_json` wrote. Raises :class:`BadDataset` for anything else."""
        try:
            return _truth(json.loads(text))
        except (ValueError, KeyError, TypeError, IndexError) as e:
            raise BadDataset(f"not a file of truth ({type(e).__name__}: {e}); make it again: fm-hub simulate") from None


def _written(points: Floats) -> list[list[list[float] | None]]:
    """Points as JSON has them: to a hundredth of a pixel, nothing for one that is not known."""
    return [[None if math.isnan(p[0]) else p for p in row] for row in np.round(points, 2).tolist()]


def _read(rows: list[list[list[float] | None]], n: int) -> Floats:
    if not rows or not rows[0]:
        return np.zeros((n, 0, 2))
    return np.array([[(np.nan, np.nan) if p is None else p for p in row] for row in rows], float)


def _truth(row: dict[str, Any]) -> Truth:
    path = np.array(row["camera"]["turn_shift"], float)
    turn, shift = path[:, 0] + 1j * path[:, 1], path[:, 2] + 1j * path[:, 3]
    return Truth(
        clip_id=row["clip_id"],
        name=row["name"],
        scene=row["scene"],
        seed=row["seed"],
        number=row["number"],
        size=(int(row["size"][0]), int(row["size"][1])),
        t=np.array(row["t"], float),
        things=tuple(
            Thing(
                name,
                x["label"],
                x["track"],
                np.array(x["whole"], float),
                np.array(x["share"]),
                np.array(x["depth"]),
                _read(x["points"], len(x["share"])),
            )
            for name, x in row["things"].items()
        ),
        events=tuple(Event(**e) for e in row["events"]),
        touches=tuple(Touch(**c) for c in row["contacts"]),
        view=View(row["camera"]["kind"], turn, shift, np.array(row["camera"]["ok"], bool)),
        tags=row["tags"],
    )


def _points(sights: Sequence[Seen]) -> Floats:
    none = np.zeros((0, 2))
    return np.array([none if s.points is None else s.points for s in sights], float)


def truth_of(
    film: Film, clip_id: str, t: Floats, seen: Sequence[Mapping[str, Seen]], tracks: Mapping[str, str]
) -> Truth:
    """The truth of a film that was shot: ``seen`` at each of the times ``t``; ``tracks`` are track ids by name."""
    things = tuple(
        Thing(
            name,
            label,
            tracks.get(name, ""),
            np.array([s[name].whole for s in seen], float),
            np.array([s[name].share for s in seen], float),
            np.array([s[name].depth for s in seen], float),
            _points([s[name] for s in seen]),
        )
        for name, label in film.things.items()
    )
    return Truth(
        clip_id=clip_id,
        name=film.name,
        scene=film.scene,
        seed=film.seed,
        number=film.number,
        size=film.size,
        t=t,
        things=things,
        events=tuple(film.events),
        touches=tuple(film.touches),
        view=film.view,
        tags=film.tags,
    )


def read_truths(root: Path) -> dict[str, Truth]:
    """The truth of every clip of a simulated dataset, by clip id. Raises :class:`BadDataset` where there is none."""
    found = sorted((root / FOLDER).glob("*.json"))
    if not found:
        raise BadDataset(f"{root}: holds no truth; make some with: fm-hub simulate cars -o {root}")
    truths = (Truth.from_json(path.read_text(encoding="utf-8")) for path in found)
    return {truth.clip_id: truth for truth in truths}
