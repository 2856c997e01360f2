"""How the view itself moves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.view import VIEWS

__all__ = ["CameraKind"]

STILL = VIEWS.index("static")
SETS = tuple((STILL, *three) for three in combinations([i for i in range(len(VIEWS)) if i != STILL], 3))


class CameraKind(QuestionKind):
    """The motion of the camera in the clip, and in its halves."""

    name = "camera"
    type = "camera motion"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """One family for every window of the clip; that it stands still is always among the options."""
        for span in m.whole.with_halves():
            views = m.words("view", {}, VIEWS, span, "image")
            yield Draft("view", {}, views, span.t0, span.t1, SETS, 4, (STILL,), 8)
