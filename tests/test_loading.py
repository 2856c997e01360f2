"""Loading from a Hub: only what is needed, and whatever stands in the way said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

import fm_hub
from fm_hub.errors import UserError
from fm_hub.hubserver.server import LoopbackHub
from fm_hub.manifest import read_manifest
from fm_hub.release.push import Request, push
from loopback import TOKENS, hub_in, settings

R = "fm/motion"


@pytest.fixture
def hub(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A Hub with one release."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    with hub_in(tmp_path / "hub", monkeypatch) as running:
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", running.url)
        push(Request(made, R, work=tmp_path / "w"), api=HfApi(endpoint=running.url, token=TOKENS["owner"]))
        running.seen.clear()
        yield running


def fetched(hub: LoopbackHub) -> list[str]:
    """The files that were downloaded. The Hub notes a request after its answer: a moment later than we have it."""
    time.sleep(0.2)
    return [s.path.partition("/resolve/")[2].partition("/")[2] for s in hub.seen if s.kind == "resolve" and s.sent]


def test_only_what_is_needed_is_downloaded(hub: LoopbackHub, made: Path) -> None:
    mcq = fm_hub.load_dataset(R, "mcq", "test")
    assert set(fetched(hub)) == {"fm_hub.json", "mcq/test-00000.parquet"}
    row = mcq[0]
    assert Path(row["video"]).read_bytes() == (made / row["video_file"]).read_bytes()
    assert mcq[0]["video"] == row["video"]
    hub_files = fetched(hub)
    assert hub_files.count(row["video_file"]) == 1, "a video was downloaded twice, or not at all"
    assert len(hub_files) == 3


def test_frames_come_with_the_row(hub: LoopbackHub) -> None:
    rows = fm_hub.load_dataset(R, "qa", "test", videos="frames", n_frames=3)
    assert [f.ndim for f in rows[0]["video"]] == [3, 3, 3]


@pytest.mark.parametrize("where", ["hub", "folder"])
def test_rows_stream_without_a_download_beforehand(hub: LoopbackHub, made: Path, where: str) -> None:
    flow = fm_hub.load_dataset(R if where == "hub" else str(made), "mcq", "test", streaming=True)
    assert not [f for f in fetched(hub) if f.endswith(".mp4")]
    rows = iter(flow)
    first = [next(rows) for _ in range(2)]
    assert [Path(r["video"]).read_bytes() for r in first] == [(made / r["video_file"]).read_bytes() for r in first]
    shown = next(iter(fm_hub.load_dataset(str(made), "qa", "test", videos="frames", n_frames=2, streaming=True)))
    assert len(shown["video"]) == 2
    if where == "hub":
        assert any(s.status == 206 for s in hub.seen), "nothing was read by range"
        assert list(fm_hub.load_dataset(R, "captions", videos=None, streaming=True)) == ["test"]


def test_offline_what_is_cached_is_there_and_the_rest_is_said(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for config in ("mcq", "captions"):  # two configs in the cache
        fm_hub.load_dataset(R, config, "test")[0]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert Path(fm_hub.load_dataset(R, "mcq", "test")[0]["video"]).is_file()
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        fm_hub.load_dataset("fm/other", "mcq")


def test_a_repository_that_is_missing_private_or_gated(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = HfApi(endpoint=hub.url, token=TOKENS["owner"])
    with pytest.raises(UserError, match="none of that name") as e:
        fm_hub.load_dataset("fm/nothing")
    assert "\n" not in str(e.value)
    with pytest.raises(UserError, match=r"no revision 'v9\.9\.9'"):
        fm_hub.load_dataset(R, revision="v9.9.9")
    monkeypatch.setenv("HF_TOKEN", TOKENS["other"])
    owner.update_repo_settings(R, gated="manual", repo_type="dataset")
    with pytest.raises(UserError, match="it is gated"):
        fm_hub.load_dataset(R)
    owner.update_repo_settings(R, gated=False, private=True, repo_type="dataset")
    with pytest.raises(UserError, match="it is private"):
        fm_hub.load_dataset(R)


def test_a_fork_has_its_own_videos(hub: LoopbackHub, made: Path, tmp_path: Path) -> None:
    from fm_hub.release.pull import pull
    from fm_hub.verify import verify

    owner = HfApi(endpoint=hub.url, token=TOKENS["owner"])
    pull(R, tmp_path / "fork", api=owner)
    owner.create_repo("acme/fork", repo_type="dataset")
    owner.upload_folder(repo_id="acme/fork", folder_path=tmp_path / "fork", repo_type="dataset")
    row = fm_hub.load_dataset("acme/fork", "mcq", "test")[0]
    assert Path(row["video"]).read_bytes() == (made / row["video_file"]).read_bytes()
    assert any("acme/fork/resolve" in s.path and s.path.endswith(".mp4") for s in hub.seen)
    assert verify(tmp_path / "fork").ok


def test_a_broken_torchcodec_is_worked_around(made: Path, tmp_path: Path) -> None:
    """One that is installed and cannot be imported: the wheels for another computer do that."""
    (tmp_path / "torchcodec").mkdir()
    (tmp_path / "torchcodec" / "__init__.py").write_text("raise OSError('libnvrtc.so: cannot open')")
    info = tmp_path / "torchcodec-0.99.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchcodec\nVersion: 0.99\n")
    code = (
        "import datasets, fm_hub, sys; assert datasets.config.TORCHCODEC_AVAILABLE\n"
        "ds = fm_hub.load_dataset(sys.argv[1], 'benchmark_videos', 'test')\n"
        "assert not datasets.config.TORCHCODEC_AVAILABLE\n"
        "print(len(ds.map(lambda r: {'n': len(r['video']['bytes'])})[0]['video']['bytes']) > 100)"
    )
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}", "HF_HOME": str(tmp_path)}
    seen = subprocess.run([sys.executable, "-c", code, str(made)], capture_output=True, text=True, env=env, check=False)
    assert seen.stdout.strip() == "True", seen.stderr


def test_the_bare_name_offline_with_several_configs_in_the_cache(hub: LoopbackHub, made: Path, tmp_path: Path) -> None:
    code = (
        "import fm_hub.alias\nfrom datasets import load_dataset\n"
        "for a in (['qa'], ['captions'], ['mcq'], []):\n"
        "    print(load_dataset('foundationmotion', *a, split='test').num_rows)"
    )
    env = {**os.environ, **settings(hub, tmp_path / "home"), "FM_HUB_REPO": R}
    rows = read_manifest(made).counts
    for offline in ("0", "1"):
        seen = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**env, "HF_HUB_OFFLINE": offline},
            cwd=tmp_path,
            check=False,
        )
        assert seen.stdout.split() == [str(rows[c]["test"]) for c in ("qa", "captions", "mcq", "mcq")], seen.stderr[
            -1500:
        ]


def test_what_this_rests_on_in_other_packages_is_still_so() -> None:
    """Each of these once changed, or would break loading if it did: see docs/design.md §4."""
    from datasets import Features, Value, Video
    from datasets.load import CachedDatasetModuleFactory, DatasetModule

    features = Features({"video": Video(decode=False), "n": Value("int32")})
    assert Features.from_arrow_schema(features.arrow_schema) == features
    made = DatasetModule("datasets.packaged_modules.cache.cache", "auto", {})
    assert made.builder_configs_parameters.default_config_name is None
    assert "packaged_modules.cache" in CachedDatasetModuleFactory.get_module.__code__.co_consts.__repr__()


def test_the_bare_name_streams_and_loads_from_the_hub(hub: LoopbackHub, made: Path, tmp_path: Path) -> None:
    """The literal ``load_dataset("foundationmotion")`` of plain datasets, by the alias, in a process of its own."""
    code = (
        "import fm_hub.alias\nfrom datasets import load_dataset, get_dataset_config_names\n"
        "print(len(get_dataset_config_names('foundationmotion')))\n"
        "print(load_dataset('foundationmotion', split='test', revision='v0.1.0').num_rows)\n"
        "row = next(iter(load_dataset('foundationmotion', 'qa', split='test', streaming=True)))\n"
        "print(row['video']['path'] == f\"hf://datasets/fm/motion/{row['video_file']}\")"
    )
    env = {**os.environ, **settings(hub, tmp_path / "home"), "FM_HUB_REPO": R}
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path, check=False
    )
    counts = read_manifest(made).counts
    assert seen.stdout.split() == [str(len(counts)), str(counts["mcq"]["test"]), "True"], seen.stderr[-1500:]
