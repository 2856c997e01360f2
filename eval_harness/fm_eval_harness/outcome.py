"""What a run leaves behind when all is answered: its results, and the files made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fm_eval_harness.controls import circular_figures, control_figures, solved_without_motion
from fm_eval_harness.location import Location
from fm_eval_harness.questions import Items
from fm_eval_harness.results import Mark, self_made_note, summarise
from fm_eval_harness.results_hub import write_eval_results
from fm_eval_harness.reversal import flipped_answers
from fm_eval_harness.runs import RESULTS, RunResult, load_run, write_json
from fm_eval_harness.samples import Trials
from fm_eval_harness.submissions import write_submission
from fm_eval_harness.task import Task
from fm_eval_harness.trials import MOTIONLESS, Trial
from fm_hub.droplist import write_drop_list

__all__ = ["SOLVED", "write_outcome"]

SOLVED = "solved_without_motion.txt"


def write_outcome(
    folder: Path,
    where: Location,
    configuration: Mapping[str, Any],
    task: Task,
    items: Items,
    answers: Trials,
) -> RunResult:
    """Sum up all answers that the run has: those of controls asked by an earlier command count too."""
    seed, model = int(configuration["seed"]), str(configuration["model"])
    plain = (Mark.of(i, answers[Trial(i).key], task) for i in items)
    results = summarise(configuration, task, plain, self_made_note(model, where.manifest))
    flipped = flipped_answers(where.path, items) if "reversed" in answers.controls else {}
    solved = solved_without_motion(items, answers)
    results |= {
        "controls": control_figures(items, answers, flipped, task.letters, seed),
        "solved_without_motion": None if solved is None else len(solved),
        "circular": circular_figures(items, answers, task.letters, seed) if answers.turned else None,
    }
    write_json(folder / RESULTS, results)
    if solved is not None:
        why = (
            f"Right without motion: {model}, {', '.join(c for c in MOTIONLESS if c in answers.controls)}"
            + (", in all rotations" if answers.turned else "; one guess in chance may be among them: see --circular"),
            "Leave them out of a build with: fm-hub build --drop THIS_FILE",
        )
        write_drop_list(folder / SOLVED, solved, why)
    result = load_run(folder, answers)
    write_eval_results(result)
    write_submission(result)
    return result
