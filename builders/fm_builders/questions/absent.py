"""Which of several statements is false: each about another thing, all of one sort."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind, seeded
from fm_builders.questions.direction import mirrored
from fm_hub.claims.one import DIRECTIONS

__all__ = ["AbsentKind"]


class AbsentKind(QuestionKind):
    """Directions of three or four tracks, one of them provably wrong."""

    name = "absent"
    type = "motion-related objects"
    answer_type = "phrase"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Every three or four tracks that go a clear way all through the clip; one of them, drawn, is told mirrored."""
        ways: dict[str, tuple[str, list[str]]] = {}
        words = tuple(DIRECTIONS)
        for track in m.good:
            true, false = m.decided(m.words("direction", {"track": track.track_id}, words, m.whole))
            if len(true) == 1 and false:
                ways[track.track_id] = words[true[0]], [words[i] for i in false]
        for n in (4, 3):
            for some in combinations(sorted(ways), n):
                seed = seeded("absent", some)
                wrong = some[seed % n]
                taken, denied = ways[wrong]
                word = mirrored(taken) if mirrored(taken) in denied else denied[seed // n % len(denied)]
                told = {t: word if t == wrong else ways[t][0] for t in some}
                claims = [{"predicate": "direction", "args": {"track": t, "is": w}} for t, w in told.items()]
                yield Draft("absent", {}, m.each("not", claims, m.whole), m.whole.t0, m.whole.t1, min_options=n)
