"""Breaking on purpose: fail, delay, cut or duplicate the n-th request of a kind.

A rule is ``KIND:N=ACTION``: the N-th request of that kind from now on (the kind ``any`` counts all). Actions:

=================  ==========================================================================
``fail`` [STATUS]  answer with an error (default 400, which clients do not try again); nothing is done
``drop``           the connection breaks before anything is done
``cut``            the request is done, and the connection breaks in the answer
``delay`` SECONDS  the request is done after a wait
``duplicate``      the request is done twice, as by a proxy that tries again
``hang``           the request is done, and no answer ever comes
``stall``          the request is not done, and no answer ever comes
=================  ==========================================================================
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from fm_hub.errors import UserError

__all__ = ["Faults", "Rule"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ACTIONS = ("fail", "drop", "cut", "delay", "duplicate", "hang", "stall")
_RULE = re.compile(r"([a-z-]+):(\d+)=([a-z]+)(?::([0-9.]+))?")
_IN_MEMORY = 1 << 20


@dataclass
class Rule:
    """What to do with the ``n``-th request of a kind; ``number`` is a status or a number of seconds."""

    kind: str
    n: int
    action: str
    number: float = 0.0
    seen: int = 0

    @classmethod
    def parse(cls, text: str) -> Rule:
        """A rule from ``KIND:N=ACTION[:NUMBER]``, e.g. ``commit:2=cut`` or ``any:7=delay:0.5``. Raises UserError."""
        found = _RULE.fullmatch(text)
        if not found or found[3] not in ACTIONS or int(found[2]) < 1:
            raise UserError(f"fault {text!r}: write KIND:N=ACTION[:NUMBER] with an action of {', '.join(ACTIONS)}")
        return cls(found[1], int(found[2]), found[3], float(found[4] or 0))


class Faults:
    """The rules of a running Hub; each is used once.

    ``fired`` is set when one was used, ``holding`` when a request hangs or stalls.
    """

    def __init__(self, rules: list[Rule] | None = None) -> None:
        self._rules = rules or []
        self._lock = threading.Lock()
        self.fired = threading.Event()
        self.holding = threading.Event()

    def set(self, *rules: Rule | str) -> None:
        """Replace all rules; counting starts anew."""
        with self._lock:
            self._rules = [Rule.parse(r) if isinstance(r, str) else r for r in rules]
            self.fired.clear()
            self.holding.clear()

    def take(self, kind: str) -> Rule | None:
        """The rule that this request falls under, if any."""
        with self._lock:
            for rule in self._rules:
                if rule.kind in (kind, "any"):
                    rule.seen += 1
            for rule in self._rules:
                if rule.kind in (kind, "any") and rule.seen == rule.n:
                    self._rules.remove(rule)
                    self.fired.set()
                    return rule
        return None

    async def run(self, rule: Rule | None, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request under its rule."""
        match rule.action if rule else "":
            case "fail" if rule:
                await _drain(receive)
                status = int(rule.number) or 400
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            case "drop":
                await _drain(receive)
                _break(receive)
            case "cut":
                await app(scope, receive, _ignore)
                _break(receive)
            case "hang" | "stall" as action:
                await (app(scope, receive, _ignore) if action == "hang" else _drain(receive))
                self.holding.set()
                while (await receive())["type"] != "http.disconnect":
                    pass
            case "delay" if rule:
                await asyncio.sleep(rule.number)
                await app(scope, receive, send)
            case "duplicate":
                with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body:
                    await _drain(receive, body.write)
                    await app(dict(scope), _replay(body, receive), _ignore)
                    await app(dict(scope), _replay(body, receive), send)
            case _:
                await app(scope, receive, send)


async def _drain(receive: Receive, keep: Callable[[bytes], Any] = len) -> None:
    while True:
        message = await receive()
        keep(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _ignore(message: Message) -> None:
    del message


def _break(receive: Receive) -> None:
    """Break the connection. ASGI has no word for it: uvicorn's receive belongs to the object with the transport."""
    receive.__self__.transport.abort()  # type: ignore[attr-defined]  # see above


def _replay(body: Any, after: Receive) -> Receive:
    """A body that was read, once more; then what really comes."""
    body.seek(0)
    over = False

    async def receive() -> Message:
        nonlocal over
        if over:
            return await after()
        block = body.read(_IN_MEMORY)
        over = not block
        return {"type": "http.request", "body": block, "more_body": bool(block)}

    return receive
