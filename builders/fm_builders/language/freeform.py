"""Questions that a model writes from caption and frames, as in the paper; marked ``model``, checked for ambiguity.

The paper's generator always gives the right option first and checks nothing. Here the options are placed by id, a
question whose options overlap in form is left out, and the model has to find the key again from the frames, whatever
the order of the options, without calling another one right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fm_builders.language.prompts import load_prompt
from fm_builders.questions import seeded
from fm_hub.endpoint.client import Client
from fm_hub.endpoint.request import Ask, Picture, Turn
from fm_hub.endpoint.structured import fill
from fm_hub.errors import ItemError
from fm_hub.records import LETTERS, Caption, Claim, Clip, Option, Provenance, Question, Shortcuts, canonical_json
from fm_hub.records import question_id as id_of

__all__ = ["KIND", "found_again", "write_questions"]

KIND = "freeform"
ROTATIONS = (0, 2)
_Type = Literal[
    "motion recognition", "action order", "motion-related objects", "location-related motion", "repetition count"
]
_CATCH_ALL = re.compile(
    r"\b(all|none|both|neither|any) of (the|these|them)\b|\b(cannot|can't|impossible to) (tell|say)\b"
)
LONGEST_QUESTION, LONGEST_OPTION = 200, 100


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: _Type
    question: str = Field(max_length=400)
    correct: str = Field(max_length=300)
    wrong: list[str] = Field(min_length=3, max_length=3)


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")
    questions: list[_Written] = Field(max_length=16)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B", "C", "D"]
    others_fit: bool


def write_questions(
    client: Client, clip: Clip, caption: Caption, seen: Sequence[Picture], n: int, model: str, counts: Counter[str]
) -> list[Question]:
    """Up to ``n`` questions about a clip, in the order of their ids; ``counts`` counts how each ended.

    ``kept``; ``form`` (options that are alike, much longer than the others, or catch-alls); ``ambiguous`` (the key is
    not found again from the frames, or another option is called right as well); ``text alone`` (it is found without
    the frames); else the class of an error.
    """
    prompt = load_prompt("freeform")
    ask = Ask((Turn("user", (*seen, prompt.fill(n=n, caption=caption.text))),), max_tokens=200 * n)
    (reply,) = fill(client, [ask], _Reply)
    if isinstance(reply, ItemError):
        counts[type(reply).__name__] += 1
        return []
    made: dict[str, Question] = {}
    for w in reply.questions[:n]:
        if _fits(w):
            q = _question(w, clip, caption.provenance.seed, model, prompt.mark)
            made.setdefault(q.question_id, q)
        else:
            counts["form"] += 1
    out = []
    questions = [q for _, q in sorted(made.items())]
    with_frames = found_again(client, questions, seen, counts)
    without = found_again(client, questions, (), counts)
    for q, sure, blind in zip(questions, with_frames, without, strict=True):
        if sure is None or blind is None:
            counts["unchecked"] += 1
        elif sure < 1:
            counts["ambiguous"] += 1
        elif blind == 1:
            counts["text alone"] += 1
        else:
            counts["kept"] += 1
            out.append(replace(q, shortcuts=Shortcuts(blind=blind)))
    return out


def found_again(
    client: Client, questions: Sequence[Question], seen: Sequence[Picture], counts: Counter[str]
) -> list[float | None]:
    """The share of the orders of its options in which each question's key is chosen, and, with frames, it alone.

    Without ``seen`` the model is told to guess. None where a request failed, which ``counts`` counts.
    """
    prompt = load_prompt("answer")
    shown = "Look at the frames." if seen else "You do not see the video; choose what is most likely."
    asks, keys = [], []
    for q in questions:
        k = len(q.options)
        for turn in ROTATIONS:
            order = [(i + turn) % k for i in range(k)]
            lines = "\n".join(f"{LETTERS[j]}. {q.options[i].text}" for j, i in enumerate(order))
            said = prompt.fill(question=q.text, options=lines, shown=shown)
            asks.append(Ask((Turn("user", (*seen, said)),), max_tokens=40))
            keys.append(LETTERS[order.index(q.answer)])
    right: list[float | None] = []
    for key, reply in zip(keys, fill(client, asks, _Answer), strict=True):
        if isinstance(reply, ItemError):
            counts[type(reply).__name__] += 1
            right.append(None)
        else:
            right.append(float(reply.answer == key and not (seen and reply.others_fit)))
    n = len(ROTATIONS)
    groups = [right[i * n : i * n + n] for i in range(len(questions))]
    return [None if None in g else sum(x for x in g if x is not None) / n for g in groups]


def _fits(w: _Written) -> bool:
    options = [" ".join(o.split()) for o in (w.correct, *w.wrong)]
    alike = [re.sub(r"\W+", " ", o.lower()).strip() for o in options]
    inside = any(a in b for i, a in enumerate(alike) for j, b in enumerate(alike) if i != j)
    text = " ".join(w.question.split())
    return not (
        inside
        or not all(alike)
        or any(_CATCH_ALL.search(o.lower()) or len(o) > LONGEST_OPTION or not o.isprintable() for o in options)
        or alike[0] in re.sub(r"\W+", " ", text.lower())
        or len(options[0]) > 1.5 * max(len(o) for o in options[1:])
        or not text.endswith("?")
        or not text.isprintable()
        or len(text) > LONGEST_QUESTION
    )


def _question(w: _Written, clip: Clip, seed: int, model: str, mark: str) -> Question:
    text, right, *wrong = (" ".join(x.split()) for x in (w.question, w.correct, *w.wrong))
    t1 = round(clip.duration, 3)
    args = canonical_json({"question": text, "correct": right, "wrong": sorted(wrong)})
    nothing = Claim.of("", {}, 0.0, t1)
    template = f"{KIND}/0"
    identity = id_of(clip.clip_id, template, args, (nothing,) * 4, 0.0, t1)
    wrong.sort(key=lambda o: seeded(seed, identity, o))
    place = seeded(seed, identity, "key") % len(LETTERS)
    texts = (*wrong[:place], right, *wrong[place:])
    return Question(
        question_id=identity,
        clip_id=clip.clip_id,
        source_id=clip.source_id,
        split=clip.split,
        video_file=clip.video_file,
        type=w.type,
        kind=KIND,
        difficulty="medium",
        view_t0=0.0,
        view_t1=t1,
        text=text,
        options=tuple(Option(o, nothing, 0.0) for o in texts),
        answer=place,
        answer_type="phrase",
        template=template,
        template_args=args,
        grounding="model",
        provenance=Provenance(model, seed, mark),
    )
