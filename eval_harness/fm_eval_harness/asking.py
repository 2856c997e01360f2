"""The asking: view by view, the next ones decoded meanwhile, every answer on the disk before the next is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from fm_eval_harness.answers import Judge, answer
from fm_eval_harness.location import Location
from fm_eval_harness.media import file_of, view_of
from fm_eval_harness.policy import Policy
from fm_eval_harness.prefetch import ahead, file_sha
from fm_eval_harness.ranks import Ranks
from fm_eval_harness.runs import Sample, SampleLog, note, read_trials
from fm_eval_harness.runs import Trial as Key
from fm_eval_harness.task import Task
from fm_eval_harness.trials import Trial, order_of, prompt_of_trial
from fm_hub.errors import DecodeError, EmptyFile, ItemError, ItemFailed, UnreadableFile, UserError
from fm_hub.models import Model, Scores, View

__all__ = ["Asking", "Progress"]

Progress = Callable[[int, int], None]
"""Called with the number of questions asked and their total; a control or a rotation counts as one more."""


@dataclass(frozen=True)
class Asking:
    """What stays the same from the first question to the last. ``strict``: the first one that fails ends the run."""

    folder: Path
    where: Location
    model: Model
    task: Task
    policy: Policy
    ranks: Ranks
    strict: bool = False

    def ask(self, trials: Sequence[list[Trial]], on_progress: Progress | None) -> dict[Key, Sample]:
        """Ask what has no answer yet, view by view; return all answers that the run has.

        ``trials``: those of each question. What an earlier command asked besides (controls, say) is returned too.
        Raises :class:`~fm_hub.errors.ItemFailed` if ``strict``, after what was answered is on the disk.
        """
        before = read_trials(self.folder)
        done = self._answered([t for mine in trials for t in mine], before)
        for mine in trials:
            for trial in mine:
                before.pop(trial.key, None)
        self.ranks.wait()  # all have read before any writes
        todo = [left for mine in trials if (left := [t for t in mine if t.key not in done])]
        shares = [list(views) for _, views in groupby(todo, key=lambda mine: mine[0].item.group)]
        share = shares[self.ranks.rank :: self.ranks.world]
        asked = [[t for of_item in view for t in of_item] for view in share]
        total = len(done) + sum(map(len, asked))
        self.where.fetch(name for view in asked for t in view for name in t.item.files)
        if on_progress:
            on_progress(len(done), total)
        told, judge = 0, Judge(self.task, self.where.path)
        with SampleLog(self.folder, self.ranks.rank) as log:
            for view, ready in ahead(asked, self._ready):
                new = self._ask_view(view, ready, judge)
                log.append(new)
                done |= {(s["id"], s["row_sha"], s["control"], s["rotation"]): s for s in new}
                for finding in self.model.findings()[told:]:
                    note(self.folder, rank=self.ranks.rank, finding=finding)
                    told += 1
                if on_progress:
                    on_progress(len(done), total)
                failed = next((s for s in new if s["error"]), None) if self.strict else None
                if failed:
                    why = f"question {failed['id']} failed ({failed['error']})"
                    raise ItemFailed(f"{why}; --on-error skip would go on")
        return before | done

    def _answered(self, trials: Sequence[Trial], before: Mapping[Key, Sample]) -> dict[Key, Sample]:
        """The answers that still hold: given without an error, to the bytes that the clip's file has now.

        A file that is gone takes no answer with it.
        """
        done: dict[Key, Sample] = {}
        shas: dict[tuple[str, ...], str | None] = {}
        for trial in trials:
            sample = before.get(trial.key)
            if sample is None or sample["error"]:
                continue
            files = trial.item.files
            if files not in shas:
                try:
                    shas[files] = file_sha(file_of(self.where.path, trial.item))
                except UnreadableFile:
                    shas[files] = None
                except EmptyFile:
                    shas[files] = ""
            if shas[files] in (None, sample["clip_sha"]):
                done[trial.key] = sample
        return done

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

    def _ask_view(self, trials: Sequence[Trial], ready: _Ready, judge: Judge) -> list[Sample]:
        """All trials of one view, a call of the model for each control."""
        out: list[Sample] = []
        for control, group in groupby(sorted(trials, key=lambda t: t.control), key=lambda t: t.control):
            mine = list(group)
            start, view = time.monotonic(), ready.view
            if view and control and not ready.error:
                view = view.shown(order_of(control, view, len(view.frames)))
            scores = self._scores(mine, view, ready.error)
            seconds = (time.monotonic() - start) / len(mine)
            out += [_sample(t, s, judge, view, ready, seconds) for t, s in zip(mine, scores, strict=True)]
        return out

    def _scores(self, trials: Sequence[Trial], view: View | None, error: ItemError | None) -> list[Scores]:
        """The answer to each trial; a question that does not fit to be asked, or whose video fails, has an error."""
        n_frames = view.n_frames if view else 0
        prompts = {t.key: prompt_of_trial(t, self.task, n_frames) for t in trials if not t.item.problem}
        if error is None and view is not None and prompts:
            found = dict(zip(prompts, answer(self.model, view, list(prompts.values()), self.task), strict=True))
        else:
            why = _one_line(error) if error else ""
            found = {k: Scores(p.id, error=why) for k, p in prompts.items()}
        return [found.get(t.key) or Scores(t.item.question.question_id, error=t.item.problem) for t in trials]


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


def _sample(trial: Trial, scores: Scores, judge: Judge, view: View | None, ready: _Ready, seconds: float) -> Sample:
    q = trial.item.question
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
        "frames": [round(t, 3) for t in view.times()] if view else [],
        "pixels": ready.pixels,
        "view": [round(view.t0, 3), round(view.t1, 3)] if view else [q.view_t0, q.view_t0],
        "seconds": round(seconds, 4),
    }


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:280]}"
