"""How fast, who is faster, and how speed changes."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind

__all__ = ["SpeedKind"]


class SpeedKind(QuestionKind):
    """Change of speed of one track; order of speed of two."""

    name = "speed"
    type = "motion recognition"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """One family for every window of a track, one for every window of a pair."""
        for track in m.good:
            for span in m.spans(track):
                given = {"track": track.track_id}
                words = ("speeds-up", "slows-down", "steady")
                changes = m.words("speed_change", given, words, span) + m.words("moves", given, (False,), span)
                asked = {"a": track.track_id}
                yield Draft("speed_change", asked, changes, span.t0, span.t1, ((0, 1, 2, 3), (0, 1)), 4, (2, 3))
        for a, b, span in m.pairs():
            if m.moves(a, span) and m.moves(b, span):
                args = {"a": a.track_id, "b": b.track_id}
                ranks = m.words("speed_order", args, ("faster", "slower", "same"), span)
                yield Draft("speed_order", args, ranks, span.t0, span.t1, ((0, 1, 2), (0, 1)))
