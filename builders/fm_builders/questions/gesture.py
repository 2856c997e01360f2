"""What a person does with body, hands and feet."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind, seeded
from fm_hub.claims.body import GESTURES, LIMBS

__all__ = ["GestureKind"]

OPPOSITE = {
    "bends-down": "straightens-up",
    "sits-down": "stands-up",
    "turns-away": "turns-to-camera",
    **{f"raises-{s}-hand": f"lowers-{s}-hand" for s in ("left", "right")},
}
OPPOSITE |= {v: k for k, v in OPPOSITE.items()}
SIDES = {"left": "right", "right": "left"}


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
                for word in GESTURES:
                    if m.holds("gesture", given, word, span, "image"):
                        words = _beside(word, seeded(track.track_id, span.t0, span.t1))
                        claims = m.words("gesture", given, words, span, "image")
                        yield Draft("gesture", args, claims, span.t0, span.t1, _pairs(len(claims)), 4)
                yield Draft("limb", args, m.words("limb", given, LIMBS, span, "image"), span.t0, span.t1, min_options=4)


def _beside(word: str, seed: int) -> list[str]:
    """The word, its opposite if it has one, and the pairs of opposites beside it, in an order of their own.

    Options that hold one pair only would say that one of the two is right.
    """
    mirror = word.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")
    own = OPPOSITE.get(word, mirror if mirror != word else "sits-down")
    pairs = [("raises-left-hand", "lowers-left-hand"), ("raises-right-hand", "lowers-right-hand")]
    pairs += [("waves-left-hand", "waves-right-hand"), ("bends-down", "straightens-up"), ("sits-down", "stands-up")]
    pairs += [("turns-away", "turns-to-camera")]
    rest = [p for p in pairs if word not in p and own not in p]
    k = seed % len(rest)
    return [word, own, *(w for pair in rest[k:] + rest[:k] for w in pair)]


def _pairs(n: int) -> tuple[tuple[int, ...], ...]:
    """The opposite of the answer, and one other pair."""
    return tuple((1, i, i + 1) for i in range(2, n - 1, 2))
