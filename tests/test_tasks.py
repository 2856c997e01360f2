"""Tasks: their files, their errors, and every shipped benchmark on a data set in its published layout."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fm_eval_harness.evaluate import run
from fm_eval_harness.published import split_options
from fm_eval_harness.questions import prompt_of, select
from fm_eval_harness.rules import RULES, Asked, read_answer
from fm_eval_harness.task import TASKS, Task, load_task
from fm_eval_harness.tasks import VLM4D
from fm_hub.errors import BadDataset, BadTask, ItemFailed, UnknownName, UserError
from published_layouts import LAYOUTS, write_layout

PROFILES = [(n, p) for n in TASKS.names() for p in ("standard", *load_task(n).profiles)]
OTHERS = [(n, p) for n, p in PROFILES if n in LAYOUTS]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("published")
    return {name: write_layout(name, root / name) for name in LAYOUTS}


def test_every_task_of_other_people_has_a_fixture_and_an_official_profile() -> None:
    for name in TASKS.names():
        task = load_task(name)
        assert (task.layout is not None) == (name in LAYOUTS) == ("official" in task.profiles)
        if task.layout is not None:
            assert task.sources
            assert task.license
            assert task.profiles["official"].departures


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_a_record_gives_the_task_back(name: str, profile: str) -> None:
    task = load_task(name, profile)
    again = Task.of_record(json.loads(json.dumps(task.record())))
    assert again.record() == task.record()
    assert again.profile == profile


@pytest.mark.parametrize(("name", "profile"), OTHERS)
def test_every_benchmark_runs(published: dict[str, Path], tmp_path: Path, name: str, profile: str) -> None:
    result = run("fake:B", published[name], task=name, profile=profile, output=tmp_path)
    r = result.results
    assert r["n"] == r["n_scored"] + r["n_unparsed"] + r["n_error"] + r["n_unkeyed"] > 0
    assert r["profile"] == profile
    assert (result.folder / "report.html").is_file()
    assert set(r["by"]) == set(load_task(name).by)
    for sample in result.samples:
        if not sample["error"]:
            assert 0 <= sample["view"][0] < sample["frames"][0] <= sample["frames"][-1] < sample["view"][1] <= 3.0
            assert sample["correct"] == (None if not sample["answer"] else sample["prediction"] == sample["answer"])


def test_the_how_splits(published: dict[str, Path], tmp_path: Path) -> None:
    items = select(published["how"], load_task("how"), None, None)
    assert len(items) == 12
    assert {i.question.type for i in items} == {"av-car", "av-hand", "daily", "robotics"}
    (first,) = select(published["how"], load_task("how"), "av-hand", None)[:1]
    assert [o.text for o in first.question.options] == ["turns left", "turns right", "stops", "reverses"]
    r = run("fake:B", published["how"], task="how", config="daily", output=tmp_path, report=False).results
    assert (r["n"], r["accuracy"]) == (3, pytest.approx(1 / 3, abs=1e-6))


def test_motionbench_counts_only_what_has_a_key(published: dict[str, Path], tmp_path: Path) -> None:
    result = run("fake:B", published["motionbench"], task="motionbench", output=tmp_path, report=False)
    r = result.results
    assert (r["n"], r["n_scored"], r["n_unkeyed"], r["n_error"]) == (5, 2, 1, 2)
    assert r["accuracy"] == 0.5
    errors = {s["id"]: s["error"].partition(":")[0] for s in result.samples if s["error"]}
    assert errors == {"4": "UnreadableFile", "5": "BadRow"}
    sent = json.loads((result.folder / "submission.json").read_text())
    assert sent == {"1": "B", "2": "B", "3": "B", "4": "", "5": ""}
    official = run(
        "fake:say B) because", published["motionbench"], task="motionbench", profile="official", output=tmp_path
    )
    assert official.results["accuracy"] == 0.5


def test_mvbench_views_and_missing_videos(published: dict[str, Path], tmp_path: Path) -> None:
    result = run("fake:B", published["mvbench"], task="mvbench", output=tmp_path, report=False)
    assert result.results["n"] == 20
    failed = {s["kind"]: s["error"] for s in result.samples if s["error"]}
    assert set(failed) == {"fine_grained_pose", "episodic_reasoning"}
    assert "a folder of pictures" in failed["episodic_reasoning"]
    cut = next(s for s in result.samples if s["kind"] == "action_sequence")
    assert cut["view"] == [0.4, 1.2]
    whole = next(s for s in result.samples if s["kind"] == "object_shuffle")
    assert whole["view"] == [0.0, 2.0]


def test_frames_a_second_and_pixels_of_a_profile(published: dict[str, Path], tmp_path: Path) -> None:
    result = run(
        "fake:B", published["tempcompass"], task="tempcompass", profile="official", output=tmp_path, report=False
    )
    assert {len(s["frames"]) for s in result.samples} == {3}  # 3 seconds at 1 a second
    assert result.config["max_pixels"] == 518400
    more = run("fake:B", published["tempcompass"], task="tempcompass", n_frames=5, output=tmp_path, report=False)
    assert {len(s["frames"]) for s in more.samples} == {5}


def test_favor_does_not_take_a_longer_option(published: dict[str, Path], tmp_path: Path) -> None:
    def score(text: str) -> Any:
        out = run(f"fake:say {text}", published["favor-bench"], task="favor-bench", profile="official", output=tmp_path)
        return [s["correct"] for s in out.samples if not s["error"]]

    assert score("He stands") == [True]
    assert score("He sits, then stands") == [False]
    assert score("walks") == [False]


def test_official_words(published: dict[str, Path]) -> None:
    def text(name: str) -> str:
        task = load_task(name, "official")
        return prompt_of(select(published[name], task, None, None)[0], task, 16).text

    assert text("tomato").startswith("You will be provided with 16 separate frames uniformly sampled from a video, the")
    assert "<options> \n{'A': 'Left.', 'B': 'Right.'" in text("tomato")
    assert text("mvbench").endswith("Options:\n(A) it falls\n(B) it rises\n(C) it stays\nOnly give the best option.")
    assert text("tempcompass") == "Where?\nA. left\nB. right\nC. up\nPlease directly give the best option:"
    assert text("tempcompass-caption-matching").startswith("Which caption fits?\nCaption A: It goes left.\n")
    assert text("favor-bench").endswith("among ['sits, then stands', 'stands', 'walks']")
    assert text("how").split("\n")[-4:] == ["A: turns left", "B: turns right", "C: stops", "D: reverses"]
    assert "\nA: left\nB: right\n" in text("vlm4d")


@pytest.mark.parametrize(
    ("rule", "text", "letter"),
    [
        ("mvbench", "B) it rises", "B"),
        ("mvbench", "b. it rises", "B"),
        ("mvbench", "(C)", "C"),
        ("mvbench", "", ""),
        ("mvbench", "(", ""),
        ("mvbench", "it rises", ""),
        ("tempcompass", "B. right", "B"),
        ("tempcompass", "B", "B"),
        ("tempcompass", "C) whatever", "C"),
        ("tempcompass", "The answer is B", ""),
        ("tempcompass", "b", ""),
        ("tempcompass-yes-no", "Left, sure", "A"),
        ("tempcompass-yes-no", "It goes right", ""),
        ("tomato", "B", "B"),
        ("tomato", "Answer is:B", "B"),
        ("tomato", "I think the answer is B.", "B"),
        ("tomato", "No idea", ""),
        ("vlm4d", "It moves. Therefore, the final answer is: B", "B"),
        ("vlm4d", "Therefore, the final answer is: A? No. Therefore, the final answer is: B.", "B"),
        ("vlm4d", "right", "B"),
        ("motionbench", "(B) right", "B"),
        ("motionbench", "B. right", "B"),
        ("motionbench", "right", ""),
        ("how", "The car", "C"),
        ("how", "A lamp", "A"),
        ("how", "", ""),
        ("favor-bench", "It goes RIGHT", "B"),
        ("favor-bench", "left, right, up", "B"),
        ("favor-bench", "up", "C"),
    ],
)
def test_published_rules(rule: str, text: str, letter: str) -> None:
    key = {"how": 2, "favor-bench": 1}.get(rule, -1)
    if rule == "how" and letter == "A":
        key = 0
    asked = Asked("ABC", ["left", "right", "up"], ["Caption A", "Caption B", "Caption C"], key)
    assert read_answer(rule, text, asked).letter == letter


def test_caption_matching_takes_label_sentence_or_both() -> None:
    asked = Asked("AB", ["It goes left.", "It goes right."], ["Caption A", "Caption B"], -1)
    for text in ("Caption B: It goes right.", "It goes right.", "Caption B", "Caption B.", "B) It goes right."):
        assert read_answer("tempcompass-matching", text, asked).letter == "B"
    assert read_answer("tempcompass-matching", "the second", asked).letter == ""


@pytest.mark.parametrize("rule", RULES.names())
@pytest.mark.parametrize("text", ["", " ", "(", ")", "B", "{}", "A" * 5000, "é\n\n"])
def test_no_rule_fails(rule: str, text: str) -> None:
    for key in (-1, 0):
        got = read_answer(rule, text, Asked("AB", ["left", "right"], ["A", "B"], key))
        assert got.letter in ("", "A", "B")


def test_options_in_the_question() -> None:
    assert split_options("What?\n(A) one\n(B) two, or B. not") == ("What?", ["A", "B"], ["one", "two, or B. not"])
    assert split_options("What?\nOption 1: one\nOption 2: two")[1:] == (["Option 1", "Option 2"], ["one", "two"])
    assert split_options("No options here. A dog runs.") == ("No options here. A dog runs.", [], [])


def test_on_error_fail_stops_and_keeps(published: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ItemFailed, match="--on-error skip"):
        run("fake:error", published["vlm4d"], task="vlm4d", output=tmp_path, on_error="fail")
    (folder,) = tmp_path.iterdir()
    assert len((folder / "samples.jsonl").read_text().splitlines()) == 1


def test_both_ways_of_answering_and_their_agreement(made: Path, tmp_path: Path) -> None:
    result = run("fake:A", made, answers="both", output=tmp_path, report=False)
    g = result.results["generation"]
    assert g["agreement"] == 1.0
    assert g["accuracy"] == result.results["accuracy"]
    assert g["n_agreement"] == result.results["n"]
    assert all(s["text"] == "A" == s["said"] == s["prediction"] for s in result.samples)
    written = run("fake:A", made, answers="generate", output=tmp_path, report=False)
    assert written.results["accuracy"] == result.results["accuracy"]
    assert "generation" not in written.results


# -- files -------------------------------------------------------------------------------------------------------------

GOOD = VLM4D.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("scoring: letters", "scorng: letters", r":\d+: scorng: no such field; did you mean 'scoring'\?"),
        ("scoring: letters", "scoring: leters", r"scoring: must be 'letters', 'generate' or 'both', not 'leters'"),
        ("version: 1", "version: one", r":5: version: input should be a valid integer.*, not 'one'"),
        ("version: 1", "version: 1\nversion: 2", r":6: version: given twice"),
        ("name: vlm4d", "name: VLM 4D", r":4: name: 'VLM 4D' does not fit"),
        ("name: vlm4d\n", "", r"name: must be given"),
        ("rule: vlm4d", "rule: vlm4", r"rule: did you mean 'vlm4d'\?"),
        ("style: colons", "style: colon", r"style: did you mean 'colons'\?"),
        ("letters: ABCD", "letters: ABBA", r"letters: must be different letters"),
        ("prompt: letter-1", "prompt: letter1", r"prompt: neither a template.*did you mean 'letter-1'\?"),
        ("frames: {n: 10}", "frames: {n: 10, fps: 2}", r"frames: says either n"),
        ("frames: {n: 10}", "frames: {m: 10}", r"m: no such field"),
        ("options: {field: choices}", "options: {field: choices, inline: true}", r"options: says one of field"),
        ("real: QA/real_mc.json", "real: ../real_mc.json", r"parts: real: must be a relative path"),
        ("real: QA/real_mc.json", "real: QA/real_mc.csv", r"\.parquet files"),
        ('records: "[]"', 'records: "[0]"', r"records: a path of names"),
        ("type: mcq", "type: qa", r"layout: goes with type mcq"),
        ("type: mcq", "type: [mcq", r":\d+: not YAML"),
    ],
)
def test_a_bad_task_file_names_line_and_cure(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BadTask, match=says) as caught:
        load_task(str(path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")


def test_other_user_errors(published: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'official'"):
        load_task("vlm4d", "oficial")
    with pytest.raises(UnknownName, match="did you mean 'real'"):
        run("fake:A", published["vlm4d"], task="vlm4d", config="reel", output=tmp_path)
    with pytest.raises(UserError, match="has parts"):
        run("fake:A", published["vlm4d"], task="vlm4d", split="test", output=tmp_path)
    with pytest.raises(BadDataset, match=r"no file QA/real_mc\.json"):
        run("fake:A", published["how"], task="vlm4d", output=tmp_path)
    with pytest.raises(BadDataset, match="--dataset"):
        run("fake:A", task="tomato", output=tmp_path)
    (tmp_path / "QA").mkdir()
    (tmp_path / "QA/real_mc.json").write_text("{")
    with pytest.raises(BadDataset, match="cannot be read as json"):
        run("fake:A", tmp_path, task="vlm4d", output=tmp_path)


def test_a_video_outside_the_folder_is_refused(published: dict[str, Path], tmp_path: Path) -> None:
    root = write_layout("favor-bench", tmp_path / "favor")
    data = json.loads((root / "video_perspective.json").read_text())
    data[0]["video_name"] = "../../secret"
    (root / "video_perspective.json").write_text(json.dumps(data))
    with pytest.raises(BadDataset, match="leads out"):
        run("fake:A", root, task="favor-bench", output=tmp_path / "runs")


README = Path(__file__).parent.parent / "eval_harness" / "README.md"


@pytest.mark.skipif(not README.exists(), reason="the wheel's copy of the tests has no README beside it")
def test_the_tasks_of_the_readme_are_good(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for text in blocks:
        path = tmp_path / "my_task.yaml"
        path.write_text(text)
        for profile in ("standard", *load_task(str(path)).profiles):
            load_task(str(path), profile)
