"""How far something gets: in shares of the picture, and in its own lengths."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind, in_a_row

__all__ = ["LENGTHS", "SHARES", "DistanceKind"]

SHARES = ((0.0, 0.125), (0.125, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 9.0))
LENGTHS = ((0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 99.0))


class DistanceKind(QuestionKind):
    """One track that moves: any four bounds in a row that hold the true ones, so that their make-up tells little."""

    name = "distance"
    type = "motion recognition"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Along the width and the height of a still picture; in own lengths of anything."""
        for track in m.good:
            given = {"track": track.track_id}
            for span in m.spans(track):
                if not m.moves(track, span):
                    continue
                args = {"a": track.track_id}
                lengths = m.between("lengths", given, LENGTHS, span)
                yield Draft("lengths", args, lengths, span.t0, span.t1, in_a_row(len(LENGTHS)), 4)
                for axis in ("x", "y") if m.camera == "static" else ():
                    shares = m.between("travels", {**given, "axis": axis}, SHARES, span)
                    yield Draft("travels", {**args, "axis": axis}, shares, span.t0, span.t1, in_a_row(len(SHARES)), 4)
