"""Bytes in and out, block by block: uploads, commits, downloads. Memory does not grow with the files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from fm_hub.hubserver.access import User
from fm_hub.hubserver.api import LARGE_BYTES
from fm_hub.hubserver.call import Call
from fm_hub.hubserver.refusal import Refusal
from fm_hub.hubserver.store import Repo
from fm_hub.hubserver.trees import Entry, check_path

__all__ = ["commit", "put_lfs", "resolve", "verify_lfs"]

MAX_LINE = 2 * LARGE_BYTES  # a small file in base64, with room
BLOCK = 1 << 20


def _signed(call: Call) -> tuple[str, str, int]:
    """Repository, object and size of a signed address. Raises :class:`Refusal`."""
    repo, oid = f"{call.at['owner']}/{call.at['name']}", call.at["oid"]
    try:
        size, until = int(call.query["size"]), int(call.query["until"])
        sig = call.query["sig"]
    except (KeyError, ValueError):
        raise Refusal(403, "This upload address is not valid; ask for a new one") from None
    call.hub.signer.check(repo, oid, size, until, sig)
    return repo, oid, size


async def put_lfs(call: Call, request: Request) -> Response:
    """Take a large file, check that it has the hash that names it, and only then keep it."""
    repo, oid, size = _signed(call)
    store = call.hub.store
    temp, digest, n = store.incoming(), hashlib.sha256(), 0
    try:
        with open(temp, "wb") as f:
            async for block in _blocks(request):
                n += len(block)
                if n > size:
                    raise Refusal(400, f"More than the {size} bytes that were announced")
                digest.update(block)
                await to_thread.run_sync(f.write, block)
            f.flush()
            await to_thread.run_sync(os.fsync, f.fileno())
        if n != size or digest.hexdigest() != oid:
            raise Refusal(400, f"These {n} bytes are not the object {oid[:12]}… of {size} bytes")
        store.land(temp, store.lfs_path(oid))
        await to_thread.run_sync(store.add_lfs, repo, oid, size)
    finally:
        temp.unlink(missing_ok=True)
    return Response(status_code=200)


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body in blocks of about a megabyte: fewer changes of thread."""
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) >= BLOCK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def verify_lfs(call: Call, request: Request) -> Response:
    """Say that a large file has arrived, or not."""
    await request.body()
    repo, oid, size = _signed(call)
    if call.hub.store.has_lfs(repo, oid) != size:
        raise Refusal(404, f"The object {oid[:12]}… has not arrived", "EntryNotFound")
    return JSONResponse({"message": "ok"})


@dataclass
class _Draft:
    """A commit while its lines come in."""

    summary: str = ""
    description: str = ""
    parent: str = ""
    changes: dict[tuple[str, ...], Entry | None] = field(default_factory=dict)


async def commit(call: Call, request: Request) -> Response:
    """Take a commit as JSON lines: a header, then files, pointers and removals. All of it lands, or nothing."""
    create_pr = call.query.get("create_pr") == "1"
    store = call.hub.store
    repo, user, ref = await to_thread.run_sync(_may_commit, call, create_pr)
    draft = _Draft()
    async for line in _lines(request):
        await to_thread.run_sync(_take_line, call, repo, draft, line)
    if not draft.summary:
        raise Refusal(400, "A commit needs a summary")

    def land() -> tuple[str, int]:
        what = {"title": draft.summary, "message": draft.description, "author": user.name, "parent": draft.parent}
        with store.transaction():
            num, target = 0, ref
            if create_pr:
                text, title = draft.description, draft.summary
                d = call.hub.pulls.open(repo, title=title, text=text, author=user.name, is_pr=True, status="open")
                num, target = d.num, d.ref
            elif ref.startswith("refs/pr/"):
                num = int(ref[8:])
                if call.hub.pulls.get(repo, num).status in ("merged", "closed"):
                    raise Refusal(409, "This pull request is closed")
            made = store.add_commit(repo.name, target, draft.changes, **what)
            if num:
                call.hub.pulls.note_commit(repo, num, made)
        return made.sha, num

    sha, num = await to_thread.run_sync(land)
    page = f"{call.base}/datasets/{repo.name}"
    out = {"success": True, "commitOid": sha, "commitUrl": f"{page}/commit/{sha}", "hookOutput": ""}
    return JSONResponse({**out, "pullRequestUrl": f"{page}/discussions/{num}"} if create_pr else out)


