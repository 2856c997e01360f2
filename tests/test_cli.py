"""The command line: help, exit codes, one-line errors."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from golden_files import check_golden

ENV = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}


def fm(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run fm-hub in a process of its own."""
    code = "import sys; from fm_hub.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, env=ENV, cwd=cwd, check=False
    )


def test_help_is_frozen() -> None:
    pages = [fm("--help").stdout]
    names = "quickstart build verify stats card alias push pull diff versions rollback redact export import serve"
    pages += [fm(name, "--help").stdout for name in [*names.split(), "contribute"]]
    pages += [fm("contribute", name, "--help").stdout for name in ["submit", "validate", "review", "merge"]]
    check_golden("cli.txt", "\n".join(line.rstrip() for page in pages for line in page.splitlines()) + "\n")


@pytest.mark.parametrize("module", ["fm_hub.cli", "fm_eval_harness.cli"])
def test_help_is_light(module: str) -> None:
    """A bound of four times the target: this is a test, not a benchmark (benchmarks/startup.py measures)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = f"import sys; from {module} import main; sys.argv = ['x', '--help']; main()"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.6


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["verfy", "x"], "did you mean 'verify'"),
        (["verify", "nowhere"], "not a dataset of fm-hub"),
        (["stats", "nowhere"], "not a dataset of fm-hub"),
        (["build", "nowhere.mp4"], "no such file"),
        (["build", ".", "--recipe", "defalt"], "did you mean 'default'"),
        (["build", ".", "--no-such-option"], "No such option"),
        (["alias", "instal"], "did you mean 'install'"),
    ],
)
def test_a_user_error_is_one_line_and_exit_2(args: list[str], says: str, tmp_path: Path) -> None:
    seen = fm(*args, cwd=tmp_path)
    assert seen.returncode == 2, seen
    assert says in seen.stderr
    assert len(seen.stderr.strip().splitlines()) == 1
    assert "Traceback" not in seen.stderr
    assert not list(tmp_path.iterdir()), "something was written"


def test_verify_and_stats_in_json(made: Path) -> None:
    seen = fm("verify", str(made), "--json")
    assert seen.returncode == 0, seen.stderr
    report = json.loads(seen.stdout)
    assert report["questions"] == report["proved"] > 0
    assert report["failed"] == report["ungrounded"] == 0
    stats = json.loads(fm("stats", str(made), "--json").stdout)
    assert sum(stats["mcq"]["kind"].values()) == stats["counts"]["mcq"]["test"]


def test_verify_exits_1_on_a_lie(dataset: Path) -> None:
    (dataset / "README.md").write_text("changed")
    seen = fm("verify", str(dataset))
    assert seen.returncode == 1
    assert "changed file" in seen.stdout


def test_version() -> None:
    from fm_hub import __version__

    assert fm("--version").stdout.strip() == f"fm-hub {__version__}"
