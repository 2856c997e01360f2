"""The recipe: all that decides what a build gives, as one frozen TOML file."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fm_builders.detectors import DETECTORS
from fm_builders.questions import KINDS
from fm_builders.trackers import TRACKERS
from fm_hub.decoders import DECODERS
from fm_hub.errors import BadRecipe, UnknownName, did_you_mean

__all__ = ["Recipe", "load_recipe", "recipe_names"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clips(_Part):
    """How sources are cut: seconds."""

    min_s: float = Field(default=1.5, gt=0)
    max_s: float = Field(default=12.0, gt=0)
    target_s: tuple[float, float] = (5.0, 10.0)


class Perception(_Part):
    """What looks at a clip, at ``fps`` frames a second; ``max_side`` bounds the analysed picture, in pixels.

    ``decoder`` reads the frames; cutting and encoding are always PyAV's.
    """

    fps: float = Field(default=10.0, gt=0, le=60)
    detectors: tuple[str, ...] = ("nanodet", "movenet", "hands")
    tracker: str = "two_stage"
    max_side: int = Field(default=1280, ge=64)
    decoder: str = "pyav"


class Compose(_Part):
    """What is asked about a clip."""

    kinds: tuple[str, ...] = ("direction", "actor", "order", "location", "count", "relation", "speed")
    max_per_kind: int = Field(default=4, ge=1)
    max_per_clip: int = Field(default=20, ge=1)
    min_quality: float = Field(default=0.4, ge=0, le=1)


class LanguageUse(_Part):
    """What a language model does where one is given (``--llm``).

    ``paraphrase`` rewords questions and captions; ``captions`` writes captions from the proved sentences and from
    ``frames`` frames; ``freeform`` writes up to ``questions_a_clip`` questions of its own; ``blind`` answers the
    benchmark without the video, as a score.
    """

    uses: tuple[Literal["paraphrase", "captions", "freeform", "blind"], ...] = ("paraphrase",)
    frames: int = Field(default=8, ge=2, le=64)
    questions_a_clip: int = Field(default=4, ge=1, le=16)


class Splits(_Part):
    """Shares of the source videos; the rest is the test split, of which the benchmark is made."""

    train: float = Field(default=0.8, ge=0, le=1)
    validation: float = Field(default=0.1, ge=0, le=1)


class Publish(_Part):
    """What the card and the rows say of origin."""

    license: str = "unknown"
    licenses: dict[str, str] = {}
    repo: str = ""


class Recipe(_Part):
    """A recipe: frozen, no unknown keys, every name known."""

    name: str
    seed: int = 0
    clips: Clips = Clips()
    perception: Perception = Perception()
    compose: Compose = Compose()
    language: LanguageUse = LanguageUse()
    splits: Splits = Splits()
    publish: Publish = Publish()

    @model_validator(mode="after")
    def _names_exist(self) -> Recipe:
        for name in self.perception.detectors:
            DETECTORS.target(name)
        TRACKERS.target(self.perception.tracker)
        DECODERS.target(self.perception.decoder)
        for name in self.compose.kinds:
            KINDS.target(name)
        return self


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(f.name.removesuffix(".toml") for f in (files("fm_builders") / "recipes").iterdir())


def load_recipe(name: str) -> Recipe:
    """Load a recipe by the name of a shipped one or by path. Raises :class:`BadRecipe`, in one line."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise BadRecipe(f"{name}: no such recipe file")
        text = path.read_text(encoding="utf-8")
    elif name in recipe_names():
        text = (files("fm_builders") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise UnknownName("recipe", name, recipe_names())
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as e:
        raise BadRecipe(f"{name}: not TOML: {e}") from None
    except UnknownName as e:
        raise BadRecipe(f"{name}: {e}") from None
    except ValidationError as e:
        raise BadRecipe(f"{name}: {_first(e)}") from None


def _first(e: ValidationError) -> str:
    """The first problem of a recipe, with a suggestion for a misspelt key."""
    error = e.errors()[0]
    where = ".".join(str(x) for x in error["loc"]) or "recipe"
    if error["type"] == "extra_forbidden":
        model: Any = Recipe
        for part in error["loc"][:-1]:
            model = model.model_fields[str(part)].annotation
        return f"unknown key {where!r}; {did_you_mean(str(error['loc'][-1]), model.model_fields)}"
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"
