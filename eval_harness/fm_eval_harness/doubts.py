"""Answers that a model no longer stands by: they are taken back, and asked again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fm_eval_harness.samples import Key, Sample
from fm_eval_harness.trials import Trial
from fm_hub.models import Model

__all__ = ["Answered", "Doubts"]


@dataclass(frozen=True)
class Answered:
    """An answer to a trial, and the ways of computing it whose checks vouch for it."""

    trial: Trial
    sample: Sample
    ways: tuple[str, ...] = ()


@dataclass(frozen=True)
class Doubts:
    """The answers that no passed check has come after yet, by the way that they rest on."""

    model: Model
    _open: dict[str, list[Answered]] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def taken_back(self, new: Iterable[Answered]) -> list[Answered]:
        """What the model, which has just given ``new`` answers, does not stand by any longer."""
        for way, passed in self.model.verdicts():
            if passed:
                self._open.pop(way, None)
            else:
                self._failed.add(way)
        for answered in new:
            for way in answered.ways:
                self._open.setdefault(way, []).append(answered)
        found: dict[Key, Answered] = {}
        for way in self._failed:
            found |= {a.trial.key: a for a in self._open.pop(way, ())}
        return list(found.values())
