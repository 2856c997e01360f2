"""One request as the handlers see it, and the hub that they serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fm_hub.hubserver.access import Signer, User, Users
from fm_hub.hubserver.pulls import Pulls
from fm_hub.hubserver.refusal import Refusal
from fm_hub.hubserver.store import Repo, Store

__all__ = ["Call", "Hub"]


@dataclass
class Hub:
    """What all handlers share. ``xet`` is a local Xet store (``local:///folder``) for measuring; usually none."""

    store: Store
    users: Users
    xet: str = ""
    signer: Signer = field(default_factory=Signer)

    @property
    def pulls(self) -> Pulls:
        """The discussions."""
        return Pulls(self.store)


@dataclass(frozen=True)
class Call:
    """A request whose small body was read: path parts decoded one by one, query, JSON, and who asks."""

    hub: Hub
    user: User | None
    base: str
    at: dict[str, str]
    query: dict[str, str]
    body: Any = None

    def repo(self) -> Repo:
        """The repository that is spoken of, if the user may read it. Raises :class:`Refusal`.

        One that is private is not there for others: the answer is the same as for a name that nobody took.
        """
        try:
            found = self.hub.store.repo(f"{self.at['owner']}/{self.at['name']}")
        except KeyError:
            found = None
        if found is None or (found.private and not (self.user and self.user.owns(found.namespace))):
            raise Refusal(404 if self.user else 401, "Repository not found", "RepoNotFound")
        return found

    def content(self) -> Repo:
        """The repository, if the user may read its files. Raises :class:`Refusal`."""
        repo = self.repo()
        if repo.gated and not (self.user and self.user.owns(repo.namespace)):
            message = f"Access to dataset {repo.name} is restricted. Ask for access on its page."
            raise Refusal(403 if self.user else 401, message, "GatedRepo")
        return repo

    def writer(self) -> User:
        """The user, if they may change anything at all. Raises :class:`Refusal`."""
        if self.user is None:
            raise Refusal(401, "A token is needed for this")
        if self.user.role != "write":
            raise Refusal(403, "This token may only read")
        return self.user

    def owner(self) -> tuple[Repo, User]:
        """Repository and user, if the user may change the repository. Raises :class:`Refusal`."""
        repo, user = self.repo(), self.writer()
        if not user.may_write(repo.namespace):
            raise Refusal(403, f"{user.name} may not change {repo.name}; open a pull request")
        return repo, user

    def contributor(self, ref: str) -> tuple[Repo, User]:
        """Repository and user, if the user may add commits to a ref: owners, and authors of a pull request."""
        if ref.startswith("refs/pr/") and ref[8:].isdigit():
            repo, user = self.repo(), self.writer()
            if self.hub.pulls.get(repo, int(ref[8:])).author == user.name:
                return repo, user
        return self.owner()

    def field(self, name: str, kind: type) -> Any:
        """A field of the JSON body. Raises :class:`Refusal` (400)."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if not isinstance(value, kind):
            raise Refusal(400, f"The body needs {name!r} of type {kind.__name__}")
        return value
