"""What is wrong with a row: its proof, its words, its hash. Nothing, if every claim says what the row says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fm_hub.claims import Scene, check
from fm_hub.claims.verdict import difficulty
from fm_hub.records import (
    LETTERS,
    Caption,
    Claim,
    Fact,
    Option,
    Provenance,
    Question,
    caption_id,
    fact_id,
    question_id,
)
from fm_hub.rows import row_sha
from fm_hub.scenes import Scenes
from fm_hub.wording import BadTemplate, Wording, short_caption
from fm_hub.wording.paraphrase import difference, names_in

__all__ = ["caption_problems", "fact_problems", "question_problems"]

CLOSE = 1e-6
PREDICTION = "dynamics prediction"
"""The type of question whose claims speak of what comes after its view."""


def _home_problems(row: dict[str, Any], scenes: Scenes) -> Iterator[str]:
    clip = scenes.clips.get(row["clip_id"])
    if clip is None:
        yield "unknown clip: it is not in table clips"
        return
    for key in ("source_id", "split", "video_file"):
        if row[key] != getattr(clip, key):
            yield f"wrong {key}: {row[key]!r}, the clip has {getattr(clip, key)!r}"
    if row["row_sha"] != row_sha(row):
        yield "wrong row_sha: the row was changed after it was written"


def question_problems(row: dict[str, Any], q: Question, scenes: Scenes, grounded: bool) -> Iterator[str]:
    """What is wrong with a question: its row, its options and, where it is grounded in facts, its proof and words."""
    yield from _home_problems(row, scenes)
    texts = [o.text for o in q.options]
    if not 2 <= len(texts) <= len(LETTERS) or len(set(texts)) != len(texts):
        yield "bad options: 2 to 4 different ones are needed"
    if "option_a" in row and [row[f"option_{x.lower()}"] for x in LETTERS[: len(texts)]] != texts:
        yield "bad options: the columns differ from the list"
    if not 0 <= q.answer < len(texts):
        yield "bad answer: it is no option"
        return
    clip = scenes.clips[q.clip_id]
    if not 0 <= q.view_t0 < q.view_t1 <= clip.duration + 0.001:
        yield f"bad view: {q.view_t0}..{q.view_t1} s of a clip of {clip.duration} s"
    if grounded:
        scene = scenes[q.clip_id]
        yield from _proof_problems(scene, q)
        yield from _wording_problems(scene, q)


def _proof_problems(scene: Scene, q: Question) -> Iterator[str]:
    for i, option in enumerate(q.options):
        claim = option.claim
        if q.type == PREDICTION:
            if claim.t0 < q.view_t1 - CLOSE:
                yield f"claim inside the view, of a prediction: option {LETTERS[i]}"
        elif not q.view_t0 - CLOSE <= claim.t0 <= claim.t1 <= q.view_t1 + CLOSE:
            yield f"claim outside the view: option {LETTERS[i]}"
        yield from _margin_problems(scene, option, LETTERS[i])
        verdict = check(scene, claim)
        if i == q.answer and not verdict.true:
            yield f"answer not proved: option {LETTERS[i]} has margin {verdict.margin:.2f}"
        if i != q.answer and not verdict.false:
            yield f"distractor not disproved: option {LETTERS[i]} has margin {verdict.margin:.2f}"


def _margin_problems(scene: Scene, option: Option, letter: str) -> Iterator[str]:
    margin = check(scene, option.claim).margin
    if not abs(margin - option.margin) <= CLOSE:  # so that what is not a number is wrong
        yield f"wrong margin: option {letter} says {option.margin}, the tables give {margin}"


def _wording_problems(scene: Scene, q: Question) -> Iterator[str]:
    claims = [o.claim for o in q.options]
    if q.question_id != question_id(q.clip_id, q.template, q.template_args, claims, q.view_t0, q.view_t1):
        yield "wrong id: it is not the hash of the question"
    if q.difficulty != difficulty(o.margin for o in q.options):
        yield f"wrong difficulty: the margins say {difficulty(o.margin for o in q.options)}"
    args = Claim("", q.template_args, "image", 0, 0).arguments
    if "stabilised" in {c.frame for c in claims} and args.get("frame") != "stabilised":
        yield "wrong frame: the words do not say that motion is meant against the background"
    try:
        wording = Wording(scene, q.template, args, q.view_t0, q.view_t1)
        text, texts = wording.stem(), [wording.option(o.claim) for o in q.options]
    except BadTemplate as e:
        yield f"wording not rendered: {e}"
        return
    yield from _reworded(scene, text, q.text, q.provenance, q.template, q.view_t0, q.view_t1)
    for option, expected in zip(q.options, texts, strict=True):
        if option.text != expected:
            yield f"wording differs: option {option.text!r}, the claim gives {expected!r}"


def _reworded(
    scene: Scene, expected: str, text: str, made: Provenance, template: str, t0: float, t1: float
) -> Iterator[str]:
    """The template's text, or, in a row that a prompt made, one that the rule of paraphrases takes for the same."""
    if text == expected:
        return
    if made.prompt is None:
        yield f"wording differs: the template gives {expected!r}"
    elif why := difference(expected, text, names_in(scene, expected, t0, t1), template):
        yield f"paraphrase refused ({why}): the template gives {expected!r}"


def caption_problems(row: dict[str, Any], c: Caption, scenes: Scenes, grounded: bool) -> Iterator[str]:
    """What is wrong with a caption: its row, its words, and every sentence that rests on a claim."""
    yield from _home_problems(row, scenes)
    scene = scenes[c.clip_id]
    if grounded and not all(s.claim.predicate for s in c.sentences):
        yield "sentence without a claim: its caption is not one of facts"
    if c.text != " ".join(s.text for s in c.sentences):
        yield "wording differs: the caption is not its sentences"
    if c.short != short_caption(c.sentences):
        yield "wording differs: the short caption is not that of the sentences"
    if c.caption_id != caption_id(c.clip_id, (s.claim for s in c.sentences)):
        yield "wrong id: it is not the hash of the caption"
    for s in c.sentences:
        if not s.claim.predicate:  # a sentence of a model, which no claim can prove
            continue
        verdict = check(scene, s.claim)
        if not verdict.true:
            yield f"sentence not proved: {s.text!r} has margin {verdict.margin:.2f}"
        args = Claim("", s.template_args, "image", 0, 0).arguments
        t0, t1 = s.claim.t0, s.claim.t1
        try:
            text = Wording(scene, s.template, args, t0, t1).statement(s.claim)
        except BadTemplate as e:
            yield f"wording not rendered: {e}"
            continue
        yield from _reworded(scene, text, s.text, c.provenance, s.template, t0, t1)


def fact_problems(fact: Fact, scenes: Scenes) -> Iterator[str]:
    """What is wrong with a fact: its id, its truth, its numbers."""
    v = check(scenes[fact.clip_id], fact.claim)
    if fact.fact_id != fact_id(fact.clip_id, fact.claim):
        yield "wrong id: it is not the hash of the fact"
    if not v.true:
        yield f"fact not proved: margin {v.margin:.2f}"
    pairs = ((v.value, fact.value), (v.tolerance, fact.tolerance), (v.margin, fact.margin))
    if not all(abs(a - b) <= CLOSE for a, b in pairs):
        yield "wrong number: value, tolerance or margin is not what the tables give"
