"""``baseline:tracker``: answers by looking at the video with the embedded perception, not at the tables.

It sees the view, the question and its options, finds the named objects among its *own* tracks by their words,
and prefers the option whose claim fits those tracks best. It shows what a small detector and tracker are worth
on a motion benchmark. On a set whose answers come from the same tracks it mostly measures itself; results
say so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fm_builders import perceive as perception
from fm_builders.detectors.memory import Memory, remembering
from fm_builders.perception_models import model_ids
from fm_builders.recipe import Perception
from fm_hub.claims import Scene, check, tracks_of
from fm_hub.errors import ItemError
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.records import VISIBLE, Claim, Frames
from fm_hub.scenes import Scenes
from fm_hub.video import index_video, sample_times
from fm_hub.wording import refer

__all__ = ["TrackerBaseline"]

SURE = 10.0
"""Margins beyond this many tolerances make an option no likelier."""


class TrackerBaseline(Model):
    """Perceive the view, measure every option's claim, and score the letters by its margin."""

    name = "baseline:tracker"

    def __init__(self, dataset: Scenes, perception_params: Perception) -> None:
        self.published = dataset
        self.params = perception_params
        self.commit = "+".join(model_ids(perception_params))
        self._clip, self._looks = "", Memory()

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> Model:
        """Build for a dataset folder; the published tables serve to read the questions' words alone."""
        del rest
        return cls(Scenes(options.dataset), Perception())

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """One perception of the view for all of its questions."""
        try:
            scene = self._look(view)
        except ItemError as e:
            return [Scores(p.id, error=f"{type(e).__name__}: {e}") for p in prompts]
        return [self._answer(scene, view, p) for p in prompts]

    def _look(self, view: View) -> Scene:
        index = index_video(view.path)
        _, t = sample_times(index, self.params.fps)
        t = t[(t >= view.t0 - 0.0005) & (t <= view.t1 + 0.0005)]
        if self._clip != view.clip_id:
            self._clip, self._looks = view.clip_id, Memory()
        with remembering(self._looks):  # the views of a clip share most of their frames
            seen = perception.perceive(index, t, view.clip_id, f"view {view.t0} {view.t1}", self.params)
        n = np.arange(len(t), dtype=np.int32)
        frames = Frames(view.clip_id, n, n.astype(np.int64), t)
        return Scene(index.width, index.height, frames, seen.camera, seen.tracks, seen.keypoints, seen.contacts)

    def _answer(self, scene: Scene, view: View, prompt: Prompt) -> Scores:
        published = self.published[view.clip_id]
        names: dict[str, str] = {}
        for option in prompt.question.options:
            for track in tracks_of(option.claim):
                word = refer(published, track, view.t0, view.t1)
                found = _find(scene, word, published.tracks[track].label, view) if word else None
                if found is None:
                    return Scores(prompt.id, error=f"NotFound: {word or track} is not among the tracks of the view")
                names[track] = found
        margins = [check(scene, _renamed(o.claim, names)).margin for o in prompt.question.options]
        weights = [math.exp(max(-SURE, min(SURE, m))) for m in margins]
        total = sum(weights)
        return Scores(prompt.id, {x: math.log(w / total) for x, w in zip(prompt.letters, weights, strict=True)})


def _find(scene: Scene, word: str, label: str, view: View) -> str | None:
    """The track that a name fits; where none fits alone, the one of its class that is seen the longest."""
    for track_id in scene.tracks:
        if refer(scene, track_id, view.t0, view.t1) == word:
            return track_id
    alike = [t for t in scene.tracks.values() if t.label == label]
    best = max(alike, key=lambda t: (int((t.state == VISIBLE).sum()), t.track_id), default=None)
    return best.track_id if best else None


def _renamed(claim: Claim, names: Mapping[str, str]) -> Claim:
    """The claim about other tracks."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v) for v in value]
        return names.get(value, value) if isinstance(value, str) else value

    made = Claim.of(claim.predicate, walk(json.loads(claim.args)), claim.t0, claim.t1, claim.frame)
    return replace(claim, args=made.args)
