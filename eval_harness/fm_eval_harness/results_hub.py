"""A run on the Hub: its score in the model's repository (``.eval_results/*.yaml``), its details as a data set.

The Hub's form has no place for error bars or counts: they go into the notes. Paths of this machine do not leave
it. Details go first, so that the score can name the commit that shows how it came about.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from fm_eval_harness.runs import RunResult
from fm_hub.errors import UserError

__all__ = [
    "EVAL_RESULTS",
    "Push",
    "check_publishable",
    "default_details",
    "eval_results_yaml",
    "plan_push",
    "push",
    "write_eval_results",
]

EVAL_RESULTS = "eval_results.yaml"
DETAILS = "fm-eval-details"
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_CARD = """---
configs:
- config_name: default
  data_files: data/*.parquet
tags:
- fm-eval
---
# Details of fm-eval runs

One Parquet file a run in `data/`: a row a question, with the answer, the letters' log-probabilities or the text, the
times of the frames, and the error where there is one. `runs/<run>/` holds configuration, results and report.
"""
_COLUMNS: dict[str, pa.DataType] = {
    **dict.fromkeys(("id", "row_sha", "clip_id", "source_id", "kind", "type", "answer", "prediction"), pa.string()),
    "correct": pa.bool_(),
    **dict.fromkeys(("scores", "text", "rule", "error"), pa.string()),
    "score": pa.float64(),
    "frames": pa.list_(pa.float64()),
    "view": pa.list_(pa.float64()),
    "seconds": pa.float64(),
}


@dataclass(frozen=True)
class Push:
    """What is to be uploaded: files of the details' repository, and the one file of the model's."""

    model: str
    path: str
    details: str
    files: Mapping[str, bytes]
    run: RunResult

    def lines(self) -> list[str]:
        """What would be sent, for people: repository, file and size in bytes."""
        score = eval_results_yaml(self.run, "https://…").encode()
        told = [f"dataset {self.details}: {name} ({len(data)} bytes)" for name, data in sorted(self.files.items())]
        return [*told, f"model {self.model}: {self.path} ({len(score)} bytes)"]


def eval_results_yaml(run: RunResult, source_url: str | None = None) -> str:
    """The YAML of one run: the score in per cent, the data set's revision, and the notes. Empty without a score."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    results = run.results
    if run.accuracy is None:
        return ""
    ci, chance = results["ci95"], results["chance"]
    bars = f"95 % {100 * ci[0]:.1f}-{100 * ci[1]:.1f}" if ci else f"no error bars: {results['ci95_note']}"
    entry = EvalResultEntry(
        dataset_id=results["dataset"]["id"],
        task_id=results["task"],
        value=round(100 * run.accuracy, 2),
        dataset_revision=results["dataset"]["revision"] or None,
        source_url=source_url,
        source_name="fm-eval details" if source_url else None,
        notes=(
            f"fm-eval; {results['metric']} in %; {bars}; n = {results['n_scored']} of {results['n']}; "
            + (f"chance {100 * chance:.1f}; " if chance is not None else "")
            + results["policy"]
            + (f"; {results['self_made_note']}" if results["self_made"] else "")
        ),
    )
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)


def write_eval_results(run: RunResult) -> Path:
    """Write ``eval_results.yaml`` into the run's folder."""
    path = run.folder / EVAL_RESULTS
    tmp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    tmp.write_text(eval_results_yaml(run) or "[]\n", encoding="utf-8")
    os.replace(tmp, path)
    return path


def check_publishable(model: str, dataset: str | None) -> None:
    """Raise :class:`~fm_hub.errors.UserError` unless model and data set (None: not known yet) are of the Hub."""
    if not _REPO.fullmatch(model) or Path(model).is_dir():
        raise UserError(f"{model} is no model of the Hub; only a score of OWNER/NAME can be published")
    if dataset is not None and (not _REPO.fullmatch(dataset.partition("@")[0]) or Path(dataset).is_dir()):
        raise UserError(
            f"the data set {Path(dataset).name} is a folder; evaluate with --dataset OWNER/NAME to publish the score"
        )


def plan_push(run: RunResult, details: str) -> Push:
    """What a push of a finished run would send; nothing is sent. ``details`` is the repository for the details.

    Raises :class:`~fm_hub.errors.UserError` if model or data set is not one of the Hub, or there is no score.
    """
    model, data = str(run.config["spec"]), str(run.results["dataset"]["id"])
    check_publishable(model, data)
    if not run.results["dataset"]["revision"]:
        raise UserError(
            f"{run.folder}: no revision of the data set {data} is known; evaluate it from the Hub to publish"
        )
    if not _REPO.fullmatch(details):
        raise UserError(f"--details {details}: must be OWNER/NAME")
    if run.accuracy is None:
        raise UserError(f"{run.folder}: no question was answered; there is no score to publish")
    name = run.folder.resolve().name
    config = {**run.config, "dataset": {k: v for k, v in run.config["dataset"].items() if k != "path"}}
    root = str(run.config["dataset"].get("path", ""))
    files = {
        f"data/{name}.parquet": _samples_table(run, root),
        f"runs/{name}/config.json": _json(config, root),
        f"runs/{name}/results.json": _json(run.results, root),
    }
    report = run.folder / "report.html"
    if report.is_file():
        files[f"runs/{name}/report.html"] = _without_paths(report.read_text(encoding="utf-8"), root).encode()
    profile = "" if run.results["profile"] == "standard" else f"-{run.results['profile']}"
    slug = re.sub(r"[^\w.-]+", "-", f"fm-eval-{data.partition('/')[2]}-{run.results['task']}{profile}")
    return Push(model, f".eval_results/{slug}.yaml", details, files, run)


def push(plan: Push, *, create_pr: bool = False, api: Any = None) -> str:
    """Upload the details, then the score; returns the address of the commit or pull request at the model.

    ``api`` is a ``huggingface_hub.HfApi``; the user's own by default. Raises :class:`~fm_hub.errors.UserError` with
    the Hub's answer in one line; details that were uploaded before stay, and a second push sends them again.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = api or HfApi()
    try:
        api.create_repo(plan.details, repo_type="dataset", exist_ok=True)
        files = dict(plan.files)
        if not api.file_exists(plan.details, "README.md", repo_type="dataset"):
            files["README.md"] = _CARD.encode()
        sent = api.create_commit(
            plan.details,
            [CommitOperationAdd(name, data) for name, data in sorted(files.items())],
            commit_message=f"Details of {plan.run.folder.resolve().name}",
            repo_type="dataset",
        )
        where = f"runs/{plan.run.folder.resolve().name}/results.json"
        url = f"{api.endpoint}/datasets/{plan.details}/blob/{sent.oid}/{where}"
        scored = api.create_commit(
            plan.model,
            [CommitOperationAdd(plan.path, eval_results_yaml(plan.run, url).encode())],
            commit_message=f"{plan.run.results['task']} score of fm-eval",
            create_pr=create_pr,
        )
    except (HfHubHTTPError, OSError, ValueError) as e:
        why = " ".join(str(e).split())[:240]
        hint = "" if create_pr else "; without the right to write to the model, take --create-pr"
        raise UserError(f"{plan.model}: not published ({type(e).__name__}: {why}){hint}") from None
    return str(scored.pr_url or scored.commit_url)


def default_details(api: Any = None) -> str:
    """The user's own repository for details. Raises :class:`~fm_hub.errors.UserError` if no one is logged in."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return f"{(api or HfApi()).whoami()['name']}/{DETAILS}"
    except (HfHubHTTPError, OSError, ValueError):
        raise UserError("no one is logged in at the Hub (hf auth login); or name a repository with --details") from None


def _samples_table(run: RunResult, root: str) -> bytes:
    rows = []
    for sample in run.samples:
        row = {name: sample.get(name) for name in _COLUMNS}
        row |= {"scores": json.dumps(sample["scores"]), "error": _without_paths(sample["error"], root)}
        rows.append(row)
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(_COLUMNS.items())))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _json(value: Any, root: str) -> bytes:
    return _without_paths(json.dumps(value, indent=1, ensure_ascii=False), root).encode() + b"\n"


def _without_paths(text: str, root: str) -> str:
    """A text in which the data set's folder and the user's home have no place on this machine."""
    for path, word in ((root, "DATASET"), (str(Path.home()), "~")):
        if len(path) > 1:
            text = text.replace(path, word)
    return text
