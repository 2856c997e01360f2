"""Loading: with plain ``datasets``, with ours, and under the short name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fm_hub
from fm_hub.errors import BadDataset, UnknownName, UserError
from fm_hub.manifest import read_manifest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_plain_datasets_in_the_folder_above(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import get_dataset_config_names, load_dataset

    monkeypatch.chdir(made.parent)
    counts = read_manifest(made).counts
    assert set(get_dataset_config_names("foundationmotion")) == set(counts)
    loaded = load_dataset("foundationmotion")
    assert {s: n.num_rows for s, n in loaded.items()} == counts["mcq"]
    assert loaded["test"][0]["answer"] in "ABCD"
    for config, splits in counts.items():
        rows = load_dataset("foundationmotion", config)
        assert {s: n.num_rows for s, n in rows.items()} == splits, config


def test_a_folder_that_is_built_anew_is_loaded_anew(tmp_path: Path) -> None:
    from datasets import load_dataset

    from dataset_made import make_dataset, scenes

    root = tmp_path / "foundationmotion"
    seen = []
    for some in (scenes()[:1], scenes()):
        make_dataset(root, some)
        loaded = load_dataset(str(root), split="test")
        assert loaded.num_rows == read_manifest(root).counts["mcq"]["test"]
        seen.append(loaded.num_rows)
    assert seen[0] != seen[1]


def test_benchmark_videos_hold_the_bytes(made: Path) -> None:
    from datasets import load_dataset

    row = load_dataset(str(made), "benchmark_videos", split="test")[0]
    assert row["video"]["bytes"] == (made / row["video_file"]).read_bytes()


def test_load_dataset_attaches_paths(made: Path) -> None:
    ds = fm_hub.load_dataset(str(made), "mcq", "test")
    assert ds.num_rows == read_manifest(made).counts["mcq"]["test"]
    assert Path(ds[0]["video"]).is_file()
    assert list(fm_hub.load_dataset(str(made), "captions")) == ["test"]
    assert "video" not in fm_hub.load_dataset(str(made), "mcq", "test", videos=None).column_names


def test_load_dataset_decodes_frames_of_the_view(made: Path) -> None:
    row = fm_hub.load_dataset(str(made), "qa", "test", videos="frames", n_frames=4)[0]
    frames = row["video"]
    assert len(frames) == 4
    assert all(f.dtype == np.uint8 and f.ndim == 3 for f in frames)


def test_wrong_names_are_said_in_one_line(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'captions'"):
        fm_hub.load_dataset(str(made), "caption")
    with pytest.raises(UnknownName, match="split"):
        fm_hub.load_dataset(str(made), "mcq", "tset")
    with pytest.raises(UserError, match="videos="):
        fm_hub.load_dataset(str(made), videos="bytes")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no such folder"):
        fm_hub.load_dataset("nowhere")
    with pytest.raises(BadDataset, match="not a dataset"):
        fm_hub.load_dataset(str(tmp_path))


def test_the_bare_name_without_a_folder_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="FM_HUB_REPO"):
        fm_hub.load_dataset()


def test_a_path_out_of_the_folder_is_refused(dataset: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = next((dataset / "mcq").glob("*.parquet"))
    table = pq.read_table(path)
    column = table.column_names.index("video_file")
    pq.write_table(table.set_column(column, "video_file", pa.array(["../../etc/passwd"] * len(table))), path)
    with pytest.raises(BadDataset, match="leads out"):
        fm_hub.load_dataset(str(dataset), "mcq", "test")


def run(code: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process, in a folder of its own: quickstart leaves a ``foundationmotion`` where it ran."""
    kept = {"HF_DATASETS_CACHE": str(folder / "cache"), **env}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **kept}, cwd=folder, check=False)


ASK = "import datasets.load as d\ntry: d.dataset_module_factory('foundationmotion')\nexcept Exception as e: print(e)"


@pytest.mark.parametrize("order", ["import fm_hub.alias; ", "import datasets; import fm_hub.alias; "])
def test_the_alias_is_set_before_or_after_datasets(order: str, tmp_path: Path) -> None:
    code = f"{order}{ASK}"
    seen = run(code, tmp_path, FM_HUB_REPO="nobody/at-all")
    assert "nobody/at-all" in seen.stdout, seen


def test_without_a_repository_the_alias_changes_nothing(tmp_path: Path) -> None:
    seen = run(f"import fm_hub.alias; {ASK}", tmp_path)
    assert "nobody" not in seen.stdout
    assert "foundationmotion" in seen.stdout


def test_a_local_folder_wins_over_the_alias(made: Path, tmp_path: Path) -> None:
    code = (
        f"import os; os.chdir({str(made.parent)!r}); import fm_hub.alias; from datasets import load_dataset\n"
        "print(load_dataset('foundationmotion', split='test').num_rows)"
    )
    seen = run(code, tmp_path, FM_HUB_REPO="nobody/at-all")
    assert seen.stdout.strip() == str(read_manifest(made).counts["mcq"]["test"]), seen.stderr


def test_an_unexpected_datasets_is_left_alone() -> None:
    from types import ModuleType

    from fm_hub.alias import _patch

    strange = ModuleType("datasets.load")
    with pytest.warns(UserWarning, match="is not set"):
        _patch(strange)


def test_datasets_still_has_what_the_alias_touches() -> None:
    import inspect

    from datasets.load import dataset_module_factory

    assert next(iter(inspect.signature(dataset_module_factory).parameters)) == "path"
