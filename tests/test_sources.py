"""From names to sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_builders.sources import find_sources
from fm_hub.errors import UserError


def test_folders_are_searched_and_names_are_relative(tmp_path: Path) -> None:
    (tmp_path / "a b" / "ünïcode").mkdir(parents=True)
    for name in ("one.mp4", "a b/two 'x' \"y\".MOV", "a b/ünïcode/drei.webm", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    found = find_sources([str(tmp_path)])
    assert [s.name for s in found.sources] == [
        "a b/two 'x' \"y\".MOV",
        "a b/ünïcode/drei.webm",
        "gone.mp4",
        "one.mp4",
    ]
    assert found.passed_over == 1


def test_a_file_is_taken_as_it_is_and_once(tmp_path: Path) -> None:
    file = tmp_path / "clip.bin"
    file.write_bytes(b"x")
    assert [(s.uri, s.name) for s in find_sources([str(file), str(file)]).sources] == [(str(file), "clip.bin")]


def test_equal_names_from_two_folders_are_made_distinct(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.mp4").write_bytes(folder.encode())
    names = [s.name for s in find_sources([str(tmp_path / "a"), str(tmp_path / "b")]).sources]
    assert names == ["x.mp4", "x.mp4#2"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        find_sources([str(tmp_path / "nowhere.mp4")])
    with pytest.raises(UserError, match="no video in"):
        find_sources([str(tmp_path)])
