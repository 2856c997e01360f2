"""Who is asking, and what they may do. Tokens are compared by hash and kept nowhere.

Without a file of users every token belongs to one user, ``local``, who owns everything: a Hub for one person on
one machine. With a file, tokens are known by their SHA-256 alone, so that no token stands in a file either.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fm_hub.errors import UserError
from fm_hub.hubserver.refusal import Refusal

__all__ = ["Signer", "User", "Users"]

UPLOAD_SECONDS = 3600


@dataclass(frozen=True)
class User:
    """Someone with a token. ``everything`` is the single user of a Hub without a file of users."""

    name: str
    role: Literal["read", "write"] = "write"
    orgs: tuple[str, ...] = ()
    everything: bool = False

    def owns(self, namespace: str) -> bool:
        """Whether a namespace is this user's, or one of their organisations'."""
        return self.everything or namespace == self.name or namespace in self.orgs

    def may_write(self, namespace: str) -> bool:
        """Whether this user may change repositories of a namespace."""
        return self.role == "write" and self.owns(namespace)


class _UserEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$")
    token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: Literal["read", "write"] = "read"
    orgs: tuple[str, ...] = ()


class _UsersFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: list[_UserEntry] = Field(min_length=1)


class Users:
    """The users of a Hub, by the SHA-256 of their tokens; None means one user who owns everything."""

    def __init__(self, by_hash: dict[str, User] | None = None) -> None:
        self._by_hash = by_hash

    @property
    def open(self) -> bool:
        """Whether any token will do."""
        return self._by_hash is None

    @classmethod
    def of(cls, tokens: dict[str, User]) -> Users:
        """Users by their tokens in clear, for programs that hold them anyway."""
        return cls({_hash(token): user for token, user in tokens.items()})

    @classmethod
    def read(cls, path: Path) -> Users:
        """Users of a TOML file with tables ``[[user]]``: name, token_sha256, role, orgs. Raises :class:`UserError`."""
        try:
            entries = _UsersFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).user
        except (OSError, tomllib.TOMLDecodeError) as e:
            raise UserError(f"{path}: no file of users: {e}") from None
        except ValidationError as e:
            where = ".".join(map(str, e.errors()[0]["loc"]))
            raise UserError(f"{path}: {where}: {e.errors()[0]['msg']}") from None
        return cls({u.token_sha256: User(u.name, u.role, u.orgs) for u in entries})

    def of_header(self, authorization: str | None) -> User | None:
        """The user of an ``Authorization`` header, None without one. Raises :class:`Refusal` on an unknown token."""
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refusal(401, "Invalid credentials in Authorization header")
        if self._by_hash is None:
            return User("local", everything=True)
        user = self._by_hash.get(_hash(token.strip()))
        if user is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return user


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Signer:
    """Signs upload addresses: the clients send bytes without their token, as they do to a store of blobs."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def sign(self, repo: str, oid: str, size: int) -> str:
        """The query string that allows one upload of one object, for an hour."""
        until = int(time.time()) + UPLOAD_SECONDS
        return f"size={size}&until={until}&sig={self._mac(repo, oid, size, until)}"

    def check(self, repo: str, oid: str, size: int, until: int, sig: str) -> None:
        """Raises :class:`Refusal` unless the query is one of ours and not too old."""
        if not hmac.compare_digest(sig, self._mac(repo, oid, size, until)) or until < time.time():
            raise Refusal(403, "This upload address is not valid, or no longer; ask for a new one")

    def _mac(self, repo: str, oid: str, size: int, until: int) -> str:
        return hmac.new(self._key, f"{repo}\n{oid}\n{size}\n{until}".encode(), hashlib.sha256).hexdigest()
