"""What a person with perfect eyes sees of a clip: where whole things are, when they are seen, what was planned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.film import Touch
from fm_builders.simulate.tables import LEAST_SHARE
from fm_builders.simulate.truth import Thing, Truth
from fm_hub.records import Claim

__all__ = ["EASE", "MOVES", "RESTS", "Args", "Flags", "Floats", "Rule", "Sight", "Unsure", "extent", "runs", "thirds"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Args = Mapping[str, Any]
MOVES, RESTS = 0.06, 0.03
"""Shares of the diagonal: what goes further moves, what stays within rests; between, one may say either."""
EASE = 1e-4


class Unsure(Exception):
    """What the clip does not show, or not so that there is one answer."""


class Sight:
    """One clip. ``things`` are those that have a track, by its id."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.things = {x.track: x for x in truth.things if x.track}
        self.diagonal = math.hypot(*truth.size)

    def thing(self, track: str) -> Thing:
        """The thing of a track. Raises :class:`Unsure` where it is nothing."""
        try:
            return self.things[track]
        except KeyError:
            raise Unsure from None

    def inside(self, t0: float, t1: float) -> Flags:
        """(F,) the frames of a window."""
        t = self.truth.t
        return np.asarray((t >= t0 - EASE) & (t <= t1 + EASE))

    def seen(self, thing: Thing, t0: float, t1: float) -> Flags:
        """(F,) the frames of a window in which a thing is seen."""
        return np.asarray(self.inside(t0, t1) & (thing.share >= LEAST_SHARE))

    def span(self, thing: Thing, claim: Claim, t0: float | None = None, t1: float | None = None) -> NDArray[np.intp]:
        """The frames from the first to the last of the window that shows a thing; at least three."""
        at = np.flatnonzero(self.seen(thing, claim.t0 if t0 is None else t0, claim.t1 if t1 is None else t1))
        if len(at) < 3:
            raise Unsure
        return np.arange(at[0], at[-1] + 1)

    def path(
        self, args: Args, claim: Claim, key: str = "track", t0: float | None = None, t1: float | None = None
    ) -> Floats:
        """(N, 3) time and middle of the whole thing, from the first to the last frame of the window that shows it."""
        thing = self.thing(args[key])
        at = self.span(thing, claim, t0, t1)
        return np.column_stack([self.truth.t[at], self.middles(thing, at, claim.frame)])

    def middles(self, thing: Thing, at: NDArray[np.intp], frame: str) -> Floats:
        """(N, 2) the middles of a whole thing in some frames; against the background where ``frame`` says so."""
        middle = (thing.whole[at, :2] + thing.whole[at, 2:]) / 2
        if frame == "image":
            return np.asarray(middle, float)
        view = self.truth.view
        if not view.ok[1 : at[-1] + 1].all():
            raise Unsure
        half = complex(self.truth.size[0] / 2, self.truth.size[1] / 2)
        z = (middle[:, 0] + 1j * middle[:, 1] - half - view.shift[at]) / view.turn[at] + half
        return np.column_stack([z.real, z.imag])

    def sides(self, thing: Thing, at: NDArray[np.intp], frame: str) -> Floats:
        """(N, 2) width and height of a whole thing in some frames, as they would be in a view that does not zoom."""
        sides = thing.whole[at, 2:] - thing.whole[at, :2]
        zoom = np.ones(len(at)) if frame == "image" else np.abs(self.truth.view.turn[at])
        return np.asarray(sides / zoom[:, None], float)

    def both(self, args: Args, claim: Claim) -> tuple[Floats, Floats]:
        """(N, 3) the paths of ``a`` and ``b`` in the frames that show both."""
        a, b = self.thing(args["a"]), self.thing(args["b"])
        at = np.flatnonzero(self.seen(a, claim.t0, claim.t1) & self.seen(b, claim.t0, claim.t1))
        if len(at) < 3:
            raise Unsure
        t = self.truth.t[at][:, None]
        return np.hstack([t, self.middles(a, at, claim.frame)]), np.hstack([t, self.middles(b, at, claim.frame)])

    def touches(self, args: Args, claim: Claim, kind: str = "") -> list[Touch]:
        """The planned contacts of ``a`` and ``b``, of a kind or of any, that go on in the window."""
        names = {self.thing(args["a"]).name, self.thing(args["b"]).name}
        planned = (x for x in self.truth.touches if {x.a, x.b} == names and kind in ("", x.kind))
        return [x for x in planned if x.t1 > claim.t0 + EASE and x.t0 < claim.t1 - EASE]

    def spells(self, args: Args, claim: Claim) -> list[tuple[float, float]]:
        """From when to when ``a`` and ``b`` are in contact, where that goes on in the window: a touch that a hold goes
        on from is one contact. Not cut to the window."""
        names = {self.thing(args["a"]).name, self.thing(args["b"]).name}
        joined: list[tuple[float, float]] = []
        for t0, t1 in sorted((x.t0, x.t1) for x in self.truth.touches if {x.a, x.b} == names):
            if joined and t0 <= joined[-1][1] + EASE:
                t0, t1 = joined[-1][0], max(joined.pop()[1], t1)
            joined.append((t0, t1))
        return [(t0, t1) for t0, t1 in joined if t1 > claim.t0 + EASE and t0 < claim.t1 - EASE]


Rule = Callable[[Sight, Args, Claim], bool]


def extent(path: Floats) -> float:
    """The diagonal of the box around a path (N, 3)."""
    return float(np.hypot(*np.ptp(path[:, 1:], axis=0)))


def thirds(x: Floats) -> tuple[Floats, Floats, Floats]:
    """The first third, the middle and the last third."""
    k = max(1, len(x) // 3)
    return x[:k], x[k:-k], x[-k:]


def runs(flags: Flags) -> list[tuple[int, int]]:
    """The runs of true values, as ``start <= i < stop``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
