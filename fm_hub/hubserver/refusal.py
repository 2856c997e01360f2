"""What the Hub says no with: a status, a line, and the code that clients look at."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """An answer that is not a success; ``code`` is the header ``X-Error-Code`` that ``huggingface_hub`` reads."""

    def __init__(self, status: int, message: str, code: str = "", *, url: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.url = url
