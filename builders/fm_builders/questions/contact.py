"""What is touched, held, carried, and by which hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from fm_builders.material import Material, Span
from fm_builders.questions import MAX_OPTIONS, Draft, QuestionKind
from fm_hub.records import Track

__all__ = ["ContactKind"]

FAMILIES = {"held": "holds", "touched": "touches", "carried": "carries"}


class ContactKind(QuestionKind):
    """The one thing among several that a hand or a person is in contact with; left or right hand.

    Some things are hardly ever held or touched: asked again, the question is which of two, where each may be.
    """

    name = "contact"
    type = "motion-related objects"
    answer_type = "label"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Every actor with a contact, against all other good tracks."""
        good = {t.track_id: t for t in m.good}
        actors = sorted({c.a for c in m.annotation.contacts if c.a in good})
        for actor in actors:
            span = m.stretch(good[actor])
            if span is None:
                continue
            others = [t for t in m.good if t.track_id not in (actor, good[actor].parent) and t.parent != actor]
            for family, predicate in FAMILIES.items():
                yield self._which(m, family, predicate, actor, others, span)
            yield from self._hand(m, good[actor], others, span)

    def _which(self, m: Material, family: str, predicate: str, actor: str, others: list[Track], span: Span) -> Draft:
        frame = m.frame if predicate == "carries" else "image"  # to touch and to hold is the same against anything
        claims = m.each(predicate, [{"a": actor, "b": t.track_id} for t in others], span, frame)
        true, false = m.decided(claims)
        known = sorted([*true, *false])
        sets = (*combinations(known, min(len(known), MAX_OPTIONS)), *combinations(known, 2))
        return Draft(family, {"a": actor}, claims, span.t0, span.t1, sets)

    def _hand(self, m: Material, hand: Track, others: list[Track], span: Span) -> Iterator[Draft]:
        if hand.label != "hand" or not hand.parent:
            return
        for thing in others:
            touch = m.propose("touches", {"a": hand.track_id, "b": thing.track_id}, span, "image")
            alone = not any(
                {c.b, c.a} & {thing.track_id} and hand.track_id not in (c.a, c.b) for c in m.annotation.contacts
            )
            if alone and m.true(touch):
                sides = m.words("hand_side", {"track": hand.track_id}, ("left", "right"), span, "image")
                yield Draft("hand_side", {"b": thing.track_id}, sides, span.t0, span.t1, min_options=2)
