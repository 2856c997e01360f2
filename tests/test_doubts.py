"""A model whose way of sharing breaks in the middle of a run: what it said since is taken back and asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fm_eval_harness.evaluate import run
from fm_eval_harness.samples import Trials
from fm_hub.models import Prompt, Scores, View
from fm_hub.models.fake import FakeModel
from made_dataset import make_dataset


class BreaksLate(FakeModel):
    """Right as long as it has made fewer than ``good`` calls; each ``every``-th call checks what it does."""

    looks = True

    def __init__(self, good: int, every: int, *, stops: bool = False) -> None:
        super().__init__("hash")
        self.good, self.every, self.stops = good, every, stops
        self.calls, self.shares = 0, True
        self.found: list[tuple[str, bool]] = []
        self.asked: list[str] = []

    def verdicts(self) -> list[tuple[str, bool]]:
        found, self.found = self.found, []
        return found

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        if self.stops and not self.shares:
            raise KeyboardInterrupt  # a kill just after what was said was taken back
        right = [replace(s, mode="plain") for s in super().score(view, prompts)]
        self.asked += [p.id for p in prompts]
        if not self.shares:
            return right
        broken = self.calls >= self.good
        if self.calls % self.every == 0:
            self.found.append(("prefix", not broken))
            self.shares = not broken
        self.calls += 1
        if not self.shares:
            return right
        said = [replace(s, logprobs={x: -p for x, p in s.logprobs.items()}) for s in right] if broken else right
        return [replace(s, mode="prefix", ways=("prefix",)) for s in said]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion")


def answers_of(folder: Path) -> dict[object, object]:
    return {k: (s["scores"], s["prediction"], s["correct"], s["error"]) for k, s in Trials(folder).items()}


def test_what_was_said_since_the_last_good_check_is_asked_again(drawn: Path, tmp_path: Path) -> None:
    controls = {"config": "mcq", "controls": ["frozen"], "circular": True, "n_frames": 2, "report": False}
    right = BreaksLate(10**9, 10**9)
    reference = run(right, drawn, output=tmp_path / "right", **controls)
    model = BreaksLate(5, 4)
    result = run(model, drawn, output=tmp_path / "late", **controls)
    assert answers_of(result.folder) == answers_of(reference.folder)
    assert set(result.results.pop("modes")) == {"plain", "prefix"}
    reference.results.pop("modes")
    assert result.results == reference.results
    again = len(model.asked) - len(right.asked)
    assert 0 < again < len(right.asked) / 2  # those since the check before: what had passed one is left as it is
    lines = (result.folder / "samples.jsonl").read_text().splitlines()
    assert sum("taken back, a later check of prefix failed" in line for line in lines) == again
    assert f"{again} answers taken back" in (result.folder / "log.jsonl").read_text()


def test_a_kill_before_they_are_asked_again_loses_nothing(drawn: Path, tmp_path: Path) -> None:
    reference = run(BreaksLate(10**9, 10**9), drawn, output=tmp_path / "right", config="mcq", report=False)
    with pytest.raises(KeyboardInterrupt):
        run(BreaksLate(3, 2, stops=True), drawn, output=tmp_path / "late", config="mcq", report=False)
    result = run(BreaksLate(10**9, 10**9), drawn, output=tmp_path / "late", config="mcq", report=False)
    assert answers_of(result.folder) == answers_of(reference.folder)
    assert not any(s["error"] for s in result.samples)


def test_a_strict_run_goes_on_over_what_is_taken_back(drawn: Path, tmp_path: Path) -> None:
    result = run(BreaksLate(3, 2), drawn, output=tmp_path, config="mcq", on_error="fail", report=False)
    assert result.coverage == 1
