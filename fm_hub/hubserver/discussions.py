"""The handlers of discussions and pull requests."""

from __future__ import annotations

from typing import Any

from fm_hub.hubserver.call import Call
from fm_hub.hubserver.refusal import Refusal

__all__ = ["discussion", "discussions", "open_discussion", "post_to_discussion"]


def discussions(call: Call) -> Any:
    """Discussions and pull requests, newest first, a page at a time."""
    repo, q, size = call.repo(), call.query, 50
    found = [d for d in call.hub.pulls.all(repo) if q.get("author") in (None, d.author)]
    if q.get("type") in ("discussion", "pull_request"):
        found = [d for d in found if d.is_pr == (q["type"] == "pull_request")]
    if q.get("status") in ("open", "closed"):  # a draft counts as open, what is merged as closed
        found = [d for d in found if (d.status in ("open", "draft")) == (q["status"] == "open")]
    start = int(q.get("p", 0)) * size
    page = [d.head() for d in found[start : start + size]]
    return {"discussions": page, "count": len(found), "start": start}


def open_discussion(call: Call) -> Any:
    """Start a discussion, or a pull request as a draft."""
    repo, user, is_pr = call.content(), call.writer(), bool(call.body.get("pullRequest"))
    text, title = call.field("description", str), call.field("title", str)
    status = "draft" if is_pr else "open"
    d = call.hub.pulls.open(repo, title=title, text=text, author=user.name, is_pr=is_pr, status=status)
    return {"num": d.num, "url": f"{call.base}/datasets/{repo.name}/discussions/{d.num}"}


def discussion(call: Call) -> Any:
    """One discussion with its events."""
    return call.hub.pulls.details(call.repo(), _number(call), diff=bool(call.query.get("diff")))


def _number(call: Call) -> int:
    if not call.at["num"].isdigit():
        raise Refusal(404, "No such discussion", "EntryNotFound")
    return int(call.at["num"])


def post_to_discussion(call: Call) -> Any:
    """Comment, rename, open, close or merge."""
    num, body, pulls = _number(call), call.body or {}, call.hub.pulls
    text = str(body.get("comment") or "")
    repo, user = call.content(), call.writer()
    mine = user.may_write(repo.namespace) or pulls.get(repo, num).author == user.name
    match call.at["action"]:
        case "comment":
            return {"newMessage": pulls.comment(repo, num, text, user.name)}
        case "title" if mine:
            return {"newTitle": pulls.rename(repo, num, call.field("title", str), user.name)}
        case "status" if mine:
            return {"newStatus": pulls.set_status(repo, num, call.field("status", str), text, user.name)}
        case "merge":
            repo, user = call.owner()
            return {"newStatus": pulls.merge(repo, num, text, user.name)}
        case "title" | "status":
            raise Refusal(403, f"{user.name} may not change this discussion")
    raise Refusal(404, "No such action", "EntryNotFound")
