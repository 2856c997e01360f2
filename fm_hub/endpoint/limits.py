"""What holds requests back: rates, waits between attempts, and the budget."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from fm_hub.errors import BudgetSpent, UserError

__all__ = ["Bucket", "Budget", "Gate", "Price", "Purse", "backoff", "retry_after"]

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
_UNITS = {"usd": 1.0, "tok": 1.0, "ktok": 1e3, "mtok": 1e6}


@dataclass(frozen=True)
class Price:
    """What a server charges, in US dollars for a million tokens read and written."""

    read: float
    written: float

    @classmethod
    def parse(cls, text: str) -> Price:
        """Read ``IN,OUT``.

        >>> Price.parse("0.15,0.6").of(1_000_000, 500_000)
        0.45
        """
        try:
            read, written = (float(x) for x in text.split(","))
        except ValueError:
            read = written = -1.0
        if not (0 <= read < float("inf") and 0 <= written < float("inf")):
            raise UserError(f"price {text!r}: give US dollars a million tokens, read and written, as in 0.15,0.60")
        return cls(read, written)

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of so many tokens, in US dollars."""
        return (prompt_tokens * self.read + completion_tokens * self.written) / 1e6


@dataclass(frozen=True)
class Budget:
    """The most that may be spent: US dollars, or tokens."""

    amount: float
    unit: Literal["usd", "tokens"]

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``5usd``, ``200000tok``, ``50ktok`` or ``2Mtok``.

        >>> Budget.parse("2Mtok")
        Budget(amount=2000000.0, unit='tokens')
        """
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(usd|tok|ktok|mtok)\s*", text, re.IGNORECASE)
        if not found:
            raise UserError(f"budget {text!r}: give dollars or tokens, as in 5usd, 50ktok or 2Mtok")
        unit = found[2].lower()
        return cls(float(found[1]) * _UNITS[unit], "usd" if unit == "usd" else "tokens")


class Purse:
    """Keeps spending within a budget: holds the estimate of each request back until its true price is known."""

    def __init__(self, budget: Budget | None, price: Price | None, spent_tokens: int, spent_usd: float) -> None:
        if budget and budget.unit == "usd" and price is None:
            raise UserError("a budget in dollars needs a price: name the server's, or give the budget in tokens")
        self.budget, self.price = budget, price
        self.spent = spent_usd if budget and budget.unit == "usd" else float(spent_tokens)
        self._held = 0.0

    def _amount(self, prompt_tokens: int, completion_tokens: int) -> float:
        if self.budget and self.budget.unit == "usd" and self.price:
            return self.price.of(prompt_tokens, completion_tokens)
        return float(prompt_tokens + completion_tokens)

    def hold(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Set aside what a request may cost. Raises :class:`~fm_hub.errors.BudgetSpent`."""
        amount = self._amount(prompt_tokens, completion_tokens)
        if self.budget and self.spent + self._held + amount > self.budget.amount:
            raise BudgetSpent(f"{self.spent:.6g} of {self.budget.amount:.6g} {self.budget.unit} are spent; raise it")
        self._held += amount
        return amount

    def settle(self, held: float, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        """Give back what was held, and count what it did cost."""
        self._held -= held
        self.spent += self._amount(prompt_tokens, completion_tokens)


class Bucket:
    """A token bucket: ``per_minute`` units flow in evenly, and at most a tenth of a minute's are in store.

    A request that is larger than the store is let through once the bucket is full, and leaves a debt.
    """

    def __init__(self, per_minute: float, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        if per_minute <= 0:
            raise UserError(f"a rate of {per_minute:g} a minute: must be above 0")
        self._rate, self._store = per_minute / 60, max(1.0, per_minute / 10)
        self._level, self._clock, self._sleep = self._store, clock, sleep
        self._last = clock()

    async def take(self, n: float = 1.0) -> None:
        """Wait until ``n`` units are there, and take them."""
        while True:
            now = self._clock()
            self._level = min(self._store, self._level + (now - self._last) * self._rate)
            self._last = now
            missing = min(n, self._store) - self._level
            if missing <= 1e-9:
                self._level -= n
                return
            await self._sleep(missing / self._rate)


class Gate:
    """Lets nobody through before a time that a server named: one 429 holds back all requests, not only its own."""

    def __init__(self, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._clock, self._sleep, self._until = clock, sleep, 0.0

    def shut(self, seconds: float) -> None:
        """Stay shut for so long from now on, at least."""
        self._until = max(self._until, self._clock() + seconds)

    async def wait(self) -> None:
        """Wait until the gate is open."""
        while (rest := self._until - self._clock()) > 0:
            await self._sleep(rest)


def backoff(attempt: int, cap: float, rng: random.Random, base: float = 0.5) -> float:
    """Seconds before the next attempt: full jitter below an exponential bound ("Exponential Backoff And Jitter", AWS).

    >>> all(0 <= backoff(9, 30, random.Random(i)) <= 30 for i in range(99))
    True
    """
    return rng.uniform(0, min(cap, base * 2**attempt))


def retry_after(headers: Mapping[str, str], now: Clock = time.time) -> float | None:
    """Seconds that a server asks to wait (``Retry-After`` in seconds or as a date, ``retry-after-ms``), or None.

    >>> retry_after({"retry-after": "3"}), retry_after({"retry-after": "soon"}), retry_after({})
    (3.0, None, None)
    """
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", headers.get(name, "")):
            return float(headers[name]) * scale
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, when.timestamp() - now())
