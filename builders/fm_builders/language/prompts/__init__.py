"""Our prompts: one versioned file each. A row that a prompt made carries its name, version and hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

__all__ = ["Prompt", "load_prompt"]


@dataclass(frozen=True)
class Prompt:
    """A prompt: ``text`` has placeholders like ``$names``; ``mark`` is what a row records."""

    name: str
    version: int
    text: str

    @property
    def mark(self) -> str:
        """``<name>@<version>:<12 hexadecimal digits of the SHA-256 of its text>``."""
        return f"{self.name}@{self.version}:{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"

    def fill(self, **values: object) -> str:  # the placeholders are the parameters
        """The text with every placeholder filled. Raises :class:`KeyError` for one that is missing."""
        return Template(self.text).substitute({k: str(v) for k, v in values.items()})


@cache
def load_prompt(name: str) -> Prompt:
    """A prompt by its name. Raises :class:`ValueError` where its first line is not its version."""
    head, _, text = (files(__name__) / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    key, _, version = head.partition(": ")
    if key != "version" or not version.isdigit():
        raise ValueError(f"prompt {name}: the first line must be its version")
    return Prompt(name, int(version), text)
