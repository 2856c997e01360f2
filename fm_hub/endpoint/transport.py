"""Sending: one request body through the library of its dialect, and every way in which that fails as one exception."""

from __future__ import annotations

import asyncio
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fm_hub.errors import MissingExtra, UserError

__all__ = ["Failed", "Transport", "key_for", "open_transport", "plain_url"]

KEY = "FM_LLM_KEY"
NO_KEY = "none"  # without a key of ours, both libraries look for one of the user's and would send that


class Failed(Exception):
    """A request without a usable answer; ``status`` is None where no answer came, ``late`` where it took too long."""

    def __init__(
        self, detail: str, status: int | None = None, headers: Mapping[str, str] | None = None, *, late: bool = False
    ) -> None:
        super().__init__(detail)
        self.status, self.headers, self.late = status, headers or {}, late


class Transport(ABC):
    """Sends bodies to one server. All methods belong to one event loop."""

    @abstractmethod
    async def post(self, body: Mapping[str, Any]) -> Any:
        """Send a chat request; return the JSON that came. Raises :class:`Failed`."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""


class _OpenAI(Transport):
    def __init__(self, url: str, key: str, timeout: float) -> None:
        import openai

        self._openai = openai
        self._client = openai.AsyncOpenAI(base_url=url, api_key=key or NO_KEY, max_retries=0, timeout=timeout)
        # From the user's environment, and meant for another server than this one.
        self._client.organization = self._client.project = None

    async def post(self, body: Mapping[str, Any]) -> Any:
        import httpx2

        try:
            response = await self._client.post("/chat/completions", cast_to=httpx2.Response, body=dict(body))
            return _json(response.content, response.status_code)
        except self._openai.APIStatusError as e:
            raise Failed(e.response.text[:2000], e.status_code, e.response.headers) from None
        except self._openai.APITimeoutError as e:
            raise Failed(str(e), late=True) from None
        except (self._openai.APIError, httpx2.HTTPError) as e:  # the latter: the body broke off
            raise Failed(f"{type(e.__cause__ or e).__name__}: {e.__cause__ or e}") from None

    async def close(self) -> None:
        await self._client.close()


class _Hub(Transport):
    def __init__(self, url: str, key: str, timeout: float) -> None:
        from huggingface_hub import AsyncInferenceClient

        self._client = AsyncInferenceClient(base_url=url, api_key=key or NO_KEY, timeout=timeout)

    async def post(self, body: Mapping[str, Any]) -> Any:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, OfflineModeIsEnabled

        try:
            return json.loads(json.dumps(await self._client.chat_completion(**body)))
        except InferenceTimeoutError as e:
            raise Failed(str(e), late=True) from None
        except OfflineModeIsEnabled:
            raise UserError(
                "HF_HUB_OFFLINE is set, and a tgi server is asked through huggingface_hub; unset it"
            ) from None
        except HfHubHTTPError as e:
            raise Failed(e.response.text[:2000], e.response.status_code, e.response.headers) from None
        except httpx2.HTTPError as e:
            raise Failed(f"{type(e).__name__}: {e}") from None
        except (ValueError, TypeError, KeyError, AttributeError) as e:  # of its reading of what came
            raise Failed(f"the answer is not the JSON of a chat completion ({type(e).__name__})", 200) from None

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]


def open_transport(through: str, url: str, key: str, timeout: float) -> Transport:
    """The transport of a library. Raises :class:`~fm_hub.errors.MissingExtra`."""
    try:
        return (_Hub if through == "huggingface_hub" else _OpenAI)(url, key, timeout)
    except ModuleNotFoundError:
        raise MissingExtra("asking a server of a language model", "llm") from None


def plain_url(url: str) -> str:
    """A server's URL, with its path and without a last slash.

    Raises :class:`~fm_hub.errors.UserError`, also where the address holds a secret.

    >>> plain_url("http://localhost:8000/v1/")
    'http://localhost:8000/v1'
    >>> plain_url("http://localhost:8000")
    'http://localhost:8000/v1'
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known:
        raise UserError("the server's address must be like http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(f"the server {parts.hostname}: give the key in {KEY}, not in the address")
    return url.rstrip("/") if parts.path.strip("/") else f"{url.rstrip('/')}/v1"


def key_for(url: str) -> str:
    """The key for a server: ``FM_LLM_KEY``; the makers' own variables only for their own hosts, over https."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    own = ""
    if parts.scheme == "https" and host == "api.openai.com":
        own = os.environ.get("OPENAI_API_KEY", "")
    elif parts.scheme == "https" and host.endswith((".huggingface.co", ".endpoints.huggingface.cloud")):
        own = os.environ.get("HF_TOKEN", "")
    return os.environ.get(KEY, "") or own


def _json(content: bytes, status: int) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise Failed(f"the answer of {len(content)} bytes is not JSON: cut, or of another service", status) from None


async def within(seconds: float, post: Any) -> Any:
    """Wait for an answer so long and no longer, also where it comes in drops. Raises :class:`Failed`."""
    try:
        return await asyncio.wait_for(post, seconds)
    except TimeoutError:
        raise Failed(f"no answer within {seconds:g} s", late=True) from None
