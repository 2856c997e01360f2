"""Which of two objects it is that moves, or that moves in a given way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Claim

__all__ = ["ActorKind"]


EVENTS = ("pauses", "starts", "stops")


class ActorKind(QuestionKind):
    """Two tracks: only the first, only the second, both, or neither."""

    name = "actor"
    type = "motion-related objects"
    answer_type = "label"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Who moves at all, who moves in each direction that one of the two takes, who starts, stops or pauses."""
        for a, b, span in m.pairs():
            ids = [a.track_id, b.track_id]
            args = {"a": ids[0], "b": ids[1]}
            subsets = [ids[:1], ids[1:], ids, []]

            def claims(
                predicate: str,
                inner_args: dict[str, Any],
                ids: list[str] = ids,
                subsets: list[list[str]] = subsets,
                t0: float = span.t0,
                t1: float = span.t1,
            ) -> list[Claim]:
                inner = {"among": ids, "predicate": predicate, "args": inner_args}
                return [Claim.of("exactly", {**inner, "which": which}, t0, t1, m.frame) for which in subsets]

            yield Draft("actor_moves", args, claims("moves", {"is": True}), span.t0, span.t1, min_options=4)
            for way in DIRECTIONS:
                if any(m.holds("direction", {"track": i}, way, span) for i in ids):
                    words = {**args, "way": way}
                    yield Draft(
                        "actor_direction", words, claims("direction", {"is": way}), span.t0, span.t1, min_options=4
                    )
            for event in EVENTS:
                if any(m.true(Claim.of(event, {"track": i}, span.t0, span.t1, m.frame)) for i in ids):
                    asked = {**args, "deed": {"predicate": event, "args": {}}}
                    yield Draft("actor_event", asked, claims(event, {}), span.t0, span.t1, min_options=4)
