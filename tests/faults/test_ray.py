"""The engine ray: the same bytes as local, on one node, and on two of which one is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coloured import coloured, fake_recipe, fm, tree
from faults.troubled import install
from fm_hub.tables import read_records

pytest.importorskip("ray", reason="the extra ray is not installed")
SCRIPT = Path(__file__).with_name("two_nodes.py")


@pytest.mark.slow
def test_a_lost_node_costs_nothing(tmp_path: Path) -> None:
    env = install(tmp_path / "plugin")
    (tmp_path / "in").mkdir()
    for i in range(8):
        coloured(tmp_path / "in" / f"{i}.mp4", seconds=2.0, seed=i)
    recipe = fake_recipe(tmp_path, "troubled")
    whole, out = (tmp_path / name / "foundationmotion" for name in ("whole", "ray"))
    assert fm("build", tmp_path / "in", "-o", whole, "--recipe", recipe, env=env).returncode == 0
    tests = str(SCRIPT.parents[1])
    env |= {"TROUBLED_SLEEP": "0.1", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    env["PYTHONPATH"] += os.pathsep + tests
    args = [sys.executable, str(SCRIPT), str(tmp_path / "in"), str(recipe), str(out), "kill"]
    seen = subprocess.run(args, capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=400)
    assert seen.returncode == 0, seen.stderr[-2000:]
    assert "passed=8 killed=True" in seen.stdout
    assert "alive=1" in seen.stdout
    assert tree(out) == tree(whole)


@pytest.mark.slow
def test_trouble_on_a_cluster_is_a_row_too(tmp_path: Path) -> None:
    env = install(tmp_path / "plugin")
    (tmp_path / "in").mkdir()
    for name, colour in {"good": (230, 20, 20), "crash": (20, 230, 20), "raise": (20, 230, 230)}.items():
        coloured(tmp_path / "in" / f"{name}.mp4", seconds=2.0, colour=colour, seed=len(name))
    recipe, out = fake_recipe(tmp_path, "troubled"), tmp_path / "out"
    seen = fm("build", tmp_path / "in", "-o", out, "--recipe", recipe, "--engine", "ray", env=env)
    assert seen.returncode == 0, seen.stderr[-2000:]
    sources = {s.source_id: s.name for s in read_records(out, "sources")}
    reasons = {sources[c.source_id]: c.reason for c in read_records(out, "clips") if c.status == "failed"}
    assert reasons == {"crash.mp4": "Crash", "raise.mp4": "ModelError"}


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    video = coloured(tmp_path / "a.mp4", seconds=2.0)
    how = ("--engine", "ray", "--ray-address", "127.0.0.1:1")
    seen = fm("build", video, "-o", tmp_path / "out", "--recipe", fake_recipe(tmp_path), *how)
    assert seen.returncode == 2
    assert "no Ray cluster at 127.0.0.1:1" in seen.stderr.strip().splitlines()[-1]
