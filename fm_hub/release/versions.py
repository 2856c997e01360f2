"""Versions of data: MAJOR for another schema, MINOR for new rows, PATCH for fixes and removals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from fm_hub.errors import UserError

__all__ = ["LEVELS", "Level", "Version", "check_version"]

Level = Literal["none", "patch", "minor", "major"]
LEVELS: tuple[Level, ...] = ("none", "patch", "minor", "major")
_FORM = re.compile(r"v?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


@dataclass(frozen=True, order=True)
class Version:
    """A version; its tag on the Hub is ``vMAJOR.MINOR.PATCH``."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``1.2.3`` or ``v1.2.3``. Raises :class:`UserError`.

        >>> Version.parse("v1.2.3").bump("minor").tag
        'v1.3.0'
        """
        found = _FORM.fullmatch(text)
        if not found:
            raise UserError(f"version {text!r}: write MAJOR.MINOR.PATCH, e.g. 1.2.0")
        return cls(*map(int, found.groups()))

    @classmethod
    def of_tag(cls, tag: str) -> Version | None:
        """The version of a tag, None if the tag is none of ours."""
        return cls.parse(tag) if tag.startswith("v") and _FORM.fullmatch(tag) else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The name of the tag."""
        return f"v{self}"

    def bump(self, level: Level) -> Version:
        """The next version of a level."""
        if level == "major":
            return Version(self.major + 1, 0, 0)
        if level == "minor":
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)


def check_version(wanted: Version, last: Version, level: Level) -> None:
    """Refuse a version that says less than what changed. Raises :class:`UserError`."""
    least = last.bump(level)
    why = {"major": "the schema changed", "minor": "rows were added", "patch": "rows were changed or removed"}
    if wanted <= last:
        raise UserError(f"version {wanted} is not above the last one, {last}; the next is {least}")
    if wanted < least:
        raise UserError(f"version {wanted} says too little since {last}: {why[level]}; give {least} or more")
