"""How bodies, hands and long things turn."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims import Proposals
from fm_hub.claims.shape import LONG
from fm_hub.records import Track

__all__ = ["RotationKind"]

TURNS = ((0.0, 45.0), (45.0, 135.0), (135.0, 225.0), (225.0, 315.0), (315.0, 405.0))


def _turns_over(m: Material, track: Track) -> bool:
    """Whether a track is ever seen upright, and ever lying: else it neither falls over nor gets up."""
    _, boxes = m.scene.sightings(track.track_id)
    wide, high = (boxes[:, 2:] - boxes[:, :2]).T
    return bool((high > LONG * wide).any() and (wide > LONG * high).any())


class RotationKind(QuestionKind):
    """One track: sense and angle of its turn; upright or lying."""

    name = "rotation"
    type = "motion recognition"
    answer_type = "phrase"
    camera = "still"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Three families for every window; the angle only where it turns."""
        for track in m.good:
            given, args = {"track": track.track_id}, {"a": track.track_id}
            turns_over = _turns_over(m, track)
            for span in m.spans(track):
                if track.track_id in m.scene.keypoints:
                    ways = m.words("rotation", given, ("clockwise", "anticlockwise", "none"), span)
                    yield Draft("rotation", args, ways, span.t0, span.t1, ((0, 1, 2), (0, 1)), 3, (2,), 24)
                    if any(m.holds("rotation", given, w, span) for w in ("clockwise", "anticlockwise")):
                        angles = m.between("rotation_by", given, TURNS[1:], span)
                        yield Draft("rotation_by", args, angles, span.t0, span.t1)
                tips = m.words("tips", given, ("over", "up"), span) if turns_over else Proposals()
                yield Draft("tips", args, tips, span.t0, span.t1, min_options=2)
