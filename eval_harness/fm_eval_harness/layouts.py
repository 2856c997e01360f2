"""Other people's data sets: where a task file says that questions, options, answers and videos lie.

A layout is data: parts (globs of .json, .jsonl or .parquet files), a path to the records inside them, and
templates over the fields of a record, of the records around it, and of the file's own name
(:mod:`fm_eval_harness.published` reads them).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fm_hub.errors import UnknownName

__all__ = ["STEP", "Answer", "Layout", "Lookup", "Options"]

STEP = re.compile(r"\[\]|\*|\{\w+\}|\w+")
_SUFFIXES = (".json", ".jsonl", ".parquet")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Options(_Strict):
    """Where the options are: a list (or mapping) ``field``, several ``fields``, ``fixed`` texts, or in the question."""

    field: str | None = None
    fields: tuple[str, ...] | None = None
    fixed: tuple[str, ...] | None = None
    inline: bool = False

    @model_validator(mode="after")
    def _one(self) -> Options:
        if sum((self.field is not None, self.fields is not None, self.fixed is not None, self.inline)) != 1:
            raise ValueError("says one of field, fields, fixed and inline")
        return self


class Answer(_Strict):
    """The key of a record: a letter, an index from 0, an option's text, or ``labelled`` ("B. text").

    ``fields`` are tried in order. A record whose key is ``unknown`` is asked but not scored.
    """

    fields: tuple[str, ...]
    form: Literal["letter", "index", "text", "labelled"]
    unknown: str | None = None


class Lookup(_Strict):
    """A value that the files do not hold: found by another one."""

    by: str
    values: dict[str, str]


class Layout(_Strict):
    """How to read the questions of a data set."""

    parts: dict[str, str] = Field(min_length=1)
    records: str
    id: str = "{part}/{inner}/{n}"
    question: str = "{question}"
    options: Options
    answer: Answer
    video: tuple[str, ...] = Field(min_length=1)
    kind: str = ""
    type: str = ""
    start: str = ""
    end: str = ""
    lookups: dict[str, Lookup] = {}

    @field_validator("parts")
    @classmethod
    def _parts_stay_inside(cls, value: dict[str, str]) -> dict[str, str]:
        for name, pattern in value.items():
            path = PurePosixPath(pattern)
            if path.is_absolute() or ".." in path.parts or path.suffix not in _SUFFIXES:
                raise ValueError(f"{name}: must be a relative path or glob of {', '.join(_SUFFIXES)} files")
        return value

    @field_validator("records")
    @classmethod
    def _records_is_a_path(cls, value: str) -> str:
        if "".join(STEP.findall(value)) != value.replace(".", ""):
            raise ValueError("a path of names, [] (each of a list), * or {name} (each of a mapping), with dots between")
        return value

    def chosen(self, part: str | None) -> dict[str, str]:
        """The globs of one part, or of all. Raises :class:`~fm_hub.errors.UnknownName`."""
        if part is None:
            return self.parts
        if part not in self.parts:
            raise UnknownName("part of this task", part, self.parts)
        return {part: self.parts[part]}
