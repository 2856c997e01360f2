"""What the Hub checks of a dataset card before a commit: the front matter is YAML that describes a dataset."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["check_card", "front_matter"]

_BLOCK = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B", "n>1M"}
_SPLIT = re.compile(r"\w+(\.\w+)*")


def front_matter(text: str) -> dict[str, Any]:
    """The front matter of a card, empty if it has none. Raises :class:`ValueError`."""
    import yaml

    found = _BLOCK.match(text)
    if not found:
        return {}
    try:
        data = yaml.safe_load(found[1])
    except yaml.YAMLError as e:
        raise ValueError(f"not YAML: {' '.join(str(e).split())}") from None
    if data is not None and not isinstance(data, dict):
        raise ValueError("the front matter is not a mapping")
    return data or {}


def check_card(text: str) -> tuple[list[str], list[str]]:
    """The errors and the warnings of a card."""
    try:
        data = front_matter(text)
    except ValueError as e:
        return [str(e)], []
    if not data:
        return [], ["empty or missing yaml metadata in repo card"]
    errors = []
    for key in ("license", "language", "tags", "task_categories", "size_categories", "annotations_creators"):
        value = data.get(key)
        values = value if isinstance(value, list) else [value] if value is not None else []
        if not all(isinstance(v, str) for v in values):
            errors.append(f'"{key}" must be a string or an array of strings')
        elif key == "size_categories" and not set(values) <= _SIZES:
            errors.append(f'"size_categories" must be one of {", ".join(sorted(_SIZES))}')
    errors += _config_errors(data.get("configs") or [])
    return errors, []


def _config_errors(configs: Any) -> list[str]:
    if not isinstance(configs, list):
        return ['"configs" must be an array']
    errors = []
    names = [c.get("config_name") if isinstance(c, dict) else None for c in configs]
    if not all(isinstance(n, str) and n for n in names) or len(set(names)) != len(names):
        return ['"configs" must have different names "config_name"']
    if sum(bool(c.get("default")) for c in configs) > 1:
        errors.append('"configs" may have one default')
    for name, config in zip(names, configs, strict=True):
        files = config.get("data_files")
        for entry in files if isinstance(files, list) else []:
            if isinstance(entry, dict) and not _SPLIT.fullmatch(str(entry.get("split", "train"))):
                errors.append(f'"configs.{name}": split name {entry.get("split")!r} is not allowed')
    return errors
