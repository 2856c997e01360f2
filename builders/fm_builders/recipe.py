"""The recipe: all that decides what a build gives, as one frozen TOML file."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fm_builders.detectors import DETECTORS
from fm_builders.poses import POSES
from fm_builders.questions import BUILT_IN, KINDS
from fm_builders.segmenters import SEGMENTERS
from fm_builders.settings import Configurable, told
from fm_builders.shots import SHOTS
from fm_builders.trackers import TRACKERS
from fm_hub.decoders import DECODERS
from fm_hub.errors import BadRecipe, UnknownName, did_you_mean

__all__ = ["Recipe", "load_recipe", "recipe_names"]


NEUTRAL = ("device", "batch")  # settings of plugins that change no result


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clips(_Part):
    """How sources are cut: seconds. ``shots`` names what finds the shots.

    With ``most`` above 0 a source gives at most that many clips, drawn by the recipe's seed, each with the chance of
    its motion energy; 0: all that there are.
    """

    min_s: float = Field(default=1.5, gt=0)
    max_s: float = Field(default=12.0, gt=0)
    target_s: tuple[float, float] = (5.0, 10.0)
    shots: str = "outlier"
    most: int = Field(default=0, ge=0)


class Objects(_Part):
    """Things that ``detectors`` find in key frames and ``segmenter`` follows; docs/tiers.md explains each number.

    ``every_s`` and ``part_s`` are seconds (``every_s`` 0: the first frame alone is a key frame). ``min_box``, of what
    is found, and ``min_area``, of a mask, are square pixels, ``min_side`` is pixels, ``max_share`` a share of the
    picture. With ``refine_every`` frames, all is followed again from the boxes of the first time. ``masks`` publishes.
    """

    detectors: tuple[str, ...]
    segmenter: str = "sam2"
    every_s: float = Field(default=1.0, ge=0)
    part_s: float = Field(default=4.0, gt=0)
    match_iou: float = Field(default=0.5, gt=0, le=1)
    nms_iou: float = Field(default=0.5, gt=0, le=1)
    min_box: float = Field(default=100.0, ge=0)
    min_area: float = Field(default=50.0, ge=0)
    min_side: float = Field(default=4.0, ge=0)
    max_share: float = Field(default=0.9, gt=0, le=1)
    support: float = Field(default=0.3, ge=0, le=1)
    min_frames: int = Field(default=3, ge=1)
    refine_every: int = Field(default=0, ge=0)
    masks: bool = False


class Pose(_Part):
    """Named points of people, by ``model``; hands are made of those of a whole body.

    A hand needs more than ``hand_points`` points above ``hand_conf``; its box is theirs, ``hand_grow`` times as large.
    What a detector of hands sees is the same hand above an IoU of ``hand_iou``.
    """

    model: str = "vitpose"
    hand_points: int = Field(default=3, ge=0)
    hand_conf: float = Field(default=0.5, ge=0, le=1)
    hand_grow: float = Field(default=1.5, gt=0)
    hand_iou: float = Field(default=0.3, gt=0, le=1)


class GivenTables(_Part):
    """Saved output in place of stages (``--tracks``): which tables, and the hash of all of them."""

    sha256: str
    tables: tuple[str, ...]


class Perception(_Part):
    """What looks at a clip, at ``fps`` frames a second; ``max_side`` bounds the analysed picture, in pixels.

    ``detectors`` look at every frame, and ``tracker`` joins what they see; ``objects`` are found in key frames and
    followed; ``pose`` adds named points. ``settings`` are those of plugins, by their names. ``given`` is written by
    ``--tracks``. ``decoder`` reads the frames; cutting and encoding are always PyAV's.
    """

    fps: float = Field(default=10.0, gt=0, le=60)
    detectors: tuple[str, ...] = ("nanodet", "movenet", "hands", "movers")
    tracker: str = "two_stage"
    max_side: int = Field(default=1280, ge=64)
    decoder: str = "pyav"
    objects: Objects | None = None
    pose: Pose | None = None
    settings: dict[str, dict[str, Any]] = {}
    given: GivenTables | None = None

    @property
    def finds(self) -> bool:
        """Whether anything is looked for: not where tracks are given."""
        return self.given is None or "tracks" not in self.given.tables

    def changes(self) -> dict[str, Any]:
        """What changes the result, as plain values: not where it runs, nor how much of it at a time."""
        told = self.model_dump(mode="json")
        sets = told["settings"]
        told["settings"] = {n: {k: v for k, v in t.items() if k not in NEUTRAL} for n, t in sets.items()}
        return told

    def plugins(self) -> dict[str, type[Configurable]]:
        """The classes of all plugins that may have settings, by name. Raises :class:`UnknownName`."""
        seen = [*self.detectors, *(self.objects.detectors if self.objects else ())]
        found: dict[str, type[Configurable]] = {name: DETECTORS.load(name) for name in seen}
        found[self.tracker] = TRACKERS.load(self.tracker)
        if self.objects:
            found[self.objects.segmenter] = SEGMENTERS.load(self.objects.segmenter)
        if self.pose:
            found[self.pose.model] = POSES.load(self.pose.model)
        return found


class Compose(_Part):
    """What is asked about a clip."""

    kinds: tuple[str, ...] = BUILT_IN
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


class Quality(_Part):
    """What questions have to stand.

    With ``text_only``, benchmark questions that a classifier of words answers too often leave it (extra ``quality``).
    With ``mirrored_twins``, each clip in which no text is found gets a copy that is flipped left to right, with its
    annotation (extra ``twins``).
    """

    text_only: bool = False
    mirrored_twins: bool = False


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
    quality: Quality = Quality()
    splits: Splits = Splits()
    publish: Publish = Publish()

    @model_validator(mode="after")
    def _names_exist(self) -> Recipe:
        for name in self.perception.detectors:
            DETECTORS.target(name)
        TRACKERS.target(self.perception.tracker)
        self._settings_fit()
        DECODERS.target(self.perception.decoder)
        SHOTS.target(self.clips.shots)
        for name in self.compose.kinds:
            KINDS.target(name)
        return self

    def _settings_fit(self) -> None:
        """Every plugin exists and takes what is set of it, before anything runs."""
        if not (self.perception.settings or self.perception.objects or self.perception.pose):
            return
        plugins = self.perception.plugins()
        for name, table in self.perception.settings.items():
            if name not in plugins:
                raise UnknownName("plugin of this recipe", name, plugins)
            told(plugins[name], name, table)


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
    except (UnknownName, BadRecipe) as e:
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
