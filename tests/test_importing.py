"""FoundationMotion's layouts as datasets of ours: nothing proved, nothing guessed, nothing lost in silence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from fm_builders.importing import Imported, import_items
from fm_builders.wolf import read_wolf
from fm_eval_harness.evaluate import run
from fm_hub.cards import check_card
from fm_hub.errors import BadOutput, UserError
from fm_hub.manifest import read_manifest
from fm_hub.tables import iter_rows, read_records
from fm_hub.verify import verify

SAMPLES = Path(str(files("fm_builders") / "samples"))


def question(text: str, key: str, *, under: str = "correct_answer", **options: Any) -> dict[str, Any]:
    return {"question": text, "A": "left", "B": "right", "C": "up", "D": "down", **options, under: key}


def put(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))


def film(name: str, where: Path) -> None:
    where.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SAMPLES / name, where)


@pytest.fixture(scope="module")
def wolf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both layouts, both roots, both keys, and what goes wrong with each. Read only."""
    root = tmp_path_factory.mktemp("wolf")
    film("cup.mp4", root / "hands_eval/videos/a/cup.mp4")
    good = [question("Which way does the hand go?", "B"), question("And then?", "c", under="answer")]
    put(root / "hands_eval/qa_shuffled/a/cup.json", {"human": {"questions": good}})
    film("walker.mp4", root / "Videos_crop/walker.mp4")
    bad = [
        question("Two keys?", "A", answer="B"),
        question("No such letter?", "E"),
        question("Equal options?", "A", B="left"),
        question("A hole?", "A", B=""),
        question("", "A"),
        {"question": "No options?", "answer": "A"},
        "no object",
    ]
    made = {"questions": [question("Where does she go?", "A", C=None, D=None), *bad]}
    put(root / "videos_QAs_gpt4o_mini/walker.json", {"gpt4o_mini_res": made, "metadata": {"randomized_answers": True}})
    put(root / "videos_captions_gpt4o_mini/walker.json", {"gpt4o_mini_res": "A person walks.\nThen she <b>stops</b>."})
    put(root / "videos_QAs_gpt4o_mini/gone.json", {"gpt4o_mini_res": made})
    put(root / "videos_QAs_gpt4o_mini/torn.json", '{"gpt4o_mini_res": ')
    put(root / "videos_QAs_gpt4o_mini/deep.json", "[" * 100_000)
    put(root / "videos_QAs_gpt4o_mini/other.json", {"answers": []})
    film("bikes.mp4", root / "Videos_crop/bikes.mp4")
    put(root / "Videos_crop/broken.mp4", "no video")
    put(root / "videos_QAs_gpt4o_mini/broken.json", {"human": {"questions": good}})
    return root


@pytest.fixture(scope="module")
def imported(wolf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    out = tmp_path_factory.mktemp("imported") / "wolf"
    return out, import_items("wolf", read_wolf(wolf), out, license_name="CC-BY-4.0")


def test_rows_say_who_vouches_for_them(imported: tuple[Path, Imported]) -> None:
    out, _ = imported
    rows = {r["question"]: r for r in iter_rows(out, "mcq")}
    assert {q: (r["answer"], r["grounding"], r["generator"]) for q, r in rows.items()} == {
        "Which way does the hand go?": ("B", "human", "human"),
        "And then?": ("C", "human", "human"),
        "Where does she go?": ("A", "model", "gpt4o-mini"),
    }
    assert rows["Where does she go?"]["option_c"] is None
    (caption,) = iter_rows(out, "captions")
    assert (caption["grounding"], caption["short"]) == ("model", "A person walks.")
    for row in rows.values():
        video = out / row["video_file"]
        assert video.read_bytes() in {(SAMPLES / n).read_bytes() for n in ("cup.mp4", "walker.mp4")}


def test_it_is_a_dataset_and_nothing_of_it_is_proved(imported: tuple[Path, Imported], tmp_path: Path) -> None:
    out, done = imported
    report = verify(out)
    assert report.ok, report.problems
    assert (report.questions, report.proved, report.ungrounded) == (9, 0, 9)
    assert check_card(out, done.manifest) == []
    card = (out / "README.md").read_text()
    assert "Every answer is a typed claim" not in card
    assert "<b>" not in card
    assert "license: cc-by-4.0" in card
    result = run("baseline:chance", str(out), output=tmp_path)
    assert result.results["n"] == 3


def test_what_was_left_out_has_its_reason(imported: tuple[Path, Imported]) -> None:
    out, done = imported
    assert done.manifest.dropped == {"BadRow": 7 + 7 + 3}
    assert sorted(done.bad) == done.bad or len(done.bad) == 17
    assert any("two keys that differ" in line for line in done.bad)
    sources = {s.name: (s.status, s.reason) for s in read_records(out, "sources")}
    assert sources == {
        "Videos_crop/bikes.mp4": ("filtered", "NothingToAsk"),
        "broken": ("failed", "NotAVideo"),
        "deep": ("failed", "UnreadableFile"),
        "gone": ("failed", "UnreadableFile"),
        "hands_eval/a/cup": ("ok", ""),
        "other": ("failed", "UnreadableFile"),
        "torn": ("failed", "UnreadableFile"),
        "walker": ("ok", ""),
    }
    assert not any("/tmp" in s.detail for s in read_records(out, "sources"))  # noqa: S108 - what must not be there


def test_a_second_import_gives_the_same_and_other_folders_are_left_alone(
    wolf: Path, imported: tuple[Path, Imported], tmp_path: Path
) -> None:
    items = read_wolf(wolf)
    again = import_items("wolf", items, tmp_path / "wolf", license_name="CC-BY-4.0").manifest
    assert again.content_sha256 == imported[1].manifest.content_sha256
    import_items("wolf", items, tmp_path / "wolf", license_name="CC-BY-4.0")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    with pytest.raises(BadOutput, match="something else"):
        import_items("wolf", items, tmp_path / "mine")
    with pytest.raises(UserError, match="is it FoundationMotion's layout"):
        read_wolf(SAMPLES)
    put(tmp_path / "bad/qa_shuffled/a.json", {"human": {"questions": []}})
    with pytest.raises(UserError, match="is it FoundationMotion's layout"):
        read_wolf(tmp_path / "bad")
    put(tmp_path / "bad/qa_shuffled/b.json", {"human": {"questions": [question("?", "A")]}})
    with pytest.raises(UserError, match="nothing in it can be used: UnreadableFile 2"):
        import_items("wolf", read_wolf(tmp_path / "bad"), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_command(wolf: Path, tmp_path: Path) -> None:
    code = "import sys; from fm_hub.cli import main; main(sys.argv[1:])"
    args = ["import", "wolf", str(wolf / "hands_eval"), "-o", str(tmp_path / "x"), "--split", "train", "--json"]
    seen = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout)["counts"]["mcq"] == 2
    assert read_manifest(tmp_path / "x").counts["mcq"] == {"train": 2}
    assert "benchmark" not in read_manifest(tmp_path / "x").counts
