"""What is asked: a question, the hash of its row, and where its video may lie."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import overload

from fm_hub.records import Caption, Question

__all__ = ["Item", "Items", "groups"]


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


class Items(Sequence[Item]):
    """Items by clip, view and id, each made when it is asked for: what is kept is their order.

    ``content`` is a hash of the ids and rows of all that were found, for a data set whose manifest has none;
    ``widest`` is one of those with the most options.
    """

    def __init__(self, made: Callable[[int], Item], order: Sequence[int], content: str, widest: Item) -> None:
        self._made = made
        self._order = order
        self.content = content
        self.widest = widest

    @classmethod
    def found(cls, items: Iterable[Item], again: Callable[[int], Item]) -> Items:
        """Look at items once, in any order; ``again`` makes the one of a number as often as it is needed.

        Raises ``ValueError`` if there are none.
        """
        widest: Item | None = None
        places = []
        for item in items:
            clip_id, t0, t1, question_id = item.place
            places.append((clip_id, t0, t1, f"{question_id} {item.row_sha}"))
            if widest is None or len(item.question.options) > len(widest.question.options):
                widest = item
        if widest is None:
            raise ValueError("no items")
        order = array("q", sorted(range(len(places)), key=places.__getitem__))
        digest = hashlib.sha256()
        for n, row in enumerate(sorted(row for *_, row in places)):
            digest.update(f"{chr(10) if n else ''}{row}".encode())
        return cls(again, order, digest.hexdigest(), widest)

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, n: int) -> Item: ...
    @overload
    def __getitem__(self, n: slice) -> Items: ...
    def __getitem__(self, n: int | slice) -> Item | Items:
        if isinstance(n, slice):
            return Items(self._made, self._order[n], self.content, self.widest)
        return self._made(self._order[n])


def groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items by clip and view; each group is one call of the model."""
    return (list(members) for _, members in groupby(items, key=lambda i: i.group))
