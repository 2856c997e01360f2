"""Every error that fm-hub raises on purpose, as one tree.

::

    FmError
    ├── UserError            one line: what, where, what to do; exit 2, nothing written
    │   ├── BadRecipe        a recipe that does not parse or names what does not exist
    │   ├── BadTask          a task file that does not parse
    │   ├── UnknownName      no plugin, recipe, config or command of that name (did-you-mean)
    │   ├── MissingExtra     an optional package is not installed (the pip line)
    │   ├── BadDataset       a folder or repository that is not a dataset of ours
    │   └── BadOutput        an output folder that holds something else, or cannot be written
    ├── ItemFailed           an item failed, and the user said to stop there; finished work is kept
    ├── HubError             the Hub said no, or was lost; exit 1, work kept: the same command with --resume
    │   └── Conflict         someone else was first: nothing of theirs is touched
    └── ItemError            data on the item: recorded with its class name as the reason
        ├── EmptyFile        zero bytes
        ├── NotAVideo        the container cannot be opened
        ├── NoVideoStream    a container without pictures (audio only)
        ├── DecodeError      the pictures cannot be decoded, or break off
        ├── TooShort         fewer frames, or less time, than a clip needs
        ├── UnreadableFile   missing, a dangling link, no permission
        ├── ModelError       a model failed on this input
        ├── Unavailable      a disk or a network did not answer; tried again
        ├── Timeout          the worker ran past its limit and was stopped; tried again
        ├── Crash            the worker process died; tried again
        ├── OutOfMemory      the worker needed more memory than it may have; tried again with nothing beside it
        ├── Rejected         a server of a language model takes the request for a bad one
        ├── Refusal          a language model will not answer, or a filter took its answer away
        ├── CutOff           a reply that the limit of tokens cut off
        ├── BadReply         a reply that is too long, or does not fit its schema, also after one repair
        ├── BudgetSpent      the budget does not allow another request; nothing was sent
        └── BadRow           a row of other people's data that does not fit its task

Only the command line catches :class:`FmError`; only a stage boundary turns an :class:`ItemError` into a row.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar, Literal

__all__ = [
    "BadDataset",
    "BadOutput",
    "BadRecipe",
    "BadReply",
    "BadRow",
    "BadTask",
    "BudgetSpent",
    "Conflict",
    "Crash",
    "CutOff",
    "DecodeError",
    "EmptyFile",
    "FmError",
    "HubError",
    "ItemError",
    "ItemFailed",
    "MissingExtra",
    "ModelError",
    "NoVideoStream",
    "NotAVideo",
    "OutOfMemory",
    "Refusal",
    "Rejected",
    "Timeout",
    "TooShort",
    "Unavailable",
    "UnknownName",
    "UnreadableFile",
    "UserError",
    "did_you_mean",
]


class FmError(Exception):
    """The root: whatever fm-hub raises on purpose; ``exit_status`` is that of the command that it ends."""

    exit_status = 2


class UserError(FmError):
    """Wrong input from the user: one line, exit status 2, nothing written."""


class BadRecipe(UserError):
    """A recipe that does not parse, or that names something that does not exist."""


class BadTask(UserError):
    """A task file that does not parse."""


class UnknownName(UserError):
    """A name that no registry, table or folder knows."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"no {kind} named {name!r}; {did_you_mean(name, names)}")


class MissingExtra(UserError):
    """An optional package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra: pip install 'fm-hub[{extra}]'")


class BadDataset(UserError):
    """A folder or a repository that is not a dataset of ours."""


class BadOutput(UserError):
    """An output folder that holds something else, or that cannot be written."""


class ItemFailed(FmError):
    """An item failed, and the user said to stop there."""


class HubError(FmError):
    """The Hub said no, or was lost on the way; what was done is kept."""

    exit_status = 1


class Conflict(HubError):
    """Someone else was first. Nothing of theirs is touched, and nothing of ours is lost."""


class ItemError(FmError):
    """A failure of one item; its class name is the recorded reason.

    ``retry`` says what trying again is good for: ``never`` (the same input fails the same way), ``again``, or
    ``alone`` (with nothing beside it, so that it has all of the machine).
    """

    retry: ClassVar[Literal["never", "again", "alone"]] = "never"


class EmptyFile(ItemError):
    """Zero bytes."""


class NotAVideo(ItemError):
    """The container cannot be opened."""


class NoVideoStream(ItemError):
    """A container without pictures, for example audio only."""


class DecodeError(ItemError):
    """The pictures cannot be decoded, or break off."""


class TooShort(ItemError):
    """Fewer frames, or less time, than a clip needs."""


class UnreadableFile(ItemError):
    """A file that is missing, a dangling link, or not ours to read."""


class ModelError(ItemError):
    """A model failed on this input."""


class Unavailable(ItemError):
    """A disk or a network did not answer in a way that may pass."""

    retry = "again"


class Timeout(ItemError):
    """The worker ran past its limit and was stopped."""

    retry = "again"


class Crash(ItemError):
    """The worker process died."""

    retry = "again"


class OutOfMemory(ItemError):
    """The worker needed more memory than it may have."""

    retry = "alone"


class Rejected(ItemError):
    """A server of a language model takes the request for a bad one: too long, or of a kind that it does not serve."""


class Refusal(ItemError):
    """A language model will not answer, or a filter took its answer away."""


class CutOff(ItemError):
    """A reply that the limit of tokens cut off."""


class BadReply(ItemError):
    """A reply that is too long, or does not fit its schema, also after one repair."""


class BudgetSpent(ItemError):
    """The budget does not allow another request; nothing was sent."""

    retry = "again"


class BadRow(ItemError):
    """A row of other people's data that does not fit its task."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was probably meant.

    >>> did_you_mean("nanodte", ["nanodet", "movenet"])
    "did you mean 'nanodet'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none is known"
