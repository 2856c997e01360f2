"""Is sharing invisible? Ways of sharing are compared with the plain way, at the start and all along.

A check at the start alone would say nothing of clips of other shapes that come later. So one question of each
:data:`EVERY` is asked the plain way as well, the first at once; and a check that fails takes back what was answered
in that way since it last passed one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["EVERY", "Answer", "Trust"]

EVERY = 100
"""Of so many questions that are answered by a way of sharing, one is asked the plain way as well."""
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
    """The logits (vocabulary,) after one prompt, float32, and the mode that gave them; or what went wrong.

    ``way`` is the way of sharing whose checks vouch for it; empty for the plain way.
    """

    logits: Any = None
    mode: str = ""
    error: Exception | None = None
    way: str = ""


class Trust:
    """What is known of each way of sharing, and told in ``notes``, a line a finding.

    ``verdicts`` are the ways that were checked, in order, and whether they passed.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.rejected: set[str] = set()
        self.verdicts: list[tuple[str, bool]] = []
        self._answered = Counter[str]()
        self._checked = Counter[str]()
        self._longest = Counter[str]()

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
        i = self.due(way, lengths)
        if i is None:
            return True
        reference = plain(i)
        if reference.error:
            return True  # nothing to compare with: the answers stand or fall as they are
        trouble = _trouble(answers[i], reference.logits, dtype)
        if trouble:
            self.failed(way, f"not used, {trouble}")
            return False
        worst = float((answers[i].logits - reference.logits).abs().max())
        self.passed(way, lengths, f"like the plain way at {lengths[i]} tokens, largest difference {worst:.1e}")
        return True

    def due(self, way: str, lengths: Sequence[int]) -> int | None:
        """Which of the prompts that ``way`` has answered is to be asked the plain way as well, if one is.

        By turns the shortest, which is padded most, and the longest; a prompt that is longer than any before it
        comes first.
        """
        before, checked = self._answered[way], self._checked[way]
        self._answered[way] += len(lengths)
        longer = checked > 0 and max(lengths) > LONGER * self._longest[way]
        if not longer and before < checked * EVERY:
            return None
        by_length = sorted(range(len(lengths)), key=lambda i: lengths[i])
        return by_length[-1 if longer or checked % 2 else 0]

    def passed(self, way: str, lengths: Sequence[int], finding: str) -> None:
        """One of the prompts was answered as the plain way answers it."""
        self._checked[way] += 1
        self._longest[way] = max(self._longest[way], *lengths)
        self.verdicts.append((way, True))
        self.notes.append(f"{way}: {finding}")

    def failed(self, way: str, finding: str) -> None:
        """Use ``way`` no more."""
        self.rejected.add(way)
        self.verdicts.append((way, False))
        self.notes.append(f"{way}: {finding}")

    def believe(self, way: str) -> None:
        """Check ``way`` no more: for measuring what the checks cost."""
        self._checked[way], self._longest[way] = 1 << 30, 1 << 30


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
