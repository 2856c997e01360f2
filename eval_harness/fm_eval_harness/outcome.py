"""What a run leaves behind when all is answered: its results, and the files made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fm_eval_harness.controls import circular_figures, control_figures, solved_without_motion
from fm_eval_harness.location import Location
from fm_eval_harness.questions import Item
from fm_eval_harness.results import self_made_note, summarise
from fm_eval_harness.results_hub import write_eval_results
from fm_eval_harness.reversal import flipped_answers
from fm_eval_harness.runs import RESULTS, RunResult, Sample, load_run, write_json
from fm_eval_harness.runs import Trial as Key
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
    items: Sequence[Item],
    answers: Mapping[Key, Sample],
) -> RunResult:
    """Sum up all answers that the run has: those of controls asked by an earlier command count too."""
    seed, model = int(configuration["seed"]), str(configuration["model"])
    plain = {i.question.question_id: answers[Trial(i).key] for i in items}
    results = summarise(configuration, task, items, plain, self_made_note(model, where.manifest))
    kinds = {k[2] for k in answers}
    turned = any(k[3] for k in answers)
    flipped = flipped_answers(where.path, items) if "reversed" in kinds else {}
    solved = solved_without_motion(items, answers, circular=turned)
    results |= {
        "modes": dict(sorted(Counter(s["mode"] for s in plain.values() if s["mode"]).items())),
        "controls": control_figures(items, answers, flipped, task.letters, seed),
        "solved_without_motion": None if solved is None else len(solved),
        "circular": circular_figures(items, answers, task.letters, seed) if turned else None,
    }
    write_json(folder / RESULTS, results)
    if solved is not None:
        why = (
            f"Right without motion: {model}, {', '.join(c for c in MOTIONLESS if c in kinds)}"
            + (", in all rotations" if turned else "; one guess in chance may be among them: see --circular"),
            "Leave them out of a build with: fm-hub build --drop THIS_FILE",
        )
        write_drop_list(folder / SOLVED, solved, why)
    result = load_run(folder, plain.values())
    write_eval_results(result)
    write_submission(result)
    return result
