"""How many: turns back and forth, objects at once, objects on the move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind, in_a_row
from fm_hub.claims import measure
from fm_hub.records import Frame
from fm_hub.wording import UNNAMED

__all__ = ["CountKind", "numbers"]

HIGHEST = 12


class CountKind(QuestionKind):
    """Four numbers in a row, of which the true one is any."""

    name = "count"
    type = "repetition count"
    answer_type = "number"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Reversals of every window; the classes of the clip."""
        for track in m.good:
            for span in m.spans(track):
                yield from numbers(m, "reversals", {"track": track.track_id}, {"a": track.track_id}, span, 0, m.frame)
        for label in m.labels():
            # A class with a doubtful track is not counted: the doubtful one might be real, or not.
            # Things without a class of their own are not counted either: there is no telling what counts.
            if label != UNNAMED and all(t in m.good for t in m.annotation.tracks if t.label == label):
                yield from numbers(m, "at_once", {"label": label}, {"label": label}, m.whole, 1, "image")
                # One object whose track broke would count twice: all tracks of the class must be seen at once.
                n = sum(t.label == label for t in m.good)
                if m.holds("at_once", {"label": label}, n, m.whole, "image"):
                    yield from numbers(m, "moving_count", {"label": label}, {"label": label}, m.whole, 0, m.frame)


def numbers(
    m: Material,
    predicate: str,
    given: Mapping[str, Any],
    args: Mapping[str, Any],
    span: Span,
    lowest: int,
    frame: Frame,
    thin: int = 8,
) -> Iterator[Draft]:
    """The number of something, among four in a row of which it is any one; the ``lowest`` one time in ``thin``."""
    value = measure(m.scene, m.propose(predicate, {**given, "is": 0}, span, frame)).value
    if value == value and lowest <= value <= HIGHEST:
        low = max(lowest, int(value) - 3)
        claims = m.words(predicate, given, range(low, int(value) + 4), span, frame)
        usual = tuple(i for i in range(len(claims)) if low + i == lowest)
        yield Draft(predicate, args, claims, span.t0, span.t1, in_a_row(len(claims)), 4, usual, thin)
