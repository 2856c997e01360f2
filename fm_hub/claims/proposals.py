"""Claims that may be made: measured as they are, in groups, and spelled only where they are published.

Of a hundred proposals about a clip some ten become options; to spell one, and to read it again, costs several times
what its measure costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, overload

from fm_hub.claims.predicates import PREDICATES
from fm_hub.claims.scene import Scene
from fm_hub.claims.verdict import DECIDED, UNCHECKED, Verdict
from fm_hub.records import Claim, Frame, canonical_json

__all__ = ["Proposal", "Proposals", "measure", "window_of"]

ALMOST = DECIDED - 1e-6  # margins from here on are decided once they are rounded


@lru_cache(maxsize=1 << 12)
def window_of(t0: float, t1: float, frame: Frame = "image") -> Claim:
    """What proposals about the same time have in common: a claim without predicate and arguments."""
    return Claim("", "", frame, round(float(t0), 3) + 0.0, round(float(t1), 3) + 0.0)


class Proposal:
    """A claim that may be made: a predicate with well formed ``args``, in a window of :func:`window_of`."""

    __slots__ = ("args", "predicate", "window")

    def __init__(self, predicate: str, args: Mapping[str, Any], window: Claim) -> None:
        self.predicate = predicate
        self.args = args
        self.window = window

    @property
    def claim(self) -> Claim:
        """The claim, spelled."""
        w = self.window
        return Claim(self.predicate, canonical_json(self.args), w.frame, w.t0, w.t1)


def measure(scene: Scene, proposal: Proposal) -> Verdict:
    """The verdict that :func:`~fm_hub.claims.check` gives on the claim that is proposed, but for its rounding.

    True and false are the same, as what rounding could change is rounded.
    """
    return _decided(PREDICATES[proposal.predicate].check(scene, proposal.args, proposal.window))


def _decided(verdict: Verdict) -> Verdict:
    return verdict.rounded() if ALMOST < abs(verdict.margin) < DECIDED else verdict


class _Words:
    """The words of a predicate in one window, with the same other arguments."""

    __slots__ = ("given", "predicate", "window", "words")

    def __init__(self, predicate: str, window: Claim, given: Mapping[str, Any], words: Sequence[Any]) -> None:
        self.predicate, self.window, self.given, self.words = predicate, window, given, words

    def __len__(self) -> int:
        return len(self.words)

    def args(self, place: int) -> Mapping[str, Any]:
        return {**self.given, "is": self.words[place]}

    def measured(self, scene: Scene) -> list[Verdict]:
        predicate = PREDICATES[self.predicate]
        if predicate.words is None:
            return [_decided(predicate.check(scene, self.args(i), self.window)) for i in range(len(self.words))]
        found = predicate.words(scene, self.given, self.window)
        if found is None:
            return [UNCHECKED] * len(self.words)
        return [_decided(found.get(word, UNCHECKED)) for word in self.words]


class _Each:
    """Claims of a predicate in one window, each with arguments of its own."""

    __slots__ = ("all_args", "predicate", "window")

    def __init__(self, predicate: str, window: Claim, all_args: Sequence[Mapping[str, Any]]) -> None:
        self.predicate, self.window, self.all_args = predicate, window, all_args

    def __len__(self) -> int:
        return len(self.all_args)

    def args(self, place: int) -> Mapping[str, Any]:
        return self.all_args[place]

    def measured(self, scene: Scene) -> list[Verdict]:
        check = PREDICATES[self.predicate].check
        return [_decided(check(scene, args, self.window)) for args in self.all_args]


class Proposals(Sequence[Proposal]):
    """Claims that may be made in place of each other, such as the options of a question: ``a + b`` joins them."""

    __slots__ = ("_groups",)

    def __init__(self, *groups: _Words | _Each) -> None:
        self._groups = groups

    @classmethod
    def words(cls, predicate: str, window: Claim, given: Mapping[str, Any], words: Sequence[Any]) -> Proposals:
        """The words of a predicate in a window."""
        return cls(_Words(predicate, window, given, words))

    @classmethod
    def each(cls, predicate: str, window: Claim, all_args: Sequence[Mapping[str, Any]]) -> Proposals:
        """A predicate in a window, with each of these arguments."""
        return cls(_Each(predicate, window, all_args))

    def measured(self, scene: Scene) -> list[Verdict]:
        """What :func:`measure` gives for each."""
        if len(self._groups) == 1:
            return self._groups[0].measured(scene)
        return [verdict for group in self._groups for verdict in group.measured(scene)]

    def __add__(self, other: Proposals) -> Proposals:
        return Proposals(*self._groups, *other._groups)

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    @overload
    def __getitem__(self, place: int) -> Proposal: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Proposal]: ...
    def __getitem__(self, place: int | slice) -> Proposal | Sequence[Proposal]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        at = place
        for group in self._groups:
            if 0 <= at < len(group):
                return Proposal(group.predicate, group.args(at), group.window)
            at -= len(group)
        raise IndexError(place)

    def __iter__(self) -> Iterator[Proposal]:
        return (Proposal(g.predicate, g.args(i), g.window) for g in self._groups for i in range(len(g)))
