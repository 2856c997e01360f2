"""Finding out, once a server, what it is, which models it serves, and what it really does of what it is asked."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fm_hub.endpoint.dialects import DIALECTS, Dialect, dialect_named
from fm_hub.endpoint.request import Ask, Picture, Reply, Turn
from fm_hub.errors import ItemError, MissingExtra, UserError

__all__ = ["Capabilities", "Server", "find_server", "try_out"]

_WORD = "zq7"  # no model says it unless its grammar leaves no other word
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": [_WORD]}},
    "required": ["colour"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Server:
    """What a server says of itself: its dialect, the models it lists, and the commit of the weights where it tells."""

    dialect: Dialect
    models: tuple[str, ...]
    commit: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What one model on one server was seen to do.

    ``top`` is the number of candidates that it tells for a token (0: no log-probabilities), ``schema`` whether a
    reply is held to a JSON schema, ``pictures`` whether it takes images.
    """

    top: int
    schema: bool
    pictures: bool


def find_server(url: str, key: str, timeout: float = 10.0, dialect: str = "") -> Server:
    """Ask a server what it is; ``dialect`` overrules what it says. Raises :class:`~fm_hub.errors.UserError`."""
    said = _entries(_get(f"{url}/models", key, timeout))
    models = tuple(m["id"] for m in said)
    if dialect:
        return Server(dialect_named(dialect), models)
    if urlsplit(url).hostname == "api.openai.com":
        return Server(DIALECTS["openai"], models)
    info = _get(f"{url.removesuffix('/v1')}/info", key, timeout)  # TGI alone has it, and names the commit there
    if isinstance(info, dict) and isinstance(info.get("model_id"), str):
        return Server(DIALECTS["tgi"], models or (info["model_id"],), str(info.get("model_sha") or ""))
    if not models:
        raise UserError(f"{url}: lists no models; is it the address of an OpenAI-like server, with its /v1?")
    owners = {str(m.get("owned_by", "")).lower() for m in said}
    known = sorted(owners & {"vllm", "sglang", "llamacpp"})
    return Server(DIALECTS[known[0] if known else "compatible"], models)


def try_out(ask: Callable[[Ask], Reply | ItemError], dialect: Dialect) -> Capabilities:
    """Make three small requests and look at what came. An error means that it is not served.

    Raises :class:`~fm_hub.errors.UserError` where the server answers no plain question either, or the budget is spent:
    what was not tried is not known.
    """
    letter = ask(_plain("Answer with the letter A.", top=dialect.top, max_tokens=1))
    if isinstance(letter, ItemError) and isinstance(
        e := ask(_plain("Answer with the letter A.", max_tokens=1)), ItemError
    ):
        raise UserError(f"the server's model answers nothing ({type(e).__name__}: {e})")
    held = ask(_plain("Name a colour in JSON.", schema=_SCHEMA, max_tokens=32))
    seen = ask(Ask((Turn("user", (_dot(), "What is this?")),), max_tokens=1))
    return Capabilities(
        top=len(letter.top) if isinstance(letter, Reply) else 0,
        schema=isinstance(held, Reply) and _holds(held.text),
        pictures=isinstance(seen, Reply),
    )


def _plain(text: str, *, top: int = 0, schema: dict[str, Any] | None = None, max_tokens: int) -> Ask:
    return Ask((Turn("user", (text,)),), max_tokens=max_tokens, top=top, schema=schema)


def _holds(text: str) -> bool:
    try:
        return bool(json.loads(text) == {"colour": _WORD})
    except ValueError:
        return False


def _dot() -> Picture:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(file, "JPEG")
    return Picture(file.getvalue())


def _entries(listed: Any) -> list[dict[str, Any]]:
    found = listed.get("data") if isinstance(listed, dict) else None
    return [m for m in found or () if isinstance(m, dict) and isinstance(m.get("id"), str)]


def _get(url: str, key: str, timeout: float) -> Any:
    """The JSON at an address; None where there is none. Raises :class:`~fm_hub.errors.UserError`."""
    try:
        import httpx2
    except ModuleNotFoundError:
        raise MissingExtra("asking a server of a language model", "llm") from None
    try:
        response = httpx2.get(url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=timeout)
    except (httpx2.HTTPError, httpx2.InvalidURL) as e:
        raise UserError(f"{url}: does not answer ({type(e).__name__}); is the server running?") from None
    if response.status_code in (401, 403):
        raise UserError(f"{url}: refuses the key (status {response.status_code}); set FM_LLM_KEY to one that it takes")
    try:
        return response.json() if response.status_code == 200 else None
    except ValueError:
        return None
