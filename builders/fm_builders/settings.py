"""What a recipe may set of a plugin: a frozen model of its own, checked when the recipe is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from fm_hub.errors import BadRecipe, did_you_mean

__all__ = ["Configurable", "Settings", "configured", "told"]


class Settings(BaseModel):
    """Base of the settings of a plugin; this one has none. Names a recipe does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Configurable(Protocol):
    """A plugin class: called with its settings if it declares a class of its own for them, else without arguments."""

    settings: ClassVar[type[Settings]]


C = TypeVar("C", bound=Configurable)


def told(plugin: type[Configurable], name: str, table: Mapping[str, Any]) -> Settings:
    """The settings of a plugin from the recipe's table. Raises :class:`BadRecipe` in one line."""
    try:
        return plugin.settings.model_validate(dict(table))
    except ValidationError as e:
        error = e.errors()[0]
        key = ".".join(str(x) for x in error["loc"])
        if error["type"] == "extra_forbidden":
            hint = did_you_mean(key, plugin.settings.model_fields)
            raise BadRecipe(f"unknown setting {key!r} of {name!r}; {hint}") from None
        raise BadRecipe(f"setting {key!r} of {name!r}: {error['msg'][0].lower()}{error['msg'][1:]}") from None


def configured(plugin: type[C], name: str, table: Mapping[str, Any]) -> C:
    """An instance of a plugin, with what the recipe sets of it."""
    settings = told(plugin, name, table)
    return plugin(settings) if plugin.settings is not Settings else plugin()  # type: ignore[call-arg]
