"""Lists, manifests and globs: what they name, and the place of what is wrong with them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fm_builders.sources import find_sources
from fm_hub.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4", "sub/c.mov", "sub/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(*given: Path | str) -> list[str]:
    return [s.name for s in find_sources([str(g) for g in given]).sources]


def test_a_glob_is_relative_to_its_fixed_part(folder: Path) -> None:
    assert names(folder / "*.mp4") == ["a.mp4", "b.mp4"]
    assert names(folder / "**" / "*") == ["a.mp4", "b.mp4", "sub/c.mov"]
    assert find_sources([str(folder / "**" / "*")]).passed_over == 1
    with pytest.raises(UserError, match="no video in"):
        names(folder / "*.webm")


def test_a_name_with_magic_in_it_is_a_file_first(folder: Path) -> None:
    (folder / "what?[1].mp4").write_bytes(b"x")
    assert names(folder / "what?[1].mp4") == ["what?[1].mp4"]


def test_a_list_is_read_from_its_own_folder(folder: Path) -> None:
    (folder / "list.txt").write_text(f"# mine\n\na.mp4\nsub/c.mov\n{folder}/b.mp4\n../gone.mp4\n")
    found = find_sources([str(folder / "list.txt")])
    assert [s.name for s in found.sources] == ["a.mp4", "sub/c.mov", "b.mp4", "gone.mp4"], "no folder of the machine"
    assert [s.stamp is None for s in found.sources] == [False, False, False, True]


ROWS = [
    {"video": "a.mp4", "license": "CC-BY-4.0", "source_id": "yt:1", "start": 1.0, "end": 3.5},
    {"video": "a.mp4", "license": "CC-BY-4.0", "source_id": "yt:1", "start": 0, "end": 0.5},
    {"video": "b.mp4", "start": 2},
    {"video": "sub/c.mov", "license": None, "mood": "calm"},
]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_manifest_says_what_is_known(folder: Path, suffix: str) -> None:
    path = folder / f"m{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    else:
        pq.write_table(pa.Table.from_pylist([{**dict.fromkeys(ROWS[0] | ROWS[3]), **r} for r in ROWS]), path)
    found = find_sources([str(path)])
    a, b, c = found.sources
    assert (a.license, a.origin, a.spans) == ("CC-BY-4.0", "yt:1", ((0.0, 0.5), (1.0, 3.5)))
    assert (b.license, b.origin, b.spans) == ("", "", ((2.0, math.inf),))
    assert (c.name, c.license, c.spans) == ("sub/c.mov", "", ())
    assert found.notes == (f"m{suffix}: columns that are not used: mood",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no json", "m.jsonl, line 1: not JSON"),
        ("[1]", "m.jsonl, line 1: an object"),
        ('{"vide": "a.mp4"}', "'video' must be a path"),
        ('{"video": 3}', "'video' must be a path"),
        ('{"video": "a.mp4", "licence": "x"}', "did you mean 'license'"),
        ('{"video": "a.mp4", "start": "1"}', "'start' must be seconds"),
        ('{"video": "a.mp4", "start": -1}', "'start' must be seconds"),
        ('{"video": "a.mp4", "start": NaN}', "'start' must be seconds"),
        ('{"video": "a.mp4", "start": 3, "end": 3}', "must come before 'end'"),
        ('{"video": "a.mp4", "license": ["x"]}', "'license' must be text"),
        ('{"video": "a.mp4", "license": "x"}\n{"video": "a.mp4"}', "m.jsonl, line 2: a.mp4 has another license"),
        ("", "names no video"),
    ],
)
def test_what_is_wrong_with_a_manifest_has_a_line(folder: Path, text: str, why: str) -> None:
    (folder / "m.jsonl").write_text(text)
    with pytest.raises(UserError) as caught:
        find_sources([str(folder / "m.jsonl")])
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parquet_that_is_none(folder: Path) -> None:
    (folder / "m.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(UserError, match="not a Parquet table"):
        find_sources([str(folder / "m.parquet")])


@pytest.mark.parametrize("url", ["hf://spaces/a/b", "hf://datasets/a", "hf://"])
def test_an_address_that_is_no_dataset(url: str) -> None:
    with pytest.raises(UserError, match="write hf://datasets/OWNER/NAME"):
        find_sources([url])


def test_a_folder_and_its_manifest_are_one_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "m.jsonl").write_text('{"video": "a.mp4", "license": "MIT", "start": 1}\n')
    monkeypatch.chdir(folder)
    for given in ([str(folder), "m.jsonl"], ["m.jsonl", str(folder)], [".", str(folder / "m.jsonl")]):
        found = {s.name: s for s in find_sources(given).sources}
        assert len(found) == 3
        assert (found["a.mp4"].license, found["a.mp4"].spans) == ("MIT", ((1.0, math.inf),))
    (folder / "n.jsonl").write_text('{"video": "a.mp4", "license": "CC0-1.0"}\n')
    with pytest.raises(UserError, match="named before with other license"):
        find_sources(["m.jsonl", "n.jsonl"])


@pytest.mark.parametrize("line", [b'{"video": "\xff.mp4"}', b'{"video": "\\ud800.mp4"}'])
def test_names_that_cannot_be_are_one_line(folder: Path, line: bytes) -> None:
    (folder / "m.jsonl").write_bytes(line)
    with pytest.raises(UserError, match=r"m\.jsonl, line 1"):
        find_sources([str(folder / "m.jsonl")])


def test_a_line_ends_at_its_end(folder: Path) -> None:
    (folder / "m.jsonl").write_text('{"video": "a\u2028b.mp4"}\n', encoding="utf-8")
    assert names(folder / "m.jsonl") == ["a\u2028b.mp4"]
