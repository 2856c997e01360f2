"""A language model in compose: what it words must say the same, and whatever goes wrong is counted, never published."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dataset_made import make_dataset
from endpoint.servers import Answer, Loopback, Script, completion, serve, vision_server
from fm_builders.compose import compose
from fm_builders.language import Language
from fm_builders.language.prompts import load_prompt
from fm_builders.language.rich import SEEN
from fm_builders.recipe import LanguageUse
from fm_builders.store import Store
from fm_builders.workplace import work_folder
from fm_hub.endpoint.client import Client, Settings
from fm_hub.endpoint.limits import Budget
from fm_hub.errors import UserError
from fm_hub.manifest import Manifest
from fm_hub.tables import read_records
from fm_hub.verify import verify

QUICK = Settings(attempts=2, patience=0.05, timeout=0.6)
LINE = re.compile(r"^\[([\w-]+)\] (.+)$", re.MULTILINE)


def prompt_of(body: dict[str, Any]) -> str:
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


def worded(change: Any) -> Script:
    """A model that holds to the schema and rewords by ``change``."""

    def script(body: dict[str, Any], number: int) -> Answer:
        said = prompt_of(body)
        if "You reword" not in said:
            return vision_server(body, number)
        lines = [{"claim": key, "text": change(text)} for key, text in LINE.findall(said)]
        return completion(json.dumps({"sentences": lines}))

    return script


def turned(text: str) -> str:
    """A true rewording of some of the templates."""
    text = re.sub(r"^In the picture, (.*)\.$", lambda m: f"{m[1][0].upper()}{m[1][1:]} in the image.", text)
    return re.sub(r"\b(in|across|of) the picture\b", r"\1 the image", text)


@contextmanager
def language(
    script: Script, *uses: str, settings: Settings = QUICK, dialect: str = "compatible"
) -> Iterator[tuple[Language, Loopback]]:
    use = LanguageUse.model_validate({"uses": uses or ("paraphrase",), "frames": 3, "questions_a_clip": 2})
    with serve(script, dialect) as server, Client(server.url, settings=settings) as client:
        yield Language(client, use), server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A dataset in the words of the templates, and how to compose it again."""
    root = tmp_path_factory.mktemp("plain") / "data"
    manifest, found, recipe = make_dataset(root)
    rows = {c: read_records(root, c) for c in ("mcq", "captions", "benchmark")}

    def again(model: Language | None) -> Manifest:
        return compose(found, recipe, root, Store(work_folder(root)), language=model)

    return root, manifest, rows, again


def test_true_rewordings_are_published_and_verified(plain: Any) -> None:
    root, _, before, again = plain
    with language(worded(turned)) as (model, _):
        manifest = again(model)
    rows = read_records(root, "mcq")
    changed = [q for q in rows if q.provenance.prompt]
    assert len(changed) >= 2
    assert {q.provenance.generator for q in changed} == {"llm:org/model"}
    assert {q.provenance.prompt for q in changed} == {load_prompt("paraphrase").mark}
    old = {q.question_id: q for q in before["mcq"]}
    assert [q.question_id for q in rows] == [q.question_id for q in before["mcq"]]
    for q in changed:
        assert q.text != old[q.question_id].text
        assert q.options == old[q.question_id].options
    counts = manifest.language["counts"]["paraphrase"]
    assert counts["reworded"] >= len(changed)
    assert manifest.language["prompts"] == {"paraphrase": load_prompt("paraphrase").mark}
    report = verify(root)
    assert report.ok, report.problems[:3]
    assert report.ungrounded == 0
    assert any(c.provenance.prompt for c in read_records(root, "captions"))


def test_a_paraphrase_that_was_changed_later_is_found(plain: Any) -> None:
    from dataclasses import replace

    from fm_hub.tables import to_table, write_table

    root, _, _, again = plain
    with language(worded(turned)) as (model, _):
        again(model)
    rows = read_records(root, "mcq", "test")
    other = {"faster": "slower", "left": "right", "width": "height", "start": "end", "first": "last"}
    asked = ((i, w) for i, q in enumerate(rows) for w in other if q.provenance.prompt and w in q.text.split())
    victim, word = next(asked)
    text = rows[victim].text.replace(word, other[word], 1)
    rows[victim] = replace(rows[victim], text=text)
    write_table(to_table("mcq", rows), root / "mcq" / "test-00000.parquet")
    problems = [p.why for p in verify(root).problems if p.where == "mcq" and p.id == rows[victim].question_id]
    assert problems
    assert problems[0].startswith("paraphrase refused (order)") or "refused" in problems[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: re.sub(r"\b(left|right|faster|up)\b", lambda m: {"left": "right"}.get(m[0], "left"), t),
        lambda t: t.replace("the dog", "the wolf").replace("The dog", "The wolf"),
        lambda t: f"{t[:-1]} twice{t[-1]}",
        lambda t: t + " It is really fast.",
        lambda t: "",
    ],
    ids=["direction", "label", "number", "more", "nothing"],
)
def test_false_rewordings_are_refused_and_counted(plain: Any, change: Any) -> None:
    root, _, before, again = plain
    with language(worded(change)) as (model, _):
        counts = again(model).language["counts"]["paraphrase"]
    assert counts.get("reworded", 0) == 0
    assert sum(v for k, v in counts.items() if k.startswith("rule: ")) > 0
    assert read_records(root, "mcq") == before["mcq"]
    assert read_records(root, "captions") == before["captions"]


