"""How the view itself moves."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind, seeded
from fm_hub.claims.view import VIEWS

__all__ = ["CameraKind"]


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
            still = VIEWS.index("static")
            others = [i for i in range(len(VIEWS)) if i != still]
            turn = seeded("view", m.clip.clip_id, span.t0) % len(others)
            around = others[turn:] + others[:turn]
            moving = tuple((still, *two) for two in zip(around, around[2:] + around[:2], strict=True))
            resting = tuple(tuple(around[(i + k) % len(around)] for k in (0, 2, 5)) for i in range(len(around)))
            yield Draft("view", {}, views, span.t0, span.t1, moving + resting, 4, (still,), 8)
