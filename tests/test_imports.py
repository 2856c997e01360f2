"""What may be imported: nothing heavy by importing the package, and every import string leads somewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fm_hub
from fm_builders.detectors import DETECTORS
from fm_builders.importing import LAYOUTS
from fm_builders.questions import KINDS
from fm_builders.trackers import TRACKERS
from fm_hub.cli import COMMANDS
from fm_hub.contribution.agreement import ANNOTATORS
from fm_hub.decoders import DECODERS
from fm_hub.export.formats import FORMATS
from fm_hub.models import MODELS
from fm_hub.models.baseline import BASELINES
from fm_hub.registry import Registry

HEAVY = ("numpy", "torch", "transformers", "datasets", "polars", "pyarrow", "cv2", "av", "onnxruntime", "pydantic")


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after running code."""
    probe = f"{code}\nimport sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def test_a_build_needs_no_scipy_until_it_looks_at_a_clip() -> None:
    """Half of what every process of a build, and every command about one, would load."""
    probe = "import fm_builders.build, sys; from fm_builders.recipe import load_recipe as load"
    probe += "; from fm_builders.perception_models import model_ids; model_ids(load('default').perception)"
    probe += "; print('scipy.optimize' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize(
    "code", ["import fm_hub", "import fm_builders", "import fm_eval_harness", "import fm_hub.alias"]
)
def test_importing_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


@pytest.mark.parametrize("module", ["fm_hub.cli", "fm_eval_harness.cli"])
def test_a_command_line_is_light(module: str) -> None:
    assert loaded_by(f"import {module}") <= {"pydantic"}  # typer brings it


@pytest.mark.parametrize(
    "registry",
    [ANNOTATORS, COMMANDS, MODELS, BASELINES, DECODERS, DETECTORS, TRACKERS, KINDS, FORMATS, LAYOUTS],
    ids=lambda r: r.group.removeprefix("fm_hub."),
)
def test_every_import_string_loads(registry: Registry[object]) -> None:
    assert registry.names()
    for name in registry.names():
        assert callable(registry.load(name)), name


def test_the_public_surface() -> None:
    assert fm_hub.__all__ == sorted(fm_hub.__all__)
    for name in fm_hub.__all__:
        assert getattr(fm_hub, name) is not None
    with pytest.raises(AttributeError):
        _ = fm_hub.nothing
