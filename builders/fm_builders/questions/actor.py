"""Which of two objects it is that moves, or that moves in a given way."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims import check
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Claim

__all__ = ["ActorKind"]


class ActorKind(QuestionKind):
    """Two tracks: only the first, only the second, both, or neither."""

    name = "actor"
    type = "motion-related objects"
    answer_type = "label"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Who moves at all, and who moves in each direction that one of the two takes."""
        for a, b, span in m.pairs():
            ids = [a.track_id, b.track_id]
            args = {"a": ids[0], "b": ids[1]}
            subsets = [ids[:1], ids[1:], ids, []]

            def claims(
                predicate: str,
                word: str | bool,
                ids: list[str] = ids,
                subsets: list[list[str]] = subsets,
                t0: float = span.t0,
                t1: float = span.t1,
            ) -> list[Claim]:
                inner = {"among": ids, "predicate": predicate, "args": {"is": word}}
                return [Claim.of("exactly", {**inner, "which": which}, t0, t1) for which in subsets]

            yield Draft("actor_moves", args, claims("moves", True), span.t0, span.t1, min_options=4)
            for way in DIRECTIONS:
                taken = (Claim.of("direction", {"track": i, "is": way}, span.t0, span.t1) for i in ids)
                if any(check(m.scene, c).true for c in taken):
                    words = {**args, "way": way}
                    yield Draft("actor_direction", words, claims("direction", way), span.t0, span.t1, min_options=4)
