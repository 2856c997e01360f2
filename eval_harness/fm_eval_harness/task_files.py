"""Task files: YAML to a model, with errors that name the line and say what to do."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from fm_hub.errors import BadTask, did_you_mean

__all__ = ["parse"]

T = TypeVar("T", bound=BaseModel)


def parse(text: str, where: str, model: type[T]) -> T:
    """A task of the text of its file; ``where`` names the file in errors.

    Raises :class:`~fm_hub.errors.BadTask`: one line with file, line, field and cure.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadTask(f"{where}{line}: not YAML ({getattr(e, 'problem', None) or 'cannot be read'})") from None
    if not isinstance(value, dict):
        raise BadTask(f"{where}:1: a task is a mapping of fields, such as name and config")
    _no_doubles(node, where)
    try:
        return model.model_validate(value)
    except ValidationError as e:
        first = e.errors()[0]
        loc = first["loc"]
        message = str(first["msg"]).removeprefix("Value error, ")
        if not loc and message.split(":")[0] in model.model_fields:  # a rule over several fields names the one
            loc, message = (message.split(":")[0],), message.split(": ", 1)[1]
        place = ".".join(map(str, loc))
        raise BadTask(f"{where}:{_line(node, loc)}: {place}: {_human(first, message, model)}") from None


def _human(error: Any, message: str, model: type[BaseModel]) -> str:
    """What pydantic says, in the words of someone who writes YAML."""
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        return f"no such field; {did_you_mean(str(error['loc'][-1]), _fields_at(error['loc'], model))}"
    if kind == "missing":
        return "must be given"
    if kind == "literal_error":
        return f"must be {error['ctx']['expected']}, not {given!r}"
    if kind == "string_pattern_mismatch":
        return f"{given!r} does not fit {error['ctx']['pattern']}"
    return f"{message[0].lower()}{message[1:]}" + ("" if kind == "value_error" else f", not {given!r}")


def _fields_at(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The fields that could stand where an unknown one does."""
    fields: Any = model.model_fields
    for step in loc[:-1]:
        inner = [x for x in _models_in(fields[step].annotation) if x is not None] if step in fields else []
        fields = inner[0].model_fields if inner else fields
    return list(fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold: of ``dict[str, Profile]``, ``Profile``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in get_args(annotation) for m in _models_in(part)]


def _no_doubles(node: Any, where: str) -> None:
    """A key given twice is an error: YAML would take the last one without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise BadTask(f"{where}:{key.start_mark.line + 1}: {key.value}: given twice")
            seen.add(key.value)
            _no_doubles(value, where)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _no_doubles(value, where)


def _line(node: Any, loc: tuple[int | str, ...]) -> int:
    """The line of the deepest part of a location that the file holds."""
    line = int(node.start_mark.line)
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(step)]
            if not found:
                break
            line, node = int(found[0][0].start_mark.line), found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = int(node.start_mark.line)
        else:
            break
    return line + 1
