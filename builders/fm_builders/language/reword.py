"""Other words for what is proved: a reply names the claims that it words, and the rule of paraphrases checks each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from fm_builders.language.prompts import load_prompt
from fm_hub.endpoint.client import Client
from fm_hub.endpoint.request import Ask, Turn
from fm_hub.endpoint.structured import fill
from fm_hub.errors import ItemError
from fm_hub.wording.paraphrase import Names, difference

__all__ = ["AT_ONCE", "Text", "listed", "reword"]

AT_ONCE = 8
"""So many texts go into one request: fewer requests, and a reply that still fits a small model."""


@dataclass(frozen=True)
class Text:
    """A text of a template, the objects that it names, and the predicate of its claim."""

    text: str
    names: Names
    template: str
    predicate: str


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")
    claim: str = Field(max_length=80)
    text: str = Field(max_length=600)


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sentences: list[_Said] = Field(max_length=2 * AT_ONCE)


def reword(client: Client, texts: Sequence[Text], counts: Counter[str]) -> list[str | None]:
    """Another wording of each text, or None where its template stands; ``counts`` counts how each ended.

    ``reworded``; ``same`` (the model gave the template's own words); the class of an error; ``claims`` (the reply
    does not name the text, or names it twice); ``rule: <why>`` (it says another thing).
    """
    parts = [texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE)]
    out: list[str | None] = []
    for part, reply in zip(parts, fill(client, [_ask(p) for p in parts], _Reply), strict=True):
        names = [key for key, _ in _keyed(part)]
        said: dict[str, list[str]] = {}
        if not isinstance(reply, ItemError):
            for s in reply.sentences:
                said.setdefault(s.claim.strip("[] "), []).append(" ".join(s.text.split()))
        for key, text in zip(names, part, strict=True):
            found = said.get(key, [])
            if isinstance(reply, ItemError):
                why = type(reply).__name__
            elif len(found) != 1:
                why = "claims"
            elif found[0] == text.text:
                why = "same"
            else:
                why = difference(text.text, found[0], text.names, text.template)
                why = f"rule: {why}" if why else ""
            counts[why or "reworded"] += 1
            out.append(None if why else found[0])
    return out


def _keyed(texts: Sequence[Text]) -> list[tuple[str, Text]]:
    return [(f"{t.predicate}-{i}", t) for i, t in enumerate(texts, 1)]


def listed(texts: Sequence[Text]) -> tuple[dict[str, Text], str, str]:
    """The texts by the names that a prompt gives them, the lines of the prompt, and the objects in them."""
    keyed = dict(_keyed(texts))
    lines = "\n".join(f"[{key}] {t.text}" for key, t in keyed.items())
    names = sorted({f'"{word}"' for t in texts for group in t.names for word in group})
    return keyed, lines, ", ".join(names) or "if there are any"


def _ask(texts: Sequence[Text]) -> Ask:
    _, lines, names = listed(texts)
    said = load_prompt("paraphrase").fill(texts=lines, names=names)
    return Ask((Turn("user", (said,)),), max_tokens=64 + sum(24 + len(t.text) // 2 for t in texts))
