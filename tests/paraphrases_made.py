"""Paraphrases for the rule: faithful ones from a file written by hand, and ones with a single thing changed.

The changes know nothing of the rule's lexicon: they exchange words of their own short lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "fixtures" / "paraphrases.txt"
COUNTED = ("at_once", "moving_count")
OTHERS = ("dog", "car", "person", "bus", "cup", "wolf", "woman", "boat", "chair", "van", "child", "zebra")
NUMBERS = ("one", "two", "three", "four", "five", "seven", "twelve", "3", "4", "9")
EXCHANGED = (
    *[("left", "right"), ("up", "down"), ("top", "bottom"), ("above", "below"), ("left", "top"), ("upper", "lower")],
    *[("leftwards", "rightwards"), ("rightwards", "upwards"), ("downwards", "upwards"), ("upwards", "downwards")],
    *[("closer", "farther"), ("apart", "together"), ("faster", "slower"), ("quickly", "slowly"), ("right", "down")],
    *[("grows", "shrinks"), ("larger", "smaller"), ("speeds up", "slows down"), ("enters", "leaves"), ("left", "up")],
)


@dataclass(frozen=True)
class Pair:
    """A template's text, another wording, the objects in both, the family, and what was changed (nothing: "")."""

    family: str
    names: tuple[tuple[str, ...], ...]
    original: str
    text: str
    changed: str = ""


def faithful() -> list[Pair]:
    """The hand-written ones."""
    out: list[Pair] = []
    family, names, original = "", (), ""
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            family, _, said, original = (x.strip() for x in line[2:].split(" | ", 3))
            parts = tuple(x for x in said.split("; ") if x)
            names = (parts,) if family in COUNTED else tuple((x,) for x in parts)
        elif line and not line.startswith("#"):
            out.append(Pair(family, names, original, line))
    return out


def changed(pairs: list[Pair]) -> list[Pair]:
    """Every way to change one number, direction, label or order, each once."""
    found: dict[tuple[str, str], Pair] = {}
    for p in pairs:
        for kind, made in (("number", _numbers), ("direction", _directions), ("label", _labels), ("order", _orders)):
            for text in made(p):
                text = text[0].upper() + text[1:]
                if text not in (p.text, p.original):
                    found.setdefault((p.original, text), Pair(p.family, p.names, p.original, text, kind))
    return list(found.values())


def _each(text: str, old: str, new: str) -> Iterator[str]:
    """Every occurrence of a word exchanged, one at a time."""
    for m in re.finditer(rf"\b{re.escape(old)}\b", text):
        yield text[: m.start()] + new + text[m.end() :]


def _numbers(p: Pair) -> Iterator[str]:
    for m in re.finditer(r"\d+\.\d", p.text):
        yield f"{p.text[: m.start()]}{float(m[0]) + 0.7:.1f}{p.text[m.end() :]}"
    if p.family in ("reversals", "at_once", "moving_count") and p.text.endswith("."):
        for old in ("two", "three", "four", "3", "4"):
            for new in NUMBERS:
                if new not in (old, {"two": "2", "three": "3", "four": "4", "3": "three", "4": "four"}[old]):
                    yield from _each(p.text, old, new)
        yield from _each(p.text, "twice", "once")
        yield from _each(p.text, "twice", "three times")
    if p.family == "travels":
        yield from _each(p.text, "a quarter", "a third")
        yield from _each(p.text, "a half", "three quarters")
        yield from _each(p.text, "three quarters", "a half")
        yield from _each(p.text, "more", "less")


def _directions(p: Pair) -> Iterator[str]:
    text = re.sub(r"\b(ends?|ending|starts?|speeds) up\b", lambda m: m[0].replace(" up", "_up"), p.text)
    for a, b in EXCHANGED:
        if p.text.endswith("?") and a in ("faster", "larger", "closer", "apart", "quickly", "grows"):
            continue  # it names the alternatives, or "how quickly"
        for old, new in ((a, b), (b, a)):
            for out in _each(text.replace("right order", "right_order"), old, new):
                if "left-left" not in out and "right-right" not in out:
                    yield out.replace("_", " ")


def _labels(p: Pair) -> Iterator[str]:
    for group in p.names:
        word = group[-1] if p.family in COUNTED else group[0]
        noun = word.removeprefix("the ").split()[0]
        for new in OTHERS:
            other = f"{new}s" if p.family in COUNTED else new
            if other != noun and all(other not in " ".join(g) for g in p.names):
                yield from _each(p.text, word, word.replace(noun, other, 1))


def _orders(p: Pair) -> Iterator[str]:
    one_way = p.family == "relation" or (p.family in ("speed_order", "order_change", "before") and p.text[-1] == ".")
    if len(p.names) == 2 and one_way:
        a, b = (g[0] for g in p.names)
        yield re.sub(rf"{a}|{b}", lambda m: b if m[0] == a else a, p.text, flags=re.IGNORECASE)
    for x, y in (("to the left", "up"), ("left", "up"), ("down", "to the right"), ("left", "upwards")):
        if p.family == "sequence" and x in p.text and y in p.text:
            yield re.sub(rf"\b({x}|{y})\b", lambda m, x=x, y=y: y if m[0] == x else x, p.text)  # type: ignore[misc]
    if p.family in ("sequence", "before") and p.text.endswith("."):
        for then in ("and then", "then", "and after that", "and afterwards", "after which"):
            yield from _each(p.text, then, "after")
            yield from _each(p.text, then, "preceded by")
    times = re.findall(r"\d\.\d", p.text)
    if len(times) == 2:
        yield re.sub(r"\d\.\d", lambda m: times[1] if m[0] == times[0] else times[0], p.text)
    for a, b in (("start", "end"), ("beginning", "end"), ("first", "last"), ("starts", "ends"), ("begins", "ends")):
        if p.family in ("region_start", "region_end"):
            yield from _each(p.text, a, b)
            yield from _each(p.text, b, a)
