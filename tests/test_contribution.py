"""What a contribution must pass: a good one does; every kind of bad one is refused, or shown to a person, and why."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contributions_made import OFFER, annotators, contribution, in_this_process, kitchens, made
from fm_hub.contribute.staging import stage
from fm_hub.contribution import agreement, check, sandbox
from fm_hub.contribution.agreement import ANNOTATORS
from fm_hub.contribution.check import Wanted
from fm_hub.contribution.known import EMPTY
from fm_hub.contribution.layout import check_names
from fm_hub.contribution.report import Report, plain, read_comment
from fm_hub.contribution.sandbox import run_limited
from fm_hub.errors import Crash, OutOfMemory, Timeout, UserError
from hostile import HOSTILE, Hostile, wanted_of


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a contribution that passes. Read only."""
    work = tmp_path_factory.mktemp("good")
    contribution(work)
    return work


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    annotators(monkeypatch)
    in_this_process(monkeypatch)


def copy(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good / "contrib", tmp_path / "work" / "contrib")
    return tmp_path / "work" / "contrib" / "eve-kitchen"


def everything(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_good_one_is_accepted(good: Path, here: None) -> None:
    root = good / "contrib" / "eve-kitchen"
    before = everything(good)
    report = check.check(root, wanted_of(None), Report())
    assert report.status == "accepted", report.lines()
    assert report.facts["proved"] == report.facts["questions"] > 0
    assert report.facts["box agreement"] > 0.9
    assert everything(good) == before
    assert not any((root / x).exists() for x in ("benchmark", "README.md", "card", "eval.yaml"))


@pytest.mark.parametrize("kind", HOSTILE, ids=lambda k: k.name)
def test_what_is_wrong_is_found(kind: Hostile, good: Path, here: None, tmp_path: Path) -> None:
    root = copy(good, tmp_path)
    wanted = wanted_of(kind.spoil(root))
    around = {p for p in tmp_path.rglob("*") if root not in p.parents}
    report = check.check(root, wanted, Report())
    assert report.status == kind.status, report.lines()
    of_level = [f for f in report.findings if f.level == kind.status]
    told = [f for f in of_level if re.fullmatch(kind.check, f.check) and re.search(kind.says, f.why)]
    assert told, report.lines()
    assert {p for p in tmp_path.rglob("*") if root not in p.parents} == around, "something was written outside"
    assert "<" not in "".join(report.lines())
    comment = report.comment()
    assert not re.search(r"<[a-z]|\]\(|\u202e|(?<!`)@", comment.replace("<!--", ""))
    verdict = read_comment(comment)
    assert verdict is not None
    assert verdict.status == kind.status


def test_there_are_enough_kinds() -> None:
    assert len({k.name for k in HOSTILE}) == len(HOSTILE) >= 60


@pytest.mark.parametrize(
    "name",
    [
        *("../x.mp4", "videos/../../x.mp4", "/etc/passwd", "~/x", "videos\\..\\x.mp4", "mcq/./train-00000.parquet"),
        *("x" * 300, "mcq/train-00000.parquet/../x", f"videos/ab/{'a' * 24}.mp4", "mcq/train-00001.parquet"),
        *("mcq/train-00000.parquet ", "videos/aa/" + "A" * 24 + ".mp4", "mcq/train-00000.parquet\n"),
    ],
)
def test_names_are_looked_at_before_anything_is_opened(name: str) -> None:
    report = Report()
    check_names({name: 1}, report)
    assert any(f.where == name and f.level == "refused" for f in report.findings)


def test_a_track_that_the_second_look_does_not_see_asks_for_a_person(here: None, tmp_path: Path) -> None:
    """Two of three tracks are right: the mean is good, and yet rows rest on a ghost."""
    scenes = kitchens()
    ghost = scenes[1].tracks[0]
    scenes[1] = replace(scenes[1], tracks=[replace(ghost, label="ghost"), *scenes[1].tracks[1:]])
    dataset = made(tmp_path / "dataset", scenes)
    root = stage(dataset, tmp_path, OFFER, EMPTY).root
    report = check.check(root, wanted_of(None), Report())
    assert report.status == "review", report.lines()
    assert any("rows rest on track" in f.why for f in report.findings)


def test_the_clips_that_are_looked_at_again_follow_the_seed(good: Path, here: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(agreement, "SAMPLE", 1)
    root = good / "contrib" / "eve-kitchen"
    seen = []
    monkeypatch.setattr(agreement, "_compared", lambda clip, *a: seen.append(clip) or agreement.Seen(clip, {}))
    for seed in (1, 1, 2, 3, 4, 5):
        check.check_boxes(root, check.read_tables(root), Report(), seed=seed, annotator="drawn")
    assert seen[0] == seen[1]
    assert len(set(seen)) == 2


def test_no_builders_is_one_clear_line(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"embedded": "fm_nowhere.reannotate:embedded"}
    monkeypatch.setattr(ANNOTATORS, "table", table)
    monkeypatch.setitem(ANNOTATORS.__dict__, "_targets", table)
    root = good / "contrib" / "eve-kitchen"
    with pytest.raises(UserError, match="not installed") as e:
        check.check_boxes(root, check.read_tables(root), Report(), seed=0)
    assert "\n" not in str(e.value)


def test_agreement_is_one_for_one() -> None:
    box = [0.0, 0.0, 10.0, 10.0]

    def track(name: str, boxes: list[list[float]], state: int = 0) -> dict[str, Any]:
        return {"track_id": name, "frame": list(range(len(boxes))), "bbox": boxes, "state": [state] * len(boxes)}

    found = agreement.agreement([track("a", [box, box]), track("b", [box, box])], [[box], [box, box]])
    assert sorted(found.values()) == [0.5, 1.0]
    assert agreement.agreement([track("a", [box], state=1)], [[box]]) == {"a": 0.0}
    half = agreement.agreement([track("a", [box])], [[[0, 0, 10, 20]]])
    assert half["a"] == pytest.approx(0.5)


def test_the_process_of_a_check_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "tok-secret")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    assert run_limited("bounded:environment", {}) == []
    with pytest.raises(OutOfMemory):
        run_limited("bounded:hungry", {}, memory=1 << 30)
    with pytest.raises(Timeout):
        run_limited("bounded:slow", {}, seconds=2)
    with pytest.raises(Crash):
        run_limited("bounded:dies", {})
    with pytest.raises(Crash):
        run_limited("bounded:writes", {"path": str(tmp_path / "x")})
    assert (tmp_path / "x").read_bytes() == b"" if (tmp_path / "x").exists() else True


def test_one_that_kills_its_process_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    orders = [{"n": 1}, {"n": 13}, {"n": 2}]
    answers = list(sandbox.run_each("bounded:unlucky", orders, seconds=60))
    assert [a.get("n") for a in answers] == [1, None, 2]
    assert answers[1]["error"] == "Crash"


def test_what_others_wrote_is_harmless() -> None:
    nasty = "<script>|`x`![a](b)@team\n# head\u202e\x1b[31m"
    assert not re.search(r"[<>`|@\n\u202e\x1b]", plain(nasty))
    report = Report(name=nasty, commit=nasty)
    report.refuse("files", nasty, nasty)
    comment = report.comment()
    assert comment.count("\n#") == 0
    assert "<script" not in comment
    assert read_comment(comment + "\n```json fm-hub-contribution\nnot json\n```") is None
    assert read_comment("nothing") is None


def test_boxes_as_arrays_or_lists() -> None:
    assert np.allclose(agreement._iou(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0]])), 1 / 3)
    assert Wanted().annotator == "embedded"
