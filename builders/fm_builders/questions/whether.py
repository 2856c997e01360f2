"""Checks against false positives: is it so, or not; does it move at all.

A coin that the question's own parts decide says whether a true or a false statement is put, so that neither "yes" nor
"no" is the likelier answer. The false one is mostly what another thing of that name would do as often: the other way,
the other hand; straight ahead, which most things go, is seldom said of what does.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind, seeded
from fm_builders.questions.direction import mirrored
from fm_builders.questions.gesture import PAIRS
from fm_hub.claims import Proposals
from fm_hub.claims.body import GESTURES
from fm_hub.claims.events import BORDERS
from fm_hub.claims.one import DIRECTIONS
from fm_hub.claims.shape import SHAPES
from fm_hub.records import Frame, Track

__all__ = ["WhetherKind"]

USUAL = SHAPES[0]
_N = len(DIRECTIONS)
AT_ALL = tuple((*three, _N) for i in (0, 1) for three in combinations(range(i, _N, 2), 3))
"""Options of a direction that may be none, as places among the eight and then "none": three of every other, none."""


class WhetherKind(QuestionKind):
    """A statement about one track that is true or provably false; the direction of what may stand still."""

    name = "whether"
    type = "motion recognition"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """One statement of every sort that can be decided, for every window of every track."""
        for track in m.good:
            for span in m.spans(track):
                yield from _statements(m, track, span)
                yield _at_all(m, track, span)


def _statements(m: Material, track: Track, span: Span) -> Iterator[Draft]:
    given = {"track": track.track_id}
    sorts: list[tuple[str, str, tuple[str, ...], Frame]] = [
        ("direction", "is", tuple(DIRECTIONS), m.frame),
        ("shape", "is", SHAPES, m.frame),
        ("gesture", "is", GESTURES, "image"),
    ]
    if m.camera == "static" and span == m.whole:
        sorts += [(event, "side", BORDERS, "image") for event in ("enters", "leaves")]
    for predicate, key, words, frame in sorts:
        true, false = m.decided(_said(m, predicate, given, key, words, span, frame))
        if len(true) != 1 or not false:
            continue  # where nothing is true, "no" would be the only answer that can be asked for
        coin = seeded("whether", predicate, track.track_id, span.t0, span.t1)
        word = _put(predicate, words[true[0]], [words[i] for i in false], coin)
        deed: dict[str, Any] = {"predicate": predicate, "args": {key: word}}
        denied = m.each("not", [{"predicate": predicate, "args": {**given, key: word}}], span, frame)
        args = {"a": track.track_id, "deed": deed}
        yield Draft(
            "whether",
            args,
            _said(m, predicate, given, key, (word,), span, frame) + denied,
            span.t0,
            span.t1,
            min_options=2,
        )


def _put(predicate: str, true: str, false: list[str], coin: int) -> str:
    """The word that is put: the true one, or one of the false ones."""
    throw, rest = coin % 12, coin // 12
    other = false[rest % len(false)]
    if predicate == "shape":
        if true == USUAL:
            return true if throw < 3 else other
        return true if throw < 8 else USUAL if throw < 10 and USUAL in false else other
    twins = (mirrored(true), *(b if a == true else a for a, b in PAIRS if true in (a, b)))
    return true if throw < 6 else next((w for w in twins if w in false), other) if throw < 11 else other


def _said(
    m: Material, predicate: str, given: dict[str, Any], key: str, words: tuple[str, ...], span: Span, frame: Frame
) -> Proposals:
    if key == "is":
        return m.words(predicate, given, words, span, frame)
    return m.each(predicate, [{**given, key: w} for w in words], span, frame)


def _at_all(m: Material, track: Track, span: Span) -> Draft:
    """Its direction, with "it stays" always among the options."""
    given = {"track": track.track_id}
    ways = m.words("direction", given, tuple(DIRECTIONS), span)
    rests = m.words("moves", given, (False,), span)
    return Draft("whether_moves", {"a": track.track_id}, ways + rests, span.t0, span.t1, AT_ALL, 4, (_N,))
