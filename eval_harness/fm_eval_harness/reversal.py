"""Which option is right when the video runs backwards: derived from the published tables, as every key is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fm_eval_harness.questions import Item
from fm_hub.claims import DECIDED, MalformedClaim, Scene, check, tracks_of
from fm_hub.claims.reversal import reversed_claim, reversed_scene
from fm_hub.records import Question
from fm_hub.scenes import Scenes
from fm_hub.wording import refer

__all__ = ["flipped_answer", "flipped_answers"]

WHOLE = 0.2
"""Seconds: claims about nearly all of the view; a question about a part of it means another part in reverse."""


def flipped_answers(root: Path, items: Sequence[Item]) -> dict[str, int | None]:
    """For each question, the option that is right in reverse; None where the claims do not say."""
    if not any(o.claim.predicate for i in items for o in i.question.options):
        return {}
    try:
        scenes = Scenes(root)
    except (ValueError, TypeError, KeyError, OSError):
        return {}
    out: dict[str, int | None] = {}
    for item in items:
        q = item.question
        try:
            out[q.question_id] = flipped_answer(q, scenes[q.clip_id])
        except KeyError:  # the data set has no tables of this clip
            out[q.question_id] = None
    return out


def flipped_answer(question: Question, scene: Scene) -> int | None:
    """The one option whose claim is true of the reversed view, all others being false there; else None.

    None too where the words would not mean the same: a claim about a part of the view, or a thing whose name
    (by the side where it starts, for example) is another in reverse.
    """
    t0, t1 = question.view_t0, question.view_t1
    back = reversed_scene(scene, t0, t1)
    margins = []
    for option in question.options:
        claim = option.claim
        if claim.t0 - t0 > WHOLE or t1 - claim.t1 > WHOLE:
            return None
        for track in tracks_of(claim):
            if refer(scene, track, t0, t1) != refer(back, track, t0, t1):
                return None
        try:
            margins.append(check(back, reversed_claim(claim, t0, t1)).margin)
        except MalformedClaim:
            return None
    true = [i for i, m in enumerate(margins) if m >= DECIDED]
    false = [i for i, m in enumerate(margins) if m <= -DECIDED]
    return true[0] if len(true) == 1 and len(true) + len(false) == len(margins) else None
