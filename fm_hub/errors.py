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
    └── ItemError            data on the item: recorded with its class name as the reason
        ├── EmptyFile        zero bytes
        ├── NotAVideo        the container cannot be opened
        ├── NoVideoStream    a container without pictures (audio only)
        ├── DecodeError      the pictures cannot be decoded, or break off
        ├── TooShort         fewer frames, or less time, than a clip needs
        ├── UnreadableFile   missing, a dangling link, no permission
        ├── Timeout          the worker ran past its limit and was stopped
        ├── Crash            the worker process died
        └── ModelError       a model failed on this input

Only the command line catches :class:`FmError`; only a stage boundary turns an :class:`ItemError` into a row.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BadDataset",
    "BadOutput",
    "BadRecipe",
    "BadTask",
    "Crash",
    "DecodeError",
    "EmptyFile",
    "FmError",
    "ItemError",
    "MissingExtra",
    "ModelError",
    "NoVideoStream",
    "NotAVideo",
    "Timeout",
    "TooShort",
    "UnknownName",
    "UnreadableFile",
    "UserError",
    "did_you_mean",
]


class FmError(Exception):
    """The root: whatever fm-hub raises on purpose."""


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


class ItemError(FmError):
    """A failure of one item; its class name is the recorded reason."""


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


class Timeout(ItemError):
    """The worker ran past its limit and was stopped."""


class Crash(ItemError):
    """The worker process died."""


class ModelError(ItemError):
    """A model failed on this input."""


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
