"""Claims about motion, checked from the published tables alone (``docs/claims.md``).

>>> claim = Claim.of("moves", {"track": "t1", "is": True}, 0.0, 2.0)
>>> claim.args
'{"is":true,"track":"t1"}'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from fm_hub.claims.events import EVENTS
from fm_hub.claims.intervals import EPISODES
from fm_hub.claims.predicates import PREDICATES
from fm_hub.claims.proposals import Proposal, Proposals, measure, window_of
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
    "Proposal",
    "Proposals",
    "Scene",
    "Verdict",
    "check",
    "measure",
    "tracks_of",
    "window_of",
]

CLAIMS_VERSION = 5


class MalformedClaim(FmError):
    """An unknown predicate, a missing or extra argument, a word or a window that makes no sense."""


def _fail(name: str, args: object, why: str) -> MalformedClaim:
    return MalformedClaim(f"claim {name} {str(args)[:120]}: {why}")


@lru_cache(maxsize=4096)
def _read(name: str, text: str) -> dict[str, Any]:
    """The arguments of a claim, validated. They are shared: read only. Raises :class:`MalformedClaim`."""
    try:
        args = Claim(name, text, "image", 0.0, 0.0).arguments
    except ValueError as e:
        raise _fail(name, text, str(e)) from None
    _validate(name, args)
    return args


def _validate(name: str, args: dict[str, Any]) -> None:
    if name not in PREDICATES:
        raise _fail(name, args, "no such predicate")
    _check_args(name, args)
    if name == "before":
        for event in (args["first"], args["then"]):
            _check_part(event, "event", {n: tuple(PREDICATES[n].args) for n in EVENTS})
            _check_args(event["event"], {k: v for k, v in event.items() if k != "event"})
    elif name == "when":
        for episode in (args["first"], args["then"]):
            _check_part(episode, "episode", EPISODES)
    elif name == "not":
        _validate(args["predicate"], args["args"])
    elif name == "exactly":
        _validate_exactly(args)


def _check_args(name: str, args: dict[str, Any]) -> None:
    spec = PREDICATES[name].args
    if set(args) != set(spec):
        raise _fail(
            name, args, f"takes {', '.join(sorted(spec)) or 'nothing'}, not {', '.join(sorted(args)) or 'nothing'}"
        )
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
            raise _fail(name, args, f"{key}={value!r} is not allowed")


def _check_part(part: dict[str, Any], key: str, kinds: Mapping[str, tuple[str, ...]]) -> None:
    """An event or an episode: its kind, and for each kind the names of what it takes."""
    kind = str(part.get(key))
    if kind not in kinds or set(part) != {key, *kinds[kind]} or not all(isinstance(v, str) for v in part.values()):
        raise _fail(key, part, f"no {key} {kind!r} with these arguments")


def _validate_exactly(args: dict[str, Any]) -> None:
    among, which = args["among"], args["which"]
    strings = all(isinstance(x, str) for x in (*among, *which))
    if not strings or not 1 <= len(among) <= 4 or len(set(among)) != len(among):
        raise _fail("exactly", args, "among must be 1 to 4 distinct tracks")
    if len(set(which)) != len(which) or not set(which) <= set(among):
        raise _fail("exactly", args, "which must be a subset of among")
    if "track" in args["args"]:
        raise _fail("exactly", args, "the inner arguments name no track")
    _check_args(args["predicate"], {**args["args"], "track": among[0]})


def _moments(name: str, args: Mapping[str, Any]) -> Iterator[float]:
    """The moments that a claim names, which must lie inside its window."""
    if name in ("not", "exactly"):
        yield from _moments(args["predicate"], args["args"])
    elif name == "sequence":
        yield args["at"]


def check(scene: Scene, claim: Claim) -> Verdict:
    """Check one claim; what was checked is looked up. Raises :class:`MalformedClaim` if it is not a claim at all."""
    known = scene.verdicts.get(claim)
    if known is not None:
        return known
    args = _read(claim.predicate, claim.args)
    if claim.frame not in ("image", "stabilised"):
        raise _fail(claim.predicate, claim.args, f"frame {claim.frame!r} is not allowed")
    if not claim.t0 <= claim.t1:
        raise _fail(claim.predicate, claim.args, f"window {claim.t0}..{claim.t1} runs backwards")
    if not all(claim.t0 < at < claim.t1 for at in _moments(claim.predicate, args)):
        raise _fail(claim.predicate, claim.args, f"at is outside the window {claim.t0}..{claim.t1}")
    verdict = PREDICATES[claim.predicate].check(scene, args, claim).rounded()
    scene.verdicts[claim] = verdict
    return verdict


def tracks_of(claim: Claim) -> set[str]:
    """The ids of all tracks that a claim speaks of by name."""
    return set(_named(claim.arguments))


def _named(args: Mapping[str, Any]) -> Iterator[str]:
    yield from (args[key] for key in ("track", "a", "b") if key in args)
    yield from args.get("among", ())
    for key in ("first", "then", "args"):
        if isinstance(args.get(key), dict):
            yield from _named(args[key])
