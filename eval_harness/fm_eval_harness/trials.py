"""A trial: one question as it is asked, with its frames as they are or under a control, its options in some order."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fm_eval_harness.prompts import template_of
from fm_eval_harness.questions import Item, prompt_of
from fm_eval_harness.task import Task
from fm_hub.errors import UserError, did_you_mean
from fm_hub.models import Model, Prompt, View

__all__ = ["CONTROLS", "MOTIONLESS", "Trial", "check_trials", "order_of", "parse_controls"]
__all__ += ["prompt_of_trial", "trials_of"]

CONTROLS = ("blind", "one-frame", "shuffled", "reversed", "frozen")
"""No frame; the middle one; all in a random order; all backwards; the middle one, as often as there are frames."""
MOTIONLESS = ("blind", "one-frame", "frozen")


@dataclass(frozen=True)
class Trial:
    """``control`` is one of :data:`CONTROLS` or empty; by ``rotation`` the options move up, the first to the end."""

    item: Item
    control: str = ""
    rotation: int = 0

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells trials apart, as the run's file has it."""
        return self.item.question.question_id, self.item.row_sha, self.control, self.rotation

    @property
    def turned(self) -> Item:
        """The item with its options in the order of this trial, and its answer where they put it."""
        q, k = self.item.question, self.rotation
        if not k:
            return self.item
        n = len(q.options)
        options = tuple(q.options[(j + k) % n] for j in range(n))
        return replace(self.item, question=replace(q, options=options, answer=(q.answer - k) % n))


def parse_controls(text: str) -> tuple[str, ...]:
    """The controls of a comma-separated list, in the order of :data:`CONTROLS`.

    >>> parse_controls("reversed, blind")
    ('blind', 'reversed')
    """
    asked = [x.strip() for x in text.split(",") if x.strip()]
    for name in asked:
        if name not in CONTROLS:
            raise UserError(f"--controls {name}: must be of {', '.join(CONTROLS)}; {did_you_mean(name, CONTROLS)}")
    return tuple(x for x in CONTROLS if x in asked)


def trials_of(item: Item, controls: Sequence[str], *, circular: bool) -> list[Trial]:
    """All trials of a question: as it is first, then each control; each in all rotations if ``circular``.

    One that cannot be asked, or has no published key, is left as it is: a control of it would say nothing.
    """
    if item.problem or not item.keyed:
        return [Trial(item)]
    turns = range(len(item.question.options) if circular else 1)
    return [Trial(item, control, k) for control in ("", *controls) for k in turns]


def order_of(control: str, view: View, n: int) -> tuple[int, ...]:
    """Which of a view's ``n`` frames a control shows, in which order; the same in every run."""
    if control == "blind":
        return ()
    if control == "one-frame":
        return (n // 2,)
    if control == "frozen":
        return (n // 2,) * n
    if control == "reversed":
        return tuple(reversed(range(n)))
    seed = hashlib.sha256(f"{view.clip_id}/{view.t0}/{view.t1}/{n}".encode()).digest()
    order = list(range(n))
    rng = random.Random(int.from_bytes(seed[:8], "big"))
    while n > 1 and order == sorted(order):
        rng.shuffle(order)
    return tuple(order)


def check_trials(model: Model, task: Task, controls: Sequence[str], *, circular: bool) -> None:
    """Raise :class:`~fm_hub.errors.UserError` where controls or rotations would say nothing."""
    option = "--controls" if controls else "--circular"
    if (controls or circular) and task.type != "mcq":
        raise UserError(f"{option}: task {task.name} has no options to choose from; it is answered in words")
    if controls and not model.looks:
        raise UserError(f"{model.name}: does not answer from the frames that are shown; --controls would say nothing")
    if circular and "{options}" not in template_of(task.prompt):
        raise UserError(
            f"--circular: task {task.name}, profile {task.profile}, shows its options as they were published; "
            "take --profile standard"
        )


def prompt_of_trial(trial: Trial, task: Task, n_frames: int = 0) -> Prompt:
    """The question as a model gets it in this trial; a rotation has an id of its own."""
    prompt = prompt_of(trial.turned, task, n_frames)
    return replace(prompt, id=f"{prompt.id}/{trial.rotation}") if trial.rotation else prompt
