"""Whether a claim is true of a clip, by the simulator: from whole, noiseless places and planned events.

It knows no tolerance and no margin, and nothing of :mod:`fm_hub.claims`: it says what a person with perfect eyes would
say of the same words. Where a claim speaks of something that nobody could tell, it says None. What is said of one thing
is in :mod:`~fm_builders.simulate.judge.one`, of two in ``pairs``, of joints in ``bodies``, of the view in ``views``, of
when something happens in ``times``; here is what is said of many, and of other claims.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from fm_builders.simulate.judge import bodies, one, pairs, times, views
from fm_builders.simulate.judge.sight import Args, Rule, Sight, Unsure
from fm_hub.records import Claim

__all__ = ["Judge"]


class Judge(Sight):
    """Judges claims about one clip."""

    def holds(self, claim: Claim) -> bool | None:
        """Whether the claim is true; None where that is not known."""
        try:
            return self._says(claim.predicate, json.loads(claim.args), claim)
        except Unsure:
            return None

    def _says(self, predicate: str, args: Args, claim: Claim) -> bool:
        if predicate == "not":
            return not self._says(args["predicate"], args["args"], claim)
        if predicate == "exactly":
            given, inner = args["args"], args["predicate"]
            true = {track for track in args["among"] if self._says(inner, {**given, "track": track}, claim)}
            return true == set(args["which"])
        rule = RULES.get(predicate)
        if rule is None:
            raise Unsure
        return rule(self, args, claim)


def _at_once(sight: Sight, args: Args, claim: Claim) -> bool:
    named = [sight.seen(x, claim.t0, claim.t1) for x in sight.truth.things if x.label == args["label"]]
    count = np.sum(named, axis=0)[sight.inside(claim.t0, claim.t1)]
    # for an instant there may be more: it must be so for a tenth of the time
    return bool(args["is"] == max((n for n in range(len(named) + 1) if np.mean(count >= n) > 0.1), default=0))


def _moving_count(sight: Sight, args: Args, claim: Claim) -> bool:
    there = [x for x in sight.things.values() if x.label == args["label"] and sight.seen(x, claim.t0, claim.t1).any()]
    return bool(args["is"] == sum(one.moves(sight, {"track": x.track, "is": True}, claim) for x in there))


RULES: Mapping[str, Rule] = {
    **one.RULES,
    **pairs.RULES,
    **bodies.RULES,
    **times.RULES,
    **views.RULES,
    "at_once": _at_once,
    "moving_count": _moving_count,
}
