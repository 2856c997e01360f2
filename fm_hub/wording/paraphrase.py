"""The rule of paraphrases: whether another wording says what the template says, decided by words alone.

A model may word a question or a sentence anew; it may not change what is claimed. The rule hears concepts in both
texts (``lexicon.toml``): objects, directions, numbers, events, order, negation, speed, time, and what a question asks
about. What is heard in one must be heard in the other; every other word must be neutral, or one that the template's
own family uses. So it is strict where it knows little: a faithful text in rare words is refused, and its template
stands. ``verify`` runs the rule again on every published paraphrase.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from fm_hub.claims import Scene
from fm_hub.wording import NUMBERS, families, plural, refer

__all__ = ["RULE_VERSION", "Names", "difference", "names_in"]

RULE_VERSION = 1
LONGEST, MORE_CHARACTERS = 2.5, 40
Names = Sequence[tuple[str, ...]]
"""The objects of a text; each by all the words that stand for it (``("dog", "dogs")``)."""

_SHARES = {"three quarters": 0.75, "a quarter": 0.25, "one quarter": 0.25, "a half": 0.5, "one half": 0.5, "half": 0.5}
_SHARES |= {"a third": 0.333, "two thirds": 0.667, "three fourths": 0.75}
_COUNTED = (*NUMBERS, "eleven", "twelve", "thirteen", "fourteen", "fifteen")
_VALUES = {w: float(i) for i, w in enumerate(_COUNTED) if i > 1}
_VALUES |= {"zero": 0.0, "once": 1.0, "twice": 2.0, "thrice": 3.0, "couple": 2.0, "twenty": 20.0, "hundred": 100.0}
_NUMBER = re.compile(
    rf"(?<!@)\b\d+(?:\.\d+)?|(?<!the )(?<!these )\b(?:{'|'.join(_VALUES)})\b|\bone(?= (?:@|times?\b))"
)  # not "which one"
_SHARE = re.compile(rf"\b(?:{'|'.join(_SHARES)})\b")
_WORD = re.compile(r"@\d+|[a-z]+|\d+(?:\.\d+)?")
_PAIR = re.compile(r"@\d+(?: does)? (?:and|or) (?:does )?@\d+")
_ASKING = re.compile(r"\b(which|what|how|where|who|when|whose|or)\b")
_ACROSS, _ALONG = {"LEFT", "RIGHT"}, {"UP", "DOWN"}
_LOOSE = {"MANNER", "MOTION"}
_AS_ASKED = ("MANNER", "TURNBACK", "SHIFT", "SIMULTANEOUS")


@dataclass
class _Heard:
    """The concepts of a text, and the words that are none."""

    ordered: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    poles: dict[str, set[str]] = field(default_factory=dict)
    asks: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    paired: bool = False

    @property
    def names(self) -> set[str]:
        """The objects, as ``@0``, ``@1``."""
        return {c for c in self.ordered if c.startswith("@")}


def names_in(scene: Scene, text: str, t0: float, t1: float) -> list[tuple[str, ...]]:
    """The objects that a template's text names: its references between ``t0`` and ``t1``, then classes by number."""
    rest = text.lower()
    names: list[tuple[str, ...]] = []
    known = {n.lower() for i in scene.tracks if (n := refer(scene, i, t0, t1))}
    for name in sorted(known, key=lambda n: (-len(n), n)):
        if name in rest:
            names.append((name,))
            rest = rest.replace(name, " ")
    for label in sorted({t.label.lower() for t in scene.tracks.values()}):
        if re.search(rf"\b(?:{re.escape(label)}|{re.escape(plural(label))})\b", rest):
            names.append((label, plural(label)))
    return names


def difference(original: str, text: str, names: Names, template: str) -> str:
    """Why ``text`` does not say what ``original`` says, or an empty string.

    ``form``: not one sentence of the same sort and of about the same length; ``objects``, ``numbers``, ``order``:
    other ones, or in another order; ``asks``: a question about something else; ``words``: a word that the rule does
    not know, which may say more; else the concept that was added or lost, in lower case.

    >>> dog = [("the dog",)]
    >>> difference("The dog moves to the left.", "The dog goes left.", dog, "direction/s0")
    ''
    >>> difference("The dog moves to the left.", "The dog runs to the left.", dog, "direction/s0")
    'words'
    >>> difference("The dog moves to the left.", "The dog moves to the right.", dog, "direction/s0")
    'order'
    """
    question = original.rstrip().endswith("?")
    if _malformed(original, text, question):
        return "form"
    telling, own_asks, own_words = _family(template.partition("/")[0])
    a, b = _hear(original, names, telling), _hear(text, names, telling)
    if a.names != b.names:
        return "objects"
    if a.numbers != b.numbers:
        return "numbers"
    apart = len(a.names) > 1 and not (a.paired and (question or not set(a.ordered) & {"THEN", "AFTER"}))
    if _sequence(a, apart) != _sequence(b, apart):
        return "order"
    for lost in sorted(a.said ^ b.said):
        return lost.lower()
    for group in sorted(a.poles.keys() | b.poles.keys()):
        told, found = a.poles.get(group, set()), b.poles.get(group, set())
        every = question and not (told and found) and len(told | found) > 1  # a question may name its alternatives
        if told != found and not every:
            return min(told ^ found).lower()
    allowed = a.asks | own_asks | {"MANNER"}
    core = {*a.asks} - (_LOOSE if question else _LOOSE | {"ORDER"})
    kept = b.asks - _LOOSE if question else b.asks & core
    if b.asks - allowed or (core and not kept):
        return "asks"
    if question and _ASKING.search(original.lower()) and not _ASKING.search(text.lower()):
        return "form"
    return "words" if set(b.words) - own_words - _lexicon()[1] - set(a.words) else ""