def only_in_compose(answer: Answer) -> Script:
    """A server that passes its trial and then fails."""

    def script(body: dict[str, Any], number: int) -> Answer:
        return answer if "You reword" in prompt_of(body) else vision_server(body, number)

    return script


FAULTS = {
    "429": (Answer(429, b"{}", {"Retry-After": "0"}), "Unavailable"),
    "500": (Answer(500, b"oops"), "Unavailable"),
    "timeout": (Answer(200, b"{}", delay=1.2), "Timeout"),
    "not found there": (Answer(422, b'{"error": "no"}'), "Rejected"),
    "cut": (completion('{"sentences": [{"cla', finish="length"), "CutOff"),
    "cut body": (Answer(200, b'{"choices": [{"mess', fault="short"), "Unavailable"),
    "wrong schema": (completion('{"sentences": [{"claim": 3}]}'), "BadReply"),
    "other keys": (completion('{"sentences": [], "note": "x"}'), "BadReply"),
    "refusal": (completion(None, refusal="I cannot help with that."), "Refusal"),
    "one megabyte": (completion(json.dumps({"sentences": [{"claim": "x", "text": "y" * 1_000_000}]})), "BadReply"),
    "other claims": (completion('{"sentences": [{"claim": "x-9", "text": "The dog moves."}]}'), "claims"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_goes_wrong_is_counted_and_the_templates_stand(plain: Any, fault: str) -> None:
    root, _, before, again = plain
    answer, reason = FAULTS[fault]
    with language(only_in_compose(answer)) as (model, _):
        counts = again(model).language["counts"]["paraphrase"]
    assert set(counts) == {reason}
    assert read_records(root, "mcq") == before["mcq"]
    assert read_records(root, "captions") == before["captions"]
    if fault in ("429", "cut"):
        assert verify(root).ok


def test_a_spent_budget_is_counted_and_answers_are_asked_for_once(plain: Any, tmp_path: Path) -> None:
    _, _, _, again = plain
    small = Settings(attempts=1, cache=tmp_path / "answers.sqlite", budget=Budget(1500, "tokens"))
    with language(worded(turned), settings=small) as (model, server):
        counts = again(model).language["counts"]["paraphrase"]
        assert counts["BudgetSpent"] > 0
        assert counts.get("reworded", 0) > 0
    more = Settings(attempts=1, cache=tmp_path / "more.sqlite")
    with language(worded(turned), settings=more) as (model, server):
        first = again(model).model_dump()
        asked = len([b for b in server.asked if "You reword" in prompt_of(b)])
        second = again(model).model_dump()
        assert len([b for b in server.asked if "You reword" in prompt_of(b)]) == asked
    assert {k: first[k] for k in ("content_sha256", "files")} == {k: second[k] for k in ("content_sha256", "files")}


def seeing(body: dict[str, Any], number: int) -> Answer:
    """A model with eyes that writes captions and questions and answers its own."""
    said = prompt_of(body)
    if "You write the caption" in said:
        lines = [{"claims": [key], "text": text} for key, text in LINE.findall(said)]
        lines[0]["claims"] = ["not-there"]
        seen = [{"claims": [], "text": "A grey room is seen."}, {"claims": [], "text": "About 12 things are there."}]
        return completion(json.dumps({"sentences": [*seen, *lines]}))
    if "You write multiple-choice" in said:
        good = {"type": "motion recognition", "question": "How does the square thing move?", "correct": "Evenly on"}
        wrong = ["In jumps", "Not at all", "In a loop"]
        alike = {**good, "question": "What is it like?", "wrong": ["Evenly", "In jumps", "In a loop"]}
        return completion(json.dumps({"questions": [{**good, "wrong": wrong}, alike]}))
    if "best option" in said:
        where = re.search(r"^([A-D])\. Evenly on$", said, re.MULTILINE)
        letter = where[1] if where and "Look at the frames" in said else "A"
        return completion(json.dumps({"answer": letter, "others_fit": False}))
    return vision_server(body, number)


def test_what_a_model_sees_is_marked_and_stays_out_of_the_benchmark(plain: Any) -> None:
    root, _, before, again = plain
    with language(seeing, "captions", "freeform") as (model, _):
        manifest = again(model)
    counts = manifest.language["counts"]
    free = [q for q in read_records(root, "mcq") if q.kind == "freeform"]
    assert counts["freeform"]["kept"] == len(free) > 0
    assert counts["freeform"]["form"] == counts["freeform"]["kept"]  # "Evenly" is part of "Evenly on"
    for q in free:
        assert q.grounding == "model"
        assert q.options[q.answer].text == "Evenly on"
        assert q.shortcuts is not None
        assert q.shortcuts.blind is not None
    assert not [q for q in read_records(root, "benchmark") if q.grounding != "facts"]
    captions = read_records(root, "captions")
    assert {c.grounding for c in captions} == {"model"}
    assert all([s.text for s in c.sentences if s.aspect == SEEN] == ["A grey room is seen."] for c in captions)
    proved = {s.text for c in captions for s in c.sentences if s.claim.predicate}
    assert proved == {s.text for c in before["captions"] for s in c.sentences}
    report = verify(root)
    assert report.ok, report.problems[:3]
    assert report.ungrounded == 2 * len(free)  # in mcq and in qa


def test_questions_of_its_own_need_eyes() -> None:
    def blind(body: dict[str, Any], number: int) -> Answer:
        seen = any(isinstance(m["content"], list) for m in body["messages"])
        return Answer(400, b"{}") if seen else vision_server(body, number)

    with pytest.raises(UserError, match="takes no images"), language(blind, "freeform"):
        pass
