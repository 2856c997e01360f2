"""The ledger loses no line that was written, and what counts does not depend on the clock."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fm_builders.ledger import MAX_ATTEMPTS, Entry, History, Ledger, retry_of
from fm_builders.storage import Folder


def entry(item: str, status: str = "ok", **what: object) -> Entry:
    return Entry(item=item, name="n", stage="cut", key="k", status=status, **what)  # type: ignore[arg-type]


def test_the_ledger_is_the_union_of_its_writers(tmp_path: Path) -> None:
    with Ledger(Folder(tmp_path)) as a, Ledger(Folder(tmp_path)) as b:
        a.add(entry("one", run=1, output={"x": 1}))
        b.add(entry("two", run=1))
    assert len(list((tmp_path / "ledger").iterdir())) == 2
    read = {e.item: e for e in Ledger(Folder(tmp_path)).read()}
    assert set(read) == {"one", "two"}
    assert read["one"].output == {"x": 1}
    assert read["one"].worker == a.worker


def test_a_torn_last_line_costs_that_line_alone(tmp_path: Path) -> None:
    with Ledger(Folder(tmp_path)) as ledger:
        ledger.add(entry("one"))
        ledger.add(entry("two"))
    path = next((tmp_path / "ledger").iterdir())
    path.write_bytes(path.read_bytes()[:-10] + b"\n[1]\n3\n{}\n")
    assert [e.item for e in Ledger(Folder(tmp_path)).read()] == ["one"]


@given(st.lists(st.floats(0, 1e10), min_size=4, max_size=4))
def test_the_last_run_and_attempt_count_whatever_the_clock_says(clock: list[float]) -> None:
    lines = [
        entry("x", "failed", reason="Crash", run=1, attempts=1, t=clock[0]),
        entry("x", "failed", reason="Crash", run=1, attempts=2, t=clock[1]),
        entry("x", "retry", run=2, attempts=0, t=clock[2]),
        entry("x", "failed", reason="Timeout", run=2, attempts=1, t=clock[3]),
    ]
    state = History(iter(sorted(lines, key=lambda e: (e.run, e.attempts)))).get("x", "cut", "k")
    assert state is not None
    assert (state.last.reason, state.failures, state.settled) == ("Timeout", 1, False)


def test_lines_are_read_in_the_order_of_runs_and_attempts(tmp_path: Path) -> None:
    with Ledger(Folder(tmp_path)) as ledger:
        for run, attempts in ((2, 1), (1, 2), (2, 0), (1, 1)):
            ledger.add(entry("x", run=run, attempts=attempts))
    assert [(e.run, e.attempts) for e in Ledger(Folder(tmp_path)).read()] == [(1, 1), (1, 2), (2, 0), (2, 1)]


def test_what_is_settled() -> None:
    def settled(*lines: Entry) -> bool:
        state = History(iter(lines)).get("x", "cut", "k")
        return state is not None and state.settled

    crash, decode = entry("x", "failed", reason="Crash"), entry("x", "failed", reason="DecodeError")
    assert settled(entry("x"))
    assert settled(decode), "the same input fails the same way"
    assert not settled(crash)
    assert settled(*[crash] * MAX_ATTEMPTS), "quarantined"
    assert not settled(*[crash] * MAX_ATTEMPTS, entry("x", "retry"))
    assert not settled(decode, entry("x", "retry"))
    assert settled(crash, entry("x"))
    assert not settled()


def test_every_error_says_whether_to_try_again() -> None:
    told = {n: retry_of(n) for n in ("Crash", "Timeout", "Unavailable", "OutOfMemory", "DecodeError", "NoSuchName")}
    assert told == {
        "Crash": "again",
        "Timeout": "again",
        "Unavailable": "again",
        "OutOfMemory": "alone",
        "DecodeError": "never",
        "NoSuchName": "never",
    }
