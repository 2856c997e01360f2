"""What an option says, whichever objects it speaks of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fm_hub.records import Question

__all__ = ["option_keys"]

_TRACK = re.compile(r"[0-9a-f]{24}")
_TIME = re.compile(r'"at":[\d.]+,?')


def option_keys(q: Question) -> list[str]:
    """What each option says: its claim with objects numbered as the question has them.

    An object that the question does not name is numbered within its option.
    """
    named = _TRACK.findall(q.template_args)
    claims = ((o, o.claim) for o in q.options)
    return [
        f"{c.predicate} {_TIME.sub('', _numbered(c.args, named))}" if c.predicate else o.text.lower() for o, c in claims
    ]


def _numbered(args: str, named: Sequence[str]) -> str:
    """The arguments of a claim with objects for tracks: those that are named first, then in the order of the claim."""
    places = {track: f"object {i}" for i, track in enumerate(dict.fromkeys([*named, *_TRACK.findall(args)]))}
    return _TRACK.sub(lambda m: places[m[0]], args)
