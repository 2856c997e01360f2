"""What is asked: a question, the hash of its row, and where its video may lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from fm_hub.records import Caption, Question

__all__ = ["Item", "groups"]


@dataclass(frozen=True)
class Item:
    """A question and the hash of its row.

    ``published`` is the question's text as a data set of other people has it; ``videos`` the names under which
    its video may lie (the first that is there counts); ``problem`` why it cannot be asked; ``keyed`` is false
    where the right answer is not published; ``caption`` is the reference where a description is asked for.
    """

    question: Question
    row_sha: str
    published: str = ""
    videos: tuple[str, ...] = ()
    problem: str = ""
    keyed: bool = True
    caption: Caption | None = None

    @property
    def place(self) -> tuple[str, float, float, str]:
        """What items are sorted by: the clip, the view, the question."""
        q = self.question
        return q.clip_id, q.view_t0, q.view_t1, q.question_id

    @property
    def group(self) -> tuple[str, float, float]:
        """Items of one group are scored in one call: the same clip and view."""
        return self.place[:3]

    @property
    def files(self) -> tuple[str, ...]:
        """The names under which the video may lie."""
        return self.videos or (self.question.video_file,)

    def renamed(self, question_id: str) -> Item:
        """The same item under another id."""
        return replace(self, question=replace(self.question, question_id=question_id))


def groups(items: Sequence[Item]) -> list[list[Item]]:
    """The items by clip and view; each group is one call of the model."""
    return [list(members) for _, members in groupby(items, key=lambda i: i.group)]
