"""Names to classes or functions: a table of import strings, plus entry points, loaded on use.

Built-ins and plugins of other packages pass through the same door. Importing a registry imports none of
its entries.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from fm_hub.errors import UnknownName, UserError

__all__ = ["Registry", "load_string"]

T = TypeVar("T")


def load_string(target: str) -> Any:
    """Import ``package.module:attribute``."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Registry(Generic[T]):
    """The plugins of one kind.

    ``kind`` is the word of error messages, ``group`` the entry-point group that other packages use, and
    ``table`` maps the built-in names to import strings. A built-in wins over an entry point of its name.
    """

    def __init__(self, kind: str, group: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = group
        self.table = dict(table)

    @cached_property
    def _targets(self) -> dict[str, str]:
        found = {e.name: e.value for e in entry_points(group=self.group)}
        return {**found, **self.table}

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted(self._targets)

    def target(self, name: str) -> str:
        """The import string of a name. Raises :class:`~fm_hub.errors.UnknownName`."""
        try:
            return self._targets[name]
        except KeyError:
            raise UnknownName(self.kind, name, self._targets) from None

    def load(self, name: str) -> T:
        """Import and return the entry. Raises :class:`~fm_hub.errors.UnknownName`."""
        target = self.target(name)
        try:
            return cast("T", load_string(target))
        except (ImportError, AttributeError) as e:
            if name in self.table:
                raise  # ours: a bug, or a missing extra that says so itself
            raise UserError(f"the {self.kind} {name!r} ({target}) of another package cannot be loaded: {e}") from None
