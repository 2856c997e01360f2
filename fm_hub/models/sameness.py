"""Is sharing invisible? Ways of sharing are compared with the plain way before they are trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CHECKS", "Answer", "Trust"]

CHECKS = 2
"""Questions that are asked the plain way as well before a way of sharing is trusted."""
LONGER = 1.5
"""A prompt this much longer than any that was checked is checked too."""
EXACT = 1e-3
"""float32: the largest difference of any logit, in standard deviations of the logits."""
CLOSE = 0.05
"""Half precision: the root mean square of the differences, in the same unit."""
SURE = 0.1
"""Half precision: where the plain logits of the best two tokens are further apart, the best must be the same."""


@dataclass(frozen=True, eq=False)
class Answer:
    """The logits (vocabulary,) after one prompt, float32, and the mode that gave them; or what went wrong."""

    logits: Any = None
    mode: str = ""
    error: Exception | None = None


class Trust:
    """What is known of each way of sharing, and told in ``notes``, a line a finding."""

    def __init__(self, ways: Sequence[str]) -> None:
        self.notes: list[str] = []
        self.rejected: set[str] = set()
        self._checked = dict.fromkeys(ways, 0)
        self._longest = dict.fromkeys(ways, 0)

    def holds(
        self,
        way: str,
        answers: Sequence[Answer],
        lengths: Sequence[int],
        plain: Callable[[int], Answer],
        dtype: Any,
    ) -> bool:
        """Whether answers got that ``way`` may be used: what is due to be checked agrees with the plain way.

        ``lengths``: tokens of each prompt. ``plain`` asks the prompt of an index the plain way.
        """
        for i in self._due(way, lengths):
            reference = plain(i)
            if reference.error:
                return True  # nothing to compare with: the answers stand or fall as they are
            trouble = _trouble(answers[i], reference.logits, dtype)
            if trouble:
                self.rejected.add(way)
                self.notes.append(f"{way}: not used, {trouble}")
                return False
            self._checked[way] += 1
            self.notes.append(
                f"{way}: like the plain way at {lengths[i]} tokens, "
                f"largest difference {float((answers[i].logits - reference.logits).abs().max()):.1e}"
            )
            self._longest[way] = max(self._longest[way], *lengths)
        return True

    def believe(self, way: str) -> None:
        """Check ``way`` no more: for measuring what the checks cost."""
        self._checked[way], self._longest[way] = CHECKS, 1 << 30

    def _due(self, way: str, lengths: Sequence[int]) -> list[int]:
        missing = CHECKS - self._checked[way]
        if missing <= 0 and max(lengths) <= LONGER * self._longest[way]:
            return []
        by_length = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        return list(dict.fromkeys((by_length[0], by_length[-1]))) if missing > 1 else by_length[:1]


def _trouble(answer: Answer, reference: Any, dtype: Any) -> str:
    """Why an answer is not the plain one; empty if it is."""
    import torch

    if answer.error is not None:
        return f"it fails with {type(answer.error).__name__}: {' '.join(str(answer.error).split())[:120]}"
    # Some vocabularies hold tokens that can never come: minus infinity both ways is no difference.
    gaps = torch.where(answer.logits == reference, 0.0, answer.logits - reference).abs()
    unit = float(reference[reference.isfinite()].std())
    if not bool(torch.isfinite(gaps).all()) or not unit > 0:
        return "" if bool(torch.equal(answer.logits, reference)) else "its logits are not finite"
    if dtype == torch.float32 or dtype == torch.float64:
        worst = float(gaps.max()) / unit
        return f"its logits differ by {worst:.1e} standard deviations" if worst > EXACT else ""
    usual = float((gaps**2).mean() ** 0.5) / unit
    if usual > CLOSE:
        return f"its logits differ by {usual:.1e} standard deviations on average"
    best = reference.topk(2)
    sure = float(best.values[0] - best.values[1]) > SURE
    if sure and int(answer.logits.argmax()) != int(best.indices[0]):
        return "another token comes first where the plain way is sure"
    return ""
