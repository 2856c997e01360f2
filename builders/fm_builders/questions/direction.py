"""Which way something moves: direction, shape of the path, towards or away from the camera."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Claim

__all__ = ["DirectionKind"]


class DirectionKind(QuestionKind):
    """One track: its direction in 8 words, the shape of its path, its change of size."""

    name = "direction"
    type = "motion recognition"
    answer_type = "direction"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """Three families for every window of every good track."""
        for track in m.good:
            for span in m.spans(track):
                t0, t1, a = span.t0, span.t1, {"track": track.track_id}

                def claim(predicate: str, word: str, a: dict[str, str] = a, t0: float = t0, t1: float = t1) -> Claim:
                    return Claim.of(predicate, {**a, "is": word}, t0, t1, m.frame)

                args = {"a": track.track_id}
                yield Draft("direction", args, [claim("direction", w) for w in DIRECTIONS], t0, t1)
                shapes = [claim("path", w) for w in ("straight", "curved", "back-and-forth")]
                rests = Claim.of("moves", {**a, "is": False}, t0, t1, m.frame)
                yield Draft("path", args, [*shapes, rests], t0, t1, min_options=4, usual=(0,))
                if m.camera == "static":
                    sizes = [claim("depth", w) for w in ("approaches", "recedes", "keeps")]
                    yield Draft("depth", args, sizes, t0, t1, usual=(2,))
