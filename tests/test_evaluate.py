"""A run: what it writes, how it goes on after a kill, what it refuses, and what the command exits with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from fm_eval_harness.cli import main
from fm_eval_harness.compare import compare
from fm_eval_harness.evaluate import run
from fm_eval_harness.questions import prompt_of, select
from fm_eval_harness.runs import RunResult, load_run
from fm_eval_harness.samples import Trials
from fm_eval_harness.task import TASKS, load_task
from fm_hub.errors import BadDataset, BadOutput, BadTask, MissingExtra, UnknownName, UserError
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.models.fake import FakeModel
from golden_files import check_golden
from made_dataset import make_dataset


def shape(value: object) -> object:
    """A value with its leaves replaced by the names of their types; of a list, its first item."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value[:1]]
    return type(value).__name__


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A data set that a test may break."""
    return make_dataset(tmp_path / "foundationmotion")


class Counting(FakeModel):
    """Answers as fake:hash, counts its calls, and stops the process's way after some of them."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__("hash")
        self.stop_after = stop_after
        self.asked: list[str] = []
        self.calls = 0

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        if self.stop_after is not None and self.calls >= self.stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        self.asked += [p.id for p in prompts]
        return super().score(view, prompts)


def cli(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Run ``fm-eval`` in this process."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in argv])
    out = capsys.readouterr()
    return int(stop.value.code or 0), out.out, out.err


def scores_of(result: RunResult) -> dict[str, object]:
    return {s["id"]: (s["scores"], s["prediction"], s["correct"], s["error"]) for s in result.samples}


def test_a_run_writes_what_the_contract_says(drawn: Path, tmp_path: Path) -> None:
    result = run("fake:hash", drawn, output=tmp_path)
    names = {p.name for p in result.folder.iterdir()}
    assert names == {"config.json", "samples.jsonl", "results.json", "report.html", "eval_results.yaml"}
    assert result.folder.name.startswith("fake-hash-foundationmotion-")
    r = result.results
    assert set(r["by"]) == {"kind", "type", "difficulty", "duration"}
    assert (r["n"], r["n_scored"], r["n_error"], r["coverage"]) == (13, 13, 0, 1.0)
    assert sum(part["n"] for part in r["by"]["kind"].values()) == r["n"]
    assert r["accuracy"] == pytest.approx(sum(s["correct"] for s in result.samples) / 13, abs=1e-6)
    assert r["ci95"][0] <= r["accuracy"] <= r["ci95"][1]
    sample = result.samples[0]
    assert len(sample["frames"]) == 16
    assert sample["view"][0] < sample["frames"][0] < sample["frames"][-1] < sample["view"][1]


def test_the_shape_of_a_run_is_the_contracts(drawn: Path, tmp_path: Path) -> None:
    result = run("baseline:chance", drawn, output=tmp_path, report=False)
    by = {name: dict(list(parts.items())[:1]) for name, parts in result.results["by"].items()}
    files = {
        "config.json": {k: v for k, v in result.config.items() if k != "versions"},
        "samples.jsonl": {**result.samples[0], "scores": {"A": 0.0}},
        "results.json": {**result.results, "by": by},
    }
    check_golden("results.json", json.dumps(shape(files), indent=1) + "\n")


def test_chance_is_the_mean_of_one_over_options(drawn: Path, tmp_path: Path) -> None:
    result = run("baseline:longest", drawn, output=tmp_path, report=False)
    expected = (5 / 4 + 5 / 2 + 3 / 3) / 13
    assert result.results["chance"] == pytest.approx(expected, abs=1e-6)


def test_a_killed_run_goes_on_and_gives_the_same(drawn: Path, tmp_path: Path) -> None:
    whole = run(Counting(), drawn, output=tmp_path / "whole", report=False)
    with pytest.raises(KeyboardInterrupt):
        run(Counting(stop_after=2), drawn, output=tmp_path / "cut", report=False)
    (folder,) = (tmp_path / "cut").iterdir()
    before = Trials(folder)
    assert 0 < len(before) < 13
    with open(folder / "samples.jsonl", "ab") as f:  # as a kill in the middle of a write leaves it
        f.write(b'{"id": "torn", "row_s')
    rest = Counting()
    result = run(rest, drawn, output=tmp_path / "cut", report=False)
    assert result.folder == folder
    assert {key[0] for key in before}.isdisjoint(rest.asked)
    assert scores_of(result) == scores_of(whole)
    assert result.results == whole.results
    again = Counting()
    assert run(again, drawn, output=tmp_path / "cut", report=False).results == whole.results
    assert again.calls == 0


def test_a_process_killed_hard_loses_no_group(drawn: Path, tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from fm_eval_harness.evaluate import run\n"
        "from fm_hub.models.fake import FakeModel\n"
        "class Dies(FakeModel):\n"
        "    n = 0\n"
        "    def score(self, view, prompts):\n"
        "        self.n += 1\n"
        "        if self.n > 3: os.kill(os.getpid(), 9)\n"
        "        return super().score(view, prompts)\n"
        "run(Dies('hash'), Path(sys.argv[1]), output=sys.argv[2], report=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, drawn, tmp_path / "cut"], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    rest = Counting()
    result = run(rest, drawn, output=tmp_path / "cut", report=False)
    assert rest.calls == 2
    assert scores_of(result) == scores_of(run(Counting(), drawn, output=tmp_path / "whole", report=False))


def test_what_failed_is_asked_again(own: Path, tmp_path: Path) -> None:
    clip = next((own / "videos").rglob("*.mp4"))
    questions = select(own, load_task("foundationmotion"), "mcq", None)
    mine = {i.question.question_id for i in questions if i.question.video_file.endswith(clip.name)}
    clip.rename(clip.with_suffix(".away"))
    first = run("fake:hash", own, config="mcq", output=tmp_path / "runs", report=False)
    assert {s["id"] for s in first.samples if s["error"]} == mine
    clip.with_suffix(".away").rename(clip)
    model = Counting()
    second = run(model, own, config="mcq", output=tmp_path / "runs", report=False)
    assert set(model.asked) == mine
    assert second.coverage == 1.0


def test_another_configuration_is_refused_and_named(drawn: Path, tmp_path: Path) -> None:
    first = run("fake:hash", drawn, output=tmp_path, report=False)
    other = run("fake:hash", drawn, output=tmp_path, n_frames=8, report=False)
    assert other.folder != first.folder
    before = (first.folder / "samples.jsonl").read_bytes()
    with pytest.raises(BadOutput, match="frames was 16, is 8"):
        run("fake:hash", drawn, output=first.folder, n_frames=8, report=False)
    with pytest.raises(BadOutput, match="model was 'fake:hash', is 'fake:A'"):
        run("fake:A", drawn, output=first.folder, report=False)
    assert (first.folder / "samples.jsonl").read_bytes() == before
    assert run("fake:hash", drawn, output=first.folder, report=False).folder == first.folder


def test_a_changed_data_set_is_another_run(own: Path, tmp_path: Path) -> None:
    first = run("fake:hash", own, output=tmp_path / "runs", report=False)
    make_dataset(own, question="Where to?")
    assert run("fake:hash", own, output=tmp_path / "runs", report=False).folder != first.folder
    with pytest.raises(BadOutput, match=r"dataset\.content_sha256"):
        run("fake:hash", own, output=first.folder, report=False)


def test_a_copy_elsewhere_is_the_same_run(drawn: Path, own: Path, tmp_path: Path) -> None:
    first = run("fake:hash", drawn, output=tmp_path / "runs", report=False)
    model = Counting()
    assert run(model, own, output=tmp_path / "runs", report=False).folder == first.folder
    assert model.calls == 0


@pytest.mark.parametrize("damage", ["missing", "empty"])
@pytest.mark.parametrize("spec", ["fake:hash", "baseline:longest"])
def test_a_missing_clip_is_counted_never_asked_blind(own: Path, tmp_path: Path, damage: str, spec: str) -> None:
    item = select(own, load_task("foundationmotion"), "benchmark", None)[0]
    clip = own / item.question.video_file
    clip.unlink()
    if damage == "empty":
        clip.touch()
    result = run(spec, own, output=tmp_path / "runs")
    failed = [s for s in result.samples if s["error"]]
    assert {s["clip_id"] for s in failed} == {item.question.clip_id}
    reason = {"missing": "UnreadableFile: ", "empty": "EmptyFile: "}[damage]
    assert all(s["error"].startswith(reason) and not s["scores"] and not s["correct"] for s in failed)
    r = result.results
    assert (r["n"], r["n_error"], r["n_scored"]) == (13, len(failed), 13 - len(failed))
    assert r["coverage"] == pytest.approx(1 - len(failed) / 13, abs=1e-6)
    assert r["accuracy"] == pytest.approx(sum(s["correct"] for s in result.samples) / (13 - len(failed)), abs=1e-6)
    assert r["ci95"] is None  # four sources are left
    assert "4 source" in r["ci95_note"]


class Wrong(FakeModel):
    """A model that breaks its contract in one way."""

    def __init__(self, how: str) -> None:
        super().__init__("hash")
        self.how = how

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        scores = super().score(view, prompts)
        if self.how == "short":
            return scores[1:]
        if self.how == "order":
            return scores[::-1]
        if self.how == "nan":
            return [Scores(s.id, dict.fromkeys(s.logprobs, float("nan"))) for s in scores]
        if self.how == "letter":
            return [Scores(s.id, {"Z": 0.0}) for s in scores]
        if self.how == "silent":
            return [Scores(s.id) for s in scores]
        raise RuntimeError("two\nlines")


@pytest.mark.parametrize("how", ["short", "order", "nan", "letter", "raises"])
def test_a_model_that_breaks_its_contract_is_an_error_on_the_item(drawn: Path, tmp_path: Path, how: str) -> None:
    result = run(Wrong(how), drawn, output=tmp_path, report=False)
    assert result.results["n_error"] == 13
    assert result.accuracy is None
    assert all("\n" not in s["error"] and ": " in s["error"] for s in result.samples)


def test_no_letter_is_wrong_not_guessed(drawn: Path, tmp_path: Path) -> None:
    r = run(Wrong("silent"), drawn, output=tmp_path, report=False).results
    assert (r["n_unparsed"], r["n_scored"], r["n_error"], r["accuracy"], r["coverage"]) == (13, 0, 0, 0.0, 1.0)


def test_the_key_does_not_reach_a_model(drawn: Path) -> None:
    task = load_task("foundationmotion")
    for item in select(drawn, task, "mcq", None):
        prompt = prompt_of(item, task)
        assert prompt.question.answer == -1
        assert {o.margin for o in prompt.question.options} == {0.0}
        assert prompt.letters == tuple("ABCD"[: len(item.question.options)])
        assert item.question.text in prompt.text


def test_a_limit_takes_the_same_questions_each_time(drawn: Path, tmp_path: Path) -> None:
    few = run("fake:hash", drawn, output=tmp_path, limit=4, report=False)
    more = run("fake:hash", drawn, output=tmp_path, limit=6, report=False)
    assert [s["id"] for s in few.samples] == [s["id"] for s in more.samples][:4]


def test_self_made_sets_are_marked(tmp_path: Path) -> None:
    foreign = make_dataset(tmp_path / "foreign", clips=1)
    ours = make_dataset(tmp_path / "ours", clips=1, generator="fm-hub 0.1.0")

    class Tracker(FakeModel):
        def __init__(self) -> None:
            super().__init__("hash")
            self.name = "baseline:tracker"

    assert run(Tracker(), foreign, output=tmp_path / "runs", report=False).results["self_made"] is False
    marked = run(Tracker(), ours, output=tmp_path / "runs").results
    assert marked["self_made"] is True
    assert "made this set" in marked["self_made_note"]


# -- comparing ---------------------------------------------------------------------------------------------------------


def test_compare_is_paired(drawn: Path, tmp_path: Path) -> None:
    runs = [run(m, drawn, output=tmp_path, report=False) for m in ("fake:A", "fake:B", "fake:A")]
    result = compare(runs)
    first, second = result["pairs"]
    a, b = ({s["id"]: s["correct"] for s in r.samples} for r in runs[:2])
    assert first["only_a"] == sum(a[i] and not b[i] for i in a)
    assert first["only_b"] == sum(b[i] and not a[i] for i in a)
    assert first["difference"] == pytest.approx((sum(a.values()) - sum(b.values())) / 13, abs=1e-6)
    assert (second["difference"], second["p"], second["p_mcnemar"]) == (0.0, 1.0, 1.0)
    assert (second["ci95"], second["detectable"]) == ([0.0, 0.0], 0.0)
    assert first["p"] <= first["p_holm"] <= 1
    assert first["detectable"] > 0
    kinds = first["by"]["kind"]
    assert sum(part["n"] for part in kinds.values()) == first["n"] == 13
    assert all(part["p"] <= part["p_holm"] <= 1 for part in kinds.values())
    assert sum(part["only_a"] for part in kinds.values()) == first["only_a"]


def test_compare_refuses_other_questions(drawn: Path, tmp_path: Path) -> None:
    a = run("fake:A", drawn, output=tmp_path, report=False)
    b = run("fake:A", drawn, output=tmp_path, config="mcq", report=False)
    with pytest.raises(UserError, match=r"dataset\.config"):
        compare([a, b])
    with pytest.raises(UserError, match="two or more"):
        compare([a])


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_scores_and_prints(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = cli(capsys, "--model", "baseline:chance", "--dataset", drawn, "-o", tmp_path)
    assert code == 0, err
    assert "accuracy" in out
    assert "report.html" in out.replace("\n", "")
    code, out, _ = cli(capsys, "--model", "baseline:chance", "--dataset", drawn, "-o", tmp_path, "--json")
    assert code == 0
    assert json.loads(out)["n"] == 13


def test_the_default_data_set(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(drawn.parent)
    assert cli(capsys, "--model", "fake:A", "-o", tmp_path / "runs")[0] == 0
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(capsys, "--model", "fake:A", "-o", tmp_path / "none")
    assert code == 2
    assert "fm-hub build" in err
    assert "--dataset" in err
    assert not (tmp_path / "none").exists()


def test_low_coverage_exits_with_1(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--model", "fake:error", "--dataset", own, "-o", tmp_path / "runs"]
    code, _, err = cli(capsys, *argv)
    assert code == 1
    assert "ModelError" in err
    assert cli(capsys, *argv, "--min-coverage", "0")[0] == 0
    for clip in list((own / "videos").rglob("*.mp4"))[:3]:
        clip.unlink()
    code, out, err = cli(capsys, "--model", "fake:A", "--dataset", own, "-o", tmp_path / "runs", "--json")
    assert code == 1
    assert 0 < json.loads(out)["coverage"] < 0.9
    assert "UnreadableFile" in err


def test_compare_and_report_commands(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [run(m, drawn, output=tmp_path, report=False).folder for m in ("fake:A", "fake:hash")]
    code, out, _ = cli(capsys, "compare", *folders)
    assert code == 0
    assert "fake:A" in out
    assert "  direction" in out
    assert "McNemar" in out
    code, out, _ = cli(capsys, "compare", *folders, "--json")
    assert code == 0
    assert len(json.loads(out)["pairs"]) == 1
    page = tmp_path / "page.html"
    assert cli(capsys, "report", *folders, "-o", page)[0] == 0
    assert "fake:hash" in page.read_text()
    bad = run("fake:error", drawn, output=tmp_path, report=False).folder
    assert cli(capsys, "compare", folders[0], bad)[0] == 1


def test_ctrl_c_exits_with_130(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeModel, "from_spec", classmethod(lambda cls, rest, options: Counting(stop_after=1)))
    code, _, err = cli(capsys, "--model", "fake:hash", "--dataset", drawn, "-o", tmp_path)
    assert code == 130
    assert "kept" in err
    (folder,) = tmp_path.iterdir()
    assert Trials(folder)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "--model"),
        (["--model", "fake:A", "--dataset", "DATA", "--profile", "oficial"], "no profile of task foundationmotion"),
        (["--model", "fake:A", "--dataset", "DATA", "--answers", "letter"], "letters, generate, both"),
        (["--model", "fake:A", "--dataset", "DATA", "--on-error", "stop"], "skip or fail"),
        (["--model", "baseline:longest", "--dataset", "DATA", "--answers", "both"], "letters and no text"),
        (
            ["--model", "fake:A", "--dataset", "DATA", "--task", "foundationmotion-qa", "--answers", "letters"],
            "in words alone",
        ),
        (["--model", "baseline:majorty", "--dataset", "DATA"], "did you mean 'majority'?"),
        (["--model", "baseline:", "--dataset", "DATA"], "chance"),
        (["--model", "fake:Q", "--dataset", "DATA"], "no fake model named"),
        (["--model", "bseline:chance", "--dataset", "DATA"], "did you mean 'baseline'?"),
        (["--model", "fake:A", "--task", "foundationmoton"], "did you mean 'foundationmotion'?"),
        (["--model", "fake:A", "--dataset", "no/such/place"], "no such folder"),
        (["--model", "fake:A", "--dataset", "./nosuchplace"], "no such folder"),
        (["--model", "fake:A", "--dataset", "DATA-"], "did you mean"),
        (["--model", "fake:A", "--dataset", "."], "not a dataset of fm-hub"),
        (["--model", "fake:A", "--dataset", "DATA", "--config", "qa"], "benchmark or mcq"),
        (["--model", "fake:A", "--dataset", "DATA", "--split", "dev"], "train, validation, test"),
        (["--model", "fake:A", "--dataset", "DATA", "--split", "train"], "mcq/train (2)"),
        (["--model", "fake:A", "--dataset", "DATA", "--frames", "0"], "frames"),
        (["--model", "fake:A", "--dataset", "DATA", "--what"], "--what"),
        (["report", "nowhere", "-o", "x.html"], "not a run of fm-eval"),
        (["compare", "nowhere", "elsewhere"], "not a run of fm-eval"),
    ],
)
def test_user_errors_are_one_line(
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(capsys, *(a.replace("DATA", str(drawn)) for a in argv))
    assert code == 2, err
    assert says in err
    assert err.count("\n") == 1
    assert not out
    assert not list(tmp_path.iterdir())


def test_help_loads_nothing_heavy() -> None:
    heavy = ["numpy", "pyarrow", "torch", "jinja2", "rich.progress", "yaml", "pydantic"]
    program = f"import sys, fm_eval_harness.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- tasks, folders and data sets -------------------------------------------------------------------------------------


def test_every_task_of_the_registry_loads() -> None:
    for name in TASKS.names():
        assert load_task(name).name == name


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name: x\nversion: 1\ntype: mcq\nprompt: letter-1\ncofnig: mcq\n", 5, "did you mean 'config'?"),
        ("name: x\nversion: 1\ntype: video\nprompt: letter-1\n", 3, "type"),
        ("name: x\nversion: 1\ntype: mcq\nprompt: leter-1\n", 4, "did you mean 'letter-1'?"),
        ("name: x\nversion: 1\ntype: mcq\nprompt: letter-1\nby:\n- kind\n- colour\n", 7, "by"),
        ("name: x\nversion: 1\ntype: mcq\nprompt: letter-1\nletters: AA\n", 5, "different letters"),
        ("name: x\ntype: mcq\n", 1, "version"),
        ("name: [x\n", 2, "not YAML"),
        ("- a\n", 1, "mapping"),
    ],
)
def test_a_bad_task_names_file_and_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(BadTask) as e:
        load_task(str(path))
    assert f"my.yaml:{line}: " in str(e.value)
    assert says in str(e.value)
    assert "\n" not in str(e.value)


def test_a_task_of_ones_own(drawn: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\nversion: 2\ntype: mcq\ndataset: {drawn}\nconfig: mcq\nsplit: train\nletters: WXYZ\n"
        'prompt: "{options}\\n{question} Say the letter."\nby: [kind]\n'
    )
    result = run("fake:hash", task=str(path), output=tmp_path / "runs", report=False)
    assert result.results["n"] == 2
    assert {s["answer"] for s in result.samples} <= set("WXYZ")
    assert set(result.results["by"]) == {"kind"}
    with pytest.raises(BadTask, match="no such task file"):
        load_task("nowhere.yaml")
    with pytest.raises(UnknownName):
        load_task("foundation")


def test_a_run_folder_that_is_damaged(drawn: Path, tmp_path: Path) -> None:
    result = run("fake:A", drawn, output=tmp_path, report=False)
    lines = (result.folder / "samples.jsonl").read_text().splitlines()
    (result.folder / "samples.jsonl").write_text("\n".join([lines[0], "{broken", *lines[1:]]) + "\n")
    with pytest.raises(BadOutput, match=r"samples\.jsonl:2"):
        load_run(result.folder)
    (result.folder / "results.json").unlink()
    with pytest.raises(BadOutput, match="not finished"):
        load_run(result.folder)


def test_output_that_cannot_be_written(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadOutput, match="-o"):
        run("fake:A", drawn, output=tmp_path / "file" / "runs", report=False)


def test_a_data_set_without_questions(own: Path, tmp_path: Path) -> None:
    for path in [*(own / "mcq").iterdir(), *(own / "benchmark").iterdir()]:
        path.unlink()
    with pytest.raises(BadDataset, match="no questions at all"):
        run("fake:A", own, output=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_of_a_repository_only_what_is_asked_is_fetched(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "snapshots" / ("a" * 40)
    asked = []

    def download(repo: str, repo_type: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repo, repo_type, revision))
        for path in drawn.rglob("*.*"):
            name = path.relative_to(drawn).as_posix()
            if any(fnmatch(name, p) for p in allow_patterns):
                (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, snapshot / name)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    result = run("fake:hash", "me/motion@v1", output=tmp_path / "runs", limit=4)
    assert asked == [("me/motion", "dataset", "v1"), ("me/motion", "dataset", "a" * 40)]
    assert len(list((snapshot / "videos").rglob("*.mp4"))) == len({s["clip_id"] for s in result.samples}) == 2
    assert result.results["dataset"]["id"] == "me/motion"
    assert result.results["dataset"]["revision"] == "a" * 40
    assert "me/motion" in (result.folder / "eval_results.yaml").read_text()


def test_a_repository_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no\nroute")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(BadDataset, match=r"me/motion: cannot be fetched from the Hub \(OSError: no route"):
        run("fake:A", "me/motion", output=tmp_path)


def test_a_missing_extra_says_what_to_install(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fm-hub\[eval\]'"):
        run("org/model", drawn, output=tmp_path, report=False)


class Plain(Model):
    """Takes every argument that a model may take, and keeps it."""

    name, commit = "plain", "1"
    seen: list[View]

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> Model:
        return cls()

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        self.seen.append(view)
        return [Scores(p.id, dict.fromkeys(p.letters, -1.0)) for p in prompts]


def test_each_view_is_asked_in_one_call(drawn: Path, tmp_path: Path) -> None:
    model = Plain()
    model.seen = []
    result = run(model, drawn, output=tmp_path, n_frames=5, max_side=64, report=False)
    assert len(model.seen) == 5
    assert {(v.n_frames, v.size, v.t0, v.t1) for v in model.seen} == {(5, 64, 0.0, 2.4)}
    assert {s["prediction"] for s in result.samples} == {"A"}
