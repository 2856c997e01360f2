"""Killed anywhere, a build goes on to the bytes of an unbroken one, and repeats nothing that was finished."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from coloured import coloured, fake_recipe, fm, tree
from faults.killing import done_twice, kill, killed_and_resumed, start, wait_for
from fm_builders.ledger import Ledger
from fm_builders.storage import Folder


@pytest.mark.slow
def test_a_build_killed_at_random_moments_ends_in_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(10):
        coloured(tmp_path / "in" / f"{i}.mp4", seconds=1.6, seed=i)
    recipe = fake_recipe(tmp_path)
    whole, out = (tmp_path / name / "foundationmotion" for name in ("whole", "killed"))
    begin = time.monotonic()
    assert fm("build", tmp_path / "in", "-o", whole, "--recipe", recipe).returncode == 0
    longest = 0.6 * (time.monotonic() - begin)  # of this machine, now: a quick one must be killed early
    met = killed_and_resumed(
        ["build", tmp_path / "in", "-o", out, "--recipe", recipe], kills=5, seed=1, longest=longest
    )
    assert met >= 3
    assert tree(out) == tree(whole)
    assert not done_twice(out)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 18])
def test_a_build_killed_at_a_line_of_its_ledger(tmp_path: Path, after: int) -> None:
    """18 is the last line before the dataset is composed."""
    videos = [coloured(tmp_path / f"{i}.mp4", seconds=2.0, seed=i) for i in range(6)]
    recipe = fake_recipe(tmp_path)
    whole, out = (tmp_path / name / "foundationmotion" for name in ("whole", "killed"))
    args = [*videos, "--recipe", recipe]
    assert fm("build", *args, "-o", whole).returncode == 0
    process = start(["build", *args, "-o", out])
    ledger = Ledger(Folder(out / ".fm_hub"))
    wait_for(lambda: sum(1 for _ in ledger.read()) >= after or process.poll() is not None)
    assert process.poll() is None
    kill(process)
    assert fm("build", *args, "-o", out).returncode == 0
    assert not done_twice(out)
    assert tree(out) == tree(whole)
