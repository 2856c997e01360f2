"""Disks that are full or read-only, files that cannot be read, clocks that go back, two builds in one folder."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coloured import CODE, coloured, fake_recipe, fm, tree
from faults.killing import start
from fm_builders.ledger import Ledger
from fm_builders.storage import Folder
from fm_hub.tables import read_records
from fm_hub.verify import verify

MOUNT = ["unshare", "--user", "--map-root-user", "--mount"]


def needs_mounts() -> None:
    """A disk of a few megabytes is a tmpfs in a mount namespace of our own."""
    if shutil.which("unshare") is None or subprocess.run([*MOUNT, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces here to mount a small disk in")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(4):
        coloured(folder / f"{i}.mp4", seconds=2.0, seed=i)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [60, 240])
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, videos: Path, kilobytes: int) -> None:
    needs_mounts()
    recipe, whole = fake_recipe(tmp_path), tmp_path / "whole" / "foundationmotion"
    assert fm("build", videos, "-o", whole, "--recipe", recipe).returncode == 0
    disk = tmp_path / "disk"
    disk.mkdir()
    out = disk / "foundationmotion"
    script = f"""
    mount -t tmpfs -o size={kilobytes}k tmpfs "$1" || exit 99
    "$2" -c "$3" build "$4" -o "$5" --recipe "$6" >/dev/null 2>"$7/first"; echo $? >"$7/code"
    mount -o remount,size=64m "$1" || exit 99
    "$2" -c "$3" build "$4" -o "$5" --recipe "$6" >/dev/null 2>&1 || exit 98
    cp -r "$5" "$7/kept"
    """
    args = (disk, sys.executable, CODE, videos, out, recipe, tmp_path)
    assert subprocess.run([*MOUNT, "sh", "-c", script, "sh", *map(str, args)], check=False).returncode == 0
    said = (tmp_path / "first").read_text().strip().splitlines()[-1]
    assert (tmp_path / "code").read_text().strip() == "2", said
    assert "No space left on device" in said or "are free" in said
    assert "Traceback" not in (tmp_path / "first").read_text()
    assert {k: v for k, v in tree(tmp_path / "kept").items() if k != "README.md"} == {
        k: v for k, v in tree(whole).items() if k != "README.md"
    }


def without_root_rights() -> None:
    """Root may read and write everything; take that from the process, in its last moment before it starts."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability)  # PR_CAPBSET_DROP


def as_a_user(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=without_root_rights)


def test_an_input_that_must_not_be_read_is_a_row(tmp_path: Path, videos: Path) -> None:
    (videos / "0.mp4").chmod(0)
    out = tmp_path / "out"
    seen = as_a_user("build", videos, "-o", out, "--recipe", fake_recipe(tmp_path))
    assert seen.returncode == 0, seen.stderr
    assert {s.name: s.reason for s in read_records(out, "sources") if s.reason} == {"0.mp4": "UnreadableFile"}
    (videos / "0.mp4").chmod(0o644)
    assert as_a_user("build", videos, "-o", out, "--recipe", fake_recipe(tmp_path)).returncode == 0
    assert all(s.status == "ok" for s in read_records(out, "sources")), "readable now: its stamp is another"


def test_an_output_that_must_not_be_written_is_one_line(tmp_path: Path, videos: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    seen = as_a_user("build", videos, "-o", shut / "out", "--recipe", fake_recipe(tmp_path))
    assert (seen.returncode, len(seen.stderr.strip().splitlines())) == (2, 1)
    assert "cannot be written: Permission denied" in seen.stderr
    assert not list(shut.iterdir())


@pytest.mark.slow
def test_a_clock_that_goes_back_changes_nothing(tmp_path: Path, videos: Path) -> None:
    """All lines of the first run are from the future: what the second run adds still counts as later."""
    (videos / "bad.mp4").write_bytes(b"no video")
    out, recipe = tmp_path / "out", fake_recipe(tmp_path)
    assert fm("build", videos, "-o", out, "--recipe", recipe).returncode == 0
    for path in (out / ".fm_hub" / "ledger").iterdir():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({**r, "t": r["t"] + 1e8}) + "\n" for r in rows))
    before = tree(out)
    assert "reused_stages" in (again := fm("build", videos, "-o", out, "--recipe", recipe, "--json")).stdout
    assert json.loads(again.stdout)["reused_stages"] == 8
    assert tree(out) == before
    taken = fm("retry", out, "--reason", "NotAVideo", "--json")
    assert taken.returncode == 0, taken.stderr
    tries = [e for e in Ledger(Folder(out / ".fm_hub")).read() if e.reason == "NotAVideo" and e.status == "failed"]
    assert len(tries) == 2
    os.utime(videos / "0.mp4", (0, 0))  # a source that is older than before is read again, not cut again
    last = json.loads(fm("build", videos, "-o", out, "--recipe", recipe, "--json").stdout)
    assert last["reused_stages"] == 8


@pytest.mark.slow
def test_two_builds_into_one_folder(tmp_path: Path, videos: Path) -> None:
    out, recipe = tmp_path / "out", fake_recipe(tmp_path)
    both = [start(["build", videos, "-o", out, "--recipe", recipe]) for _ in range(2)]
    codes = sorted(p.wait() for p in both)
    assert codes in ([0, 2], [0, 0]), "one works, the other is told; or one came after the other"
    assert verify(out).ok
    assert len(read_records(out, "sources")) == 4
