"""The table of predicates: what checks each, and the arguments that it takes (``docs/claims.md``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fm_hub.claims import body, company, contact, events, intervals, many, one, presence, shape, view
from fm_hub.claims.scene import Scene
from fm_hub.claims.verdict import UNCHECKED, Verdict, Words
from fm_hub.records import Claim

__all__ = ["INNER", "PREDICATES", "Predicate"]

Check = Callable[[Scene, Mapping[str, Any], Claim], Verdict]
Table = Callable[[Scene, Mapping[str, Any], Claim], Words | None]


@dataclass(frozen=True)
class Predicate:
    """A predicate and its arguments: for each, the allowed words, or the allowed types.

    Where all words of ``is`` are measured together, ``words`` gives their verdicts at once.
    """

    check: Check
    args: Mapping[str, tuple[Any, ...]]
    words: Table | None = None


def _worded(words: Table, args: Mapping[str, tuple[Any, ...]]) -> Predicate:
    """A predicate whose words are measured together; what its table does not hold is not checked."""

    def check(scene: Scene, args: Mapping[str, Any], claim: Claim) -> Verdict:
        verdicts = words(scene, args, claim)
        return UNCHECKED if verdicts is None else verdicts.get(args["is"], UNCHECKED)

    return Predicate(check, args, words)


_TEXT, _NUMBER, _COUNT, _FLAG, _TABLE = (str,), (float,), (int,), (bool,), (dict,)
_WORDS = tuple(one.DIRECTIONS)
_ROUND = ("clockwise", "anticlockwise")
_TRACK = {"track": _TEXT}
_BETWEEN = {"lo": _NUMBER, "hi": _NUMBER}
_TWO = {"a": _TEXT, "b": _TEXT}

PREDICATES: dict[str, Predicate] = {
    "moves": _worded(one.moves, {**_TRACK, "is": _FLAG}),
    "direction": _worded(one.direction, {**_TRACK, "is": _WORDS}),
    "path": _worded(one.path, {**_TRACK, "is": ("straight", "curved", "back-and-forth")}),
    "travels": Predicate(one.travels, {**_TRACK, "axis": ("x", "y"), **_BETWEEN}),
    "lengths": Predicate(one.lengths, {**_TRACK, **_BETWEEN}),
    "region": _worded(one.region, {**_TRACK, "is": tuple(one.QUARTERS), "at": ("start", "end", "all")}),
    "depth": _worded(one.depth, {**_TRACK, "is": ("approaches", "recedes", "keeps")}),
    "speed": _worded(one.speed, {**_TRACK, "is": ("slow", "medium", "fast")}),
    "speed_change": _worded(one.speed_change, {**_TRACK, "is": ("speeds-up", "slows-down", "steady")}),
    "reversals": Predicate(one.reversals, {**_TRACK, "is": _COUNT}),
    "sequence": Predicate(one.sequence, {**_TRACK, "first": _WORDS, "then": _WORDS, "at": _NUMBER}),
    "shape": _worded(shape.shape, {**_TRACK, "is": shape.SHAPES}),
    "winding": Predicate(shape.winding, {**_TRACK, "is": _ROUND}),
    "tips": _worded(shape.tips, {**_TRACK, "is": ("over", "up")}),
    "rotation": _worded(body.rotation, {**_TRACK, "is": (*_ROUND, "none")}),
    "rotation_by": Predicate(body.rotation_by, {**_TRACK, **_BETWEEN}),
    "gesture": _worded(body.gesture, {**_TRACK, "is": body.GESTURES}),
    "repeats": Predicate(body.repeats, {**_TRACK, "joint": body.REPEATING, "is": _COUNT}),
    "period": Predicate(body.period, {**_TRACK, "joint": body.REPEATING, **_BETWEEN}),
    "limb": _worded(body.limb, {**_TRACK, "is": body.LIMBS}),
    "hand_side": Predicate(contact.hand_side, {**_TRACK, "is": ("left", "right")}),
    "starts": Predicate(events.starts, _TRACK),
    "stops": Predicate(events.stops, _TRACK),
    "pauses": Predicate(events.pauses, _TRACK),
    "enters": Predicate(events.enters, {**_TRACK, "side": events.BORDERS}),
    "leaves": Predicate(events.leaves, {**_TRACK, "side": events.BORDERS}),
    "appears": Predicate(presence.appears, _TRACK),
    "disappears": Predicate(presence.disappears, _TRACK),
    "hidden": Predicate(presence.hidden, _TRACK),
    "reappears": Predicate(presence.reappears, _TRACK),
    "hides": Predicate(presence.hides, _TWO),
    "relation": _worded(many.relation, {**_TWO, "is": tuple(many.SIDES)}),
    "order_change": Predicate(many.order_change, {**_TWO, "from": ("left", "right"), "to": ("left", "right")}),
    "distance_change": _worded(many.distance_change, {**_TWO, "is": ("closer", "apart", "same")}),
    "speed_order": _worded(many.speed_order, {**_TWO, "is": ("faster", "slower", "same")}),
    "formation": _worded(company.formation, {**_TWO, "is": company.FORMATIONS}),
    "overtakes": Predicate(company.overtakes, _TWO),
    "crosses": Predicate(company.crosses, _TWO),
    "touches": Predicate(contact.touches, _TWO),
    "holds": Predicate(contact.holds, _TWO),
    "carries": Predicate(contact.carries, _TWO),
    "grasps": Predicate(contact.grasps, _TWO),
    "releases": Predicate(contact.releases, _TWO),
    "before": Predicate(events.before, {"first": _TABLE, "then": _TABLE}),
    "when": _worded(intervals.when, {"first": _TABLE, "then": _TABLE, "is": intervals.RELATIONS}),
    "at_once": Predicate(many.at_once, {"label": _TEXT, "is": _COUNT}),
    "moving_count": Predicate(many.moving_count, {"label": _TEXT, "is": _COUNT}),
    "view": _worded(view.view, {"is": view.VIEWS}),
}


def _exactly(scene: Scene, args: Mapping[str, Any], claim: Claim) -> Verdict:
    """Of the tracks in ``among``, those in ``which`` and no other satisfy the inner predicate."""
    inner = PREDICATES[args["predicate"]].check
    margins = []
    for track in args["among"]:
        margin = inner(scene, {**args["args"], "track": track}, claim).margin
        margins.append(margin if track in args["which"] else -margin)
    return Verdict(float(len(args["which"])), 1.0, min(margins))


def _not(scene: Scene, args: Mapping[str, Any], claim: Claim) -> Verdict:
    """The inner claim is false: what did not happen, proved by what did."""
    margin = PREDICATES[args["predicate"]].check(scene, args["args"], claim).margin
    return Verdict(float(margin < 0), 1.0, -margin) if margin else UNCHECKED


INNER = tuple(n for n, p in PREDICATES.items() if "track" in p.args)
PREDICATES["exactly"] = Predicate(_exactly, {"which": (list,), "among": (list,), "predicate": INNER, "args": _TABLE})
PREDICATES["not"] = Predicate(_not, {"predicate": tuple(PREDICATES), "args": _TABLE})
