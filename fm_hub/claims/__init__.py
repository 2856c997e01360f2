"""Claims about motion, checked from the published tables alone (``docs/claims.md``).

>>> claim = Claim.of("moves", {"track": "t1", "is": True}, 0.0, 2.0)
>>> claim.args
'{"is":true,"track":"t1"}'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fm_hub.claims import events, many, one
from fm_hub.claims.scene import Scene
from fm_hub.claims.verdict import DECIDED, Verdict
from fm_hub.errors import FmError
from fm_hub.records import Claim

__all__ = [
    "CLAIMS_VERSION",
    "DECIDED",
    "PREDICATES",
    "Claim",
    "MalformedClaim",
    "Scene",
    "Verdict",
    "check",
    "tracks_of",
]

CLAIMS_VERSION = 1


class MalformedClaim(FmError):
    """An unknown predicate, a missing or extra argument, a word or a window that makes no sense."""


Check = Callable[[Scene, Mapping[str, Any], Claim], Verdict]


@dataclass(frozen=True)
class Predicate:
    """A predicate and its arguments: for each, the allowed words, or the allowed types."""

    check: Check
    args: Mapping[str, tuple[Any, ...]]


_TEXT, _NUMBER, _COUNT, _FLAG = (str,), (float,), (int,), (bool,)
_SIDE = ("left", "right", "top", "bottom")
_WORDS = tuple(one.DIRECTIONS)
_TRACK = {"track": _TEXT}
_TWO = {"a": _TEXT, "b": _TEXT}
_CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")

PREDICATES: dict[str, Predicate] = {
    "moves": Predicate(one.moves, {**_TRACK, "is": _FLAG}),
    "direction": Predicate(one.direction, {**_TRACK, "is": _WORDS}),
    "path": Predicate(one.path, {**_TRACK, "is": ("straight", "curved", "back-and-forth")}),
    "travels": Predicate(one.travels, {**_TRACK, "axis": ("x", "y"), "lo": _NUMBER, "hi": _NUMBER}),
    "region": Predicate(one.region, {**_TRACK, "is": _CORNERS, "at": ("start", "end", "all")}),
    "depth": Predicate(one.depth, {**_TRACK, "is": ("approaches", "recedes", "keeps")}),
    "speed": Predicate(one.speed, {**_TRACK, "is": ("slow", "medium", "fast")}),
    "speed_change": Predicate(one.speed_change, {**_TRACK, "is": ("speeds-up", "slows-down", "steady")}),
    "reversals": Predicate(one.reversals, {**_TRACK, "is": _COUNT}),
    "sequence": Predicate(one.sequence, {**_TRACK, "first": _WORDS, "then": _WORDS, "at": _NUMBER}),
    "starts": Predicate(events.starts, _TRACK),
    "stops": Predicate(events.stops, _TRACK),
    "enters": Predicate(events.enters, {**_TRACK, "side": _SIDE}),
    "leaves": Predicate(events.leaves, {**_TRACK, "side": _SIDE}),
    "relation": Predicate(many.relation, {**_TWO, "is": tuple(many.SIDES)}),
    "order_change": Predicate(many.order_change, {**_TWO, "from": ("left", "right"), "to": ("left", "right")}),
    "distance_change": Predicate(many.distance_change, {**_TWO, "is": ("closer", "apart", "same")}),
    "speed_order": Predicate(many.speed_order, {**_TWO, "is": ("faster", "slower", "same")}),
    "before": Predicate(events.before, {"first": (dict,), "then": (dict,)}),
    "at_once": Predicate(many.at_once, {"label": _TEXT, "is": _COUNT}),
    "moving_count": Predicate(many.moving_count, {"label": _TEXT, "is": _COUNT}),
}


def _exactly(scene: Scene, args: Mapping[str, Any], claim: Claim) -> Verdict:
    """Of the tracks in ``among``, those in ``which`` and no other satisfy the inner predicate."""
    inner = PREDICATES[args["predicate"]].check
    margins = []
    for track in args["among"]:
        margin = inner(scene, {**args["args"], "track": track}, claim).margin
        margins.append(margin if track in args["which"] else -margin)
    return Verdict(float(len(args["which"])), 1.0, min(margins))


INNER = tuple(n for n, p in PREDICATES.items() if "track" in p.args)
PREDICATES["exactly"] = Predicate(_exactly, {"which": (list,), "among": (list,), "predicate": INNER, "args": (dict,)})


def _fail(claim: Claim, why: str) -> MalformedClaim:
    return MalformedClaim(f"claim {claim.predicate} {claim.args[:120]}: {why}")


def _check_args(claim: Claim, name: str, args: Mapping[str, Any]) -> None:
    spec = PREDICATES[name].args
    if set(args) != set(spec):
        raise _fail(claim, f"{name} takes {', '.join(sorted(spec))}, not {', '.join(sorted(args)) or 'nothing'}")
    for key, allowed in spec.items():
        value = args[key]
        if isinstance(allowed[0], str):
            good = value in allowed if isinstance(value, str) else False
        elif allowed[0] is float:
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif allowed[0] is int:
            good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        else:
            good = isinstance(value, allowed[0])
        if not good:
            raise _fail(claim, f"{key}={value!r} is not allowed")


def _validate(claim: Claim, args: dict[str, Any]) -> None:
    if claim.predicate not in PREDICATES:
        raise _fail(claim, "no such predicate")
    if claim.frame not in ("image", "stabilised"):
        raise _fail(claim, f"frame {claim.frame!r} is not allowed")
    if not claim.t0 <= claim.t1:
        raise _fail(claim, f"window {claim.t0}..{claim.t1} runs backwards")
    _check_args(claim, claim.predicate, args)
    if claim.predicate == "sequence" and not claim.t0 < args["at"] < claim.t1:
        raise _fail(claim, f"at={args['at']} is outside the window")
    if claim.predicate == "before":
        for event in (args["first"], args["then"]):
            name = event.get("event")
            if name not in events.EVENTS:
                raise _fail(claim, f"no event {name!r}")
            _check_args(claim, name, {k: v for k, v in event.items() if k != "event"})
    if claim.predicate == "exactly":
        _validate_exactly(claim, args)


def _validate_exactly(claim: Claim, args: dict[str, Any]) -> None:
    among, which = args["among"], args["which"]
    strings = all(isinstance(x, str) for x in (*among, *which))
    if not strings or not 1 <= len(among) <= 4 or len(set(among)) != len(among):
        raise _fail(claim, "among must be 1 to 4 distinct tracks")
    if len(set(which)) != len(which) or not set(which) <= set(among):
        raise _fail(claim, "which must be a subset of among")
    inner = {**args["args"], "track": among[0]}
    if "track" in args["args"]:
        raise _fail(claim, "the inner arguments name no track")
    _check_args(claim, args["predicate"], inner)
    if args["predicate"] == "sequence" and not claim.t0 < inner["at"] < claim.t1:
        raise _fail(claim, f"at={inner['at']} is outside the window")


def check(scene: Scene, claim: Claim) -> Verdict:
    """Check one claim. Raises :class:`MalformedClaim` if it is not a claim at all."""
    known: dict[Claim, Verdict] = scene.memo.setdefault(check, {})
    if claim not in known:
        try:
            args = claim.arguments
        except ValueError as e:
            raise _fail(claim, str(e)) from None
        _validate(claim, args)
        known[claim] = PREDICATES[claim.predicate].check(scene, args, claim).rounded()
    return known[claim]


def tracks_of(claim: Claim) -> set[str]:
    """The ids of all tracks that a claim speaks of by name."""
    found: set[str] = set()
    args = claim.arguments
    for key in ("track", "a", "b"):
        if key in args:
            found.add(args[key])
    for key in ("first", "then"):
        if isinstance(args.get(key), dict):
            found.add(args[key]["track"])
    found.update(args.get("among", ()))
    return found
