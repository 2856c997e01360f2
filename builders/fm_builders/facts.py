"""Facts: every claim that questions and captions rest on, once, with its measured value."""

from __future__ import annotations

from collections.abc import Iterable

from fm_builders.material import Material
from fm_hub.claims import check
from fm_hub.records import Caption, Fact, Question, fact_id

__all__ = ["facts_of"]


def facts_of(m: Material, questions: Iterable[Question], caption: Caption | None) -> list[Fact]:
    """The true claims under the answers and the sentences of one clip, in order of id."""
    claims = {q.options[q.answer].claim for q in questions}
    claims |= {s.claim for s in caption.sentences if s.claim.predicate} if caption else set()
    facts = []
    for claim in claims:
        v = check(m.scene, claim)
        facts.append(Fact(fact_id(m.clip.clip_id, claim), m.clip.clip_id, claim, v.value, v.tolerance, v.margin))
    return sorted(facts, key=lambda f: f.fact_id)
