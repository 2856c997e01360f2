"""The examples and the README's own code run as they stand, on what the package ships."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fm_builders.samples import folder

HERE = Path(__file__).parent.parent
README = HERE / "README.md"
needs_tree = pytest.mark.skipif(not README.exists(), reason="the wheel's copy of the tests has no README beside it")


def python(*args: object, cwd: Path) -> str:
    """Run Python in a folder; its standard output."""
    done = subprocess.run([sys.executable, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def blocks(title: str) -> str:
    """The Python of one section of the README."""
    section = README.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))


@needs_tree
def test_the_examples(tmp_path: Path) -> None:
    out = python(HERE / "examples" / "build_and_verify.py", "foundationmotion", cwd=tmp_path)
    assert re.search(r"1 clip\(s\), (\d+) questions, \1 proved", out), out
    out = python(HERE / "examples" / "evaluate.py", "foundationmotion", cwd=tmp_path)
    assert "accuracy" in out
    assert out.count("TRUE") == 1


@needs_tree
def test_the_readme_builds(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    shutil.copy(folder() / "cup.mp4", tmp_path / "clips")
    (tmp_path / "script.py").write_text(blocks("Build"), encoding="utf-8")
    assert "True" in python("script.py", cwd=tmp_path)


@needs_tree
@pytest.mark.parametrize("title", ["Load", "Evaluate"])
def test_the_readme_loads_and_evaluates(title: str, dataset: Path) -> None:
    python("-c", blocks(title), cwd=dataset.parent)


@needs_tree
def test_the_tree_of_the_readme_is_the_tree() -> None:
    named = set(re.findall(r"^\| `(\w+)/` \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    listed = subprocess.run(["git", "ls-files"], cwd=HERE, capture_output=True, text=True, check=True).stdout
    folders = {line.split("/")[0] for line in listed.splitlines() if "/" in line and not line.startswith(".")}
    assert named == folders
