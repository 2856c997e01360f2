"""Artifacts are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fm_builders.storage import write_atomic
from fm_builders.store import Store, artifact_key, clip_name

KEY = "ab" * 32


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(max_size=300))
def test_what_is_put_is_got(tmp_path: Path, payload: bytes) -> None:
    store = Store(tmp_path)
    store.put("cut", KEY, payload)
    assert store.get("cut", KEY) == payload


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_torn_or_altered_artifact_is_absent(tmp_path: Path, payload: bytes, data: st.DataObject) -> None:
    store = Store(tmp_path)
    store.put("cut", KEY, payload)
    path = tmp_path / store.name("cut", KEY)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:cut])
    assert store.get("cut", KEY) is None
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert store.get("cut", KEY) is None


def test_the_key_depends_on_everything_that_is_given() -> None:
    base = ("cut", 1, {"a": 1}, ["m"], ["i"])
    keys = {artifact_key(*base)}  # type: ignore[arg-type]
    for i, other in enumerate(("perceive", 2, {"a": 2}, ["n"], ["j"])):
        keys.add(artifact_key(*(other if k == i else v for k, v in enumerate(base))))  # type: ignore[arg-type]
    assert len(keys) == 6
    assert artifact_key("cut", 1, {"b": 1, "a": 2}, [], []) == artifact_key("cut", 1, {"a": 2, "b": 1}, [], [])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_atomic(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_keys_and_clips_are_listed_without_a_look_inside(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.keys("cut") == store.clips() == set()
    store.put("cut", KEY, b"x")
    store.storage.write(clip_name("cd" * 12), b"clip")
    assert store.keys("cut") == {KEY}
    assert store.clips() == {"cd" * 12}
    store.drop("cut", KEY)
    assert store.keys("cut") == set()
