"""A loopback Hub for tests, and the clients' settings turned to it for the time of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fm_hub.hubserver.access import User, Users
from fm_hub.hubserver.server import LoopbackHub, serving

TOKENS = {"owner": "tok-owner", "reader": "tok-reader", "other": "tok-other"}
USERS = {
    TOKENS["owner"]: User("fm", "write", ("acme",)),
    TOKENS["reader"]: User("fm", "read", ("acme",)),
    TOKENS["other"]: User("eve", "write"),
}


@contextmanager
def hub_in(root: Path, monkeypatch: pytest.MonkeyPatch, *, token: str = TOKENS["owner"]) -> Iterator[LoopbackHub]:
    """A Hub with three tokens; ``huggingface_hub`` in this process talks to it, as the owner."""
    import huggingface_hub.constants as c

    with serving(root, users=Users.of(USERS)) as hub:
        for name, value in {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_CACHE": str(root / "cache"),
        }.items():
            monkeypatch.setattr(c, name, value)
        monkeypatch.setenv("HF_TOKEN", token)
        yield hub


def settings(hub: LoopbackHub, home: Path, *, token: str = TOKENS["owner"]) -> dict[str, str]:
    """The environment of a process whose clients talk to a Hub."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": token,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
