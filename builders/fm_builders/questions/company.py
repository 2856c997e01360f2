"""How two things move together: behind, beside, past and across each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims import DECIDED
from fm_hub.claims.company import FORMATIONS, crossing, displaced
from fm_hub.records import Track

__all__ = ["CompanyKind", "goes"]


LEAST = 1.5
"""Seconds that three things must be seen together."""


def goes(m: Material, track: Track, span: Span) -> bool:
    """Whether a track provably gets somewhere: no two things go together, or past each other, unless both do."""
    w = m.scene.window(track.track_id, span.t0, span.t1, m.frame)
    return w is not None and displaced(w) >= DECIDED


class CompanyKind(QuestionKind):
    """Two tracks: who follows or overtakes whom. Three: whose ways cross."""

    name = "company"
    type = "location-related motion"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """One family for every window of every pair, one for every three things."""
        for a, b, span in m.pairs():
            if not (goes(m, a, span) and goes(m, b, span)):
                continue
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
                pairs = [m.scene.pair(x["a"], x["b"], t0, t1, m.frame) for x in two]
                if not any(pair and crossing(pair) > 0 for pair in pairs):
                    two = []  # none can be true, and nothing has to be measured
                yield Draft("crosses", {}, m.each("crosses", two, Span(t0, t1)), t0, t1)
