"""Where movement begins and ends, and over which side things come and go."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims import check
from fm_hub.records import Claim

__all__ = ["LocationKind"]

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
SIDES = ("left", "right", "top", "bottom")


class LocationKind(QuestionKind):
    """Quarters of the picture for what moves; sides for what enters or leaves."""

    name = "location"
    type = "location-related motion"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Start and end of every moving track; entries and exits of the clip."""
        for track in m.good:
            args = {"a": track.track_id}
            span = m.stretch(track)
            if span is None:
                continue
            t0, t1 = span.t0, span.t1
            if check(m.scene, Claim.of("moves", {"track": track.track_id, "is": True}, t0, t1)).true:
                for at in ("start", "end"):
                    claims = [Claim.of("region", {"track": track.track_id, "is": c, "at": at}, t0, t1) for c in CORNERS]
                    yield Draft(f"region_{at}", args, claims, t0, t1, min_options=4)
            for event in ("enters", "leaves"):
                whole = m.whole
                claims = [Claim.of(event, {"track": track.track_id, "side": s}, whole.t0, whole.t1) for s in SIDES]
                yield Draft(event, args, claims, whole.t0, whole.t1, min_options=4)
