"""What comes next: the view ends at a moment, the answer is proved by the rest of the track, which it does not show."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind
from fm_builders.questions.direction import WAYS
from fm_hub.claims.events import BORDERS
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Track

__all__ = ["PredictionKind"]

CUTS = (0.6, 0.45, 0.75)
"""Shares of a stretch at which the view may end."""
LEAST_SEEN, LEAST_AHEAD, MOST_AHEAD = 1.5, 1.0, 3.0
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")


class PredictionKind(QuestionKind):
    """Direction, place, stop, exit, meeting and contact, each after the view's end."""

    name = "prediction"
    type = "dynamics prediction"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Every good track and pair, at up to three moments."""
        for track in m.good:
            span = m.stretch(track)
            for seen, rest in _cuts(span):
                if m.named(track, seen):
                    yield from self._one(m, track, seen, rest)
        for a, b in m.couples() if m.camera == "static" else ():
            for seen, rest in _cuts(m.common(a, b)):
                if m.named(a, seen) and m.named(b, seen):
                    args = {"a": a.track_id, "b": b.track_id}
                    gaps = m.words("distance_change", args, ("closer", "apart", "same"), rest)
                    yield Draft("predict_gap", args, gaps, seen.t0, seen.t1)

    def _one(self, m: Material, track: Track, seen: Span, rest: Span) -> Iterator[Draft]:
        given, args = {"track": track.track_id}, {"a": track.track_id}
        moves = m.moves(track, rest)
        if moves:
            ways = m.words("direction", given, tuple(DIRECTIONS), rest)
            yield Draft("predict_direction", args, ways, seen.t0, seen.t1, WAYS, 4)
        if m.camera != "static":
            return
        motion = m.deeds(("stops", "starts"), given, rest, "image")
        motion += m.words("moves", given, (False,), rest)
        motion += m.words("speed_change", given, ("speeds-up", "slows-down", "steady"), rest)
        yield Draft("predict_motion", args, motion, seen.t0, seen.t1, usual=(2, 5))
        if moves:
            places = m.words("region", {**given, "at": "end"}, CORNERS, rest, "image")
            now = m.words("region", {**given, "at": "end"}, CORNERS, seen, "image")
            if not set(m.decided(places)[0]) & set(m.decided(now)[0]):  # it gets somewhere else
                yield Draft("predict_region", args, places, seen.t0, seen.t1, min_options=4)
        exits = m.each("leaves", [{**given, "side": s} for s in BORDERS], Span(seen.t1, m.whole.t1), "image")
        yield Draft("predict_leaves", args, exits, seen.t0, seen.t1, min_options=4)
        others = [t for t in m.good if t.track_id not in (track.track_id, track.parent) and t.parent != track.track_id]
        if any(track.track_id in (c.a, c.b) for c in m.annotation.contacts):
            reach = m.each("grasps", [{"a": track.track_id, "b": t.track_id} for t in others], rest, "image")
            yield Draft("predict_contact", args, reach, seen.t0, seen.t1)


def _cuts(span: Span | None) -> Iterator[tuple[Span, Span]]:
    """What is seen and what follows, at each moment that leaves enough of both."""
    if span is None:
        return
    for share in CUTS:
        at = round(span.t0 + share * span.seconds, 3)
        rest = Span(at, min(span.t1, round(at + MOST_AHEAD, 3)))
        if at - span.t0 >= LEAST_SEEN and rest.seconds >= LEAST_AHEAD:
            yield Span(span.t0, at), rest
