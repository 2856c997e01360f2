"""The proof of a claim in words: what it says, what was measured, and how far that is from the boundary."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from fm_hub.claims import MalformedClaim, Scene, check, tracks_of
from fm_hub.records import Claim, Option, Question

__all__ = ["claim_words", "proof", "tracks_in"]

_UNITS = {"direction": "°", "relation": "°", **dict.fromkeys(("starts", "stops", "enters", "leaves", "before"), " s")}
_ACTORS = ("track", "a", "b", "label")
FULL = 10.0
"""A margin of this many tolerances fills the bar."""


def tracks_in(scene: Scene, question: Question) -> set[str]:
    """The tracks that a question speaks of, by id or by class."""
    found: set[str] = set()
    for option in question.options:
        try:
            found |= tracks_of(option.claim)
            label = option.claim.arguments.get("label")
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a claim that no one can read: verify tells; a report still shows the rest
        found |= {t.track_id for t in scene.tracks.values() if t.label == label}
    return found


def claim_words(claim: Claim, names: Mapping[str, str]) -> str:
    """A claim as one line, with names for track ids.

    >>> claim_words(Claim.of("direction", {"track": "t1", "is": "up"}, 0, 2), {"t1": "car"})
    'direction(car) = up'
    """
    try:
        args = claim.arguments
        return _words(claim.predicate, args, names)
    except (ValueError, KeyError, TypeError):
        return f"{claim.predicate} {claim.args}"


def _words(predicate: str, args: Mapping[str, Any], names: Mapping[str, str]) -> str:
    actors = [names.get(str(args[k]), str(args[k])) for k in _ACTORS if k in args]
    if predicate == "exactly":
        which = [names.get(t, t) for t in args["which"]]
        among = [names.get(t, t) for t in args["among"]]
        inner = _words(args["predicate"], args["args"], names)
        return f"of {', '.join(among)}: {inner} for {' and '.join(which) if which else 'none'} only"
    if predicate == "before":
        told = [_words(e["event"], {k: v for k, v in e.items() if k != "event"}, names) for e in _events(args)]
        return f"{told[0]} before {told[1]}"
    rest = {k: v for k, v in args.items() if k not in _ACTORS}
    head = f"{predicate}({', '.join(actors)})" if actors else predicate
    if set(rest) == {"is"}:
        return f"{head} = {_plain(rest['is'])}"
    return f"{head}: {', '.join(f'{k} {_plain(v)}' for k, v in rest.items())}" if rest else head


def _events(args: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return args["first"], args["then"]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def proof(scene: Scene | None, option: Option, names: Mapping[str, str]) -> dict[str, Any]:
    """What a page shows of one option's claim.

    The margin is the published one; value and tolerance are measured again from the published tracks.
    """
    claim = option.claim
    measured = ""
    if scene is not None:
        try:
            verdict = check(scene, claim)
            if math.isfinite(verdict.value):
                unit = _UNITS.get(claim.predicate, "")
                measured = f"{verdict.value:.3g}{unit} ± {verdict.tolerance:.2g}{unit}"
        except (MalformedClaim, KeyError, IndexError, TypeError):
            measured = "cannot be checked"
    margin = option.margin if math.isfinite(option.margin) else 0.0
    return {
        "words": claim_words(claim, names),
        "window": f"{claim.t0:.1f} to {claim.t1:.1f} s" + ("" if claim.frame == "image" else ", stabilised"),
        "measured": measured,
        "margin": f"{margin:+.1f}" if abs(margin) < 99 else f"{'+' if margin > 0 else '-'}99",
        "bar": round(min(1.0, abs(margin) / FULL) * 50, 1),
        "holds": margin > 0,
    }
