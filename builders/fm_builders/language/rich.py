"""Richer captions: the measured sentences in a flow, and what a model sees beside them, each sentence marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from fm_builders.language.prompts import load_prompt
from fm_builders.language.reword import Text, listed
from fm_hub.endpoint.client import Client
from fm_hub.endpoint.request import Ask, Picture, Turn
from fm_hub.endpoint.structured import fill
from fm_hub.errors import ItemError
from fm_hub.records import Caption, Claim, Provenance, Sentence, caption_id
from fm_hub.wording import short_caption
from fm_hub.wording.paraphrase import difference

__all__ = ["SEEN", "enrich"]

EXTRA = 3
LONGEST = 240
SEEN = "scene"
"""The aspect of a sentence that no claim proves."""


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")
    claims: list[str] = Field(default=[], max_length=8)
    text: str = Field(max_length=600)


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sentences: list[_Said] = Field(max_length=64)


def enrich(
    client: Client, caption: Caption, texts: Sequence[Text], seen: Sequence[Picture], model: str, counts: Counter[str]
) -> Caption:
    """The caption in a model's words; ``texts`` are its sentences. Where the reply fails it stays as it was.

    A sentence that names one claim is checked by the rule of paraphrases; where it is refused, or missing, the
    template's sentence stands. A sentence that names none is kept only where ``seen`` frames were shown, and makes
    the row's grounding ``model``: nothing proves it.
    """
    prompt = load_prompt("caption")
    keyed, lines, names = listed(texts)
    said = prompt.fill(texts=lines, names=names, extra=EXTRA if seen else 0)
    room = 96 + sum(32 + len(t.text) // 2 for t in texts)
    (reply,) = fill(client, [Ask((Turn("user", (*seen, said)),), max_tokens=room)], _Reply)
    if isinstance(reply, ItemError):
        counts[type(reply).__name__] += 1
        return caption
    home = dict(zip(keyed, caption.sentences, strict=True))
    out: list[Sentence] = []
    left, free = dict(home), 0
    for s in reply.sentences:
        text = " ".join(s.text.split())
        names_of = [c.strip("[] ") for c in s.claims]
        if not names_of:
            if seen and free < EXTRA and _plain(text):
                free += 1
                out.append(_seen(text, caption))
            counts["seen" if out and out[-1].text == text else "not shown"] += 1
        elif len(names_of) != 1 or names_of[0] not in left:
            counts["claims"] += 1
        else:
            key = names_of[0]
            t = keyed[key]
            why = "" if text == t.text else difference(t.text, text, t.names, t.template)
            counts[f"rule: {why}" if why else "reworded"] += 1
            out.append(left.pop(key) if why else replace(left.pop(key), text=text))
    out += left.values()  # what the reply left out is said all the same
    counts["claims"] += len(left)
    if [s.text for s in out] == [s.text for s in caption.sentences]:
        return caption
    return replace(
        caption,
        caption_id=caption_id(caption.clip_id, (s.claim for s in out)),
        text=" ".join(s.text for s in out),
        short=short_caption(out),
        sentences=tuple(out),
        grounding="model" if free else "facts",
        provenance=Provenance(model, caption.provenance.seed, prompt.mark),
    )


def _seen(text: str, caption: Caption) -> Sentence:
    t0, t1 = caption.sentences[0].claim.t0, caption.sentences[0].claim.t1
    return Sentence(SEEN, text, "", "{}", Claim.of("", {}, t0, t1))


def _plain(text: str) -> bool:
    """One sentence of letters, without numbers, which nobody measured."""
    body = text[:-1]
    return (
        text.isascii()
        and text.isprintable()
        and text.endswith(".")
        and text[0].isupper()
        and len(text) <= LONGEST
        and not any(c.isdigit() or c in ".?!<>{}[]`*_#|\\" for c in body)
    )
