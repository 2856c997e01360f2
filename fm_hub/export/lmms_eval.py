"""lmms-eval: a task of its own (read in version 0.7.3), with its data and its few functions beside it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path

from fm_hub.export import lmms_task
from fm_hub.export.examples import Example
from fm_hub.export.formats import Format, Part, Row

__all__ = ["LmmsEval"]

TASK = """task: {task}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {files}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: answer
process_results: !function utils.process_results
generation_kwargs:
  max_new_tokens: 16
  temperature: 0
  do_sample: false
metric_list:
  - metric: accuracy
    aggregation: !function utils.mean
    higher_is_better: true
  - metric: unparsed
    aggregation: !function utils.mean
    higher_is_better: false
metadata:
  version: 1.0
"""


class LmmsEval(Format):
    """Multiple choice as ``generate_until``: the words of fm-eval's own task, and a letter read strictly."""

    configs = ("benchmark",)
    splits = ("train", "validation", "test")

    def row(self, example: Example, media: Sequence[str], out: Path) -> Row:
        """A document. The path of its video counts from the folder of the task."""
        del out
        row = example.row
        letters = "ABCD"[: len(row["options"])] if example.config != "qa" else ""
        kept = {k: row[k] for k in ("type", "kind", "difficulty", "grounding", "source_id") if k in row}
        return {
            "id": example.id,
            "video": media[0],
            "ask": example.ask,
            "answer": example.answer,
            "letters": letters,
        } | kept

    def companions(self, out: Path, parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
        """A YAML file a config, and the functions that it names."""
        for config in dict.fromkeys(p.config for p in parts):
            files = [str(out.resolve() / p.file) for p in parts if p.config == config]
            yield f"{_task(config)}.yaml", TASK.format(task=_task(config), files=files)
        yield "utils.py", inspect.getsource(lmms_task)

    def usage(self, out: Path, parts: Sequence[Part]) -> str:
        """The command of an evaluation."""
        tasks = ",".join(dict.fromkeys(_task(p.config) for p in parts))
        command = f"python -m lmms_eval --include_path {out} --tasks {tasks} --model MODEL --batch_size 1"
        return (
            f"```\n{command}\n```\nThe YAML names its data by absolute paths: export anew where the folder has moved.\n"
        )


def _task(config: str) -> str:
    """Not the bare ``foundationmotion``: lmms-eval takes a name that is a folder here for a folder of tasks."""
    return f"foundationmotion_{config}"
