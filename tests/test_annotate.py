"""What is run, what is run again, and what is left alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from coloured import coloured, fake_recipe
from fm_builders import stages
from fm_builders.annotate import annotate, plan
from fm_builders.ledger import Ledger
from fm_builders.recipe import Recipe, load_recipe
from fm_builders.sources import Input, find_sources
from fm_builders.storage import Folder
from fm_builders.tasks import Task, Work
from fm_hub.errors import BadOutput, OutOfMemory, Unavailable


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return load_recipe(str(fake_recipe(tmp_path)))


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Input, ...]:
    for i in range(2):
        coloured(tmp_path / f"{i}.mp4", seconds=2.0, seed=i)
    return find_sources([str(tmp_path / f"{i}.mp4") for i in range(2)]).sources


def failing(monkeypatch: pytest.MonkeyPatch, stage: str, times: int, error: Exception) -> list[Task]:
    """Let a stage fail so often for the first source; returns the list of its tasks as they are run."""
    real, seen = stages.STAGES[stage], []

    def sometimes(task: Task, work: Work, store: object) -> object:
        seen.append(task)
        if task.source.name == "0.mp4" and sum(t.source.name == "0.mp4" for t in seen) <= times:
            raise error
        return real(task, work, store)  # type: ignore[arg-type]

    monkeypatch.setitem(stages.STAGES, stage, sometimes)
    return seen


def test_what_did_not_answer_is_asked_again_after_a_while(
    tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(stages.time, "sleep", waits.append)
    seen = failing(monkeypatch, "read", 2, Unavailable("the disk did not answer"))
    done = annotate(sources, Work(recipe, str(tmp_path / "w")), engine="inline")
    assert [s.source.status for s in done.sources] == ["ok", "ok"]
    assert [t.attempt for t in seen if t.source.name == "0.mp4"] == [1, 2, 3]
    assert waits == [2.0, 4.0]
    lines = [e for e in Ledger(Folder(tmp_path / "w")).read() if e.name == "0.mp4" and e.stage == "read"]
    assert [(e.status, e.attempts) for e in lines] == [("failed", 1), ("failed", 2), ("ok", 3)]


def test_an_error_of_the_system_that_may_pass_is_one_too(
    tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages.time, "sleep", lambda s: None)
    failing(monkeypatch, "perceive", 1, OSError(5, "Input/output error"))
    done = annotate(sources, Work(recipe, str(tmp_path / "w")), engine="inline")
    assert [c.reason for s in done.sources for c in s.clips] == ["", ""]
    failing(monkeypatch, "cut", 1, OSError(28, "No space left on device"))
    with pytest.raises(BadOutput, match="No space left on device; free some space and run the same command again"):
        annotate(sources, Work(recipe, str(tmp_path / "other")), engine="inline")


def test_hunger_is_satisfied_alone(
    tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = failing(monkeypatch, "perceive", 1, MemoryError())
    annotate(sources, Work(recipe, str(tmp_path / "w")), engine="inline")
    assert [(t.attempt, t.alone) for t in seen if t.source.name == "0.mp4"] == [(1, False), (2, True)]


def test_attempts_are_counted_over_runs_and_a_clip_is_then_left_alone(
    tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(recipe, str(tmp_path / "w"))
    seen = failing(monkeypatch, "perceive", 99, OutOfMemory("too much"))
    for _ in range(2):
        done = annotate(sources, work, engine="inline")
        assert [c.reason for s in done.sources for c in s.clips] == ["OutOfMemory", ""]
    assert Counter(t.source.name for t in seen) == {"0.mp4": 3, "1.mp4": 1}
    planned = plan(sources, work)
    assert (planned.failed, planned.reasons) == ({"perceive": 1}, {"OutOfMemory": 1})
    assert planned.to_run == {}


def test_only_what_changed_is_run(tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...]) -> None:
    work = Work(recipe, str(tmp_path / "w"))
    assert annotate(sources, work, engine="inline").reused == 0
    assert annotate(sources, work, engine="inline").reused == 4
    slower = recipe.model_copy(update={"perception": recipe.perception.model_copy(update={"fps": 5.0})})
    assert plan(sources, Work(slower, work.store)).to_run == {"perceive": 2}
    shorter = recipe.model_copy(update={"clips": recipe.clips.model_copy(update={"max_s": 1.8})})
    assert plan(sources, Work(shorter, work.store)).to_run == {"cut": 2}
    coloured(tmp_path / "0.mp4", seconds=2.5, seed=7)
    changed = find_sources([str(tmp_path / "0.mp4"), str(tmp_path / "1.mp4")]).sources
    assert plan(changed, work).to_run == {"read": 1, "cut": 1}
    (tmp_path / "w" / "ledger").rename(tmp_path / "gone")
    lost = annotate(sources[1:], work, engine="inline")
    assert lost.reused == 2, "without its ledger a store is still known by its keys"


def test_the_same_video_is_annotated_once(tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...]) -> None:
    (tmp_path / "again.mp4").write_bytes((tmp_path / "0.mp4").read_bytes())
    more = find_sources([str(tmp_path / n) for n in ("0.mp4", "1.mp4", "again.mp4")]).sources
    done = annotate(more, Work(recipe, str(tmp_path / "w")), engine="inline")
    assert [s.source.reason for s in done.sources] == ["", "", "Duplicate"]
    assert done.sources[2].source.detail == "the same bytes as 0.mp4"
    cuts = [e for e in Ledger(Folder(tmp_path / "w")).read() if e.stage == "cut"]
    assert len(cuts) == 2


def test_a_source_that_changes_under_the_hand_is_not_believed(
    tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, real = Work(recipe, str(tmp_path / "w")), stages.STAGES["cut"]

    def swapped(task: Task, work: Work, store: object) -> object:
        if task.source.name == "0.mp4":
            coloured(tmp_path / "0.mp4", seconds=2.5, seed=9)
        return real(task, work, store)  # type: ignore[arg-type]

    monkeypatch.setitem(stages.STAGES, "cut", swapped)
    first = annotate(sources, work, engine="inline").sources[0].source
    assert (first.reason, "changed while it was worked on" in first.detail) == ("UnreadableFile", True)
    monkeypatch.setitem(stages.STAGES, "cut", real)
    again = annotate(tuple(s.stamped() for s in sources), work, engine="inline").sources[0].source
    assert again.status == "ok"
    assert again.sha256 != first.sha256


def test_a_plugin_that_misses_a_file_costs_its_clip_and_tells_no_path(
    tmp_path: Path, recipe: Recipe, sources: tuple[Input, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "perceive", 9, FileNotFoundError(2, "No such file", "/home/me/secret/net.onnx"))
    done = annotate(sources, Work(recipe, str(tmp_path / "w")), engine="inline")
    clips = [c for s in done.sources for c in s.clips]
    assert [c.reason for c in clips] == ["ModelError", ""]
    assert "secret" not in clips[0].detail
    assert "net.onnx" in clips[0].detail
