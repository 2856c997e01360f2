"""How many: turns back and forth, objects at once, objects on the move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind, in_a_row
from fm_hub.claims import measure
from fm_hub.records import Frame
from fm_hub.wording import UNNAMED

__all__ = ["CountKind", "leaning", "numbers"]

HIGHEST = 12
TURNS, TOGETHER, MOVING = {0: 32}, {1: 8}, {0: 2, 1: 8}
"""The numbers that are commonest of each sort, and how many of their drafts make one question: most things never turn,
and most that are alone in their class move."""


class CountKind(QuestionKind):
    """Numbers in a row, of which each is the true one about as often."""

    name = "count"
    type = "repetition count"
    answer_type = "number"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Reversals of every window; the classes of the clip."""
        for track in m.good:
            for span in m.spans(track):
                given, args = {"track": track.track_id}, {"a": track.track_id}
                yield from numbers(m, "reversals", given, args, span, 0, m.frame, TURNS)
        for label in m.labels():
            # A class with a doubtful track is not counted: the doubtful one might be real, or not.
            # Things without a class of their own are not counted either: there is no telling what counts.
            if label != UNNAMED and all(t in m.good for t in m.annotation.tracks if t.label == label):
                yield from numbers(m, "at_once", {"label": label}, {"label": label}, m.whole, 1, "image", TOGETHER)
                # One object whose track broke would count twice: all tracks of the class must be seen at once.
                n = sum(t.label == label for t in m.good)
                if m.holds("at_once", {"label": label}, n, m.whole, "image"):
                    given = {"label": label}
                    yield from numbers(m, "moving_count", given, given, m.whole, 0, m.frame, MOVING)


def numbers(
    m: Material,
    predicate: str,
    given: Mapping[str, Any],
    args: Mapping[str, Any],
    span: Span,
    lowest: int,
    frame: Frame,
    usual: Mapping[int, int],
) -> Iterator[Draft]:
    """The number of something, among four or three in a row; ``usual`` numbers once in so many drafts."""
    value = measure(m.scene, m.propose(predicate, {**given, "is": 0}, span, frame)).value
    if value == value and lowest <= value <= HIGHEST:
        low = max(lowest, int(value) - 3)
        claims = m.words(predicate, given, range(low, int(value) + 4), span, frame)
        key = int(value) - low
        common = (key,) if int(value) in usual else ()
        thin = usual.get(int(value), 1)
        yield Draft(predicate, args, claims, span.t0, span.t1, leaning(len(claims), key), 4, common, thin)


def leaning(n: int, key: int) -> tuple[tuple[int, ...], ...]:
    """Of so many candidates the rows that hold the key, each as often as it is to be drawn.

    A place further up is twice as likely: where each number is half as often true as the one before it, every number of
    a row is then true as often as the others.

    >>> leaning(4, 1)
    ((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2), (0, 1, 2), (1, 2, 3))
    """
    return tuple(row for row in in_a_row(n) if key in row for _ in range(2 ** row.index(key)))
