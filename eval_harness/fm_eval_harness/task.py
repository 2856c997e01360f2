"""A task: which questions are asked, in which words, and how the answers are scored. A YAML file."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from fm_eval_harness.layouts import Layout
from fm_eval_harness.prompts import PROMPTS, STYLES, template_of
from fm_eval_harness.rules import RULES
from fm_eval_harness.task_files import parse
from fm_hub.errors import BadTask, UnknownName, UserError, did_you_mean
from fm_hub.records import LETTERS
from fm_hub.registry import Registry

__all__ = ["STANDARD", "TASKS", "Breakdown", "Sampling", "Task", "load_task"]

_HERE = "fm_eval_harness.tasks"
TASKS: Registry[Traversable] = Registry(
    "task",
    "fm_hub.tasks",
    {
        "foundationmotion": f"{_HERE}:FOUNDATIONMOTION",
        "foundationmotion-qa": f"{_HERE}:FOUNDATIONMOTION_QA",
        "foundationmotion-caption": f"{_HERE}:FOUNDATIONMOTION_CAPTION",
        "favor-bench": f"{_HERE}:FAVOR_BENCH",
        "how": f"{_HERE}:HOW",
        "motionbench": f"{_HERE}:MOTIONBENCH",
        "mvbench": f"{_HERE}:MVBENCH",
        "tempcompass": f"{_HERE}:TEMPCOMPASS",
        "tempcompass-caption-matching": f"{_HERE}:TEMPCOMPASS_CAPTION_MATCHING",
        "tempcompass-yes-no": f"{_HERE}:TEMPCOMPASS_YES_NO",
        "tomato": f"{_HERE}:TOMATO",
        "vlm4d": f"{_HERE}:VLM4D",
    },
)

Breakdown = Literal["kind", "type", "difficulty", "duration"]
Scoring = Literal["letters", "generate", "both"]
STANDARD = "standard"
_CONFIGS = {"mcq": ("benchmark", "mcq"), "qa": ("qa",), "caption": ("captions",)}
_PLACES = {"mcq": ("{question}", "{options}"), "qa": ("{question}", "{hint}"), "caption": ()}
_NOT_COMPARED = {"description", "license", "sources", "profiles"}


def _known(value: str, names: Any) -> str:
    if value not in names:
        raise ValueError(did_you_mean(value, names))
    return value


Style = Annotated[str, AfterValidator(lambda v: _known(v, STYLES))]
RuleName = Annotated[str, AfterValidator(lambda v: _known(v, RULES.names()))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sampling(_Strict):
    """The frames of a view: ``n`` of them, or ``fps`` a second, never more than ``max``."""

    n: int | None = Field(default=None, ge=1)
    fps: float | None = Field(default=None, gt=0)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_of(self) -> Sampling:
        if (self.n is None) == (self.fps is None):
            raise ValueError("says either n (a number of frames) or fps (frames a second)")
        return self


class Profile(_Strict):
    """A way to ask the same questions: whatever it names replaces the task's own."""

    prompt: str | None = None
    system: str | None = None
    prefill: str | None = None
    style: Style | None = None
    scoring: Scoring | None = None
    rule: RuleName | None = None
    frames: Sampling | None = None
    max_pixels: int | None = Field(default=None, ge=1)
    max_new_tokens: int | None = Field(default=None, ge=1)
    departures: tuple[str, ...] = ()


