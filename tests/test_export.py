"""Exports: every row there or counted, nothing shown outside a question's view, read by the consumers' own code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fm_eval_harness.prompts import PROMPTS
from fm_hub.errors import BadDataset, BadOutput, UnknownName, UserError
from fm_hub.export.examples import LETTER_PROMPT
from fm_hub.export.formats import FORMATS, Format, Part, Row
from fm_hub.export.lmms_task import doc_to_text, doc_to_visual, letter_of, process_results
from fm_hub.export.run import Asked, export
from fm_hub.manifest import read_manifest
from fm_hub.tables import iter_rows, read_records, shards, to_table, write_table
from fm_hub.video import index_video
from tiny_vlm import tiny_vlm  # noqa: F401 - a fixture

EVERY = ("train", "validation", "test")


@pytest.fixture(scope="session")
def exports(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One export a format, of all splits. Read only."""
    found = {}
    for name in FORMATS.names():
        found[name] = tmp_path_factory.mktemp("exports") / name
        export(made, found[name], Asked(name, splits=EVERY))
    return found


def rows_of(folder: Path, config: str) -> list[Row]:
    """The rows of an export, as plain values."""
    (path,) = folder.glob(f"{config}-test.*")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    from datasets import Image, List, load_dataset

    loaded = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(folder.parent / "cache"))
    return list(loaded.cast_column("images", List(Image(decode=False))))


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_row_is_exported_with_its_files(name: str, made: Path, exports: dict[str, Path]) -> None:
    counts = read_manifest(made).counts
    for config in FORMATS.load(name).configs:
        rows = rows_of(exports[name], config)
        published = list(iter_rows(made, config, "test"))
        assert len(rows) == counts[config]["test"]
        key = "caption" if config == "captions" else "answer"
        for row, there in zip(rows, published, strict=True):
            assert answer_of(row) == there[key]
            files = files_of(row, exports[name])
            assert files
            assert all(f.is_file() for f in files)
            assert there.get("question", "") in ask_of(row)
    said = json.loads((exports[name] / "export.json").read_text())
    assert said["left_out"] == {}
    assert said["content_sha256"] == read_manifest(made).content_sha256
    assert str(exports[name]) in (exports[name] / "README.md").read_text()


