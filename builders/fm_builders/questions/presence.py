"""When a thing can be seen: how it comes and goes, and what hides it."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.events import BORDERS

__all__ = ["PresenceKind"]

EVENTS = ("hidden", "appears", "disappears", *(f"{e}-{s}" for e in ("enters", "leaves") for s in BORDERS))
SETS = tuple(
    tuple(EVENTS.index(event) for event in events.split())
    for events in (
        *("enters-left enters-right leaves-left leaves-right", "enters-top enters-bottom leaves-top leaves-bottom"),
        *("hidden appears enters-left enters-right", "hidden disappears leaves-left leaves-right"),
        *("hidden appears enters-top enters-bottom", "hidden disappears leaves-top leaves-bottom"),
        *("hidden enters-left enters-right", "hidden leaves-left leaves-right"),
    )
)
"""Options: a mirror, or time that runs back, makes each of a set of the others; or what may be behind something."""


class PresenceKind(QuestionKind):
    """One track: comes, goes, or is hidden for a while, and behind what."""

    name = "presence"
    type = "location-related motion"
    answer_type = "phrase"
    camera = "still"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Of every track its coming and going; of every hidden one what is in front of it."""
        t0, t1 = m.whole.t0, m.whole.t1
        for track in m.good:
            if m.handled(track):
                continue
            given, args = {"track": track.track_id}, {"a": track.track_id}
            claims = m.deeds(("hidden", "appears", "disappears"), given, m.whole, "image")
            for event in ("enters", "leaves"):
                claims += m.each(event, [{**given, "side": s} for s in BORDERS], m.whole, "image")
            if not m.placed(track, m.whole):  # its name would say over which edge
                yield Draft("presence", args, claims, t0, t1, SETS, 3)
            if m.true(claims[0]):
                others = [t for t in m.good if t.track_id != track.track_id]
                pairs = [{"a": track.track_id, "b": t.track_id} for t in others]
                hiders = m.each("hides", pairs, m.whole, "image")
                yield Draft("hider", args, hiders, t0, t1)
