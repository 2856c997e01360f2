"""The asking: view by view, the next ones decoded meanwhile, every answer on the disk before the next is asked.

A model that is faster with several views at once is given so many in one call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path

from fm_eval_harness.answers import Judge, answers
from fm_eval_harness.doubts import Answered, Doubts
from fm_eval_harness.items import Item, Items, groups
from fm_eval_harness.location import Location
from fm_eval_harness.media import file_of, view_of
from fm_eval_harness.policy import Policy
from fm_eval_harness.prefetch import ahead, file_sha
from fm_eval_harness.ranks import Ranks
from fm_eval_harness.runs import note
from fm_eval_harness.samples import Key, Sample, SampleLog, Trials
from fm_eval_harness.task import Task
from fm_eval_harness.trials import Trial, order_of, prompt_of_trial, trials_of
from fm_hub.errors import DecodeError, EmptyFile, ItemError, ItemFailed, ModelError, UnreadableFile, UserError
from fm_hub.models import Model, Prompt, Scores, View

__all__ = ["Asking", "Progress"]

Progress = Callable[[int, int], None]
"""Called with the number of questions asked and their total; a control or a rotation counts as one more."""


@dataclass(frozen=True)
class Asking:
    """What stays the same from the first question to the last.

    ``controls`` and ``circular`` say in which ways each question is asked; ``strict``: the first one that fails ends
    the run.
    """

    folder: Path
    where: Location
    model: Model
    task: Task
    policy: Policy
    ranks: Ranks
    controls: tuple[str, ...] = ()
    circular: bool = False
    strict: bool = False

    def ask(self, items: Items, on_progress: Progress | None) -> None:
        """Ask what has no answer yet, view by view.

        Raises :class:`~fm_hub.errors.ItemFailed` if ``strict``, after what was answered is on the disk.
        """
        before = _Before(Trials(self.folder), self.where.path)
        self.ranks.wait()  # all have read before any writes, so all write the same round
        done, total, files = 0, 0, dict[str, None]()
        for _, view in self._views(items):
            due = [t for t in view if not before.answers(t)]
            done, total = done + len(view) - len(due), total + len(view)
            files |= dict.fromkeys(name for t in due for name in t.item.files)
        self.where.fetch(files)
        if on_progress:
            on_progress(done, total)
        passes = self._due(items, before)
        told, judge, doubts = 0, Judge(self.task, self.where.path), Doubts(self.model)
        with SampleLog(self.folder, self.ranks.rank) as log:
            while True:
                again: list[Trial] = []
                waiting = ahead(passes, lambda one: self._ready(one[1]))
                for _, batch in groupby(waiting, key=lambda one: one[0][0]):
                    new = self._ask_views([(view, ready) for (_, view), ready in batch], judge)
                    back = doubts.taken_back(new)
                    said = *(a.sample for a in new), *(_taken_back(a, judge) for a in back)
                    log.append({**sample, "round": before.trials.rounds + 1} for sample in said)
                    again += [a.trial for a in back]
                    done += len(new) - len(back)
                    for finding in self.model.findings()[told:]:
                        note(self.folder, rank=self.ranks.rank, finding=finding)
                        told += 1
                    if back:
                        note(self.folder, rank=self.ranks.rank, finding=f"{len(back)} answers taken back, asked again")
                    if on_progress:
                        on_progress(done, total)
                    failed = next((a.sample for a in new if a.sample["error"]), None) if self.strict else None
                    if failed:
                        why = f"question {failed['id']} failed ({failed['error']})"
                        raise ItemFailed(f"{why}; --on-error skip would go on")
                if not again:  # else a way of the model's is used no more: this comes to an end
                    return
                again.sort(key=lambda t: t.item.place)
                views = groupby(again, key=lambda t: t.item.group)
                passes = iter([(n // self.model.views_at_once, list(view)) for n, (_, view) in enumerate(views)])

    def _due(self, items: Items, before: _Before) -> Iterator[tuple[int, list[Trial]]]:
        for n, view in self._views(items):
            if due := [t for t in view if not before.answers(t)]:
                yield n, due

    def _views(self, items: Items) -> Iterator[tuple[int, list[Trial]]]:
        """All trials of each view that is for this process, and the number of the pass in which it is asked.

        Views are put together before it is known which are done: a run that goes on computes what it would have.
        """
        mine = islice(groups(items), self.ranks.rank, None, self.ranks.world)
        for n, view in enumerate(mine):
            trials = [t for i in view for t in trials_of(i, self.controls, circular=self.circular)]
            yield n // self.model.views_at_once, trials

    def _ready(self, trials: Sequence[Trial]) -> _Ready:
        """Read and decode, in the background. What is wrong with the video is part of what it returns."""
        view: View | None = None
        try:
            view = view_of(self.where.path, trials[0].item, self.policy)
            sha = file_sha(view.path)
            if self.model.looks and not all(t.item.problem for t in trials):
                _ = view.frames
        except ItemError as e:
            return _Ready(view, "", e)
        except UserError:
            raise
        except Exception as e:  # the item boundary: a strange file must not end a run
            return _Ready(view, "", DecodeError(_one_line(e)))
        return _Ready(view, sha)

    def _ask_views(self, views: Sequence[tuple[Sequence[Trial], _Ready]], judge: Judge) -> list[Answered]:
        """All trials of some views, a call of the model for each control."""
        out: list[Answered] = []
        for control in sorted({t.control for trials, _ in views for t in trials}):
            start, asked = time.monotonic(), list[_Asked]()
            for trials, ready in views:
                mine, view = [t for t in trials if t.control == control], ready.view
                if view and control and not ready.error:
                    view = view.shown(order_of(control, view, len(view.frames)))
                if mine:
                    asked.append(self._prompted(mine, view, ready))
            good = [a for a in asked if a.view is not None and not a.ready.error and a.prompts]
            given = answers(self.model, [(a.view, list(a.prompts.values())) for a in good if a.view], self.task)
            scores = {k: s for a, mine in zip(good, given, strict=True) for k, s in zip(a.prompts, mine, strict=True)}
            seconds = (time.monotonic() - start) / sum(len(a.trials) for a in asked)
            for a in asked:
                for t in a.trials:
                    said = scores.get(t.key) or a.failed(t)
                    out.append(Answered(t, _sample(t, said, judge, a, seconds), said.ways))
        return out

    def _prompted(self, trials: list[Trial], view: View | None, ready: _Ready) -> _Asked:
        n_frames = view.n_frames if view else 0
        prompts = {t.key: prompt_of_trial(t, self.task, n_frames) for t in trials if not t.item.problem}
        return _Asked(trials, view, ready, prompts)


@dataclass(frozen=True)
class _Before:
    """The answers of earlier commands; one holds if it was given without an error to the bytes of today's file."""

    trials: Trials
    root: Path
    shas: dict[tuple[str, ...], str | None] = field(default_factory=dict)

    def answers(self, trial: Trial) -> bool:
        """Whether there is an answer that holds. A file that is gone takes no answer with it."""
        sample = self.trials.get(trial.key)
        if sample is None or sample["error"]:
            return False
        files = trial.item.files
        if files not in self.shas:
            self.shas[files] = self._sha(trial.item)
        return self.shas[files] in (None, sample["clip_sha"])

    def _sha(self, item: Item) -> str | None:
        try:
            return file_sha(file_of(self.root, item))
        except UnreadableFile:
            return None
        except EmptyFile:
            return ""


