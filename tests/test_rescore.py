"""Runs after the fact: scored again, written as CSV, published."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from fm_eval_harness.cli import main
from fm_eval_harness.evaluate import run
from fm_eval_harness.export import COLUMNS, csv_of
from fm_eval_harness.rescore import rescore
from fm_eval_harness.results_hub import eval_results_yaml, plan_push, push
from fm_eval_harness.runs import RunResult, load_run
from fm_hub.errors import BadDataset, BadOutput, UserError
from made_dataset import make_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion")


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def cli(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in argv])
    out = capsys.readouterr()
    return int(stop.value.code or 0), out.out, out.err


# -- scored again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spec", "answers"), [("fake:hash", None), ("fake:B", "both"), ("fake:error", None)])
def test_scoring_again_changes_nothing(drawn: Path, tmp_path: Path, spec: str, answers: str | None) -> None:
    first = run(spec, drawn, answers=answers, output=tmp_path, report=False)
    before = files(first.folder)
    again, changed = rescore(first.folder)
    assert changed == 0
    assert again.results == first.results
    assert files(first.folder) == before


@pytest.mark.parametrize("task", ["foundationmotion-qa", "foundationmotion-caption"])
def test_words_are_judged_again(made: Path, tmp_path: Path, task: str) -> None:
    first = run("fake:say The car goes to the left.", made, task=task, output=tmp_path, report=False)
    again, changed = rescore(first.folder)
    assert (changed, again.results) == (0, first.results)


def test_another_parser_changes_the_score_and_keeps_what_was_said(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run("fake:B", drawn, answers="generate", output=tmp_path, report=False)
    assert first.accuracy
    lines = (first.folder / "samples.jsonl").read_text().splitlines()
    monkeypatch.setattr("fm_eval_harness.rules.parse_letter", lambda *_: type("P", (), {"letter": "", "rule": "none"}))
    again, changed = rescore(first.folder)
    assert changed == len(first.samples)
    assert again.results["n_unparsed"] == again.results["n"]
    assert again.accuracy == 0.0
    after = (first.folder / "samples.jsonl").read_text().splitlines()
    assert after[: len(lines)] == lines
    assert len(after) == 2 * len(lines)
    monkeypatch.undo()
    assert rescore(first.folder)[0].results == first.results


def test_a_changed_result_file_is_put_right(drawn: Path, tmp_path: Path) -> None:
    first = run("fake:hash", drawn, output=tmp_path, report=False)
    path = first.folder / "results.json"
    path.write_text(json.dumps({**first.results, "accuracy": 1.0}))
    assert rescore(first.folder)[0].results == first.results


def test_what_cannot_be_scored_again(drawn: Path, tmp_path: Path) -> None:
    own = make_dataset(tmp_path / "own")
    first = run("fake:hash", own, output=tmp_path / "runs", report=False)
    make_dataset(own, question="Where to?")
    with pytest.raises(BadDataset, match="not the questions"):
        rescore(first.folder)
    rescore(first.folder, drawn)
    lines = (first.folder / "samples.jsonl").read_text().splitlines(keepends=True)
    (first.folder / "samples.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(BadOutput, match="not finished"):
        rescore(first.folder, drawn)
    with pytest.raises(BadOutput, match="not a run"):
        rescore(tmp_path)


def test_the_commands(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run("fake:hash", drawn, output=tmp_path, report=False).folder
    code, out, _ = cli(capsys, "score", folder)
    assert code == 0
    assert "0 of 13 answers are judged differently" in out
    other = run("fake:A", drawn, answers="both", output=tmp_path, report=False).folder
    code, out, _ = cli(capsys, "score", other)
    assert "100.0 % of 13 agree with the letters" in out
    words = run("fake:say eh", drawn, answers="generate", output=tmp_path, report=False).folder
    code, out, _ = cli(capsys, "score", words)
    assert "13 answers were not understood" in out
    code, out, _ = cli(capsys, "score", folder, "--json")
    assert json.loads(out)["changed"] == 0
    code, _, err = cli(capsys, "export", folder, "-o", tmp_path / "out.csv")
    assert code == 0
    assert "out.csv" in err
    code, out, _ = cli(capsys, "tasks")
    assert code == 0
    assert "motionbench" in out
    code, out, _ = cli(capsys, "tasks", "tomato")
    assert "official:" in out
    code, out, _ = cli(capsys, "tasks", "--json")
    assert len(json.loads(out)["tasks"]) >= 12
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\nversion: 1\ntype: mcg\nprompt: letter-1\n")
    code, _, err = cli(capsys, "tasks", "check", bad)
    assert code == 2
    assert "bad.yaml:3: type: must be 'mcq', 'qa' or 'caption'" in err
    assert cli(capsys, "tasks", "check")[0] == 2
    bad.write_text("name: x\nversion: 1\ntype: mcq\nprompt: letter-1\n")
    code, out, _ = cli(capsys, "tasks", "check", bad)
    assert (code, "a good task" in out) == (0, True)


# -- CSV ---------------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_a_question_and_run(drawn: Path, tmp_path: Path) -> None:
    runs = [run(m, drawn, output=tmp_path, report=False) for m in ("fake:A", "fake:error")]
    rows = list(csv.DictReader(io.StringIO(csv_of(runs))))
    assert len(rows) == 26
    assert tuple(rows[0]) == COLUMNS
    right = [float(r["credit"]) for r in rows if r["credit"]]
    assert len(right) == 13
    assert sum(right) / 13 == pytest.approx(runs[0].accuracy, abs=1e-6)


def test_csv_holds_no_formula(made: Path, tmp_path: Path) -> None:
    text = '=HYPERLINK("http://x","y"),\n"left"'
    runs = [run(f"fake:say {text}", made, task="foundationmotion-qa", output=tmp_path / "runs", report=False)]
    rows = list(csv.DictReader(io.StringIO(csv_of([replace(r, config={**r.config, "model": "+x"}) for r in runs]))))
    assert all(r["text"] == f"'{text}" for r in rows)
    assert all(r["model"] == "'+x" for r in rows)


# -- the Hub -----------------------------------------------------------------------------------------------------------


class Api:
    """Takes what the real client would send, and refuses as it would."""

    endpoint = "https://hub.example"

    def __init__(self, fail: str = "") -> None:
        self.fail = fail
        self.commits: list[tuple[str, dict[str, bytes], dict[str, Any]]] = []

    def create_repo(self, repo: str, **how: Any) -> None:
        assert how == {"repo_type": "dataset", "exist_ok": True}

    def file_exists(self, repo: str, name: str, **how: Any) -> bool:
        return any(r == repo and name in sent for r, sent, _ in self.commits)

    def create_commit(self, repo: str, operations: list[Any], **how: Any) -> Any:
        if repo == self.fail:
            raise OSError("403 Forbidden")
        self.commits.append((repo, {o.path_in_repo: o.path_or_fileobj for o in operations}, how))
        pr = f"https://hub.example/{repo}/discussions/1" if how.get("create_pr") else None
        return type("Info", (), {"oid": "c0ffee", "pr_url": pr, "commit_url": f"https://hub.example/{repo}/commit/1"})()


@pytest.fixture
def published(drawn: Path, tmp_path: Path) -> RunResult:
    """A run as one of a model and a data set of the Hub would be."""
    result = run("fake:hash", drawn, output=tmp_path / "runs")
    dataset = {**result.results["dataset"], "id": "org/bench", "revision": "a" * 40}
    return replace(
        result, config={**result.config, "spec": "org/model"}, results={**result.results, "dataset": dataset}
    )


def test_the_score_is_in_the_hubs_own_form(published: RunResult) -> None:
    (entry,) = parse_eval_result_entries(yaml.safe_load(eval_results_yaml(published, "https://hub.example/x")))
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("org/bench", "foundationmotion", "a" * 40)
    assert entry.value == pytest.approx(100 * (published.accuracy or 0), abs=0.01)
    assert entry.source_url == "https://hub.example/x"
    assert "95 %" in str(entry.notes)
    assert "16 frames" in str(entry.notes)


def test_details_go_first_and_the_score_names_them(published: RunResult, drawn: Path) -> None:
    api = Api()
    url = push(plan_push(published, "me/details"), create_pr=True, api=api)
    assert url == "https://hub.example/org/model/discussions/1"
    (first, sent, _), (second, score, how) = api.commits
    name = published.folder.name
    assert (first, second, how["create_pr"]) == ("me/details", "org/model", True)
    assert set(sent) == {"README.md", f"data/{name}.parquet"} | {
        f"runs/{name}/{x}" for x in ("config.json", "results.json", "report.html")
    }
    ((path, body),) = score.items()
    assert path == ".eval_results/fm-eval-bench-foundationmotion.yaml"
    assert f"https://hub.example/datasets/me/details/blob/c0ffee/runs/{name}/results.json" in body.decode()
    push(plan_push(published, "me/details"), api=api)
    assert "README.md" not in api.commits[2][1]


def test_the_details_load_as_a_data_set(published: RunResult, tmp_path: Path) -> None:
    from datasets import load_dataset

    for name, data in plan_push(published, "me/details").files.items():
        path = tmp_path / "details" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    rows = load_dataset(
        "parquet", data_files=str(tmp_path / "details/data/*.parquet"), split="train", cache_dir=tmp_path
    )
    assert len(rows) == 13
    assert {r["id"]: r["prediction"] for r in rows} == {s["id"]: s["prediction"] for s in published.samples}


def test_no_place_on_this_machine_leaves_it(published: RunResult, drawn: Path) -> None:
    samples = [{**published.samples[0], "error": f"DecodeError: {drawn}/videos/x.mp4 in {Path.home()}/x"}]
    plan = plan_push(replace(published, samples=[*samples, *published.samples[1:]]), "me/details")
    for data in plan.files.values():
        assert str(drawn).encode() not in data
    assert b"DATASET/videos/x.mp4" in plan.files[f"data/{published.folder.name}.parquet"]


def test_what_cannot_be_published(published: RunResult, drawn: Path, tmp_path: Path) -> None:
    local = run("fake:hash", drawn, output=tmp_path / "other", report=False)
    with pytest.raises(UserError, match="no model of the Hub"):
        plan_push(local, "me/details")
    with pytest.raises(UserError, match="is a folder"):
        plan_push(replace(local, config={**local.config, "spec": "org/model"}), "me/details")
    with pytest.raises(UserError, match="OWNER/NAME"):
        plan_push(published, "details")
    with pytest.raises(UserError, match="no score"):
        plan_push(replace(published, results={**published.results, "accuracy": None}), "me/details")
    dataset = {**published.results["dataset"], "revision": ""}
    with pytest.raises(UserError, match="no revision"):
        plan_push(replace(published, results={**published.results, "dataset": dataset}), "me/details")
    api = Api(fail="org/model")
    with pytest.raises(UserError, match=r"403 Forbidden\); without the right to write.*--create-pr"):
        push(plan_push(published, "me/details"), api=api)
    assert len(api.commits) == 1


def test_what_cannot_be_published_is_said_before_anything_is_asked(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = cli(capsys, "--model", "fake:A", "--dataset", drawn, "-o", tmp_path / "runs", "--push-results")
    assert code == 2
    assert "no model of the Hub" in err
    code, _, err = cli(capsys, "--model", "org/m", "--dataset", drawn, "-o", tmp_path / "runs", "--push-results")
    assert code == 2
    assert "is a folder" in err
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_sends_nothing(published: RunResult, capsys: pytest.CaptureFixture[str]) -> None:
    lines = plan_push(published, "me/details").lines()
    assert any(".eval_results/fm-eval-bench-foundationmotion.yaml" in x for x in lines)
    assert len(lines) == 5
    folder = published.folder
    for name, value in (("config.json", published.config), ("results.json", published.results)):
        (folder / name).write_text(json.dumps(value))
    assert load_run(folder).results["dataset"]["id"] == "org/bench"
    code, _, err = cli(capsys, "push", folder, "--dry-run")
    assert code == 0
    assert err.count("would send") == 5
