"""What a person does with body, hands and feet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.body import GESTURES, LIMBS

__all__ = ["GestureKind"]

PAIRS = (
    *(("raises-left-hand", "lowers-left-hand"), ("raises-right-hand", "lowers-right-hand")),
    *(("waves-left-hand", "waves-right-hand"), ("bends-down", "straightens-up"), ("sits-down", "stands-up")),
    *(("turns-away", "turns-to-camera"), ("jumps", "bends-down")),
)
SETS = tuple(
    tuple(sorted(GESTURES.index(w) for w in (*one, *other)))
    for one, other in combinations(PAIRS, 2)
    if not {*one} & {*other}
)
"""Two pairs of opposites: options that hold one pair only would say that one of the two is right."""
EITHER = ((0, 1, 2, 3), (0, 1), (2, 3))
"""Hands and feet, or only the one or the other, on the left and on the right."""


class GestureKind(QuestionKind):
    """A person's gesture among those that provably did not happen; the limb that moves most."""

    name = "gesture"
    type = "motion recognition"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Every window of every body: its gesture, and its busiest limb."""
        for track in m.good:
            if track.track_id not in m.scene.keypoints:
                continue
            given, args = {"track": track.track_id}, {"a": track.track_id}
            for span in m.spans(track):
                if any(m.holds("gesture", given, word, span, "image") for word in GESTURES):
                    claims = m.words("gesture", given, GESTURES, span, "image")
                    yield Draft("gesture", args, claims, span.t0, span.t1, SETS, 4)
                yield Draft("limb", args, m.words("limb", given, LIMBS, span, "image"), span.t0, span.t1, EITHER, 2)
