"""How the view itself moves: by the path that the camera was given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fm_builders.simulate.judge.sight import Args, Rule, Sight, Unsure
from fm_hub.records import Claim

__all__ = ["RULES"]

PARTS = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1), "in": (2, 1), "out": (2, -1)}
PARTS |= {"anticlockwise": (3, 1), "clockwise": (3, -1)}
LEAST = np.array([0.08, 0.08, 0.15, 10.0])  # diagonals, diagonals, logarithm of the scale, degrees
STILL = 0.4  # of these: less is no motion of the view


def _view(sight: Sight, args: Args, claim: Claim) -> bool:
    view, word = sight.truth.view, args["is"]
    at = np.flatnonzero(sight.inside(claim.t0, claim.t1))
    if len(at) < 3 or not view.ok[at[1:]].all():
        raise Unsure
    shakes = view.kind == "shake"
    if word == "shakes":
        return shakes
    turn = view.turn[at] / view.turn[at[0]]
    shift = view.shift[at] - turn * view.shift[at[0]]
    where = np.column_stack([-shift.real, -shift.imag]) / sight.diagonal  # the view goes against what it shows
    path = np.column_stack([where, np.log(np.abs(turn)), np.degrees(np.unwrap(np.angle(turn)))]) / LEAST
    span = np.ptp(path, axis=0)
    if word == "static":
        return not shakes and bool((span < STILL).all())
    k, sign = PARTS[word]
    goes = sign * float(path[-1, k])
    others = np.delete(span, k)
    return goes >= 1 and goes >= 0.75 * float(span[k]) and not shakes and bool((others < max(1.0, 0.7 * goes)).all())


RULES: Mapping[str, Rule] = {"view": _view}