def _malformed(original: str, text: str, question: bool) -> bool:
    if not text or text != text.strip() or not text.isascii() or not (text[0].isupper() or text[0].isdigit()):
        return True
    one = not re.search(r"[?!.;\n\r\"<>{}\[\]()`*_#|\\/=~@]", re.sub(r"\d\.\d", "", text[:-1]))
    short = len(text) <= LONGEST * len(original) + MORE_CHARACTERS
    return not (text[-1] == ("?" if question else ".") and one and short)


@cache
def _lexicon() -> tuple[list[tuple[str, str, re.Pattern[str]]], frozenset[str]]:
    """(group, concept, expression) in the order of hearing, and the neutral words."""
    data = tomllib.loads((files("fm_hub.wording") / "lexicon.toml").read_text(encoding="utf-8"))
    poles = {name: group for group, names in data["poles"].items() for name in names}
    parts: list[Mapping[str, list[str]]] = [data["first"], *data["poles"].values()]
    parts += [data[group] for group in ("ordered", "said", "asks")]
    kinds = ["said", *(["poles"] * len(data["poles"])), "ordered", "said", "asks"]
    out = []
    for kind, concepts in zip(kinds, parts, strict=True):
        for name, phrases in concepts.items():
            group = poles.get(name, "asks" if name in _AS_ASKED else kind)
            if phrases:
                out.append((group, name, re.compile(rf"(?<![\w@])(?:{'|'.join(phrases)})(?!\w)")))
    return out, frozenset(data["neutral"]["words"].split())


@cache
def _family(name: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Of a wording family: the words that tell its options apart, all that it asks about, and all of its words.

    To change a word that stands in some options and not in all is to change the claim.
    """
    table = families().get(name, {})
    options = [_bare(x) for x in (table.get("options") or {}).values() if isinstance(x, str)]
    heard = [_hear(x, (), frozenset()) for x in options]
    words = [set(h.words) for h in heard]
    shared = set[str]().union(*words).intersection(*words)
    telling = set[str]().union(*words) - _lexicon()[1] - shared
    heard += [_hear(_bare(x), (), frozenset()) for x in (*table.get("stems", ()), *table.get("statements", ()))]
    asks, own = (h.asks for h in heard), (h.words for h in heard)
    return frozenset(telling), frozenset[str]().union(*asks), frozenset[str]().union(*own)


def _bare(text: str) -> str:
    return re.sub(r"\{\w+\}", " ", text)


def _plain(text: str, names: Names) -> str:
    """Lower case, names as ``@0``, words one blank apart, short forms written out, no punctuation."""
    low = text.lower()
    for i, word in sorted(((i, w) for i, group in enumerate(names) for w in group), key=lambda x: (-len(x[1]), x)):
        low = re.sub(rf"(?<![\w@]){re.escape(word.lower())}(?!\w)", f" @{i} ", low)
    low = low.replace("cannot", "can not").replace("n't", " not").replace("'s", " ").replace("-", " ")
    return " ".join(_WORD.findall(low))


def _hear(text: str, names: Names, telling: frozenset[str]) -> _Heard:
    plain = rest = _plain(text, names)
    marks: list[tuple[int, str, str]] = []

    def hear(group: str, expression: re.Pattern[str], concept: str = "") -> None:
        nonlocal rest
        marks.extend((m.start(), group, concept or m[0]) for m in expression.finditer(rest))
        rest = expression.sub(lambda m: "~" * len(m[0]), rest)

    hear("share", _SHARE)
    for group, concept, expression in _lexicon()[0]:
        hear(group, expression, concept)
    hear("number", _NUMBER)
    hear("ordered", re.compile(r"@\d+"))
    out = _Heard(words=rest.replace("~", " ").split(), paired=bool(_PAIR.search(plain)))
    for _, group, concept in sorted(marks):
        if group == "share":
            out.numbers.append(_SHARES[concept])
        elif group == "number":
            out.numbers.append(1.0 if concept == "one" else _VALUES.get(concept, -1.0))
            out.numbers[-1] = float(concept) if concept[0].isdigit() else out.numbers[-1]
        elif group == "ordered":
            out.ordered.append(concept)
        elif group == "asks":
            out.asks.add(concept)
        elif group == "said":
            out.said.add(concept)
        else:
            out.poles.setdefault(group, set()).add(concept)
            out.ordered += [concept] if group == "speed_change" else []
    time = out.poles.get("time", set())
    if "FIRST" in time:  # "first, and then": the second word says it all
        time.discard("FIRST")
        time |= set() if "THEN" in out.ordered else {"START"}
    out.poles = {k: v for k, v in out.poles.items() if v}
    out.paired = out.paired or "BOTH" in out.poles.get("who", ())
    out.said |= telling.intersection(out.words)
    return out


def _sequence(heard: _Heard, apart: bool) -> list[str]:
    """The ordered concepts in a form in which equal meanings are equal; with ``apart`` also who comes when."""
    out: list[str] = []
    last = ""
    for c in heard.ordered:
        name = c.startswith("@")
        if name and (c == last or not apart):
            continue
        if not apart and (c == "FROM" or c in heard.poles.get("speed_change", ())):
            continue
        last = c if name else last
        if c == "THEN" and out and out[-1] == "THEN":
            continue
        if out and ((c in _ACROSS and out[-1] in _ALONG) or (c in _ALONG and out[-1] in _ACROSS)):
            out[-1] = "-".join(sorted((c, out[-1])))  # up and to the left is left and up
            continue
        out.append(c)
    return out
