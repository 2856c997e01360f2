"""Which of two objects it is that moves, or that moves in a given way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind, seeded
from fm_builders.questions.order import way_of
from fm_hub.claims.one import DIRECTIONS

__all__ = ["ActorKind"]


EVENTS = ("pauses", "starts", "stops")
BOTH, NEITHER = 2, 3
"""Places of these among the answers, after each of the two alone."""


class ActorKind(QuestionKind):
    """Two tracks: only the first, only the second, both, or neither."""

    name = "actor"
    type = "motion-related objects"
    answer_type = "label"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Who moves at all, who in each direction that one of the two takes or in another, who starts, stops or pauses.

        Were a direction or an event asked about only where one of the two has it, "neither" would never be right.
        """
        for a, b, span in m.pairs():
            ids = [a.track_id, b.track_id]
            args = {"a": ids[0], "b": ids[1]}
            subsets = [ids[:1], ids[1:], ids, []]

            def draft(
                family: str,
                words: dict[str, Any],
                predicate: str,
                inner: dict[str, Any],
                ids: list[str] = ids,
                subsets: list[list[str]] = subsets,
                span: Span = span,
                usual: int = NEITHER,
                thin: int = 3,
            ) -> Draft:
                given = {"among": ids, "predicate": predicate, "args": inner}
                who = m.each("exactly", [{**given, "which": which} for which in subsets], span)
                return Draft(family, words, who, span.t0, span.t1, min_options=4, usual=(usual,), thin=thin)

            yield draft("actor_moves", args, "moves", {"is": True}, usual=BOTH, thin=12)
            ways = {way_of(m, track, span.t0, span.t1) for track in (a, b)}
            others = [way for way in DIRECTIONS if way not in ways]
            ways.add(others[seeded("actor", ids, span.t0, span.t1) % len(others)])
            for way in (way for way in DIRECTIONS if way in ways):
                yield draft("actor_direction", {**args, "way": way}, "direction", {"is": way})
            for event in EVENTS:
                yield draft("actor_event", {**args, "deed": {"predicate": event, "args": {}}}, event, {}, thin=16)
