"""Videos of a dataset repository as sources, from a loopback Hub; and releases without videos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from coloured import coloured, fake_recipe
from dataset_made import make_dataset
from fm_builders import stages
from fm_builders.build import build
from fm_builders.recipe import load_recipe
from fm_builders.sources import find_sources
from fm_hub.errors import Unavailable, UserError
from fm_hub.hubserver.server import LoopbackHub
from fm_hub.release.pull import pull
from fm_hub.release.push import Request, push
from fm_hub.release.restore import redact
from fm_hub.tables import read_records, read_table
from fm_hub.verify import verify
from loopback import TOKENS, hub_in

VIDEOS = "fm/films"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with hub_in(tmp_path / "hub", monkeypatch) as running:
        api = HfApi(endpoint=running.url, token=TOKENS["owner"])
        api.create_repo(VIDEOS, repo_type="dataset")
        files = [(f"train/{i}.mp4", coloured(tmp_path / f"{i}.mp4", seconds=2.0, seed=i)) for i in range(2)]
        added = [CommitOperationAdd(name, str(path)) for name, path in files]
        added.append(CommitOperationAdd("notes.txt", b"no video"))
        api.create_commit(VIDEOS, added, repo_type="dataset", commit_message="films")
        yield running


def test_videos_of_a_dataset_are_sources(hub: LoopbackHub, tmp_path: Path) -> None:
    (first, second) = find_sources([f"hf://datasets/{VIDEOS}"]).sources
    assert (first.name, second.name) == ("train/0.mp4", "train/1.mp4")
    assert "@" in first.uri, "the commit is named, so that tomorrow's build reads the same files"
    assert find_sources([f"hf://datasets/{VIDEOS}@main/train"]).sources == (first, second)
    out, recipe = tmp_path / "out", load_recipe(str(fake_recipe(tmp_path)))
    for reused in (0, 4):
        built = build(find_sources([f"hf://datasets/{VIDEOS}"]), recipe, out, engine="inline")
        assert (built.passed, built.reused) == (2, reused)
    assert {s.name for s in read_records(out, "sources")} == {"train/0.mp4", "train/1.mp4"}
    assert verify(out).ok


def test_a_hub_that_stumbles_is_asked_again(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    found = find_sources([f"hf://datasets/{VIDEOS}"])
    monkeypatch.setattr(stages, "fetch", flaky(stages.fetch, waits))
    monkeypatch.setattr(stages.time, "sleep", waits.append)
    built = build(found, load_recipe(str(fake_recipe(tmp_path))), tmp_path / "out", engine="inline")
    assert built.passed == 2
    assert waits == [-1, 2.0], "once it failed, once it was waited for"


def flaky(real: object, calls: list[float]) -> object:
    def fetch(uri: str) -> Path:
        if not calls:
            calls.append(-1)
            raise Unavailable("HTTP 503")
        return real(uri)  # type: ignore[operator,no-any-return]

    return fetch


@pytest.mark.parametrize("name", ["fm/nothing", f"{VIDEOS}@v9"])
def test_a_dataset_that_is_not_there_is_one_line(hub: LoopbackHub, name: str) -> None:
    with pytest.raises(UserError) as caught:
        find_sources([f"hf://datasets/{name}"])
    assert "\n" not in str(caught.value)
    assert "it does not exist, or needs a token" in str(caught.value)


def test_a_release_without_videos_carries_the_list(hub: LoopbackHub, tmp_path: Path) -> None:
    api = HfApi(endpoint=hub.url, token=TOKENS["owner"])
    root = tmp_path / "motion"
    make_dataset(root, videos=False)
    push(Request(root, "fm/motion", work=tmp_path / "w"), api=api)
    pull("fm/motion", tmp_path / "got", api=api)
    assert verify(tmp_path / "got").ok
    assert not (tmp_path / "got" / "videos").exists()
    assert "video" not in read_table(tmp_path / "got", "mcq").column_names
    clips = {json.loads(line)["clip_id"] for line in (tmp_path / "got" / "fetch.jsonl").read_text().splitlines()}
    assert clips == {c.clip_id for c in read_records(root, "clips")}
    gone = min(clips)
    redact("fm/motion", [gone], tmp_path / "w2", api=api)
    pull("fm/motion", tmp_path / "less", api=api)
    assert gone not in (tmp_path / "less" / "fetch.jsonl").read_text()
    assert verify(tmp_path / "less").ok


def test_a_hub_that_is_not_reached_may_be_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as c

    monkeypatch.setattr(c, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(c, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable):
        stages.fetch(f"hf://datasets/{VIDEOS}@{'a' * 40}/x.mp4")
    with pytest.raises(UserError) as caught:
        find_sources([f"hf://datasets/{VIDEOS}"])
    assert "\n" not in str(caught.value)
