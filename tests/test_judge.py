"""The judge: what is counted is right, who comes first makes no difference, and it is told nothing of origins."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataset_made import make_dataset, scenes
from endpoint.servers import Answer, completion, serve, vision_server
from fm_eval_harness.judge import DIMENSIONS, agreement, judge
from fm_eval_harness.judge_facts import copies, objective
from fm_hub.cli import app, run_command
from fm_hub.endpoint.client import Client
from fm_hub.errors import UserError
from fm_hub.tables import read_records, to_table, write_table


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judge") / "data"
    make_dataset(out)
    return out


def with_captions(root: Path, out: Path, text: Any) -> Path:
    """The same data set with other words in its captions."""
    import shutil

    shutil.copytree(root, out)
    changed = [replace(c, text=text(c.text)) for c in read_records(out, "captions", "test")]
    write_table(to_table("captions", changed), out / "captions" / "test-00000.parquet")
    return out


def test_proved_captions_are_precise_and_a_false_one_is_not(root: Path, tmp_path: Path) -> None:
    good = objective(root)["captions"]
    assert good["precision"] == 1.0
    assert good["recall"] > 0.8
    assert good["contradicting"] == 0
    swapped = lambda t: re.sub(r"\b(left|right)\b", lambda m: "right" if m[0] == "left" else "left", t)  # noqa: E731
    bad = objective(with_captions(root, tmp_path / "bad", swapped))["captions"]
    assert bad["precision"] < 0.9
    assert bad["stated"]["false"] > 0
    both = objective(with_captions(root, tmp_path / "both", lambda t: t + " The dog moves up. The dog moves down."))
    assert both["captions"]["contradicting"] >= 1


def test_questions_are_counted(root: Path) -> None:
    found = objective(root)["questions"]
    rows = read_records(root, "benchmark")
    assert found["n"] == len(rows) == sum(found["kinds"].values()) == sum(found["letters"].values())
    assert set(found["above_chance"]) == {"letter", "length", "overlap", "frequent"}
    assert found["above_chance"]["length"]["note"].startswith("2 source video(s)")


def scored(by: Any) -> Any:
    """A judge whose marks are a function of the text it sees, and of the place it sees it in."""

    def script(body: dict[str, Any], number: int) -> Answer:
        content = body["messages"][0]["content"]
        said = content if isinstance(content, str) else "".join(p.get("text", "") for p in content)
        if "You judge" not in said:
            return vision_server(body, number)
        parts = said.split("The second set")
        marks = [dict.fromkeys(DIMENSIONS, by(p, i)) for i, p in enumerate(parts)]
        return completion(json.dumps(marks[0] if len(marks) == 1 else {"first": marks[0], "second": marks[1]}))

    return script


def test_order_and_origin_make_no_difference(root: Path, tmp_path: Path) -> None:
    other = with_captions(root, tmp_path / "other", lambda t: "Something happens.")

    def likes_detail_and_the_first(text: str, place: int) -> int:
        return 8 - 3 * place if "Something happens" not in text else 4 - 3 * place

    with serve(scored(likes_detail_and_the_first)) as server, Client(server.url) as client:
        told = judge(root, client, against=other, clips=9, judges=2)
        prompts = [json.dumps(b) for b in server.asked if "You judge" in json.dumps(b)]
    assert told["scores"]["overall"]["mean"] == pytest.approx(6.5)
    assert told["other"]["overall"]["mean"] == pytest.approx(2.5)
    assert told["gain"]["overall"]["mean"] == pytest.approx(4.0)
    assert told["frames"] == 8
    assert not told["failed"]
    assert len(prompts) == 2 * 2 * told["clips"]
    for word in ("templates@1", "grounding", str(root), str(other)):
        assert not any(word in p for p in prompts)


def test_failed_judgements_are_counted(root: Path) -> None:
    def broken(body: dict[str, Any], number: int) -> Answer:
        return completion('{"action_accuracy": 11}') if "You judge" in json.dumps(body) else vision_server(body, number)

    with serve(broken) as server, Client(server.url) as client:
        told = judge(root, client, clips=2, judges=1)
    assert told["failed"] == {"BadReply": 4}
    assert told["scores"] == {}


def test_agreement_is_krippendorffs() -> None:
    """The example with interval data of Krippendorff's paper "Computing Krippendorff's Alpha-Reliability" (2011)."""
    a = [None, None, None, None, None, 3, 4, 1, 2, 1, 1, 3, 3, None, 3]
    b = [1, None, 2, 1, 3, 3, 4, 3, None, None, None, None, None, None, None]
    c = [None, None, 2, 1, 3, 4, 4, None, 2, 1, 1, 3, 3, None, 4]
    units = [[float(x) for x in u if x is not None] for u in zip(a, b, c, strict=True)]
    assert agreement(units) == pytest.approx(0.811, abs=0.001)
    assert agreement([[1.0]]) is None


def test_a_benchmark_clip_that_is_also_for_training_is_found(tmp_path: Path) -> None:
    from fm_builders.recipe import Recipe

    recipe = Recipe.model_validate({"name": "made", "splits": {"train": 0.5, "validation": 0.0}})
    for n in range(6):  # until the two drawings of one scene fall on different sides
        street = scenes()[0]
        tracks = [replace(t, bbox=t.bbox + 0.1 * (n + 1)) for t in street.tracks]
        out = tmp_path / str(n)
        make_dataset(out, [street, replace(street, tracks=tracks)], recipe=recipe)
        if {c.split for c in read_records(out, "clips")} == {"train", "test"}:
            break
    found = copies(out)
    (pair,) = found["pairs"]
    assert pair[2] >= 0.4
    assert len(found["questions"]) == len(read_records(out, "benchmark"))


def test_the_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    command = typer.main.get_command(app)
    assert run_command(command, "fm-hub", ["judge", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["objective"]["captions"]["precision"] == 1.0
    assert run_command(command, "fm-hub", ["judge", str(root)]) == 0
    assert "letters" in capsys.readouterr().out
    assert run_command(command, "fm-hub", ["judge", str(root), "--against", str(root)]) == 2
    with pytest.raises(UserError, match="at least 1"):
        judge(root, None, judges=0)  # type: ignore[arg-type]
