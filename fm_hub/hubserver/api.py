"""The handlers that answer with JSON: pure functions of a :class:`Call`, run in threads."""

from __future__ import annotations

import base64
import fnmatch
import itertools
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from fm_hub.hubserver.call import Call
from fm_hub.hubserver.cards import check_card, front_matter
from fm_hub.hubserver.refusal import Refusal
from fm_hub.hubserver.store import Commit, Repo
from fm_hub.hubserver.trees import Entry, check_path

__all__ = [
    "Answer",
    "auth_check",
    "commits",
    "create_branch",
    "create_repo",
    "create_tag",
    "delete_branch",
    "delete_repo",
    "delete_tag",
    "info",
    "lfs_batch",
    "list_repos",
    "paths_info",
    "preupload",
    "refs",
    "settings",
    "tree",
    "validate_yaml",
    "whoami",
    "xet_token",
]

LARGE_SUFFIXES = ("7z", "arrow", "avi", "bin", "gz", "mkv", "mov", "mp4", "npy", "npz", "parquet", "tar", "webm", "zip")
LARGE_BYTES = 10 << 20
ATTRIBUTES = "".join(f"*.{s} filter=lfs diff=lfs merge=lfs -text\n" for s in LARGE_SUFFIXES)
PAGE = 1000
MAX_BATCH = 1000


