"""A task: which questions are asked, in which words, and how the answers are scored. A YAML file."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fm_eval_harness.prompts import PROMPTS, template_of
from fm_hub.errors import BadTask, did_you_mean
from fm_hub.records import LETTERS
from fm_hub.registry import Registry

__all__ = ["TASKS", "Breakdown", "Task", "load_task"]

TASKS: Registry[Traversable] = Registry(
    "task",
    "fm_hub.tasks",
    {"foundationmotion": "fm_eval_harness.tasks:FOUNDATIONMOTION"},
)

Breakdown = Literal["kind", "type", "difficulty", "duration"]


class Task(BaseModel):
    """The fields of a task file; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: int = Field(ge=1)
    description: str = ""
    type: Literal["mcq"]
    dataset: str | None = None
    config: Literal["benchmark", "mcq"] = "benchmark"
    split: Literal["train", "validation", "test"] | None = None
    columns: dict[str, str] = {}
    prompt: str
    letters: str = "".join(LETTERS)
    scoring: Literal["letters"] = "letters"
    by: tuple[Breakdown, ...] = get_args(Breakdown)

    @field_validator("prompt")
    @classmethod
    def _prompt_has_places(cls, value: str) -> str:
        template = template_of(value)
        if "{question}" not in template or "{options}" not in template:
            raise ValueError(
                f"neither a template with {{question}} and {{options}} nor a known prompt; "
                f"{did_you_mean(value, PROMPTS)}"
            )
        return value

    @field_validator("letters")
    @classmethod
    def _letters_differ(cls, value: str) -> str:
        if len(set(value)) != len(value) or len(value) < 2:
            raise ValueError("must be two or more different letters")
        return value


def load_task(name: str) -> Task:
    """The task of a name, or of a YAML file.

    Raises :class:`~fm_hub.errors.UnknownName` for a name that no one registered, and
    :class:`~fm_hub.errors.BadTask` (with file and line) for a file that does not parse.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise BadTask(f"{name}: no such task file")
        return _parse(path.read_text(encoding="utf-8"), name)
    source = TASKS.load(name)
    return _parse(source.read_text(encoding="utf-8"), source.name)


def _parse(text: str, where: str) -> Task:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadTask(f"{where}{line}: not YAML ({getattr(e, 'problem', None) or 'cannot be read'})") from None
    if not isinstance(value, dict):
        raise BadTask(f"{where}:1: a task is a mapping of fields, such as name and config")
    try:
        return Task.model_validate(value)
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(map(str, first["loc"]))
        hint = ""
        if first["type"] == "extra_forbidden":
            hint = f"; {did_you_mean(place, Task.model_fields)}"
        raise BadTask(f"{where}:{_line(node, first['loc'])}: {place}: {first['msg']}{hint}") from None


def _line(node: Any, loc: tuple[int | str, ...]) -> int:
    """The line of the deepest part of a location that the file holds."""
    line = int(node.start_mark.line)
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == step]
            if not found:
                break
            line, node = int(found[0][0].start_mark.line), found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = int(node.start_mark.line)
        else:
            break
    return line + 1
