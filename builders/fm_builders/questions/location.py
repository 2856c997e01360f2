"""Where movement begins and ends, and over which side things come and go."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.events import BORDERS

__all__ = ["LocationKind"]

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")


class LocationKind(QuestionKind):
    """Quarters of the picture for what moves; sides for what enters or leaves."""

    name = "location"
    type = "location-related motion"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Start and end of every moving track; entries and exits of the clip; unless its name says where it is."""
        for track in m.good:
            args = {"a": track.track_id}
            span = m.stretch(track)
            if span is None:
                continue
            given = {"track": track.track_id}
            if not m.placed(track, span) and m.holds("moves", given, True, span, "image"):
                for at in ("start", "end"):
                    corners = m.words("region", {**given, "at": at}, CORNERS, span, "image")
                    yield Draft(f"region_{at}", args, corners, span.t0, span.t1, min_options=4)
            for event in ("enters", "leaves") if not m.placed(track, m.whole) else ():
                sides = m.each(event, [{**given, "side": s} for s in BORDERS], m.whole, "image")
                yield Draft(event, args, sides, m.whole.t0, m.whole.t1, min_options=4)
