"""No key of the user's reaches a test, and the library for TGI may reach loopback."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FM_LLM_KEY", "FM_LLM_CACHE", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    # A server on loopback is not the Hub, but its library cannot tell.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
