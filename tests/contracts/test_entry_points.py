"""Plugins of another package: found by their entry points, named in recipes, and held to the same contracts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from coloured import coloured, fm
from fm_hub.tables import read_records

CONTRACTS = [str(Path(__file__).with_name(f"test_{kind}.py")) for kind in ("detectors", "segmenters", "trackers")]
CODE = """
from dataclasses import replace

from fm_builders.detectors.fake import FakeDetector
from fm_builders.segmenters.fake import FakeSegmenter
from fm_builders.settings import Settings
from fm_builders.trackers.two_stage import TwoStageTracker


class Tint(Settings):
    tint: str = "block"


class OutsideEye(FakeDetector):
    name = "outside_eye"
    model_ids = ("outside@1",)
    settings = Tint

    def __init__(self, told):
        self.told = told

    def detect(self, frame):
        found = super().detect(frame)
        return replace(found, label=tuple(name.replace("block", self.told.tint) for name in found.label))


class CrookedEye(OutsideEye):
    name = "crooked_eye"

    def detect(self, frame):
        found = super().detect(frame)
        return replace(found, bbox=found.bbox + 1000)


class OutsideTracker(TwoStageTracker):
    name = "outside_tracker"


class OutsideSegmenter(FakeSegmenter):
    name = "outside_segmenter"
"""
ENTRY_POINTS = """[fm_hub.detectors]
outside_eye = outside:OutsideEye
crooked_eye = outside:CrookedEye
[fm_hub.trackers]
outside_tracker = outside:OutsideTracker
[fm_hub.segmenters]
outside_segmenter = outside:OutsideSegmenter
"""
RECIPE = """name = "outside"
[perception]
detectors = []
tracker = "outside_tracker"
[perception.objects]
detectors = ["outside_eye"]
segmenter = "outside_segmenter"
[perception.settings.outside_eye]
tint = "thing"
[splits]
train = 0.0
validation = 0.0
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package: a module, and the metadata that names its entry points."""
    root = tmp_path_factory.mktemp("site")
    (root / "outside.py").write_text(CODE)
    about = root / "outside-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return root


def path_with(package: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")]))}


def test_they_are_held_to_the_contracts(package: Path) -> None:
    """The contract tests run over what is registered: the good plugins pass, the crooked one does not."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CONTRACTS, "-k", "outside or crooked"]
    env = {**os.environ, **path_with(package)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=Path(__file__).parents[2])
    failed = re.findall(r"^FAILED \S+test_(\w+)\.py::(\w+)\[(\w+)", done.stdout, flags=re.MULTILINE)
    assert failed, done.stdout + done.stderr
    assert {(kind, name) for kind, _, name in failed} == {("detectors", "crooked_eye")}
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 20


def test_a_recipe_names_them(package: Path, tmp_path: Path) -> None:
    coloured(tmp_path / "a.mp4", seconds=2.0)
    (tmp_path / "r.toml").write_text(RECIPE)
    command = [
        "build",
        tmp_path / "a.mp4",
        "-o",
        tmp_path / "out",
        "--recipe",
        tmp_path / "r.toml",
        "--engine",
        "inline",
    ]
    done = fm(*command, env=path_with(package))
    assert done.returncode == 0, done.stderr
    (track,) = read_records(tmp_path / "out", "tracks")
    assert (track.label, track.detector) == ("red thing", "outside_eye+outside_segmenter")
    (tmp_path / "r.toml").write_text(RECIPE.replace("tint =", "tnit ="))
    done = fm(*command, env=path_with(package))
    assert done.returncode == 2
    assert "unknown setting 'tnit' of 'outside_eye'; did you mean 'tint'?" in done.stderr
