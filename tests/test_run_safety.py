"""Work is never lost: killed anywhere, read while written, started twice, spread over processes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from fm_eval_harness.compare import compare
from fm_eval_harness.evaluate import run
from fm_eval_harness.items import groups
from fm_eval_harness.questions import select
from fm_eval_harness.runs import load_run
from fm_eval_harness.samples import SampleLog, Trials
from fm_eval_harness.task import load_task
from fm_hub.errors import BadOutput, UserError
from fm_hub.models import Options, Prompt, Scores, View, open_model
from fm_hub.models.fake import FakeModel
from made_dataset import make_dataset

SLOW = """
import sys, time
from pathlib import Path
from fm_eval_harness.evaluate import run
from fm_hub.models.fake import FakeModel
class Slow(FakeModel):
    looks = True
    def score(self, view, prompts):
        time.sleep(0.02)
        return super().score(view, prompts)
run(Slow("hash"), Path(sys.argv[1]), output=sys.argv[2], config="mcq", controls=["frozen"], circular=True, n_frames=2,
    report=False)
"""


class Slow(FakeModel):
    """As the program's model, without the waiting."""

    looks = True


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion")


def finish(drawn: Path, output: Path) -> Path:
    result = run(
        Slow("hash"), drawn, output=output, config="mcq", controls=["frozen"], circular=True, n_frames=2, report=False
    )
    return result.folder


def test_killed_at_random_moments_it_ends_the_same(drawn: Path, tmp_path: Path) -> None:
    whole = finish(drawn, tmp_path / "whole")
    rng = random.Random(0)
    kills = 0
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", SLOW, drawn, tmp_path / "cut"], stderr=subprocess.PIPE)
        folder = None
        while process.poll() is None and not (folder and (folder / "samples.jsonl").is_file()):
            folder = next((tmp_path / "cut").glob("*"), None) if (tmp_path / "cut").is_dir() else None
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        _, err = process.communicate()
        assert process.returncode in (-9, 0), err
        kills += process.returncode == -9
    assert kills
    folder = finish(drawn, tmp_path / "cut")
    assert (folder / "results.json").read_bytes() == (whole / "results.json").read_bytes()
    lines = [json.loads(x) for x in (folder / "samples.jsonl").read_bytes().splitlines()]
    keys = [(x["id"], x["control"], x["rotation"]) for x in lines]
    assert len(keys) == len(set(keys)) == len(Trials(whole))  # none twice, none missing


def test_a_run_can_be_read_while_it_is_written(drawn: Path, tmp_path: Path) -> None:
    runs = [run(m, drawn, output=tmp_path, report=False) for m in ("fake:A", "fake:B")]
    path = runs[0].folder / "samples.jsonl"
    before = compare(runs)
    with open(path, "ab") as f:
        f.write(b'{"id": "half of a li')
    torn = path.read_bytes()
    again = [load_run(r.folder) for r in runs]
    assert compare(again)["pairs"] == before["pairs"]
    assert path.read_bytes() == torn  # a reader changes nothing; the writer will
    with SampleLog(runs[0].folder) as log:
        log.append([{"id": "x", "row_sha": "y", "error": ""}])
    assert path.read_bytes().endswith(b'\n{"id": "x", "row_sha": "y", "error": ""}\n')
    assert b"half" not in path.read_bytes()
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "config.json").write_text("{}")
    with pytest.raises(BadOutput, match="not finished"):
        load_run(unfinished)


@pytest.mark.parametrize("torn", [b"", b"{", b'{"a": 1}', b"x" * 200_000])
@pytest.mark.parametrize("whole", [b"", b'{"id": 1}\n'])
def test_a_torn_end_is_cut_off_by_the_writer(tmp_path: Path, whole: bytes, torn: bytes) -> None:
    (tmp_path / "samples.jsonl").write_bytes(whole + torn)
    with SampleLog(tmp_path):
        pass
    assert (tmp_path / "samples.jsonl").read_bytes() == whole


