"""What a format is, and which there are."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fm_hub.export.examples import Example
from fm_hub.registry import Registry

__all__ = ["FORMATS", "Format", "Part"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A file of an export: the rows of one config and split."""

    config: str
    split: str
    file: str
    rows: int

    @property
    def name(self) -> str:
        """How the consumer calls it."""
        return f"foundationmotion_{self.config}_{self.split}"


class Format(ABC):
    """One consumer's form. ``configs`` and ``splits`` are what is exported where nothing else is asked for.

    With ``frames`` above 0 examples come with that many pictures, else with a video; ``out`` is the folder that
    will hold the export.
    """

    configs: ClassVar[tuple[str, ...]] = ("mcq", "qa", "captions")
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")  # a test split is not for training
    suffix: ClassVar[str] = "jsonl"
    frames: ClassVar[int] = 0

    @abstractmethod
    def row(self, example: Example, media: Sequence[str], out: Path) -> Row:
        """An example with its files (paths below ``out``) as the consumer wants it."""

    @abstractmethod
    def usage(self, out: Path, parts: Sequence[Part]) -> str:
        """What to type or write to use it, as Markdown."""

    def write(self, path: Path, rows: Iterable[Row]) -> int:
        """Write the rows of a part, whole or not at all; returns how many."""
        partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        n = 0
        with open(partial, "w", encoding="utf-8") as f:
            for row in rows:
                f.write(json.dumps(row, ensure_ascii=False) + "\n")
                n += 1
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, path)
        return n

    def companions(self, out: Path, parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
        """Further files (name, text) that the consumer needs."""
        del out, parts
        yield from ()


FORMATS: Registry[type[Format]] = Registry(
    "format",
    "fm_hub.formats",
    {
        "trl": "fm_hub.export.trl:Trl",
        "llamafactory": "fm_hub.export.llamafactory:LlamaFactory",
        "ms-swift": "fm_hub.export.ms_swift:MsSwift",
        "lmms-eval": "fm_hub.export.lmms_eval:LmmsEval",
    },
)