class Task(_Strict):
    """The fields of a task file; an unknown one is an error."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: int = Field(ge=1)
    description: str = ""
    license: str = ""
    sources: tuple[str, ...] = ()
    type: Literal["mcq", "qa", "caption"]
    dataset: str | None = None
    config: Literal["benchmark", "mcq", "qa", "captions"] | None = None
    split: Literal["train", "validation", "test"] | None = None
    columns: dict[str, str] = {}
    layout: Layout | None = None
    prompt: str
    hints: dict[str, str] = {}
    system: str = ""
    prefill: str = ""
    style: Style = "lines"
    letters: str = Field("".join(LETTERS), pattern=r"^[A-Z]{2,26}$")
    scoring: Scoring = "letters"
    rule: RuleName = "strict"
    frames: Sampling | None = None
    max_pixels: int | None = Field(default=None, ge=1)
    max_new_tokens: int = Field(64, ge=1)
    departures: tuple[str, ...] = ()
    submission: Literal["motionbench"] | None = None
    by: tuple[Breakdown, ...] = get_args(Breakdown)
    profile: str = STANDARD
    profiles: dict[str, Profile] = {}

    @field_validator("letters")
    @classmethod
    def _letters_differ(cls, value: str) -> str:
        if len(set(value)) != len(value):
            raise ValueError("must be different letters")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Task:
        if self.layout is not None and (self.type != "mcq" or self.config or self.columns):
            raise ValueError("layout: goes with type mcq, and without config and columns")
        template = template_of(self.prompt)
        places = [p for p in _PLACES[self.type] if p not in template]
        if places and not (self.layout is not None and "{published}" in template):
            raise ValueError(
                f"prompt: neither a template with {' and '.join(_PLACES[self.type])} nor a known prompt; "
                f"{did_you_mean(self.prompt, PROMPTS)}"
            )
        if self.config is not None and self.config not in _CONFIGS[self.type]:
            raise ValueError(f"config: {self.type} reads {' or '.join(_CONFIGS[self.type])}, not {self.config}")
        if self.type != "mcq" and self.scoring != "generate":
            raise ValueError(f"scoring: {self.type} is answered in words; must be generate")
        return self

    @model_validator(mode="after")
    def _profiles_fit(self) -> Task:
        for name in self.profiles:
            self.with_profile(name)
        return self

    @property
    def table(self) -> str:
        """The config of one of our own data sets that is read when none is named."""
        return self.config or _CONFIGS[self.type][0]

    @property
    def tables(self) -> tuple[str, ...]:
        """The configs that may be named."""
        return _CONFIGS[self.type]

    @property
    def needs_text(self) -> bool:
        """Whether a model must write its answer."""
        return self.scoring != "letters"

    def answered(self, scoring: str | None) -> Task:
        """The same task with its answers given another way. Raises :class:`~fm_hub.errors.UserError`."""
        if scoring is None or scoring == self.scoring:
            return self
        if scoring not in get_args(Scoring):
            raise UserError(f"--answers {scoring}: must be {', '.join(get_args(Scoring))}")
        if self.type != "mcq":
            raise UserError(f"--answers {scoring}: task {self.name} is answered in words alone")
        return self.model_copy(update={"scoring": scoring})

    def record(self) -> dict[str, Any]:
        """All that decides a score, as plain JSON; :meth:`of_record` gives the task back."""
        return self.model_dump(mode="json", exclude=_NOT_COMPARED)

    @staticmethod
    def of_record(value: dict[str, Any]) -> Task:
        """The task of a run's ``config.json``."""
        return Task.model_validate(value)

    def with_profile(self, name: str) -> Task:
        """The same task asked another way. Raises :class:`~fm_hub.errors.UnknownName`."""
        if name == STANDARD:
            return self
        if name not in self.profiles:
            raise UnknownName(f"profile of task {self.name}", name, [STANDARD, *self.profiles])
        given = self.profiles[name].model_dump(exclude_unset=True)
        return Task.model_validate({**self.model_dump(exclude={"profiles"}), **given, "profile": name})


def load_task(name: str, profile: str = STANDARD) -> Task:
    """The task of a name, or of a YAML file, asked as a profile says.

    Raises :class:`~fm_hub.errors.UnknownName` for a name that no one registered, and
    :class:`~fm_hub.errors.BadTask` (with file and line) for a file that does not parse.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise BadTask(f"{name}: no such task file")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise BadTask(f"{name}: cannot be read as text ({e})") from None
        return parse(text, name, Task).with_profile(profile)
    source = TASKS.load(name)
    return parse(source.read_text(encoding="utf-8"), source.name, Task).with_profile(profile)