@dataclass(frozen=True)
class _Ready:
    """A view with its frames decoded, and the hash of its file; or why it cannot be asked about."""

    view: View | None
    sha: str
    error: ItemError | None = None

    @property
    def pixels(self) -> list[int] | None:
        """Width and height of the frames, if any were decoded."""
        frames = self.view.__dict__.get("frames") if self.view else None
        return None if frames is None else [int(frames.shape[2]), int(frames.shape[1])]


@dataclass(frozen=True)
class _Asked:
    """Trials of one view under one control, and the prompts of those that fit to be asked."""

    trials: list[Trial]
    view: View | None
    ready: _Ready
    prompts: dict[Key, Prompt]

    @cached_property
    def frames(self) -> list[float]:
        """The times of the frames that were shown, seconds: one list for all trials."""
        return [round(t, 3) for t in self.view.times()] if self.view else []

    def failed(self, trial: Trial) -> Scores:
        """Why a trial has no answer: it does not fit to be asked, or its video fails."""
        prompt, error = self.prompts.get(trial.key), self.ready.error
        if prompt is None:
            return Scores(trial.item.question.question_id, error=trial.item.problem)
        return Scores(prompt.id, error=_one_line(error) if error else "")


def _sample(trial: Trial, scores: Scores, judge: Judge, asked: _Asked, seconds: float) -> Sample:
    q, view, ready = trial.item.question, asked.view, asked.ready
    return {
        "id": q.question_id,
        "row_sha": trial.item.row_sha,
        "control": trial.control,
        "rotation": trial.rotation,
        "clip_id": q.clip_id,
        "clip_sha": ready.sha,
        "source_id": q.source_id,
        "kind": q.kind,
        "type": q.type,
        **judge.fields(trial.turned, scores),
        "mode": scores.mode,
        "frames": asked.frames,
        "pixels": ready.pixels,
        "view": [round(view.t0, 3), round(view.t1, 3)] if view else [q.view_t0, q.view_t0],
        "seconds": round(seconds, 4),
    }


def _taken_back(answered: Answered, judge: Judge) -> Sample:
    """The line that follows an answer which does not hold: a run that is killed now asks it again."""
    trial, sample = answered.trial, answered.sample
    why = f"{ModelError.__name__}: taken back, a later check of {sample['mode']} failed"
    return {**sample, **judge.fields(trial.turned, Scores(sample["id"], error=why)), "mode": ""}


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:280]}"