def test_two_writers_are_one_too_many(drawn: Path, tmp_path: Path) -> None:
    folder = run("fake:hash", drawn, output=tmp_path, report=False).folder
    (folder / "samples.jsonl").write_bytes(b"")
    with SampleLog(folder), pytest.raises(BadOutput, match="another fm-eval is writing"):
        run("fake:hash", drawn, output=tmp_path, report=False)
    assert run("fake:hash", drawn, output=tmp_path, report=False).coverage == 1


class Counting(FakeModel):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__("hash")
        self.asked: list[str] = []

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        self.asked += [p.id for p in prompts]
        return super().score(view, prompts)


def test_other_bytes_are_asked_about_again(tmp_path: Path) -> None:
    """The same rows and names, but one clip shows something else."""
    own = make_dataset(tmp_path / "foundationmotion")
    first = run(Counting(), own, output=tmp_path / "runs", config="mcq", report=False)
    items = select(own, load_task("foundationmotion"), "mcq", None)
    one, other = items[0].question, items[-1].question
    (own / one.video_file).write_bytes((own / other.video_file).read_bytes())
    model = Counting()
    second = run(model, own, output=tmp_path / "runs", config="mcq", report=False)
    assert second.folder == first.folder
    assert set(model.asked) == {i.question.question_id for i in items if i.question.clip_id == one.clip_id}
    assert {s["clip_sha"] for s in second.samples if s["clip_id"] == one.clip_id} == {other.clip_id}
    (own / one.video_file).unlink()  # gone: its answers stay
    model = Counting()
    assert run(model, own, output=tmp_path / "runs", config="mcq", report=False).coverage == 1
    assert not model.asked
    (own / one.video_file).touch()  # there, and without a byte: that is another clip
    assert run(model, own, output=tmp_path / "runs", config="mcq", report=False).coverage < 1


