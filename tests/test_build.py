"""Builds through the command a user types: bad input, output folders, resume after a kill."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from coloured import coloured, fake_recipe, fm, tree
from fm_hub.tables import read_records
from fm_hub.verify import verify
from videos_made import audio_only, numbered, truncated


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe that sees coloured rectangles: no weights, quick."""
    return fake_recipe(tmp_path)


def test_bad_input_is_recorded_and_the_counts_add_up(tmp_path: Path, recipe: Path) -> None:
    folder = tmp_path / "in put"
    folder.mkdir()
    coloured(folder / "good.mp4")
    coloured(folder / "näme with 'quotes' \"and\" blanks 日本.mp4", seconds=2.5)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("<html>not a video</html>")
    audio_only(folder / "sound.mp4")
    numbered(folder / "long.mp4", 120)
    truncated(folder / "long.mp4", folder / "cut.mp4")
    numbered(folder / "one-frame.mp4", 1)
    coloured(folder / "big.mp4", seconds=1.6, fps=12, size=(3840, 2160))
    (folder / "gone.mp4").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.mp4")
    (folder / os.fsdecode(b"not \xff utf-8.mp4")).write_bytes(b"")
    (folder / "copy.mp4").write_bytes((folder / "good.mp4").read_bytes())
    (folder / "readme.txt").write_text("not asked")
    out = tmp_path / "foundationmotion"

    seen = fm("build", folder, "-o", out, "--recipe", recipe, "--json")
    assert seen.returncode == 0, seen.stderr
    assert "Traceback" not in seen.stderr
    summary = json.loads(seen.stdout.splitlines()[-1])
    assert summary["passed_over"] == 1
    by_name = {s.name: s for s in read_records(out, "sources")}
    names = {p.name for p in folder.iterdir() if p.name != "readme.txt"}
    assert set(by_name) == {n.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for n in names}
    assert not any(str(tmp_path) in s.detail for s in by_name.values()), "a path of this machine would be published"
    reasons = {name: s.reason for name, s in by_name.items() if s.status != "ok"}
    assert reasons["empty.mp4"] == "EmptyFile"
    assert reasons["text.mp4"] == "NotAVideo"
    assert reasons["sound.mp4"] == "NoVideoStream"
    assert reasons["one-frame.mp4"] == "TooShort"
    assert reasons["gone.mp4"] == reasons["pipe.mp4"] == "UnreadableFile"
    assert reasons["cut.mp4"] in ("NotAVideo", "DecodeError")
    assert "Duplicate" in (reasons.get("good.mp4"), reasons.get("copy.mp4"))
    assert summary["sources"] == len(by_name) == summary["passed"] + len(reasons)
    assert len(summary["left_out"]) == len(reasons)
    assert by_name["big.mp4"].status == "ok"
    assert verify(out).ok
    clips = {c.source_id: c for c in read_records(out, "clips")}
    for source in by_name.values():
        assert (source.source_id in clips) == (source.status == "ok")


def test_nothing_passed_is_exit_1_with_every_reason(tmp_path: Path, recipe: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no")
    seen = fm("build", tmp_path / "bad.mp4", "-o", tmp_path / "out", "--recipe", recipe)
    assert seen.returncode == 1, seen
    assert "bad.mp4: NotAVideo" in seen.stdout
    assert [s.reason for s in read_records(tmp_path / "out", "sources")] == ["NotAVideo"]
    assert verify(tmp_path / "out").ok


def test_an_output_that_holds_something_else_is_not_touched(tmp_path: Path, recipe: Path) -> None:
    video = coloured(tmp_path / "a.mp4")
    for name, make in (("thesis", lambda p: (p.mkdir(), (p / "chapter.txt").write_text("x"))), ("file", Path.touch)):
        make(tmp_path / name)
        before = sorted(p.name for p in tmp_path.rglob("*"))
        seen = fm("build", video, "-o", tmp_path / name, "--recipe", recipe)
        assert seen.returncode == 2
        assert len(seen.stderr.strip().splitlines()) == 1
        assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_a_dataset_of_other_sources_is_not_replaced_by_accident(tmp_path: Path, recipe: Path) -> None:
    a, b = coloured(tmp_path / "a.mp4"), coloured(tmp_path / "b.mp4", seconds=2.0)
    out = tmp_path / "out"
    assert fm("build", a, "-o", out, "--recipe", recipe).returncode == 0
    before = tree(out)
    seen = fm("build", b, "-o", out, "--recipe", recipe)
    assert seen.returncode == 2
    assert "a.mp4" in seen.stderr
    assert tree(out) == before
    assert fm("build", b, "-o", out, "--recipe", recipe, "--replace").returncode == 0
    assert [s.name for s in read_records(out, "sources")] == ["b.mp4"]
    assert verify(out).ok, "clips of the old build are gone from the folder and the manifest"


def test_a_second_build_repeats_nothing_and_changes_nothing(tmp_path: Path, recipe: Path) -> None:
    video = coloured(tmp_path / "a.mp4")
    out = tmp_path / "out"
    assert fm("build", video, "-o", out, "--recipe", recipe).returncode == 0
    before = tree(out)
    seen = fm("build", video, "-o", out, "--recipe", recipe, "--json")
    assert json.loads(seen.stdout.splitlines()[-1])["reused_stages"] == 2
    assert tree(out) == before


def test_the_folder_that_is_built_is_not_a_source(tmp_path: Path, recipe: Path) -> None:
    coloured(tmp_path / "a.mp4")
    for _ in range(2):
        seen = fm("build", tmp_path, "-o", tmp_path / "foundationmotion", "--recipe", recipe, "--json")
        assert json.loads(seen.stdout.splitlines()[-1])["sources"] == 1


def test_a_damaged_clip_is_made_again(tmp_path: Path, recipe: Path) -> None:
    video = coloured(tmp_path / "a.mp4")
    out = tmp_path / "out"
    assert fm("build", video, "-o", out, "--recipe", recipe).returncode == 0
    clip = next((out / "videos").rglob("*.mp4"))
    clip.write_bytes(clip.read_bytes()[:100])
    assert fm("build", video, "-o", out, "--recipe", recipe).returncode == 0
    assert verify(out).ok


def test_workers_and_engines_change_nothing(tmp_path: Path, recipe: Path) -> None:
    videos = [coloured(tmp_path / f"{i}.mp4", seconds=2.0 + 0.3 * i) for i in range(3)]
    trees: list[dict[str, bytes]] = []
    for i, how in enumerate((["--engine", "inline"], ["--workers", 1], ["--workers", 2])):
        out = tmp_path / str(i) / "foundationmotion"
        assert fm("build", *videos, "-o", out, "--recipe", recipe, *how).returncode == 0
        trees.append(tree(out))
    assert trees[0] == trees[1] == trees[2]
    assert len(read_records(out, "mcq")) > 6, "the trees hold questions"
    assert len(read_records(out, "captions")) == 3


def test_an_unknown_detector_is_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "x"\n[perception]\ndetectors = ["nanodte"]')
    video = coloured(tmp_path / "a.mp4")
    seen = fm("build", video, "-o", tmp_path / "out", "--recipe", bad)
    assert seen.returncode == 2
    assert "did you mean 'nanodet'" in seen.stderr
    assert not (tmp_path / "out").exists()
