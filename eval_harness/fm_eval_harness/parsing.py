"""One strict parser from what a model wrote to the letter it chose. It never guesses.

A letter is taken where the answer is that letter, starts or ends with it on a line of its own, says that it is
the answer, or is the text of one option. Two different letters, a letter that is no option, a text that
contradicts its letter, and thoughts without an end give none. Every change of behaviour is a new version:
the table ``tests/fixtures/parsing.tsv`` says what this one does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PARSER_VERSION", "Parsed", "answer_part", "match_option", "parse_letter", "plain"]

PARSER_VERSION = 1


@dataclass(frozen=True)
class Parsed:
    """The letter (empty if there is none) and the name of the rule that found it, or that says why not."""

    letter: str
    rule: str


_TOKENS = re.compile(r"<\|[^|>]{1,30}\|>|</s>|<s>|<eos>|<end_of_utterance>|<end_of_turn>")
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.S | re.I)
_BOXED = re.compile(r"\\boxed\{\s*(?:\\text\{)?([^{}]*)\}?\s*\}")
_EMPHASIS = re.compile(r"\*\*|__|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|`|^#+\s*", re.M)
_INTRO = (
    r"(?:(?:so|therefore|thus|hence)\b[,\s]*)?(?:(?:the|my)\s+)?(?:(?:correct|right|best|final|most\s+likely)\s+)*"
    r"(?:answer|option|choice|letter)s?\s*(?:is\b|:|=)*\s*(?:(?:option|choice|letter)\b)?"
)
_LEAD = r"(?:(?:option|choice|letter|answer|number)\s+)?"
_AFTER = r"(?=\s*(?:$|[.,;:!?)\]\"'\n—–-]|(?:because|since|as|for|due)\b))"
_OTHER = re.compile(r"\s*(?:[,/&]|,?\s*(?:or|and))\s*(?:option\s+)?(?:[(\[]?[A-Z][)\]]?(?![\w'])|[(\[][a-z][)\]])")
_IS = (
    r"(?:answer|choice|option|conclusion|response|选|答案)(?:\s+(?:choice|option|letter|here|to\s+the\s+question))*"
    r"\s*(?:is|are|would\s+be|will\s+be|should\s+be|must\s+be|seems\s+to\s+be|appears\s+to\s+be|[:=：是为]|->|→)*"
    r"(?:\s+(?:therefore|thus|clearly|likely|probably|most\s+likely|indeed|definitely|obviously|simply|actually|just))?[\s:]*"
)
_SAID = re.compile(rf"\b{_IS}{_LEAD}[\"'(\[]*([A-Z]|(?<=[(\[\"'])[a-z]|[b-z])[\"')\]]*{_AFTER}", re.I)
_SAID_CHINESE = re.compile(r"(?:答案|选项|选择|选)(?:是|为|:|：)?\s*[(（]?([A-Z])[)）]?")
_FINAL = re.compile(r"\b(?:final|so|therefore|thus|hence|conclusion|conclude)\b", re.I)
_HOLDS = re.compile(
    r"(?:\b(?:option|choice|answer)\s+)?(?<![\w'])[(\[\"']*([A-Z])[)\]\"']*(?::[^.\n]{0,120}?)?\s+"
    r"(?:is|seems|appears|would\s+be|must\s+be|should\s+be)\s+(?:to\s+be\s+|clearly\s+|therefore\s+|indeed\s+|likely\s+)*"
    r"(?:the\s+)?(?:most\s+)?(?:correct|right|best|true|accurate|likely|appropriate|plausible|answer|final\s+answer)\b"
)
_CHOSEN = re.compile(
    rf"\b(?:I|I'd|I'll|we)\s+(?:would\s+|will\s+)?(?:choose|pick|select|say|answer|go\s+with|guess|opt\s+for)\s+{_LEAD}"
    rf"[\"'(\[]*([A-Z])[\"')\]]*{_AFTER}"
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|can't|isn't|aren't|wasn't|doesn't|don't|didn't|wrong|incorrect|false|"
    r"instead|rather|unlike|unclear|impossible|except|unless|whether|either)\b",
    re.I,
)
_ARTICLES = {"a", "an", "the"}


def parse_letter(text: str, letters: Sequence[str], options: Sequence[str]) -> Parsed:
    """The letter that an answer chooses.

    ``letters`` are those of the options, ``options`` their texts, in the same order.

    >>> parse_letter("The answer is B.", "ABCD", ["left", "right", "up", "down"])
    Parsed(letter='B', rule='alone')
    >>> parse_letter("A man walks to the right", "AB", ["a man sits", "a man walks to the right"])
    Parsed(letter='B', rule='text')
    """
    said, why = answer_part(text)
    if not said:
        return Parsed("", why)
    return (
        _alone(said, letters)
        or _several(said, letters)
        or _stated(said, letters)
        or _leading(said, letters, options)
        or _last_line(said, letters)
        or _by_text(said, letters, options)
        or Parsed("", "no letter")
    )


def answer_part(text: str) -> tuple[str, str]:
    """What of a reply is the answer: no thoughts, no marks of markdown; empty with the reason where nothing is left."""
    said = _TOKENS.sub("", unicodedata.normalize("NFKC", text))
    if "</think>" in said:
        said = said.rpartition("</think>")[2]
    elif re.search(r"<think(?:ing)?>", said, re.I):
        return "", "thoughts without an end"
    tagged = _TAGGED.findall(said) or _BOXED.findall(said)
    if tagged:
        said = tagged[-1]
    said = _EMPHASIS.sub("", said.replace("’", "'").replace("“", '"').replace("”", '"')).strip()
    return said, "" if said else "empty"


def plain(text: str) -> str:
    """Words alone: small letters, no punctuation, no articles, single blanks.

    >>> plain("The man's hand, moving LEFT.")
    "man's hand moving left"
    """
    words = re.findall(r"[\w'%+-]+", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(w for w in (x.strip("'-") for x in words) if w and w not in _ARTICLES)


def match_option(text: str, options: Sequence[str]) -> int | None:
    """The one option whose text an answer is, or holds; None for none, several, or one that is denied.

    A text inside a longer option's text counts for the longer one.
    """
    said, texts = plain(text), [plain(o) for o in options]
    same = [i for i, t in enumerate(texts) if t and t == said]
    if same:
        return same[0] if len(same) == 1 else None
    rest, found = f" {said} ", list[int]()
    for i in sorted(range(len(texts)), key=lambda i: -len(texts[i])):
        if texts[i] and f" {texts[i]} " in rest:
            rest = rest.replace(f" {texts[i]} ", " | ")
            found.append(i)
    return found[0] if len(found) == 1 and not _NEGATION.search(rest) else None


def _alone(said: str, letters: Sequence[str]) -> Parsed | None:
    """The whole answer is one letter, with at most brackets, a full stop, or "option" and the like around it."""
    bare = re.fullmatch(rf"[\W_]*(?:{_INTRO})?[\W_]*([A-Za-z])[\W_]*", said, re.I)
    return _chosen(bare[1].upper(), letters, "alone") if bare else None


def _several(said: str, letters: Sequence[str]) -> Parsed | None:
    """The whole answer is a row of letters."""
    row = re.fullmatch(rf"[\W_]*(?i:{_INTRO})?[\W_]*([A-Z](?:[\W_]+(?:(?:or|and)\b[\W_]*)?[A-Z])+)[\W_]*", said)
    named = set(re.findall(r"\b[A-Z]\b", row[1])) if row else set()
    return Parsed("", "several letters") if len(named) > 1 and named <= set(letters) else None


def _stated(said: str, letters: Sequence[str]) -> Parsed | None:
    """Somewhere it says which letter is the answer."""
    found: list[tuple[str, bool]] = []
    for pattern in (_SAID, _SAID_CHINESE, _HOLDS, _CHOSEN):
        for match in pattern.finditer(said):
            if pattern is _SAID and match[1].islower() and match[1] == "a" and not _closed(said, match):
                continue
            if _OTHER.match(said, match.end()) or _either_before(said, match.start(1)):
                return Parsed("", "several letters")
            before = re.split(r"[.\n;!?]", said[: match.start()])[-1]
            if re.search(r"\b(?:not|wrong|incorrect|whether|if)\b", before, re.I):
                continue
            found.append((match[1].upper(), bool(_FINAL.search(said[max(0, match.start() - 24) : match.end()]))))
    chosen = {x for x, _ in found}
    if len(chosen) > 1:
        chosen = {x for x, final in found if final}
    if not found:
        return None
    return _chosen(chosen.pop(), letters, "said") if len(chosen) == 1 else Parsed("", "several letters")


def _closed(said: str, match: re.Match[str]) -> bool:
    return bool(re.match(r"[\"')\]]|\s*$|\s*[.\n]", said[match.end(1) :]))


def _either_before(said: str, at: int) -> bool:
    return bool(re.search(r"(?<!\w)[(\[]?[A-Z][)\]]?\s*(?:/|,?\s*\bor\b)\s*(?:option\s+)?[(\[\"']*$", said[:at]))


def _leading(said: str, letters: Sequence[str], options: Sequence[str]) -> Parsed | None:
    """It begins with a letter and a mark, then the option's text or a reason; the text must not be another option's."""
    head = re.match(
        r"[\s\"'\[(]*(?:(?:option|choice)\s+)?(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])[.):\]]|([A-Z]),?(?=\s+(?:because|since|as|due)\b)|"
        r"([A-Z])(?=\s*(?:\n|,\s|[-–—]\s)))",
        said,
    ) or re.match(r"\(([a-z])\)", said)
    if not head:
        return None
    letter = next(g for g in head.groups() if g).upper()
    rest = said[head.end() :].lstrip(" .):,;-–—\"'")
    if _OTHER.match(said, head.end()):
        return Parsed("", "several letters")
    if letter not in letters:
        return Parsed("", "no such option")
    named = match_option(rest.split("\n")[0], options)
    if (
        named is not None
        and letters[named] != letter
        and plain(rest.split("\n")[0]) != plain(options[_at(letters, letter)])
    ):
        return Parsed("", "letter and text differ")
    if re.match(r"(?:\(?[A-Z][.):]\s)", rest) or _list_of_options(said, letters):
        return Parsed("", "several letters")
    return Parsed(letter, "leading")


def _last_line(said: str, letters: Sequence[str]) -> Parsed | None:
    """The last line is a letter alone."""
    lines = [x.strip() for x in said.splitlines() if x.strip()]
    if len(lines) < 2:
        return None
    found = _alone(lines[-1], letters)
    return found and Parsed(found.letter, "last line" if found.letter else found.rule)


def _by_text(said: str, letters: Sequence[str], options: Sequence[str]) -> Parsed | None:
    """It is, or holds, the text of exactly one option."""
    at = match_option(re.sub(rf"^\W*{_INTRO}\s*", "", said, count=1, flags=re.I), options)
    if at is None:
        return None
    named = set(re.findall(r"(?<![\w'])(?:option\s+|\(|^\W*(?![AI]\b))([A-Z])\b", said)) - {letters[at]}
    return Parsed("", "letter and text differ") if named & set(letters) else Parsed(letters[at], "text")


def _list_of_options(said: str, letters: Sequence[str]) -> bool:
    """Whether it lists the options back: that chooses none of them."""
    return len(set(re.findall(r"(?m)(?:^\s*|\()([A-Z])[.):]\s", said)) & set(letters)) > 1


def _at(letters: Sequence[str], letter: str) -> int:
    return list(letters).index(letter)


def _chosen(letter: str, letters: Sequence[str], rule: str) -> Parsed:
    return Parsed(letter, rule) if letter in letters else Parsed("", "no such option")
