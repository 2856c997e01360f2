"""Clips whose truth is exact, and the count of what is right about them."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fm_builders.simulate import RENDERED, SCENES
from fm_builders.simulate.film import Film
from fm_builders.simulate.judge import Judge
from fm_hub.claims import tracks_of
from fm_hub.records import Clip, Question

__all__ = ["Tally", "films", "row_of", "scenes", "share"]


@dataclass
class Tally:
    """Right and wrong, and what was wrong."""

    keys: Counter[bool] = field(default_factory=Counter)
    distractors: Counter[bool] = field(default_factory=Counter)
    counts: Counter[bool] = field(default_factory=Counter)
    unjudged: int = 0
    told: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, question: Question, judge: Judge, where: str, phantoms: frozenset[str] = frozenset()) -> None:
        """Hold every option of a question against the judge; a claim about a track that is nothing is wrong."""
        for i, option in enumerate(question.options):
            key = i == question.answer
            holds = judge.holds(option.claim)
            if tracks_of(option.claim) & phantoms:
                holds = not key
            self.told[option.claim.predicate] += 1
            if holds is None:
                self.unjudged += 1
                self.silent[option.claim.predicate] += 1
                continue
            right = holds == key
            (self.keys if key else self.distractors)[right] += 1
            if key and question.kind == "count":
                self.counts[right] += 1
            if not right:
                self.wrong[f"{option.claim.predicate} {'key' if key else 'distractor'}"] += 1
                text = f"{where} {option.claim.predicate} {option.claim.args} {option.claim.t0}-{option.claim.t1}"
                self.examples.append(f"{text} margin {option.margin:.1f}")

    @property
    def judged_share(self) -> float:
        """Percent of the options of which the judge says something."""
        return 100.0 * (1 - self.unjudged / max(sum(self.told.values()), 1))


def share(counter: Counter[bool]) -> float:
    """Percent right; 100 of nothing."""
    total = counter[True] + counter[False]
    return 100.0 * counter[True] / total if total else 100.0


def scenes() -> list[str]:
    """The scenes that can be shot here."""
    rendered = importlib.util.find_spec("mujoco") is not None
    if not rendered:
        sys.stderr.write("MuJoCo is not installed (extra: simulate): copypaste alone\n")
    return [*(RENDERED if rendered else ()), "copypaste"]


def films(seed: int) -> Iterator[Film]:
    """Films without end, one scene after the other."""
    makers = [SCENES.load(name) for name in scenes()]
    number = 0
    while True:
        for maker in makers:
            yield maker(seed, number)
        number += 1


def row_of(film: Film, clip_id: str, sha256: str = "0" * 64) -> Clip:
    """The row of a clip that lies in no dataset."""
    n, wide, high = len(film.times), *film.size
    facts: dict[str, Any] = {"t0": 0.0, "t1": film.seconds, "copied": True, "fps": 20.0, "width": wide, "height": high}
    more: dict[str, Any] = {"n_frames": n, "duration": film.seconds + 0.05, "camera": "static", "split": "test"}
    return Clip(clip_id, clip_id, f"videos/{clip_id}.mp4", sha256, **facts, **more, status="ok")
