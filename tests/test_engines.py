"""Engines: results in full, whatever happens to a worker."""

from __future__ import annotations

import os
import time

import pytest

from fm_builders.engines import ENGINES, run
from fm_hub.errors import Crash, Timeout, UnknownName


def work(job: str) -> str:
    if job == "crash":
        os._exit(9)
    if job == "hang":
        time.sleep(60)
    return job.upper()


@pytest.mark.parametrize("engine", ENGINES)
def test_every_job_comes_back(engine: str) -> None:
    assert dict(run(engine, work, ["a", "b", "c"], workers=2)) == {0: "A", 1: "B", 2: "C"}


def test_a_crash_and_a_hang_leave_their_neighbours_alone() -> None:
    results = dict(run("local", work, ["a", "crash", "b", "hang", "c"], workers=2, timeout_s=3.0))
    assert [results[i] for i in (0, 2, 4)] == ["A", "B", "C"]
    assert isinstance(results[1], Crash)
    assert isinstance(results[3], Timeout)


def test_an_unknown_engine() -> None:
    with pytest.raises(UnknownName, match="no engine named 'rya'"):
        run("rya", work, [])