def _may_commit(call: Call, create_pr: bool) -> tuple[Repo, User, str]:
    """Repository, user and ref of a commit. Raises :class:`Refusal`."""
    rev = call.at["rev"]
    if create_pr:
        repo, user = call.content(), call.writer()
        if rev not in ("main", "refs/heads/main"):
            raise Refusal(400, "A pull request is made against main")
        return repo, user, "refs/heads/main"
    ref = call.hub.store.ref_of(call.repo().name, rev)
    if ref is None or ref.startswith("refs/tags/"):
        raise Refusal(400 if ref else 404, f"{rev} is not a branch", "" if ref else "RevisionNotFound")
    return (*call.contributor(ref), ref)


async def _lines(request: Request) -> AsyncIterator[bytes]:
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if b"\n" in chunk:
            *lines, rest = bytes(held).split(b"\n")
            for line in lines:
                if line.strip():
                    yield line
            held = bytearray(rest)
        if len(held) > MAX_LINE:
            raise Refusal(413, "A small file is too large; send it as a large file")
    if held.strip():
        yield bytes(held)


def _take_line(call: Call, repo: Repo, draft: _Draft, line: bytes) -> None:
    try:
        item = json.loads(line)
        key, value = item["key"], item["value"]
        if key == "header":
            draft.summary, draft.description = str(value["summary"]), str(value.get("description") or "")
            draft.parent = str(value.get("parentCommit") or "")
        elif key == "file":
            draft.changes[check_path(value["path"])] = call.hub.store.put_blob(_content(value))
        elif key == "lfsFile":
            draft.changes[check_path(value["path"])] = _pointer(call, repo, value)
        elif key in ("deletedFile", "deletedFolder"):
            draft.changes[check_path(value["path"].rstrip("/"))] = None
        else:
            raise Refusal(400, f"Unknown operation {str(key)[:40]!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise Refusal(400, f"A line of the commit is malformed: {type(e).__name__}") from None


def _content(value: dict[str, Any]) -> bytes:
    if value.get("encoding", "base64") != "base64":
        raise Refusal(400, "Only base64 is understood")
    try:
        data = base64.b64decode(value["content"], validate=True)
    except binascii.Error:
        raise Refusal(400, "The content of a file is not base64") from None
    if len(data) > LARGE_BYTES:
        raise Refusal(413, "A small file is too large; send it as a large file")
    return data


def _pointer(call: Call, repo: Repo, value: dict[str, Any]) -> Entry:
    oid = str(value["oid"])
    size = call.hub.store.has_lfs(repo.name, oid)
    if size is None and call.hub.xet:  # the bytes went to the Xet store, not through this Hub
        size = int(value["size"])
    if size is None:
        raise Refusal(400, f"Large file {str(value['path'])[:80]!r}: its bytes were not uploaded")
    return call.hub.store.lfs_entry(oid, size)


async def resolve(call: Call, request: Request) -> Response:
    """A file at a revision, or a part of it."""
    store = call.hub.store

    def look() -> tuple[str, Entry | None]:
        repo = call.content()
        with store.transaction():
            at = store.commit(repo.name, call.at["rev"])
            try:
                return at.sha, store.trees.find(at.tree, check_path(call.at["path"]))
            except Refusal:
                return at.sha, None

    sha, entry = await to_thread.run_sync(look)
    headers = {"X-Repo-Commit": sha}
    if entry is None or entry.kind != "file":
        said = {**headers, "X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
        return Response("Entry not found", 404, said, "text/plain")
    etag = f'"{entry.lfs or entry.oid}"'
    headers |= {"ETag": etag, "Accept-Ranges": "bytes"}
    if entry.lfs:
        headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(entry.size)}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    path = store.lfs_path(entry.lfs) if entry.lfs else store.git_path(entry.oid)
    if not path.is_file():  # only with a Xet store, from which this Hub cannot read
        raise Refusal(404, "The bytes of this file are in the Xet store only", "EntryNotFound")
    # Never a type that a browser would run: what lies here was written by others.
    safe = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
    return FileResponse(path, headers={**headers, **safe}, media_type="application/octet-stream")
