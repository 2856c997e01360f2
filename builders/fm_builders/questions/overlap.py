"""How two stretches of time lie to each other: one before, within, or over the end of the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind, seeded
from fm_hub.claims.intervals import RELATIONS

__all__ = ["OverlapKind"]

PAIRS = tuple(
    tuple(RELATIONS.index(word) for word in pair)
    for pair in (("before", "after"), ("during", "contains"), ("overlaps", "overlapped"))
)
SETS = tuple((*a, *b) for a, b in combinations(PAIRS, 2))
"""Options: two relations, each with that which the stretches have in the other order."""


class OverlapKind(QuestionKind):
    """Movements and contacts, two at a time."""

    name = "overlap"
    type = "action order"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Every two episodes of the clip."""
        episodes: list[dict[str, Any]] = [{"episode": "moves", "track": t.track_id} for t in m.good if m.complete(t)]
        good = {t.track_id for t in m.good}
        pairs = sorted({(c.a, c.b) for c in m.annotation.contacts if {c.a, c.b} <= good})
        episodes += [{"episode": "contact", "a": a, "b": b} for a, b in pairs]
        for first, then in combinations(episodes, 2):
            if seeded(first, then) % 2:
                first, then = then, first
            claims = m.words("when", {"first": first, "then": then}, RELATIONS, m.whole)
            yield Draft("when", {"first": first, "then": then}, claims, m.whole.t0, m.whole.t1, SETS, 4)
