"""How two things move together: behind, beside, past and across each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.company import FORMATIONS

__all__ = ["CompanyKind"]


LEAST = 1.5
"""Seconds that three things must be seen together."""


class CompanyKind(QuestionKind):
    """Two tracks: who follows or overtakes whom. Three: whose ways cross."""

    name = "company"
    type = "location-related motion"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """One family for every window of every pair, one for every three things."""
        for a, b, span in m.pairs():
            args = {"a": a.track_id, "b": b.track_id}
            back = {"a": b.track_id, "b": a.track_id}
            claims = m.words("formation", args, FORMATIONS, span)
            claims += m.each("overtakes", (args, back), span)
            usual = (FORMATIONS.index("opposite"),)
            yield Draft("formation", args, claims, span.t0, span.t1, min_options=4, usual=usual)
        for some in combinations(m.good, 3):
            spans = [m.common(a, b) for a, b in combinations(some, 2)]
            t0, t1 = max(s.t0 if s else 1e9 for s in spans), min(s.t1 if s else 0.0 for s in spans)
            if t1 - t0 >= LEAST:
                two = [{"a": a.track_id, "b": b.track_id} for a, b in combinations(some, 2)]
                yield Draft("crosses", {}, m.each("crosses", two, Span(t0, t1)), t0, t1)
