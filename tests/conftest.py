"""Shared fixtures: one composed dataset a session, copied where a test changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("any-machine", deadline=None)  # a busy one is slow, and no test is about time
settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test talks to a Hub, and none sees the user's settings."""
    for name in ("FM_HUB_REPO", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A composed dataset of three made clips. Read only: copy it with ``dataset`` to change it."""
    from dataset_made import make_dataset

    root = tmp_path_factory.mktemp("made") / "foundationmotion"
    make_dataset(root)
    return root


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Path:
    """A copy of the composed dataset that a test may change."""
    root = tmp_path / "foundationmotion"
    shutil.copytree(made, root)
    return root
