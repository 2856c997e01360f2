"""What is missing is said before the first clip, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from coloured import coloured, fake_recipe
from fm_builders import preflight
from fm_builders.build import build
from fm_builders.detectors.fake import FakeDetector
from fm_builders.recipe import load_recipe
from fm_builders.sources import find_sources
from fm_hub.errors import UserError


def tried(folder: Path) -> str:
    """What a build says that must not start."""
    video = coloured(folder / "a.mp4", seconds=2.0)
    out = folder / "out"
    with pytest.raises(UserError) as caught:
        build(find_sources([str(video)]), load_recipe(str(fake_recipe(folder))), out, engine="inline")
    assert not (out / ".fm_hub" / "ledger").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_codecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "missing_codecs", lambda: ["hevc", "libx264"])
    assert "lacks hevc, libx264" in tried(tmp_path)


def test_this_ffmpeg_lacks_nothing() -> None:
    assert preflight.missing_codecs() == []


def test_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(names: object) -> list[str]:
        raise UserError("weights of nanodet are damaged")

    monkeypatch.setattr(preflight, "model_ids", gone)
    assert "damaged" in tried(tmp_path)


def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "needed_bytes", lambda job: 10**18)
    assert "1000000000.0 GB that are not cut yet" in tried(tmp_path)


def test_memory_of_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDetector, "gpu_gb", 10_000.0, raising=False)
    said = tried(tmp_path)
    assert "10000 GB" in said
    assert "none is to be seen" in said or "are free" in said


def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    video = coloured(tmp_path / "a.mp4", seconds=2.0)
    recipe = load_recipe(str(fake_recipe(tmp_path)))
    with pytest.raises(UserError, match="cannot be written: Not a directory"):
        build(find_sources([str(video)]), recipe, tmp_path / "out", store=str(tmp_path / "file" / "store"))
