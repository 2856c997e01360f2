"""Questions and samples that lie on the disk and are read when they are asked for."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fm_eval_harness.items import Item, Items
from fm_eval_harness.lines import Lines, Spool
from fm_eval_harness.questions import select
from fm_eval_harness.samples import Key, Sample, SampleLog, Trials
from fm_eval_harness.task import load_task
from fm_hub.errors import BadOutput


def sample(n: int, control: str = "", rotation: int = 0, **more: object) -> Sample:
    place = {"clip_id": f"clip{n // 3}", "view": [float(n % 3), 9.0]}
    return {"id": f"q{n}", "row_sha": "r", "control": control, "rotation": rotation, **place, "error": "", **more}


def key(n: int, control: str = "", rotation: int = 0) -> Key:
    return f"q{n}", "r", control, rotation


def test_objects_come_back_as_they_were() -> None:
    spool = Spool()
    values = [{"text": "zwölf\u2028\n", "x": [1.5, float("inf"), None]}, {}, {"odd": "\ud800"}]
    for value in values:
        spool.put(value)
    assert [spool[n] for n in range(len(spool))] == values


def test_a_line_that_has_no_end_is_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'{"a": 1}\n{"a": 2}\n{"a"')
    lines = Lines()
    assert list(lines.scan(tmp_path / "x")) == [b'{"a": 1}\n', b'{"a": 2}\n']
    assert [lines[n]["a"] for n in range(len(lines))] == [1, 2]


def test_the_last_line_of_a_trial_counts(tmp_path: Path) -> None:
    with SampleLog(tmp_path) as log:
        log.append(sample(n, said="first") for n in range(6))
        log.append([sample(1, "frozen", 2), sample(4, said="again"), sample(0, said="again")])
        log.append([sample(4, said="at last")])
    trials = Trials(tmp_path)
    assert len(trials) == len(list(trials)) == 7
    assert {k[0]: s["said"] for k, s in trials.items() if not k[2]} == {
        **dict.fromkeys(("q1", "q2", "q3", "q5"), "first"),
        "q0": "again",
        "q4": "at last",
    }
    assert (trials.controls, trials.turned) == ({"frozen"}, True)
    assert key(1, "frozen", 2) in trials
    assert key(1, "frozen", 1) not in trials
    assert [s["id"] for s in trials.plain()] == ["q0", "q1", "q2", "q3", "q4", "q5"]
    assert [s["id"] for s in trials.plain()[4:]] == ["q4", "q5"]


@pytest.mark.parametrize("files", [(0, 1), (1, 0), (2, 10)])
def test_of_several_files_the_latest_round_counts_and_then_an_answer(tmp_path: Path, files: tuple[int, int]) -> None:
    one, other = files
    with SampleLog(tmp_path, one) as log:
        log.append([sample(0, error="E"), sample(1, said="good"), sample(2, said="old", round=1)])
        log.append([sample(3, said="good", round=1), sample(3, error="taken back", round=1)])
        log.append([sample(4, said="other bytes", round=1), sample(5, error="E", round=1)])
    with SampleLog(tmp_path, other) as log:
        log.append([sample(0, said="good"), sample(1, error="E"), sample(2, said="new", round=2)])
        log.append([sample(4, error="E", round=2), sample(5, said="good", round=2)])
    trials = Trials(tmp_path)
    assert trials.rounds == 2
    assert [trials[key(n)]["error"] or trials[key(n)]["said"] for n in range(6)] == [
        *("good", "good", "new", "taken back", "E", "good")
    ]


def test_trials_with_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fm_eval_harness.samples.hash", lambda key: len(key[0]), raising=False)
    with SampleLog(tmp_path) as log:
        log.append(sample(n, said=str(n)) for n in (*range(12), 3))
    trials = Trials(tmp_path)
    assert len(trials) == 12
    assert all(trials[key(n)]["said"] == str(n) for n in range(12))
    assert key(12) not in trials


def test_what_is_no_sample_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text(json.dumps(sample(1)) + "\n[]\n")
    with pytest.raises(BadOutput, match=r"samples\.jsonl:2: not a sample"):
        Trials(tmp_path)


def test_items_stand_in_one_order_whatever_the_order_of_the_rows(made: Path) -> None:
    items = select(made, load_task("foundationmotion"), "mcq", None)
    assert [i.place for i in items] == sorted(i.place for i in items)
    turned = list(items)[::-1]
    again = Items.found(turned, turned.__getitem__)
    assert list(again) == list(items)
    assert again.content == items.content == items[:2].content
    assert len(items[:2]) == 2
    with pytest.raises(ValueError, match="no items"):
        Items.found([], turned.__getitem__)


@pytest.mark.slow
def test_what_is_kept_of_a_question_is_its_place(made: Path, tmp_path: Path) -> None:
    first = select(made, load_task("foundationmotion"), "mcq", None)[0]

    def item(n: int) -> Item:
        return replace(first, question=replace(first.question, question_id=f"{n:024x}"))

    def asked(n: int) -> Iterator[Sample]:
        return (sample(i, text="x" * 500) for i in range(n))

    def kept(n: int) -> int:
        tracemalloc.start()
        items = Items.found(map(item, range(n)), item)
        with SampleLog(tmp_path, n) as log:
            log.append(asked(n))
        trials = Trials(tmp_path)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(items) == len(trials) == n
        (tmp_path / f"samples-{n}.jsonl").unlink()
        return size

    kept(100)  # what is loaded at the first use is no question
    assert (kept(20_000) - kept(2_000)) / 18_000 < 80
