"""Which of several statements is false: each about another thing, all of one sort."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind, seeded
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Claim

__all__ = ["AbsentKind"]


class AbsentKind(QuestionKind):
    """Directions of three or four tracks, one of them provably wrong."""

    name = "absent"
    type = "motion-related objects"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Every three or four tracks that go a clear way all through the clip; the turn of the false one is drawn."""
        ways: dict[str, tuple[str, list[str]]] = {}
        for track in m.good:
            claims = {w: self._claim(m, track.track_id, w) for w in DIRECTIONS}
            true = [w for w, c in claims.items() if m.true(c)]
            false = [w for w, c in claims.items() if m.false(c)]
            if len(true) == 1 and false:
                ways[track.track_id] = true[0], false
        for n in (4, 3):
            for some in combinations(sorted(ways), n):
                seed = seeded("absent", some)
                wrong = some[seed % n]
                word = ways[wrong][1][seed // n % len(ways[wrong][1])]
                told = {t: word if t == wrong else ways[t][0] for t in some}
                denied = [self._denied(m, t, w) for t, w in told.items()]
                yield Draft("absent", {}, denied, m.whole.t0, m.whole.t1, min_options=n)

    def _claim(self, m: Material, track: str, word: str) -> Claim:
        return Claim.of("direction", {"track": track, "is": word}, m.whole.t0, m.whole.t1, m.frame)

    def _denied(self, m: Material, track: str, word: str) -> Claim:
        inner = {"predicate": "direction", "args": {"track": track, "is": word}}
        return Claim.of("not", inner, m.whole.t0, m.whole.t1, m.frame)
