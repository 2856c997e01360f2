"""Open answers without a judge: numbers, directions, names and orders in one spelling each, compared as such.

What an answer says is brought to a canonical value by the type of its question; the key goes the same way.
An answer that says two different things, or nothing of the type, has no value: it is unparsed, and wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fm_eval_harness.parsing import answer_part, match_option, plain
from fm_hub.records import Question

__all__ = ["canonical", "direction_of", "form_of", "key_of", "number_of"]

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBERS = {word: n for n, word in enumerate(_UNITS.split())}
_NUMBERS |= {"no": 0, "none": 0, "never": 0, "once": 1, "twice": 2, "thrice": 3, "single": 1}
_NUMBER = re.compile(rf"(?<![\w.,-])(?:(\d{{1,6}})|({'|'.join(_NUMBERS)}))(?![\w-]|[.,]\d)", re.I)
_SIDES = {
    **dict.fromkeys(("left", "leftward", "leftwards"), "left"),
    **dict.fromkeys(("right", "rightward", "rightwards"), "right"),
    **dict.fromkeys(("up", "upward", "upwards", "top", "upper"), "up"),
    **dict.fromkeys(("down", "downward", "downwards", "bottom", "lower"), "down"),
}
_SIDE = re.compile(rf"\b({'|'.join(sorted(_SIDES, key=len, reverse=True))})\b", re.I)
_OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}
_FROM_TO = re.compile(r"\bfrom\b(?P<start>.{1,50}?)\b(?:to|towards?|into)\b(?P<end>.{1,50}?)(?=[.,;]|$)", re.I | re.S)
_THEN = re.compile(r"\b(?:and\s+then|then|after\s+that|afterwards|followed\s+by|before|finally|next)\b|->|→", re.I)
_DENIED = re.compile(r"\b(?:not|never|neither|nor|cannot|can't|isn't|doesn't|don't|didn't|or|either|unclear)\b", re.I)
_BOTH, _NEITHER = re.compile(r"\bboth\b", re.I), re.compile(r"\b(?:neither|none|nobody|nothing|no one)\b", re.I)


def canonical(text: str, question: Question) -> str:
    """The value of an answer, in the one spelling of its question's type; empty if it has none.

    The texts of the question's options are the vocabulary of labels, orders and phrases: a model does not see
    which of them is right.
    """
    said, _ = answer_part(text)
    return _READERS[form_of(question)](said, [o.text for o in question.options]) if said else ""


def form_of(question: Question) -> str:
    """How an open answer is compared: the question's ``answer_type``, or ``phrase`` where its options are none of it.

    Questions of the kind "direction" also ask for paths and sizes, whose answers are phrases.
    """
    form = question.answer_type
    if form not in _READERS or (form == "direction" and not all(direction_of(o.text) for o in question.options)):
        return "phrase"
    return form


def key_of(question: Question) -> str:
    """The value of the right answer."""
    return canonical(question.options[question.answer].text, question)


def number_of(said: str) -> str:
    """The one number that a text says, in digits; empty for none or several."""
    told = re.split(r"\banswer(?:\s+is|:)", said, flags=re.I)[-1]
    found = {int(m[1]) if m[1] else _NUMBERS[m[2].lower()] for m in _NUMBER.finditer(told)}
    return str(found.pop()) if len(found) == 1 else ""


def direction_of(said: str) -> str:
    """The one direction that a text says: ``up``, ``down-left`` ...; empty for none, several or a denied one."""
    if _THEN.search(said) or _DENIED.search(said):
        return ""
    way = _FROM_TO.search(said)
    if way and _SIDE.search(way["start"]) and _SIDE.search(way["end"]):
        # From the top left to the bottom left is down: what start and end share is no motion.
        start, end = _sides(way["start"]), _sides(way["end"])
        return _joined([x for x in end if x not in start])
    return _joined(_sides(said))


def _sides(text: str) -> list[str]:
    return list(dict.fromkeys(_SIDES[m[1].lower()] for m in _SIDE.finditer(text)))


def _joined(sides: Sequence[str]) -> str:
    """``up-left`` and the like; empty for none, and for opposite sides."""
    if not sides or any(_OPPOSITE[x] in sides for x in sides):
        return ""
    return "-".join(x for x in ("up", "down", "left", "right") if x in sides)


def _label(said: str, options: Sequence[str]) -> str:
    names = _names(options)
    if _NEITHER.search(said):
        return "none"
    if _DENIED.search(said):
        return ""
    words = f" {plain(said)} "
    found = []
    for name in sorted(names, key=len, reverse=True):
        if f" {name} " in words:
            words = words.replace(f" {name} ", " | ")
            found.append(name)
    if _BOTH.search(said) or (len(found) == 2 and re.search(r"\band\b", said, re.I)):
        return "both"
    return found[0] if len(found) == 1 else ""


def _names(options: Sequence[str]) -> set[str]:
    """The names that the options hold: of "only the car", "car"."""
    words = (plain(o).removeprefix("only ") for o in options)
    return {w for w in words if not _BOTH.search(w) and not _NEITHER.search(w)}


def _order(said: str, options: Sequence[str]) -> str:
    clauses = {c: i for o in options for i, c in enumerate(_clauses(o))}
    if any(not _joined(_sides(c)) or len(c.split()) > 6 for c in clauses):
        return _events(said, set(clauses))
    parts = [_joined(_sides(p)) for p in _THEN.split(re.sub(r"\bfirst\b", "", said, flags=re.I))]
    parts = [p for p in parts if p]
    return " > ".join(parts) if len(parts) == 2 and not _DENIED.search(said) else ""


def _clauses(option: str) -> list[str]:
    """The two halves of an option: of "first to the left, then up", "to left" and "up"."""
    return [plain(p).removeprefix("first ").strip() for p in re.split(r",\s*(?:and\s+)?then\b", option)]


def _events(said: str, clauses: set[str]) -> str:
    """Two events in the order in which they happen, which "after" turns round."""
    words = f" {plain(said)} "
    found: list[tuple[int, str]] = []
    for clause in sorted(clauses, key=len, reverse=True):
        at = words.find(f" {clause} ")
        if at >= 0:
            found.append((at, clause))
            words = words[: at + 1] + "|" * len(clause) + words[at + 1 + len(clause) :]
    if len(found) != 2 or _DENIED.search(said):
        return ""
    (start, first), (end, then) = sorted(found)
    turned = re.search(r"\bafter\b(?! that)", words[start:end]) or re.search(r"\bbefore *$", words[:start])
    return f"{then} > {first}" if turned else f"{first} > {then}"


def _phrase(said: str, options: Sequence[str]) -> str:
    at = match_option(said, options)
    return "" if at is None else plain(options[at])


_READERS: dict[str, Callable[[str, Sequence[str]], str]] = {
    "number": lambda said, _: number_of(said),
    "direction": lambda said, _: direction_of(said),
    "label": _label,
    "order": _order,
    "phrase": _phrase,
}
