"""The report: one HTML page that shows what was asked, the proof of the key, and what each model said.

The page is whole in itself: pictures are data URLs, there is no script (the filters are CSS), and nothing is fetched.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fm_eval_harness.charts import by_class, controls, failures, positions, radar, rotations
from fm_eval_harness.compare import check_same_questions
from fm_eval_harness.console import interval, percent
from fm_eval_harness.drawing import COLOURS
from fm_eval_harness.exhibits import Exhibit, exhibit, weight
from fm_eval_harness.questions import Item, select
from fm_eval_harness.runs import RunResult, load_run
from fm_eval_harness.samples import Sample
from fm_eval_harness.task import Task
from fm_hub.errors import BadDataset, BadOutput, UserError
from fm_hub.records import Annotation
from fm_hub.rows import to_rows
from fm_hub.tables import from_table, shards

__all__ = ["write_report"]

MAX_BYTES = 4_400_000
"""Of pictures and text on one page: mail and chat programs still take it."""
STATES = {"wrong": "some model is wrong", "differ": "models differ", "failed": "failed or not understood"}
"""The states of a question that the page can be filtered by: the class in the page, and the words for it."""
_TEMPLATE = Path(__file__).parent / "templates" / "report.html.j2"


def write_report(
    finished: Sequence[RunResult | Path], output: str | Path, *, dataset: Path | None = None, max_clips: int = 40
) -> Path:
    """Write one page for one or more finished runs (or their folders) on the same questions; returns its path.

    ``dataset`` is the data set's folder, by default where the first run found it. Clips on which models
    differ or fail come first; what does not fit is counted on the page. Raises
    :class:`~fm_hub.errors.UserError`.
    """
    if not finished:
        raise UserError("a report needs at least one run")
    runs = [load_run(r) if isinstance(r, Path) else r for r in finished]
    check_same_questions(runs)
    root = dataset or Path(str(runs[0].config["dataset"]["path"]))
    if not root.is_dir():
        raise BadDataset(f"{root}: the data set of this run is not there; say where with --dataset")
    order = _most_telling(runs)
    looked_at = set(order[:max_clips])
    answers = [{s["id"]: s for s in run.samples if s["clip_id"] in looked_at} for run in runs]
    task = Task.of_record(runs[0].config["task"])
    items = _items(root, runs[0], task, order[:max_clips], answers[0])
    scenes = {} if task.layout else _annotations(root, list(items))
    name, rows = by_class(runs)
    classes = {row["name"]: f"c{i}" for i, row in enumerate(rows)} if name in ("kind", "type") else {}
    shown: list[dict[str, Any]] = []
    size = 0
    for clip_id in order[:max_clips]:
        clip = exhibit(root, clip_id, scenes.get(clip_id), items.get(clip_id, []), runs, answers)
        _mark(clip, name, classes)
        size += weight(clip)
        if shown and size > MAX_BYTES:
            break
        shown.append(clip)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        **{"models": [_model(r, k) for k, r in enumerate(runs)], "breakdown": name, "rows": rows, "clips": shown},
        **{"radar": radar(rows, runs), "positions": positions(runs), "failures": failures(runs)},
        **{"controls": controls(runs), "rotations": rotations(runs)},
        **{"solved": [(r.model, r.results["solved_without_motion"]) for r in runs]},
        **{"classes": classes, "states": STATES, "task": task},
        **{"n_clips": len(order), "n_questions": runs[0].results["n"], "results": runs[0].results},
        **{"config": runs[0].config, "chance": runs[0].results["chance"]},
    )
    output = Path(output)
    tmp = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        tmp.write_text(page, encoding="utf-8")
        os.replace(tmp, output)
    except OSError as e:
        raise BadOutput(f"{output}: cannot be written ({e.strerror})") from None
    return output


def _most_telling(runs: Sequence[RunResult]) -> list[str]:
    """The clips, those first that teach most: models differ or are wrong, on kinds not yet shown."""
    others = [{s["id"]: bool(s["correct"]) for s in run.samples} for run in runs[1:]]
    weights: dict[str, list[tuple[str, float]]] = {}
    alike: dict[tuple[str, float], tuple[str, float]] = {}  # few differ: each is kept once
    for sample in runs[0].samples:
        said = [bool(sample["correct"]), *(a[sample["id"]] for a in others if sample["id"] in a)]
        weight = sample["kind"], 1.0 + 2.0 * (len(set(said)) > 1) + 1.0 * (not all(said))
        weights.setdefault(sample["clip_id"], []).append(alike.setdefault(weight, weight))
    left, order, shown = dict(sorted(weights.items())), [], dict[str, int]()
    while left:
        best = max(left, key=lambda c: math.fsum(w / (1 + shown.get(kind, 0)) for kind, w in left[c]))
        for kind, _ in left.pop(best):
            shown[kind] = shown.get(kind, 0) + 1
        order.append(best)
        if len(order) >= 200:  # far more than a page holds
            order.extend(left)
            break
    return order


def _rows(root: Path, config: str, clips: Sequence[str]) -> list[Any]:
    """The records of a table for some clips, without reading the rest into memory."""
    keep = pc.field("clip_id").isin(list(clips))
    records: list[Any] = []
    for path in shards(root, config):
        records += from_table(config, pq.read_table(path, filters=keep))
    return records


def _items(
    root: Path, run: RunResult, task: Task, clips: Sequence[str], answers: Mapping[str, Sample]
) -> dict[str, list[Item]]:
    # A rebuilt data set may hold the same question with other letters: answers belong to the row, not to the id.
    asked = {(s["id"], s["row_sha"]) for s in answers.values()}
    config = run.config["dataset"]["config"]
    if task.layout is not None or task.type == "caption":
        found: Iterable[Item] = select(root, task, config, run.config["dataset"]["split"])
    else:
        found = [Item(q, to_rows(config, [q])[0]["row_sha"]) for q in _rows(root, config, clips)]
    by: dict[str, list[Item]] = {}
    for item in found:
        if item.question.clip_id in clips and (item.question.question_id, item.row_sha) in asked:
            by.setdefault(item.question.clip_id, []).append(item)
    return by


def _mark(clip: Exhibit, breakdown: str, classes: Mapping[str, str]) -> None:
    """Give each question the classes that the filters go by."""
    for part in clip["parts"]:
        for q in part["questions"]:
            said = {a["state"] for a in q["answers"]} - {"none"}
            marks = [classes.get(q[breakdown], "")] if classes else []
            marks += ["wrong"] if "wrong" in said else []
            marks += ["differ"] if {"right", "wrong"} <= said else []
            marks += ["failed"] if any(a["state"] == "failed" or a["said"] == "" for a in q["answers"]) else []
            q["marks"] = " ".join(filter(None, marks))


def _annotations(root: Path, clips: Sequence[str]) -> dict[str, Annotation]:
    by: dict[str, dict[str, list[Any]]] = {c: {} for c in clips}
    for config in ("clips", "frames", "camera", "tracks"):
        for record in _rows(root, config, clips):
            by[record.clip_id].setdefault(config, []).append(record)
    return {
        c: Annotation(t["clips"][0], t["frames"][0], t["camera"][0], t.get("tracks", []))
        for c, t in by.items()
        if all(t.get(name) for name in ("clips", "frames", "camera"))
    }


def _model(run: RunResult, place: int) -> dict[str, Any]:
    r = run.results
    return {
        "colour": COLOURS[place % len(COLOURS)],
        "metric": r["metric"],
        "n_unparsed": r["n_unparsed"],
        "generation": r.get("generation"),
        "facts": {k: percent(v) for k, v in r["facts"].items()} if "facts" in r else None,
        "name": run.model,
        "commit": str(r["model"]["commit"]),
        "accuracy": percent(r["accuracy"]),
        "interval": interval(r),
        "has_interval": r["ci95"] is not None,
        "chance": percent(r["chance"]),
        "at": None if r["accuracy"] is None else round(100 * r["accuracy"], 1),
        "low": round(100 * r["ci95"][0], 1) if r["ci95"] else 0,
        "high": round(100 * r["ci95"][1], 1) if r["ci95"] else 0,
        "n": r["n"],
        "n_scored": r["n_scored"],
        "n_error": r["n_error"],
        "coverage": percent(r["coverage"]),
        "note": r["self_made_note"],
    }
