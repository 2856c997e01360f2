"""FoundationMotion's own layouts ("Wolf"): what its evaluation script walks, and what its pipeline writes.

Evaluation: ``<task>/qa_shuffled/**/<name>.json`` beside ``<task>/videos/**/<name>.mp4``. Pipeline:
``videos_QAs_<model>/`` and ``videos_captions_<model>/<name>.json`` beside ``Videos_crop/`` or ``Videos/``. The root
of a JSON is ``human`` or ``<model>_res``; the key stands under ``correct_answer`` or ``answer``. Both of each occur
(github.com/Wolfv0/FoundationMotion at 5649765, and the listing of huggingface.co/datasets/WoWolf/v2-dev).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fm_hub.errors import BadRow, UserError
from fm_hub.records import LETTERS, Grounding

__all__ = ["Item", "RawCaption", "RawQuestion", "read_wolf"]

TEXTS = ("qa_shuffled", "videos_QAs_*", "videos_captions_*")
VIDEOS = ("videos", "Videos_crop", "Videos")
SUFFIXES = (".mp4", ".mov", ".avi")
MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class RawQuestion:
    """A question as it was found. ``answer`` counts from 0."""

    text: str
    options: tuple[str, ...]
    answer: int
    grounding: Grounding
    generator: str


@dataclass(frozen=True)
class RawCaption:
    """A caption as it was found."""

    text: str
    grounding: Grounding
    generator: str


@dataclass
class Item:
    """One video and what is said of it.

    ``video`` is None where none lies in its place; ``bad`` tells what could not be read.
    """

    name: str
    video: Path | None
    questions: list[RawQuestion] = field(default_factory=list)
    captions: list[RawCaption] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def read_wolf(root: Path) -> list[Item]:
    """Every video that a JSON speaks of, and every video that none does, by name. Raises :class:`UserError`."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    items: dict[str, Item] = {}
    spoken: set[Path] = set()
    folders = sorted({p for pattern in TEXTS for p in root.rglob(pattern) if p.is_dir()})
    for folder in folders:
        base = folder.parent
        for path in sorted(folder.rglob("*.json")):
            inner = path.relative_to(folder).with_suffix("")
            name = (base.relative_to(root) / inner).as_posix()
            item = items.setdefault(name, Item(name, _video(base, inner)))
            _read(path, item)
            spoken |= {item.video} if item.video else set()
    for base in sorted({folder.parent for folder in folders}):
        for path in sorted(p for v in VIDEOS for p in (base / v).rglob("*") if p.suffix.lower() in SUFFIXES):
            if path not in spoken:
                name = path.relative_to(root).as_posix()
                items[name] = Item(name, path)
    if not any(i.questions or i.captions or i.bad for i in items.values()):
        raise UserError(f"{root}: no {', '.join(TEXTS)} with JSON files in it; is it FoundationMotion's layout?")
    return [items[name] for name in sorted(items)]


def _video(base: Path, inner: Path) -> Path | None:
    places = (base / folder / f"{inner}{suffix}" for folder in VIDEOS for suffix in SUFFIXES)
    return next((p for p in places if p.is_file()), None)


def _read(path: Path, item: Item) -> None:
    """Add what a JSON file says to its video; what does not fit is told in ``bad``."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadRow(f"{path.name}: larger than {MAX_BYTES >> 20} MB")
        data = json.loads(path.read_bytes())
        roots = [r for r in data if r == "human" or r.endswith("_res")] if isinstance(data, dict) else []
        if not roots:
            raise BadRow(f"{path.name}: neither 'human' nor '<model>_res' at its root")
    except (OSError, ValueError, RecursionError) as e:
        item.bad.append(f"{path.name}: no JSON that can be read: {type(e).__name__}")
        return
    except BadRow as e:
        item.bad.append(str(e))
        return
    for root in roots:
        grounding: Grounding = "human" if root == "human" else "model"
        generator = "human" if root == "human" else root.removesuffix("_res").replace("_", "-")
        if isinstance(data[root], str) and data[root].strip():
            item.captions.append(RawCaption(" ".join(data[root].split()), grounding, generator))
            continue
        for i, raw in enumerate(_questions(data[root])):
            try:
                item.questions.append(_question(raw, grounding, generator))
            except BadRow as e:
                item.bad.append(f"{path.name}: question {i + 1}: {e}")


def _questions(body: Any) -> Iterator[Any]:
    found = body.get("questions") if isinstance(body, dict) else body
    yield from found if isinstance(found, list) else [found]


def _question(raw: Any, grounding: Grounding, generator: str) -> RawQuestion:
    """One question. Raises :class:`BadRow`, never guesses a key."""
    if not isinstance(raw, dict) or not isinstance(raw.get("question"), str) or not raw["question"].strip():
        raise BadRow("no text")
    options = []
    for x in LETTERS:
        text = raw.get(x)
        if text is None or not str(text).strip():
            break
        options.append(" ".join(str(text).split()))
    if any(raw.get(x) for x in LETTERS[len(options) :]):
        raise BadRow("an option is missing between others")
    if len(options) < 2 or len(set(options)) < len(options):
        raise BadRow("it needs two to four options that differ")
    keys = {str(raw[k]).strip().upper() for k in ("correct_answer", "answer") if raw.get(k) is not None}
    if len(keys) != 1:
        raise BadRow("two keys that differ" if keys else "no key")
    key = keys.pop()
    if key not in LETTERS[: len(options)]:
        raise BadRow(f"its key {key[:10]!r} is no letter of an option")
    return RawQuestion(" ".join(raw["question"].split()), tuple(options), LETTERS.index(key), grounding, generator)
