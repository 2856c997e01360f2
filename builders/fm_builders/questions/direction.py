"""Which way something moves: direction, shape of the path, towards or away from the camera."""

from __future__ import annotations

from collections.abc import Iterator

from fm_builders.material import Material
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims.one import DIRECTIONS

__all__ = ["WAYS", "DirectionKind", "mirrored"]

_N = len(DIRECTIONS)
WAYS = tuple(tuple((i + k) % _N for k in range(4)) for i in range(_N)) + tuple(tuple(range(i, _N, 2)) for i in (0, 1))
"""Options of a direction, as places among the eight: four in a row all round, or every other one."""


_ACROSS = {"left": "right", "right": "left"}
_ALONG = {"up": "down", "down": "up", "top": "bottom", "bottom": "top"}


def mirrored(word: str) -> str:
    """The word in a mirror; of what a mirror leaves as it is, the opposite.

    Whatever a thing is called, it does the one about as often as the other: a false word that is the mirrored true one
    is not told from a true one by its name.

    >>> mirrored("up-left"), mirrored("down"), mirrored("raises-left-hand")
    ('up-right', 'up', 'raises-right-hand')
    """
    parts = word.split("-")
    turn = _ACROSS if _ACROSS.keys() & set(parts) else _ALONG
    return "-".join(turn.get(part, part) for part in parts)


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
                t0, t1, given, args = span.t0, span.t1, {"track": track.track_id}, {"a": track.track_id}
                if m.moves(track, span):
                    ways = m.words("direction", given, DIRECTIONS, span)
                    yield Draft("direction", args, ways, t0, t1, WAYS, 4)
                shapes = m.words("path", given, ("straight", "curved", "back-and-forth"), span)
                shapes += m.words("moves", given, (False,), span)
                yield Draft("path", args, shapes, t0, t1, min_options=4, usual=(0, 3))
                if m.camera == "static":
                    sizes = m.words("depth", given, ("approaches", "recedes", "keeps"), span)
                    yield Draft("depth", args, sizes, t0, t1, ((0, 1, 2), (0, 1)), 3, (2,))
