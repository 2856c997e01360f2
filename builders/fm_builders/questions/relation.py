"""How two objects stand to each other, and how that changes."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind

__all__ = ["RelationKind"]


class RelationKind(QuestionKind):
    """Two tracks: side, swap of sides, distance."""

    name = "relation"
    type = "location-related motion"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Three families for every window of every pair."""
        for a, b, span in m.pairs():
            args = {"a": a.track_id, "b": b.track_id}
            t0, t1 = span.t0, span.t1
            if not (m.placed(a, span) and m.placed(b, span)):  # their names would say it
                sides = m.words("relation", args, ("left", "right", "above", "below"), span, "image")
                yield Draft("relation", args, sides, t0, t1, min_options=4)
                orders = [(x, y) for x in ("left", "right") for y in ("left", "right")]
                swaps = m.each("order_change", [{**args, "from": x, "to": y} for x, y in orders], span, "image")
                yield Draft("order_change", args, swaps, t0, t1, min_options=4)
            gaps = m.words("distance_change", args, ("closer", "apart", "same"), span, "image")
            yield Draft("distance_change", args, gaps, t0, t1)
