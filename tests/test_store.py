"""Artifacts are whole or absent; the ledger loses no line that was written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fm_builders.store import Entry, Ledger, Store, artifact_key, write_atomic

KEY = "ab" * 32


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.binary(max_size=300))
def test_what_is_put_is_got(tmp_path: Path, payload: bytes) -> None:
    store = Store(tmp_path)
    store.put("cut", KEY, payload)
    assert store.get("cut", KEY) == payload


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_torn_or_altered_artifact_is_absent(tmp_path: Path, payload: bytes, data: st.DataObject) -> None:
    store = Store(tmp_path)
    store.put("cut", KEY, payload)
    path = store.path("cut", KEY)
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


def entry(item: str, **what: object) -> Entry:
    return Entry(item=item, name="n", stage="cut", key="k", status="ok", **what)  # type: ignore[arg-type]


def test_the_ledger_is_the_union_of_its_writers_and_the_last_line_counts(tmp_path: Path) -> None:
    with Ledger(tmp_path) as a, Ledger(tmp_path) as b:
        a.add(entry("one", reason="first"))
        b.add(entry("two"))
        a.add(entry("one", reason="second"))
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    latest = Ledger(tmp_path).latest()
    assert {item for item, _, _ in latest} == {"one", "two"}
    assert latest["one", "cut", "k"].reason == "second"


def test_a_torn_last_line_costs_that_line_alone(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(entry("one"))
        ledger.add(entry("two"))
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes()[:-10])
    assert [e.item for e in Ledger(tmp_path).read()] == ["one"]
