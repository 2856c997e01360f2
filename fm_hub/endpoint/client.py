"""Asking a server: many requests at once, each at most once, and never more than the limits allow."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from fm_hub.endpoint.cache import Cache, Spent, key_of
from fm_hub.endpoint.limits import Bucket, Budget, Gate, Price, Purse, backoff, retry_after
from fm_hub.endpoint.probe import Capabilities, Server, find_server, try_out
from fm_hub.endpoint.request import Ask, Reply, estimate
from fm_hub.endpoint.transport import Failed, key_for, open_transport, plain_url, within
from fm_hub.errors import (
    BadReply,
    BudgetSpent,
    CutOff,
    ItemError,
    Refusal,
    Rejected,
    Timeout,
    Unavailable,
    UnknownName,
    UserError,
)

__all__ = ["Client", "Settings"]

T = TypeVar("T")
_LATER = {408, 409, 425, 429}
_NOT_LATER = {501, 505}


@dataclass(frozen=True)
class Settings:
    """How a client behaves; none of it changes an answer.

    ``cache`` is the file of answers (None: in memory), ``budget`` the most that the requests of this file may cost
    together. Rates are a minute; times are in seconds: ``timeout`` for one answer, ``patience`` for the longest wait
    between two attempts, also where the server asks for a longer one.
    """

    cache: Path | None = None
    budget: Budget | None = None
    price: Price | None = None
    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 120.0
    attempts: int = 6
    patience: float = 60.0
    longest_reply: int = 1 << 18  # characters


class Client:
    """One model on one server. Every method may be called from any thread; ``counts`` says how requests ended.

    ``model`` may be left out where the server has one; ``dialect`` where the server says what it is. Raises
    :class:`~fm_hub.errors.UserError` if the server does not answer or has no such model.
    """

    def __init__(self, url: str, model: str = "", settings: Settings | None = None, dialect: str = "") -> None:
        self.settings = s = settings or Settings()
        if s.concurrency < 1 or s.attempts < 1:
            raise UserError("concurrency and attempts must be at least 1")
        self.url = plain_url(url)
        self._key = key_for(self.url)
        self.server: Server = find_server(self.url, self._key, dialect=dialect)
        self.dialect = self.server.dialect
        self.model = _chosen(self.url, model, self.server.models)
        self.counts: Counter[str] = Counter()
        self._cache = Cache(s.cache)
        spent = self._cache.spent()
        self._purse = Purse(s.budget, s.price, spent.prompt_tokens + spent.completion_tokens, spent.usd)
        self._requests = Bucket(s.requests_per_minute) if s.requests_per_minute else None
        self._tokens = Bucket(s.tokens_per_minute) if s.tokens_per_minute else None
        self._gate, self._slots, self._rng = Gate(), asyncio.Semaphore(s.concurrency), random.Random()
        self._flying: dict[str, asyncio.Task[Reply | ItemError]] = {}
        self._transport = open_transport(self.dialect.through, self.url, self._key, s.timeout)
        # One loop in a thread of its own, for as long as the client lives: connections and answers are shared by
        # callers, and those need not be asynchronous.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fm-hub-endpoint", daemon=True)
        self._thread.start()

    def ask(self, asks: Sequence[Ask], on_done: Callable[[], None] | None = None) -> list[Reply | ItemError]:
        """Ask all at once, within the limits: same order, same length; what failed is its error.

        Raises :class:`~fm_hub.errors.UserError` where the server refuses the key or the model, or a request asks for
        what its dialect does not have. Interrupted, it leaves every answer that had come in the cache.
        """

        async def one(ask: Ask) -> Reply | ItemError:
            outcome = await self._once(ask)
            if on_done:
                on_done()
            return outcome

        async def every() -> list[Reply | ItemError]:
            tasks = [asyncio.ensure_future(one(a)) for a in asks]
            try:
                return list(await asyncio.gather(*tasks))
            finally:
                for task in tasks:
                    task.cancel()

        return self._run(every())

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the model was seen to do, tried out when it is first asked for. It costs three small requests."""

        def trial(ask: Ask) -> Reply | ItemError:
            body = self.dialect.body(ask, self.model)
            outcome = self._run(self._fresh("probe", ask, body, attempts=2, keep=False))
            if isinstance(outcome, BudgetSpent):
                raise UserError(f"{self.url}: cannot be tried out: {outcome}")
            return outcome

        return try_out(trial, self.dialect)

    @property
    def spent(self) -> Spent:
        """What all requests of the file of answers have cost."""

        async def read() -> Spent:
            return self._cache.spent()

        return self._run(read())

    def close(self) -> None:
        """End connections and the thread."""
        if self._loop.is_closed():
            return

        async def end() -> None:
            for task in list(self._flying.values()):
                task.cancel()
            await asyncio.gather(*self._flying.values(), return_exceptions=True)
            await self._transport.close()
            self._cache.close()

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _once(self, ask: Ask) -> Reply | ItemError:
        body = self.dialect.body(ask, self.model)
        key = key_of(self.url, self.dialect.name, {**body, "whole": ask.whole})
        found = self._cache.get(key)
        if found is None:
            if key not in self._flying:
                task = self._flying[key] = asyncio.ensure_future(self._fresh(key, ask, body, self.settings.attempts))
                task.add_done_callback(lambda t: self._landed(key, t))
            # An answer that is paid for is kept, also where nobody waits for it any more.
            found = await asyncio.shield(self._flying[key])
        else:
            self.counts["cached"] += 1
        self.counts[type(found).__name__ if isinstance(found, ItemError) else "ok"] += 1
        return found

    async def _fresh(
        self, key: str, ask: Ask, body: dict[str, Any], attempts: int, *, keep: bool = True
    ) -> Reply | ItemError:
        """Ask the server, again where that may help; outcome and price are on the disk before this returns."""
        guess = estimate(ask) - ask.max_tokens, ask.max_tokens
        outcome: Reply | ItemError = Unavailable("never asked")
        for attempt in range(attempts):
            try:
                held = self._purse.hold(*guess)
            except ItemError as e:
                return e
            tokens, estimated, wait = (0, 0), False, 0.0
            try:
                data = await self._send(ask, body)
                reply, told = _read(data)
                tokens, estimated = told or guess, told is None
                outcome = _judged(reply, ask, self.settings.longest_reply)
            except Failed as e:
                if e.status == 200:  # it did answer, and will charge for it
                    tokens, estimated = guess, True
                outcome, wait = self._failure(e, attempt)
            finally:
                self._purse.settle(held, *tokens)
            usd = self.settings.price.of(*tokens) if self.settings.price else 0.0
            last = attempt + 1 == attempts or not isinstance(outcome, Unavailable | Timeout)
            if last or any(tokens):
                self._cache.put(key, self.model, outcome, tokens, usd, estimated=estimated, keep=keep)
            if last:
                break
            if wait > self.settings.patience + 1.0:
                return Unavailable(f"{outcome}; the server asks to come back in {wait:.0f} s")
            await asyncio.sleep(wait)
        return outcome

    def _landed(self, key: str, task: asyncio.Task[Reply | ItemError]) -> None:
        self._flying.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains where the one who waited was interrupted

    async def _send(self, ask: Ask, body: dict[str, Any]) -> Any:
        async with self._slots:
            if self._requests:
                await self._requests.take()
            if self._tokens:
                await self._tokens.take(estimate(ask))
            await self._gate.wait()
            return await within(self.settings.timeout, self._transport.post(body))

    def _failure(self, failed: Failed, attempt: int) -> tuple[ItemError, float]:
        """What a failed attempt means, and how long to wait before the next. Raises what is for the user to mend."""
        status, said = failed.status, self._clean(str(failed))
        if status in (401, 403):
            raise UserError(f"{self.url}: refuses the key (status {status}); set FM_LLM_KEY to one that it takes")
        if status == 404:
            raise UserError(f"{self.url}: knows no model {self.model!r}, or no chat completions: {said}")
        if status == 429 and "insufficient_quota" in said:
            raise UserError(f"{self.url}: the account has no credit left: {said}")
        wait = backoff(attempt, self.settings.patience, self._rng)
        if failed.late:
            return Timeout(said), wait
        if status is None or status == 200:
            return Unavailable(said), wait
        if status in _LATER or (status >= 500 and status not in _NOT_LATER):
            asked = retry_after(failed.headers)
            if asked is not None and asked <= self.settings.patience:
                self._gate.shut(asked)
            # Above the time that was asked for, so that those who wait do not all come back in the same moment.
            return Unavailable(f"status {status}: {said}"), wait if asked is None else asked + min(wait, 1.0)
        return Rejected(f"status {status}: {said}"), 0.0

    def _clean(self, text: str) -> str:
        """One line for a log, without the key, which some servers repeat."""
        return " ".join((text.replace(self._key, "***") if self._key else text).split())[:280]


