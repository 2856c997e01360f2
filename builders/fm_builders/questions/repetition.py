"""How often, and how quickly, a hand, knee or foot goes there and back."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind, in_a_row
from fm_builders.questions.count import numbers
from fm_hub.claims.body import REPEATING

__all__ = ["RepetitionKind"]

PERIODS = ((0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 99.0))

USUAL = {0: 24, 1: 6}
"""Of how many joints that never go there and back, or once, one is asked about."""


class RepetitionKind(QuestionKind):
    """The number and the time of a joint's repetitions."""

    name = "repetition"
    type = "repetition count"
    answer_type = "number"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Every joint of every body, in every window."""
        for track in m.good:
            if track.track_id not in m.scene.keypoints:
                continue
            for span in m.spans(track):
                for joint in REPEATING[1:]:
                    given, args = {"track": track.track_id, "joint": joint}, {"a": track.track_id, "joint": joint}
                    yield from numbers(m, "repeats", given, args, span, 0, "image", USUAL)
                    times = m.between("period", given, PERIODS, span, "image")
                    yield Draft("period", args, times, span.t0, span.t1, in_a_row(len(times)), 4)