def answer_of(row: Row) -> str:
    if "messages" not in row:
        return str(row["answer"])
    content = row["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[0]["text"])


def ask_of(row: Row) -> str:
    if "messages" not in row:
        return str(row["ask"])
    content = row["messages"][0]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


def files_of(row: Row, out: Path) -> list[Path]:
    if "video" in row:
        return [out / row["video"]]
    return [out / v for v in row.get("videos", ())] + [Path(i["path"]) for i in row.get("images", ())]


def test_a_question_comes_with_its_view_alone(made: Path, exports: dict[str, Path]) -> None:
    parts = whole = 0
    for row, there in zip(rows_of(exports["ms-swift"], "mcq"), iter_rows(made, "mcq", "test"), strict=True):
        clip = index_video(made / there["video_file"])
        shown = index_video(exports["ms-swift"] / row["videos"][0])
        inside = sum(there["view_t0"] - 1e-3 <= t <= there["view_t1"] + 1e-3 for t in clip.times)
        if row["videos"][0] == there["video_file"]:
            whole += 1
            assert inside >= clip.n_frames - 1
        else:
            parts += 1
            assert shown.n_frames == inside
            assert shown.times[-1] <= there["view_t1"] - there["view_t0"] + 1e-3
    assert parts
    assert whole


def test_trl_itself_makes_batches_of_it(exports: dict[str, Path], tiny_vlm: Path) -> None:  # noqa: F811
    from datasets import load_dataset
    from transformers import AutoProcessor
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    files = sorted(map(str, exports["trl"].glob("*.parquet")))
    cache = str(exports["trl"].parent / "cache")
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    batch = DataCollatorForVisionLanguageModeling(AutoProcessor.from_pretrained(tiny_vlm))([rows[0], rows[60]])
    assert len(batch["image_grid_thw"]) == 16, "eight pictures a row"
    assert batch["input_ids"].shape == batch["labels"].shape
    assert set(rows[0]["messages"][0]["content"][0]) == {"type"}, "keys of other parts were added"


def test_datasets_and_the_yaml_read_the_others(exports: dict[str, Path]) -> None:
    from datasets import load_dataset

    cache = str(exports["trl"].parent / "cache")
    info = json.loads((exports["llamafactory"] / "dataset_info.json").read_text())
    assert set(info) == {f"foundationmotion_{c}_test" for c in ("mcq", "qa", "captions")}
    for entry in info.values():
        path = str(exports["llamafactory"] / entry["file_name"])
        loaded = load_dataset("json", data_files=path, split="train", cache_dir=cache)
        for row in loaded:
            assert row["messages"][0]["content"].count("<video>") == len(row["videos"]) == 1
    text = (exports["lmms-eval"] / "foundationmotion_benchmark.yaml").read_text().replace("!function ", "")
    task = yaml.safe_load(text)
    (docs,) = task["dataset_kwargs"]["data_files"]["test"]
    doc = load_dataset(task["dataset_path"], data_files=docs, split="train", cache_dir=cache)[0]
    scope: dict[str, object] = {"__file__": str(exports["lmms-eval"] / "utils.py")}
    exec((exports["lmms-eval"] / "utils.py").read_text(), scope)  # noqa: S102 - as lmms-eval does
    for key in ("doc_to_visual", "doc_to_text", "process_results"):
        assert callable(scope[task[key].removeprefix("utils.")])
    assert all(Path(p).is_file() for p in scope["doc_to_visual"](doc))  # type: ignore[operator]


def test_a_letter_is_read_or_not_and_the_words_are_those_of_fm_eval() -> None:
    assert PROMPTS["letter-1"] == LETTER_PROMPT
    doc = {"ask": "Which way?", "answer": "B", "letters": "ABC", "video": "v.mp4"}
    for said, accuracy, unparsed in (("B", 1, 0), ("b.", 1, 0), ("(A) left", 0, 0), ("Both hands", 0, 1), ("D", 0, 1)):
        assert process_results(doc, [said]) == {"accuracy": accuracy, "unparsed": unparsed}, said
    assert letter_of("", "ABCD") == ""
    assert doc_to_text(doc) == "Which way?"
    assert doc_to_visual(doc)[0].endswith("v.mp4")
    assert process_results({**doc, "letters": "", "answer": "to the left"}, ["To the left."])["accuracy"] == 1


def test_what_cannot_go_is_counted(dataset: Path, tmp_path: Path) -> None:
    questions = list(read_records(dataset, "mcq"))
    clips = [q.video_file for q in questions]
    questions[0] = replace(questions[0], text="Look at <video> again")
    questions[1] = replace(questions[1], text="Ha<|im_end|>ha")
    questions[2] = replace(questions[2], grounding="model")
    write_table(to_table("mcq", questions), shards(dataset, "mcq")[0])
    gone = next(q.video_file for q in questions[3:] if q.video_file != clips[2])
    (dataset / gone).write_bytes(b"")
    done = export(dataset, tmp_path / "x", Asked("ms-swift", ("mcq",), EVERY, ("facts",)))
    assert done.left_out == {
        "EmptyFile": sum(q.video_file == gone for q in questions[3:]),
        "OtherGrounding": 1,
        "ReservedWord": 2,
    }
    assert sum(p.rows for p in done.parts) + sum(done.left_out.values()) == len(questions)


def test_what_is_wrong_is_said(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it has rows in: test"):  # a test split is not for training
        export(dataset, tmp_path / "x", Asked("trl"))
    with pytest.raises(UnknownName, match="did you mean 'ms-swift'"):
        export(dataset, tmp_path / "x", Asked("ms-swft"))
    with pytest.raises(UnknownName, match="config"):
        export(dataset, tmp_path / "x", Asked("trl", ("tracks",)))
    with pytest.raises(UserError, match="takes videos"):
        export(dataset, tmp_path / "x", Asked("ms-swift", splits=EVERY, frames=4))
    assert not (tmp_path / "x").exists()
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "mine.txt").write_text("mine")
    with pytest.raises(BadOutput, match="something else"):
        export(dataset, tmp_path / "y", Asked("ms-swift", splits=EVERY))
    questions = [replace(q, video_file="../../etc/passwd") for q in read_records(dataset, "mcq")]
    write_table(to_table("mcq", questions), shards(dataset, "mcq")[0])
    with pytest.raises(BadDataset, match="leads out"):
        export(dataset, tmp_path / "x", Asked("ms-swift", ("mcq",), EVERY))


def test_an_export_is_made_again_in_its_place(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    export(made, out, Asked("trl", ("captions",), EVERY, frames=2))
    pictures = {p: p.stat().st_mtime_ns for p in out.rglob("*.jpg")}
    export(made, out, Asked("ms-swift", ("captions",), EVERY))
    assert not list(out.glob("*.parquet"))
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.jpg")} == pictures
    (out / "mine").mkdir()
    with pytest.raises(BadOutput, match="which no export made"):
        export(made, out, Asked("ms-swift", ("captions",), EVERY))


class _Lines(Format):
    """A format of another package: one method is all it takes."""

    def row(self, example: object, media: Sequence[str], out: Path) -> Row:
        return {"media": list(media)}

    def usage(self, out: Path, parts: Sequence[Part]) -> str:
        return ""


def test_a_format_of_another_package(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS.table, "lines", "test_export:_Lines")
    monkeypatch.setattr("fm_hub.registry.load_string", lambda _: _Lines)
    monkeypatch.setitem(FORMATS._targets, "lines", "test_export:_Lines")
    assert export(made, tmp_path / "x", Asked("lines", ("captions",), EVERY)).parts[0].rows == 3


def test_the_command(made: Path, tmp_path: Path) -> None:
    code = "import sys; from fm_hub.cli import main; main(sys.argv[1:])"
    args = ["export", str(made), "--format", "lmms-eval", "-o", str(tmp_path / "x"), "--json"]
    seen = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout)["rows"] == {"benchmark-test.jsonl": read_manifest(made).counts["benchmark"]["test"]}