def _chosen(url: str, model: str, served: Sequence[str]) -> str:
    if model:
        if served and model not in served:
            raise UnknownName(f"model at {url}", model, served)
        return model
    if len(served) != 1:
        raise UserError(f"{url}: serves {len(served)} models; name one with --llm-model ({', '.join(served[:8])})")
    return served[0]


def _read(data: Any) -> tuple[Reply | Refusal, tuple[int, int] | None]:
    """The reply in a server's JSON, and the tokens it counted. Raises :class:`Failed`."""
    try:
        choice = data["choices"][0]
        message, finish = choice["message"], str(choice.get("finish_reason") or "stop")
        text = message.get("content")
        usage = data.get("usage") or {}
        told = (int(usage["prompt_tokens"]), int(usage["completion_tokens"])) if "prompt_tokens" in usage else None
        first = ((choice.get("logprobs") or {}).get("content") or [{}])[0]
        top = tuple((str(c["token"]), float(c["logprob"])) for c in first.get("top_logprobs") or ())
        refused = message.get("refusal") or (finish == "content_filter" and "a filter took the answer away")
        if not refused and text is not None and not isinstance(text, str):
            raise TypeError(text)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as e:
        raise Failed(f"the answer is not a chat completion ({type(e).__name__})", 200) from None
    if refused:
        return Refusal(" ".join(str(refused).split())[:280]), told
    return Reply(text or "", finish, top, *(told or (0, 0))), told


def _judged(reply: Reply | Refusal, ask: Ask, longest: int) -> Reply | ItemError:
    if isinstance(reply, Refusal):
        return reply
    if len(reply.text) > longest:
        return BadReply(f"{len(reply.text)} characters; at most {longest} are read")
    if ask.whole and reply.finish == "length":
        return CutOff(f"after {ask.max_tokens} tokens")
    return reply