class Answer:
    """An answer with more than a JSON body."""

    def __init__(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.body = body
        self.status = status
        self.headers = headers or {}


def whoami(call: Call) -> Any:
    """Who the token belongs to."""
    user = call.user
    if user is None:
        raise Refusal(401, "Invalid username or password.")
    auth = {"type": "access_token", "accessToken": {"displayName": user.name, "role": user.role}}
    orgs = [{"type": "org", "name": o} for o in user.orgs]
    return {"type": "user", "name": user.name, "fullname": user.name, "isPro": False, "orgs": orgs, "auth": auth}


def create_repo(call: Call) -> Any:
    """Make a dataset repository."""
    user, name = call.writer(), call.field("name", str)
    if call.body.get("type") != "dataset":
        raise Refusal(400, "This Hub holds datasets only: give repo_type='dataset'")
    owner = call.body.get("organization") or user.name
    if not user.may_write(str(owner)):
        raise Refusal(403, f"{user.name} may not create a repository under {owner}")
    private = bool(call.body.get("private")) or call.body.get("visibility") == "private"
    files: dict[tuple[str, ...], Entry] = {(".gitattributes",): call.hub.store.put_blob(ATTRIBUTES.encode())}
    repo = call.hub.store.create(f"{owner}/{name}", private=private, author=user.name, files=files)
    return {"url": f"{call.base}/datasets/{repo.name}", "name": repo.name, "id": repo.name}


def delete_repo(call: Call) -> Any:
    """Remove a dataset repository."""
    name = call.field("name", str)
    owner = call.body.get("organization") or call.writer().name
    repo, _ = Call(call.hub, call.user, call.base, {"owner": str(owner), "name": name}, {}).owner()
    call.hub.store.delete(repo.name)
    return {}


def list_repos(call: Call) -> Any:
    """The datasets that the user may see."""
    query = call.query
    out = []
    for repo in call.hub.store.repos():
        mine = call.user is not None and call.user.owns(repo.namespace)
        wanted = query.get("search", "").lower() in repo.name.lower() and query.get("author") in (None, repo.namespace)
        if wanted and (mine or not repo.private):
            out.append(_info(call, repo, call.hub.store.commit(repo.name, "main"), files=False))
    return out[: int(query.get("limit") or len(out))]


def info(call: Call) -> Any:
    """A dataset at a revision."""
    repo = call.repo()
    commit = call.hub.store.commit(repo.name, call.at.get("rev", "main"))
    return _info(call, repo, commit, files=True)


def _info(call: Call, repo: Repo, commit: Commit, *, files: bool) -> dict[str, Any]:
    first = {"id": repo.name, "author": repo.namespace, "sha": commit.sha, "private": repo.private}
    out: dict[str, Any] = {**first, "gated": repo.gated or False, "disabled": False, "downloads": 0, "likes": 0}
    out |= {"createdAt": repo.created, "lastModified": commit.date, "tags": [], "cardData": None}
    if files:
        sizes = call.query.get("blobs", "").lower() in ("1", "true")
        with call.hub.store.transaction():
            walk = call.hub.store.trees.walk(commit.tree)
            found = [(path, e) for path, e in walk if e.kind == "file"]
        out["siblings"] = [_sibling(path, e, sizes=sizes) for path, e in found]
        out["cardData"] = _card_data(call, dict(found).get("README.md"))
        tags = (out["cardData"] or {}).get("tags")
        out["tags"] = [t for t in tags if isinstance(t, str)] if isinstance(tags, list) else []
    return out


def _sibling(path: str, e: Entry, *, sizes: bool) -> dict[str, Any]:
    if not sizes:
        return {"rfilename": path}
    lfs = {"lfs": {"sha256": e.lfs, "size": e.size, "pointerSize": 130}} if e.lfs else {}
    return {"rfilename": path, "size": e.size, "blobId": e.oid, **lfs}


def _card_data(call: Call, entry: Entry | None) -> dict[str, Any] | None:
    if entry is None or entry.lfs:
        return None
    try:
        return front_matter(call.hub.store.git_path(entry.oid).read_text(encoding="utf-8"))
    except ValueError:
        return None


def auth_check(call: Call) -> Any:
    """Nothing, if the user may read the dataset."""
    call.content()
    return {}


def settings(call: Call) -> Any:
    """Change visibility and gating."""
    repo, _ = call.owner()
    body = call.body or {}
    private = body.get("private", {"private": True, "public": False}.get(str(body.get("visibility"))))
    gated = body.get("gated")
    if gated not in (None, False, "auto", "manual"):
        raise Refusal(400, "gated is 'auto', 'manual' or false")
    call.hub.store.change(repo.name, private=private, gated=None if gated is None else gated or "")
    return {}


def validate_yaml(call: Call) -> Any:
    """Check a card's front matter."""
    errors, warnings = check_card(call.field("content", str))
    body = {"errors": [{"message": m} for m in errors], "warnings": [{"message": m} for m in warnings]}
    return Answer(body, 400 if errors else 200)


def refs(call: Call) -> Any:
    """Branches, tags and pull requests."""
    repo, store = call.repo(), call.hub.store

    def some(prefix: str) -> list[dict[str, str]]:
        found = store.refs(repo.name, prefix)
        return [{"name": n, "ref": prefix + n, "targetCommit": target} for n, target in found.items()]

    out = {"branches": some("refs/heads/"), "tags": some("refs/tags/"), "converts": []}
    return {**out, "pullRequests": some("refs/pr/")} if call.query.get("include_prs") else out


def commits(call: Call) -> Any:
    """The history of a revision, newest first."""
    repo, store = call.repo(), call.hub.store
    with store.transaction():
        found = list(store.history(repo.name, store.commit(repo.name, call.at["rev"]).sha))
    keys = [{"id": c.sha, "title": c.title, "message": c.message, "date": c.date} for c in found]
    return [{**k, "authors": [{"user": c.author}]} for k, c in zip(keys, found, strict=True)]


def _path_info(path: str, e: Entry, commit: Commit, *, expand: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"type": e.kind, "oid": e.oid, "size": e.size, "path": path}
    if e.lfs:
        out["lfs"] = {"oid": e.lfs, "size": e.size, "pointerSize": 130}
    if expand:
        out["lastCommit"] = {"id": commit.sha, "title": commit.title, "date": commit.date}
    return out


def tree(call: Call) -> Any:
    """The files and folders below a path, a page at a time."""
    repo, store = call.repo(), call.hub.store
    path = call.at.get("path", "").strip("/")
    flags = {k: call.query.get(k, "").lower() in ("1", "true") for k in ("recursive", "expand")}
    start, size = int(call.query.get("cursor", 0)), min(int(call.query.get("limit", PAGE)), PAGE)
    with store.transaction():
        commit = store.commit(repo.name, call.at["rev"])
        top = store.trees.find(commit.tree, check_path(path) if path else ())
        if top is None or top.kind != "directory":
            raise Refusal(404, f'{path} does not exist on "{call.at["rev"]}"', "EntryNotFound")
        walk = store.trees.walk(top.oid, f"{path}/" if path else "", recursive=flags["recursive"])
        page = list(itertools.islice(walk, start, start + size + 1))
    body = [_path_info(p, e, commit, expand=flags["expand"]) for p, e in page[:size]]
    if len(page) <= size:
        return body
    where = f"/api/datasets/{repo.name}/tree/{commit.sha}" + (f"/{path}" if path else "")
    more = urlencode({**call.query, "cursor": start + size})
    return Answer(body, headers={"Link": f'<{call.base}{where}?{more}>; rel="next"'})


def paths_info(call: Call) -> Any:
    """What some paths are; one that does not exist is left out."""
    repo, store = call.repo(), call.hub.store
    paths = call.body.get("paths", []) if isinstance(call.body, dict) else []
    paths = paths if isinstance(paths, list) else [paths]
    expand = str(call.body.get("expand", "")).lower() in ("1", "true", "['true']")
    out = []
    with store.transaction():
        commit = store.commit(repo.name, call.at["rev"])
        for path in (str(p).strip("/") for p in paths[:MAX_BATCH]):
            entry = store.trees.find(commit.tree, check_path(path) if path else ())
            if entry:
                out.append(_path_info(path, entry, commit, expand=expand))
    return out


def create_branch(call: Call) -> Any:
    """Make a branch at a revision."""
    repo, _ = call.owner()
    start = str((call.body or {}).get("startingPoint") or "main")
    target = call.hub.store.commit(repo.name, start).sha
    call.hub.store.add_ref(repo.name, f"refs/heads/{call.at['rev']}", target)
    return {}


def delete_branch(call: Call) -> Any:
    """Remove a branch, but not main."""
    repo, _ = call.owner()
    if call.at["rev"] == "main":
        raise Refusal(403, "The branch main cannot be removed")
    call.hub.store.delete_ref(repo.name, f"refs/heads/{call.at['rev']}")
    return {}


def create_tag(call: Call) -> Any:
    """Make a tag at a revision; one that exists is never moved."""
    repo, _ = call.owner()
    target = call.hub.store.commit(repo.name, call.at["rev"]).sha
    call.hub.store.add_ref(repo.name, f"refs/tags/{call.field('tag', str)}", target)
    return {}


def delete_tag(call: Call) -> Any:
    """Remove a tag."""
    repo, _ = call.owner()
    call.hub.store.delete_ref(repo.name, f"refs/tags/{call.at['rev']}")
    return {}


def preupload(call: Call) -> Any:
    """For each file of a coming commit: small or large, ignored or not, and what is there now."""
    repo, store = call.content(), call.hub.store
    call.writer()
    patterns = str(call.body.get("gitIgnore") or "").splitlines()
    ignored = [p.strip() for p in patterns if p.strip() and not p.startswith("#")]
    out = []
    with store.transaction():
        root = store.commit(repo.name, call.at["rev"]).tree
        for f in call.field("files", list)[:MAX_BATCH]:
            path, size = str(f["path"]), int(f["size"])
            sample = base64.b64decode(f.get("sample") or "")
            large = size > LARGE_BYTES or path.lower().rpartition(".")[2] in LARGE_SUFFIXES or b"\0" in sample
            entry = store.trees.find(root, check_path(path))
            have = {"oid": entry.lfs or entry.oid} if entry and entry.kind == "file" else {}
            drop = any(fnmatch.fnmatch(path, p) or fnmatch.fnmatch(path.rpartition("/")[2], p) for p in ignored)
            mode = "lfs" if large else "regular"
            out.append({"path": path, "uploadMode": mode, "shouldIgnore": drop, **have})
    return {"files": out}


def lfs_batch(call: Call) -> Any:
    """Where to send large files; one that the repository has needs no sending."""
    repo, store = call.content(), call.hub.store
    call.writer()
    if call.body.get("operation") != "upload":
        raise Refusal(400, "Large files are downloaded by their address; this is for uploads")
    return Answer(
        {"transfer": "basic", "objects": list(_batch(call, repo, call.field("objects", list)[:MAX_BATCH], store))},
        headers={"Content-Type": "application/vnd.git-lfs+json"},
    )


def _batch(call: Call, repo: Repo, objects: list[Any], store: Any) -> Iterator[dict[str, Any]]:
    for wanted in objects:
        oid, size = str(wanted["oid"]), int(wanted["size"])
        if len(oid) != 64 or set(oid) - set("0123456789abcdef") or size < 0:
            raise Refusal(422, "An object is named by the SHA-256 of its bytes")
        out: dict[str, Any] = {"oid": oid, "size": size}
        if store.has_lfs(repo.name, oid) is None:
            at = f"{call.base}/lfs/datasets/{repo.name}/{oid}"
            signed = call.hub.signer.sign(repo.name, oid, size)
            out["actions"] = {"upload": {"href": f"{at}?{signed}"}, "verify": {"href": f"{at}/verify?{signed}"}}
        yield out


def xet_token(call: Call) -> Any:
    """Where a Xet client finds its store, if this Hub was started with one."""
    call.content()
    if not call.hub.xet:
        raise Refusal(404, "This Hub has no Xet store: set HF_HUB_DISABLE_XET=1", "EntryNotFound")
    until = int(time.time()) + 3600
    headers = {"X-Xet-Cas-Url": call.hub.xet, "X-Xet-Token-Expiration": str(until), "X-Xet-Access-Token": "local"}
    return Answer({"casUrl": call.hub.xet, "exp": until, "accessToken": "local"}, headers=headers)
