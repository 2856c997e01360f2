"""The figure that something draws with its movement, and which way round it goes."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.shape import SHAPES

__all__ = ["TrajectoryKind"]


SETS = ((0, 1, 2, 4), (0, 1, 3, 4), (0, 1, 4))
"""Options of a figure, as places among them: circle or zigzag beside the three that are common, or these alone."""


class TrajectoryKind(QuestionKind):
    """One track: straight, arc, circle, zigzag or to and fro; the sense of a circle."""

    name = "trajectory"
    type = "motion recognition"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """The figure of every window; where it is a circle, which way round as well."""
        for track in m.good:
            given, args = {"track": track.track_id}, {"a": track.track_id}
            for span in m.spans(track):
                if not m.moves(track, span):
                    continue
                figures = m.words("shape", given, SHAPES, span)
                yield Draft("shape", args, figures, span.t0, span.t1, SETS, 3, (0,), 8)
                if m.holds("shape", given, "circle", span):
                    ways = m.words("winding", given, ("clockwise", "anticlockwise"), span)
                    yield Draft("winding", args, ways, span.t0, span.t1, min_options=2)
