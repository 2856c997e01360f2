"""Every decoder on every file of the set: right or a typed error; ``docs/decoders.md`` lists what others get wrong."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import conformance
from conformance import FILES, ask, make_all
from fm_builders.perceive import perceive
from fm_builders.recipe import Perception
from fm_hub.decoders import DECODERS
from fm_hub.errors import MissingExtra, UnknownName, UserError
from fm_hub.models import View
from fm_hub.models.video_inputs import frames_of
from fm_hub.video import index_video, iter_frames, read_frames
from videos_made import number_of, numbered

DOC = Path(__file__).parents[2] / "docs" / "decoders.md"
BEGIN, END = "<!-- the table: written by tests/contracts/test_decoders.py -->\n", "<!-- end of the table -->"
HANGS = 60  # seconds for one file of 60 small frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("conformance")
    make_all(made)
    return made


def installed(name: str) -> str:
    """The name, if its library is here; else the test is skipped with the reason."""
    try:
        DECODERS.load(name)()
    except UserError as error:
        pytest.skip(str(error))
    return name


def asked_outside(name: str, folder: Path) -> dict[tuple[str, bool], str]:
    """What a library answers on each file, in a process of its own that may hang or die."""
    said: dict[tuple[str, bool], str] = {}
    todo = list(FILES)
    paths = [str(Path(conformance.__file__).parent), *sys.path]
    while todo:
        worker = subprocess.Popen(
            [sys.executable, conformance.__file__, name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=lambda out=worker.stdout, q=lines: [q.put(x) for x in [*out, ""]])
        reader.start()
        worker.stdin.write("\n".join(todo) + "\n")
        worker.stdin.close()
        while True:
            try:
                line = lines.get(timeout=HANGS)
            except queue.Empty:
                end = "hangs"
                break
            if not line:
                end = "" if worker.wait() == 0 else "takes its process down"
                break
            file, alone, answer = json.loads(line)
            said[file, alone] = answer
        worker.kill()
        worker.wait()
        reader.join()
        worker.stdout.close()
        if end:  # the first file without both answers is the one
            bad = next(f for f in todo if (f, False) not in said or (f, True) not in said)
            said.setdefault((bad, False), end)
            said.setdefault((bad, True), end)
        todo = [f for f in todo if (f, False) not in said]
        assert end or not todo
    return said


@pytest.mark.parametrize("name", FILES)
def test_the_default_is_right_or_says_so(folder: Path, name: str) -> None:
    file = FILES[name]
    strict, salvaged = ask(folder, name, "pyav"), ask(folder, name, "pyav", salvage=True)
    if file.damaged:
        assert strict == file.error or (not file.error and strict in ("right", "DecodeError"))
        assert salvaged in ("right", "holes")
        index = index_video(folder / name)
        got = read_frames(index, index.times.tolist(), salvage=True)
        assert sum(f is not None for f in got) >= 10
    elif file.error:
        assert strict == salvaged == file.error
    else:
        assert strict == salvaged == "right"


@pytest.mark.parametrize("name", [n for n in DECODERS.names() if n != "pyav"])
def test_others_are_right_or_listed(folder: Path, name: str) -> None:
    said = asked_outside(installed(name), folder)
    columns = {name: {f: said[f, False] for f in FILES}}
    if any(alone for _, alone in said):
        columns[f"{name} alone"] = {f: said[f, True] for f in FILES}
    if name in DECODERS.table:
        check_table(columns)
    else:  # of another package: it has no place in our list
        sound = {f: columns[name][f] for f in FILES}
        assert all(a == "right" or a.endswith("Error") or a == FILES[f].error for f, a in sound.items()), sound


def test_the_list_has_every_file_and_the_default(folder: Path) -> None:
    check_table(
        {
            "pyav": {f: ask(folder, f, "pyav") for f in FILES},
            "pyav, salvage": {f: ask(folder, f, "pyav", salvage=True) for f in FILES},
        }
    )


def check_table(columns: dict[str, dict[str, str]]) -> None:
    """Compare columns with the table of the page, or write them; the other columns stay as they are."""
    if not DOC.exists():
        pytest.skip("the docs are not beside these tests")
    text = DOC.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
    head = list(lines[0]) if lines else ["file", "what is in it"]
    head += [c for c in columns if c not in head]
    old = {line[0].strip("`"): dict(zip(lines[0], line, strict=True)) for line in lines[2:]}
    rows = []
    for name, file in FILES.items():
        row = {**old.get(name, {}), "file": f"`{name}`", "what is in it": file.about}
        rows.append([(row | {c: answers[name] for c, answers in columns.items()}).get(h, "?") for h in head])
    new = "\n".join("| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head), *rows]) + "\n"
    if os.environ.get("FM_UPDATE_GOLDEN"):
        DOC.write_text(before + BEGIN + new + END + after, encoding="utf-8")
    else:
        assert new == table, "docs/decoders.md differs; if that is meant: FM_UPDATE_GOLDEN=1 pytest (this file)"


@pytest.mark.parametrize("name", DECODERS.names())
def test_one_frame_at_a_time_in_order_at_a_size(tmp_path: Path, name: str) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 40))
    times = index.times[[0, 3, 3, 20, 39]].tolist()
    got = list(iter_frames(index, times, size=(80, 60), decoder=installed(name)))
    assert [(i, number_of(f)) for i, f in got] == list(enumerate([0, 3, 3, 20, 39]))
    for _, frame in got:
        assert (frame.shape, frame.dtype) == ((60, 80, 3), np.uint8)
    for read, same in zip(got, iter_frames(index, times, size=(80, 60)), strict=True):
        assert np.abs(read[1].astype(int) - same[1]).mean() < 6  # scaled in another order, never another picture


def test_what_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = numbered(tmp_path / "v.mp4", 5)
    for name in ("decord", "torchcodec"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtra, match=rf"pip install 'fm-hub\[{name}\]'"):
            read_frames(path, [0.0], decoder=name)


def test_only_the_default_salvages(tmp_path: Path) -> None:
    path = numbered(tmp_path / "v.mp4", 5)
    for name in DECODERS.table:
        if name != "pyav":
            with pytest.raises(UserError, match="salvage"):
                read_frames(path, [0.0], decoder=installed(name), salvage=True)


def test_perception_and_models_read_by_the_decoder_they_are_told(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 10))
    with pytest.raises(UnknownName, match="no decoder named 'piav'; did you mean 'pyav'"):
        perceive(index, index.times, "clip", "artifact", Perception(detectors=("fake",), decoder="piav"))
    with pytest.raises(UnknownName, match="decoder"):
        frames_of(View("clip", index.path, 0.0, 0.4, 4, decoder="piav"))
    assert len(frames_of(View("clip", index.path, 0.0, 0.4, 4))) == 4
