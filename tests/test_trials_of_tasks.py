"""Controls, rotations, sampling and decoders together with the tasks, the ways of answering, and scoring again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_eval_harness.cli import main
from fm_eval_harness.evaluate import run
from fm_eval_harness.policy import Policy
from fm_eval_harness.rescore import rescore
from fm_eval_harness.samples import Trials
from fm_eval_harness.task import Sampling
from fm_hub.decoders import DECODERS
from fm_hub.decoders.pyav import PyAVDecoder
from fm_hub.errors import ItemFailed, UserError
from fm_hub.models import Prompt, Scores, View
from fm_hub.models.fake import FakeModel
from fm_hub.video import VideoIndex
from made_dataset import make_dataset
from published_layouts import write_layout


class Looks(FakeModel):
    """Answers as fake:B, and keeps what it was shown and asked."""

    looks = True

    def __init__(self, rule: str = "B") -> None:
        super().__init__(rule)
        self.prompts: list[Prompt] = []
        self.pictures: list[NDArray[np.uint8]] = []

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        self.prompts += prompts
        self.pictures.append(view.frames)
        return super().score(view, prompts)


class Dark(PyAVDecoder):
    """Gives every picture black, so that it shows who read it."""

    def read(
        self, index: VideoIndex, at: NDArray[np.intp], size: tuple[int, int], *, salvage: bool = False
    ) -> Iterator[NDArray[np.uint8] | None]:
        for picture in super().read(index, at, size, salvage=salvage):
            yield None if picture is None else np.zeros_like(picture)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion")


@pytest.fixture(scope="module")
def motionbench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("motionbench")
    write_layout("motionbench", root)
    return root


def test_only_what_has_a_key_and_fits_is_asked_otherwise(motionbench: Path, tmp_path: Path) -> None:
    model = Looks()
    result = run(
        model, motionbench, task="motionbench", controls=["frozen"], circular=True, output=tmp_path, report=False
    )
    trials = Trials(result.folder)
    keys = {i: [k[2:] for k in trials if k[0] == i] for i, *_ in trials}
    assert keys["2"] == keys["5"] == [("", 0)]  # without a key; not a good row
    assert len(keys["1"]) == len(keys["3"]) == len(keys["4"]) == 6
    assert all(s["error"] for k, s in trials.items() if k[0] == "4")  # its video is missing, however it is asked
    r = result.results
    assert (r["n"], r["n_unkeyed"], r["n_error"]) == (5, 1, 2)
    assert r["controls"]["frozen"]["n"] == r["circular"]["n"] == 2
    assert r["circular"]["accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert set(json.loads((result.folder / "submission.json").read_text())) == set(keys)


@pytest.mark.parametrize("answers", ["letters", "generate", "both"])
def test_rotations_in_every_way_of_answering(drawn: Path, tmp_path: Path, answers: str) -> None:
    result = run(Looks(), drawn, answers=answers, circular=True, output=tmp_path, n_frames=2, report=False)
    figures = result.results["circular"]
    assert figures["n"] == 13
    assert figures["letter_prior"]["B"]["chosen"] == 1
    assert sum(p["fair"] for p in figures["letter_prior"].values()) == pytest.approx(1, abs=1e-5)
    for key, sample in Trials(result.folder).items():
        assert sample["prediction"] == "B"
        assert sample["correct"] == (sample["answer"] == "B"), key


def test_all_trials_are_scored_again(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(
        Looks(),
        drawn,
        answers="generate",
        controls=["frozen"],
        circular=True,
        output=tmp_path,
        n_frames=2,
        report=False,
    )
    n = len(Trials(first.folder))
    again, changed = rescore(first.folder)
    assert (again.results, changed) == (first.results, 0)
    monkeypatch.setattr("fm_eval_harness.rules.parse_letter", lambda *_: type("P", (), {"letter": "", "rule": "none"}))
    worse, changed = rescore(first.folder)
    assert changed == n > 13
    assert worse.results["controls"]["frozen"]["accuracy"] == worse.results["circular"]["accuracy"] == 0
    monkeypatch.undo()
    assert rescore(first.folder)[0].results == first.results


def test_the_style_of_a_task_holds_in_rotations(tmp_path: Path) -> None:
    root = tmp_path / "mvbench"
    write_layout("mvbench", root)
    model = Looks()
    run(model, root, task="mvbench", profile="official", answers="letters", circular=True, output=tmp_path / "runs")
    turned = [p for p in model.prompts if p.id.endswith("/1")]
    assert turned
    assert all("(A) it rises\n(B) it stays\n(C) it falls" in p.text for p in turned)
    assert all(p.system and p.prefill == "Best option:(" for p in turned)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"task": "foundationmotion-qa", "controls": ["blind"]}, "--controls: task foundationmotion-qa has no options"),
        ({"task": "foundationmotion-qa", "circular": True}, "--circular: task foundationmotion-qa has no options"),
        ({"task": "motionbench", "profile": "official", "circular": True}, "as they were published"),
    ],
)
def test_what_cannot_be_asked_otherwise(
    drawn: Path, motionbench: Path, tmp_path: Path, how: dict[str, object], says: str
) -> None:
    data = motionbench if how["task"] == "motionbench" else drawn
    with pytest.raises(UserError, match=says):
        run(Looks(), data, output=tmp_path / "runs", **how)  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_the_first_failure_ends_a_strict_run(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(ItemFailed, match="on purpose"):
        run(Looks("error"), drawn, controls=["frozen"], on_error="fail", output=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert 0 < len(Trials(folder)) < 26


# -- what is shown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "given", "n"),
    [
        (Sampling(fps=1.0), {}, 100),  # no bound but the task's own
        (Sampling(fps=1.0, max=8), {}, 8),
        (Sampling(fps=1.0), {"max_frames": 5}, 5),
        (Sampling(fps=1.0), {"fps": 0.1}, 10),
        (Sampling(fps=1.0), {"frames": 3}, 3),
        (Sampling(n=8), {}, 8),
        (Sampling(n=8), {"fps": 2.0}, 64),
        (None, {}, 16),
    ],
)
def test_the_user_goes_before_the_task(task: Sampling | None, given: dict[str, float], n: int) -> None:
    policy = Policy.of(**given, task=task)  # type: ignore[arg-type]
    assert policy.view("c", Path("c.mp4"), 0.0, 100.0).n_frames == n
    assert Policy.of_config(policy.as_config()) == policy


def test_another_decoder_reads_the_frames(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DECODERS._targets, "dark", f"{__name__}:Dark")
    model, usual = Looks(), Looks()
    result = run(model, drawn, output=tmp_path, n_frames=2, decoder="dark", report=False)
    assert result.config["decoder"] == "dark"
    assert "read by dark" in result.results["policy"]
    assert max(p.max() for p in model.pictures) == 0
    other = run(usual, drawn, output=tmp_path, n_frames=2, report=False)
    assert other.config["decoder"] == "pyav"
    assert max(p.max() for p in usual.pictures) > 100
    assert other.folder != result.folder


@pytest.mark.parametrize(
    ("name", "says"), [("pyva", "did you mean 'pyav'?"), ("decord", "fm-hub[decord]"), ("torchcodec", "[torchcodec]")]
)
def test_a_decoder_that_is_not_there(
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    says: str,
) -> None:
    if name != "pyva":
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"{name}.decoders", None)
    with pytest.raises(SystemExit) as stop:
        main(["--model", "fake:A", "--dataset", str(drawn), "-o", str(tmp_path / "runs"), "--decoder", name])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()
