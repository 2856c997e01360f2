"""The answer of a check: value, tolerance and signed margin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

__all__ = ["DECIDED", "UNCHECKED", "Verdict", "Words", "affirmed", "agree", "both", "difficulty", "three_way", "trend"]

DECIDED = 2.0
"""A claim is true at margin ≥ 2 and false at margin ≤ −2; between, nothing is asked."""
CAP = 99.0


class Verdict(NamedTuple):
    """``value`` and ``tolerance`` in the predicate's unit; ``margin`` in tolerances, positive if the claim holds."""

    value: float
    tolerance: float
    margin: float

    @property
    def true(self) -> bool:
        """Whether the claim is true with room to spare."""
        return self.margin >= DECIDED

    @property
    def false(self) -> bool:
        """Whether the claim is false with room to spare."""
        return self.margin <= -DECIDED

    def rounded(self) -> Verdict:
        """As published: margin within ±99, everything to 6 decimals; what is not a number proves nothing."""
        if math.isnan(self.margin):
            return UNCHECKED
        margin = float(max(-CAP, min(CAP, self.margin)))
        return Verdict(round(float(self.value), 6) + 0.0, round(float(self.tolerance), 6) + 0.0, round(margin, 6) + 0.0)


UNCHECKED = Verdict(math.nan, math.nan, 0.0)
"""What a claim gets that cannot be checked: it is neither true nor false."""


Words = Mapping[str | bool, Verdict]
"""The verdicts of all words of a predicate, which are measured together."""


def difficulty(margins: Iterable[float]) -> Literal["easy", "medium", "hard"]:
    """How close a question is, by the narrowest margin among its options: below 4 hard, below 8 medium."""
    narrow = min(map(abs, margins))
    return "hard" if narrow < 4 else "medium" if narrow < 8 else "easy"


def both(lead: Verdict, *margins: float) -> Verdict:
    """A conjunction: the smallest margin, with the lead part's value and tolerance."""
    value, tolerance, least = lead
    for m in margins:
        if m < least:
            least = m
        elif m != m:
            return Verdict(value, tolerance, math.nan)
    return Verdict(value, tolerance, least)


def agree(m: float, *others: float) -> float:
    """The margin of what several measures say: of one mind, the smallest one's; else none."""
    for other in others:
        if m * other > 0:
            m = other if abs(other) < abs(m) else m
        else:
            m = 0.0 * m * other
    return m


def affirmed(m: float, *needed: float) -> float:
    """The margin of what holds only where all of ``needed`` does too, but is not denied where one of them fails."""
    least = min(needed)
    return m if m <= 0 else min(m, least) if least > 0 else 0.0


def three_way(q: float, theta: float, tol: float) -> tuple[float, float, float]:
    """Margins of "above theta", "below −theta" and "between" for a signed quantity."""
    return (q - theta) / tol, (-theta - q) / tol, (theta - abs(q)) / tol


def trend(q: float, m: float, theta: float, tol: float) -> tuple[float, float, float]:
    """Margins of "rises", "falls" and "stays" for a change ``q`` to the end and ``m`` to the middle."""
    rises = min(q - theta, m + theta, q - m + theta)
    falls = min(-theta - q, theta - m, m - q + theta)
    return rises / tol, falls / tol, min(theta - abs(q), theta - abs(m)) / tol
