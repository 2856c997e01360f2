"""A clip that hangs, crashes its process or eats memory is a row; its neighbours are untouched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coloured import coloured, fake_recipe, fm, tree
from faults.troubled import install
from fm_builders.ledger import Ledger
from fm_builders.storage import Folder
from fm_hub.tables import read_records
from fm_hub.verify import verify

COLOURS = {
    "crash": (20, 230, 20),
    "hang": (20, 20, 230),
    "eat": (230, 230, 20),
    "raise": (20, 230, 230),
    "good": (230, 20, 20),
    "fine": (230, 20, 230),
}
REASONS = {"crash": "Crash", "hang": "Timeout", "eat": "OutOfMemory", "raise": "ModelError"}


@pytest.mark.slow
def test_trouble_costs_its_clip_alone_and_is_not_tried_for_ever(tmp_path: Path) -> None:
    env = install(tmp_path / "plugin")
    (tmp_path / "in").mkdir()
    for i, (name, colour) in enumerate(COLOURS.items()):
        coloured(tmp_path / "in" / f"{name}.mp4", seconds=2.0, colour=colour, seed=i)
    recipe, out = fake_recipe(tmp_path, "troubled"), tmp_path / "out"
    how = ("--recipe", recipe, "--workers", 2, "--timeout", 12, "--memory", 0.6)

    seen = fm("build", tmp_path / "in", "-o", out, *how, "--json", env=env)
    assert seen.returncode == 0, seen.stderr
    sources = {s.source_id: s for s in read_records(out, "sources")}
    clips = {sources[c.source_id].name.removesuffix(".mp4"): c for c in read_records(out, "clips")}
    assert set(clips) == set(COLOURS)
    assert {name: c.reason for name, c in clips.items() if c.status == "failed"} == REASONS
    assert "not my colour" in clips["raise"].detail
    assert len(read_records(out, "mcq")) > 6
    assert verify(out).ok

    first = tree(out)
    ledger = Ledger(Folder(out / ".fm_hub"))
    attempts = dict.fromkeys(REASONS, 0)
    for e in ledger.read():
        if e.status == "failed":
            attempts[e.name.removesuffix(".mp4")] += 1
    assert attempts == {"crash": 3, "hang": 3, "eat": 3, "raise": 1}

    tried = Path(env["TROUBLED_LOG"]).read_text()
    again = fm("build", tmp_path / "in", "-o", out, *how, "--json", env=env)
    assert again.returncode == 0
    assert Path(env["TROUBLED_LOG"]).read_text() == tried, "what is quarantined is left alone"
    assert tree(out) == first, "how often a build was run is not to be seen in what it publishes"

    told = json.loads(fm("status", out, "--json", env=env).stdout)
    assert told["reasons"] == dict.fromkeys(REASONS.values(), 1)
    assert told["stages"]["perceive"]["ok"] == 2

    wrong = fm("retry", out, "--reason", "Crahs", env=env)
    assert wrong.returncode == 2
    assert "did you mean 'Crash'" in wrong.stderr
    taken = fm("retry", out, "--reason", "ModelError", *how[2:], env=env)
    assert "1 failure(s) with reason ModelError taken up" in taken.stdout, taken.stderr
    assert Path(env["TROUBLED_LOG"]).read_text().count("cyan") == tried.count("cyan") + 1