def by_two(*argv: str | Path) -> str:
    """What two processes say that ask ``fake:hash``."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    done = subprocess.run(
        [*torchrun, sys.executable, "-m", "fm_eval_harness.cli", "--model", "fake:hash", *argv],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_share_the_work(drawn: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    said = by_two("--dataset", drawn, "--config", "mcq", "--circular", "--json", "-o", tmp_path / "two")
    assert said.count("\n") == 1  # one of the two speaks
    (folder,) = (tmp_path / "two").iterdir()
    files = sorted(p.name for p in folder.glob("samples*.jsonl"))
    assert files == ["samples-1.jsonl", "samples.jsonl"]
    assert all((folder / f).stat().st_size for f in files)
    alone = run("fake:hash", drawn, output=tmp_path / "one", config="mcq", circular=True, report=False)
    assert folder.name == alone.folder.name
    assert json.loads((folder / "results.json").read_text()) == alone.results
    assert {k: v["scores"] for k, v in Trials(folder).items()} == {
        k: v["scores"] for k, v in Trials(alone.folder).items()
    }
    # One process goes on with what two have left behind.
    lines = (folder / "samples-1.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "samples-1.jsonl").write_bytes(b"".join(lines[:2]))
    again = run("fake:hash", drawn, output=tmp_path / "two", config="mcq", circular=True, report=False)
    assert again.folder == folder
    assert again.results == alone.results


def test_what_another_process_answers_counts_over_what_one_had_said(tmp_path: Path) -> None:
    """One process fails at a clip and answers to another; then the second of two finds the one whole, the other new."""
    pytest.importorskip("torch")
    own = make_dataset(tmp_path / "foundationmotion")
    shares = list(groups(select(own, load_task("foundationmotion"), "mcq", None)))
    failing, other, third = (own / shares[n][0].question.video_file for n in (1, 3, 0))
    whole = failing.read_bytes()
    failing.write_bytes(b"")
    first = run("fake:hash", own, output=tmp_path / "runs", config="mcq", report=False)
    assert 0 < first.coverage < 1
    failing.write_bytes(whole)
    other.write_bytes(third.read_bytes())
    by_two("--dataset", own, "--config", "mcq", "-o", tmp_path / "runs")
    alone = run("fake:hash", own, output=tmp_path / "alone", config="mcq", report=False)
    again = load_run(first.folder)
    assert (first.folder / "samples-1.jsonl").stat().st_size
    assert again.results == alone.results
    told = "id", "clip_sha", "scores", "error"
    assert [[s[k] for k in told] for s in again.samples] == [[s[k] for k in told] for s in alone.samples]
    replayed = run(f"replay:{first.folder}", own, output=tmp_path / "replayed", config="mcq", report=False)
    assert [s["scores"] for s in replayed.samples] == [s["scores"] for s in alone.samples]


# -- answers that were saved before ------------------------------------------------------------------------------------


def test_a_run_is_replayed(drawn: Path, tmp_path: Path) -> None:
    first = run("fake:hash", drawn, output=tmp_path, circular=True, report=False)
    again = run(f"replay:{first.folder}", drawn, output=tmp_path, report=False)
    same = ("n", "accuracy", "ci95", "by")
    assert {k: again.results[k] for k in same} == {k: first.results[k] for k in same}
    assert [s["scores"] for s in again.samples] == [s["scores"] for s in first.samples]
    assert again.results["modes"] == {"replay": 13}
    assert again.folder.name.startswith("replay-fake-hash")


@pytest.mark.parametrize(
    ("task", "answers"), [("foundationmotion-qa", None), ("foundationmotion", "generate"), ("foundationmotion", "both")]
)
def test_written_answers_are_replayed(drawn: Path, tmp_path: Path, task: str, answers: str | None) -> None:
    said = "fake:B" if answers == "both" else "fake:say up and B"
    first = run(said, drawn, task=task, answers=answers, output=tmp_path, report=False)
    again = run(f"replay:{first.folder}", drawn, task=task, answers=answers, output=tmp_path, report=False)
    assert first.coverage == again.coverage == 1
    fields = ("text", "prediction", "correct")
    assert [[s[f] for f in fields] for s in again.samples] == [[s[f] for f in fields] for s in first.samples]
    lines = [json.dumps({"id": s["id"], "text": s["text"]}) for s in first.samples]
    (tmp_path / "words.jsonl").write_text("\n".join(lines) + "\n")
    if task == "foundationmotion":  # words alone are no letters
        asked = run(f"replay:{tmp_path}/words.jsonl", drawn, output=tmp_path / "no", report=False)
        assert {s["error"] for s in asked.samples} == {"ModelError: the saved answer has no letter"}


def test_answers_by_hand(drawn: Path, tmp_path: Path) -> None:
    items = select(drawn, load_task("foundationmotion"), "benchmark", None)
    lines = [{"id": i.question.question_id, "prediction": "ABCD"[i.question.answer]} for i in items]
    lines[0]["prediction"] = ""
    lines[1]["prediction"] = "D" if len(items[1].question.options) < 4 else "E"
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(x) + "\n" for x in lines[:-1]) + '{"id": "torn')
    r = run(f"replay:{path}", drawn, output=tmp_path / "runs", report=False).results
    assert (r["n"], r["n_error"], r["n_unparsed"]) == (13, 2, 1)
    assert r["accuracy"] == pytest.approx(10 / 11, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}\n", ":1: not a saved answer"),
        ('{"id": "a", "prediction": "A"}\nx\n', ":2: not a saved answer"),
        ('{"id": "a"}\n', ":1: neither scores nor a prediction, nor a text"),
        ('{"id": "a", "scores": {"A": "much"}}\n', ":1: scores must map"),
        ('{"id": "a", "scores": [1]}\n', ":1: scores must map"),
        ('{"id": "a", "prediction": "A", "round": "1"}\n', ":1: round must be"),
    ],
)
def test_answers_that_are_none(drawn: Path, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=says):
        open_model(f"replay:{path}", Options(drawn))
    with pytest.raises(UserError, match="no saved answers"):
        open_model(f"replay:{tmp_path}/nowhere", Options(drawn))
    with pytest.raises(UserError, match="needs a run"):
        open_model("replay:", Options(drawn))
