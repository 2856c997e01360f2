"""Engines: results in full, whatever happens to a worker."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fm_builders.engines import Limits, Workers, run
from fm_hub.errors import BadOutput, Crash, ItemError, OutOfMemory, Timeout, UnknownName

HERE = ("inline", "local")
QUICK = Limits(workers=2, timeout_s=10.0)


@dataclass(frozen=True)
class Job:
    what: str
    attempt: int = 1
    alone: bool = False
    stage: str = "perceive"


def work(job: Job) -> str:
    if job.what == "crash":
        os._exit(9)
    if job.what == "hang":
        time.sleep(60)
    if job.what == "eat":
        held = bytearray(1_500_000_000)
        held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
        time.sleep(5)
    if job.what == "full":
        raise BadOutput("the disk is full")
    if job.what.startswith("who "):
        return str(os.getpid())
    if job.what.startswith("when "):
        return f"{job.what} {time.monotonic():.3f}"
    return job.what.upper()


def halves(job: Job, result: object) -> list[Job]:
    """A word opens its two halves."""
    n = len(job.what) // 2
    return [Job(job.what[:n]), Job(job.what[n:])] if n else []


@pytest.mark.parametrize("engine", HERE)
def test_every_job_comes_back(engine: str) -> None:
    jobs = [Job(x) for x in "abc"]
    assert dict(run(engine, work, jobs, limits=QUICK)) == {Job("a"): "A", Job("b"): "B", Job("c"): "C"}
    assert list(run(engine, work, [], limits=QUICK)) == []


@pytest.mark.parametrize("engine", HERE)
def test_a_job_opens_others(engine: str) -> None:
    results = list(run(engine, work, [Job("word"), *map(Job, "12345")], opens=halves, limits=Limits(workers=1)))
    assert Counter(r for _, r in results) == Counter(["WORD", "WO", "RD", "W", "O", "R", "D", *"12345"])
    order = [j.what for j, _ in results]
    assert order.index("d") < order.index("5"), "what a job opens comes before what waits"


def test_a_crash_a_hang_and_hunger_leave_their_neighbours_alone() -> None:
    brief, hungry = Limits(workers=2, timeout_s=6.0), Limits(workers=2, timeout_s=60.0, memory=600_000_000)
    results = {}
    for words, limits in ((("a", "crash", "b", "hang"), brief), (("c", "eat", "d"), hungry)):
        results |= {j.what: r for j, r in run("local", work, [Job(x) for x in words], limits=limits)}
    assert [results[x] for x in "abcd"] == ["A", "B", "C", "D"]
    assert isinstance(results["crash"], Crash)
    assert isinstance(results["hang"], Timeout)
    assert isinstance(results["eat"], OutOfMemory)


def test_workers_stay_from_one_run_to_the_next() -> None:
    with Workers(Limits(workers=1, timeout_s=10.0)) as workers:
        first = dict(run("local", work, [Job("who 1")], workers=workers))
        lost = dict(run("local", work, [Job("crash")], workers=workers))
        assert isinstance(lost[Job("crash")], Crash)
        after = dict(run("local", work, [Job("who 2"), Job("who 3")], workers=workers))
        assert after[Job("who 2")] == after[Job("who 3")] != first[Job("who 1")], "a dead one is replaced, once"
    pid = int(str(after[Job("who 2")]))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_another_attempt_may_have_the_machine_for_itself() -> None:
    attempts: list[Job] = []

    def again(job: Job, result: str | ItemError) -> Job | None:
        attempts.append(job)
        lost = isinstance(result, ItemError) and job.attempt < 3
        return replace(job, attempt=job.attempt + 1, alone=True) if lost else None

    results = list(run("local", work, [Job("crash"), Job("a"), Job("b")], again=again, limits=QUICK))
    assert sorted(j.what for j, _ in results) == ["a", "b", "crash"], "a result is given when it is final"
    assert [j.attempt for j in attempts if j.what == "crash"] == [1, 2, 3]
    lonely = [Job("when a"), Job("when b", alone=True), Job("when c")]
    assert len(list(run("local", work, lonely, limits=QUICK))) == 3


@pytest.mark.parametrize("engine", HERE)
def test_a_full_disk_ends_the_run(engine: str) -> None:
    with pytest.raises(BadOutput, match="full"):
        list(run(engine, work, [Job("a"), Job("full"), *[Job("b")] * 50], limits=QUICK))


def test_jobs_are_taken_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[Job]:
        nonlocal taken
        while True:
            taken += 1
            yield Job("a")

    results = run("local", work, endless(), limits=Limits(workers=1))
    for _ in range(10):
        next(results)
    assert taken <= 15
    results.close()  # type: ignore[attr-defined]


def test_an_unknown_engine() -> None:
    with pytest.raises(UnknownName, match="no engine named 'rya'"):
        run("rya", work, [])


def test_limits_share_the_machine() -> None:
    one, four = Limits(workers=1), Limits(workers=4)
    assert one.share == pytest.approx(4 * four.share, rel=0.01)
    assert Limits(memory=5).share == 5
    if Path("/proc/meminfo").exists():
        assert 0 < one.share < 10**14
