"""Who gets in: reads and writes without a token, with a read token, as someone else, and paths that lead out."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

from bench import Row
from hub_clients import R

from fm_hub.hubserver.access import User, Users
from fm_hub.hubserver.server import LoopbackHub, serving

__all__ = ["doors"]

TOKENS = {"owner": "tok-owner-1", "reader": "tok-reader-2", "other": "tok-other-3"}
USERS = {
    TOKENS["owner"]: User("fm", "write"),
    TOKENS["reader"]: User("fm", "read"),
    TOKENS["other"]: User("eve", "write"),
}
PATHS = ("../x", "a/../../x", "/etc/x", "a//b", ".git/config", "a\\b", "a\x00b", "..", ".", "")
OID = "0" * 64
REFUSED = (401, 403, 404)  # a 400 would say that the question was wrong, not who asked it
READS = ("/revision/main", "/tree/main", "/refs", "/commits/main", "/discussions")
WRITES: tuple[tuple[str, str, object], ...] = (
    ("POST", "/commit/main", [{"key": "header", "value": {"summary": "x"}}]),
    ("POST", "/preupload/main", {"files": [{"path": "a", "size": 1, "sample": ""}]}),
    ("POST", "/tag/main", {"tag": "v9.9.9"}),
    ("DELETE", "/tag/v1.0.0", None),
    ("POST", "/branch/b", {}),
    ("PUT", "/settings", {"private": False}),
    ("POST", "/discussions", {"title": "x", "description": "", "pullRequest": True}),
    ("POST", "/discussions/1/merge", {}),
)


def ask(url: str, method: str, body: object, token: str | None) -> int:
    """The status of a request."""
    lines = "\n".join(map(json.dumps, body)) if isinstance(body, list) else json.dumps(body)
    head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else lines.encode()
    try:
        request = urllib.request.Request(url, data, head, method=method)  # noqa: S310 - our own loopback address
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as e:
        return e.code


def doors(folder: Path) -> list[Row]:
    """Try every door of a private repository as everybody who has no key to it."""
    let_in: list[str] = []
    tried = 0
    with serving(folder / "hub", users=Users.of(USERS)) as hub:
        owner = TOKENS["owner"]
        ask(f"{hub.url}/api/repos/create", "POST", {"name": "motion", "type": "dataset", "private": True}, owner)
        ask(f"{hub.url}/api/datasets/{R}/tag/main", "POST", {"tag": "v1.0.0"}, owner)
        base = f"{hub.url}/api/datasets/{R}"
        for who in (None, "tok-of-nobody", TOKENS["other"], TOKENS["reader"]):
            wanted = [(m, base + p, b) for m, p, b in WRITES]
            wanted += [
                ("POST", f"{hub.url}/api/repos/create", {"name": "new", "organization": "fm", "type": "dataset"})
            ]
            wanted += [("DELETE", f"{hub.url}/api/repos/delete", {"name": "motion", "organization": "fm"})]
            batch = {"operation": "upload", "objects": [{"oid": OID, "size": 1}]}
            wanted += [("POST", f"{hub.url}/datasets/{R}.git/info/lfs/objects/batch", batch)]
            wanted += [("PUT", f"{hub.url}/lfs/datasets/{R}/{OID}?size=1&until=9999999999&sig=0", "x")]
            if who != TOKENS["reader"]:  # who may read what is theirs
                wanted += [("GET", base + p, None) for p in READS]
                wanted += [("GET", f"{hub.url}/datasets/{R}/resolve/main/.gitattributes", None)]
            for method, url, body in wanted:
                tried += 1
                status = ask(url, method, body, who)
                let_in += [] if status in REFUSED else [f"{method} {url} {status}"]
        n, out = paths(hub, base)
        let_in += out
        kept = b"".join(p.read_bytes() for p in (folder / "hub").rglob("*") if p.is_file())
        told = [t for t in TOKENS.values() if t.encode() in kept or any(t in str(s) for s in hub.seen)]
        whole = ask(f"{base}/revision/v1.0.0", "GET", None, owner) == 200
    for line in let_in:
        print(line, file=sys.stderr)
    return [
        Row("requests without the right to them, and paths that lead out", tried + n, "requests", ">=", 60),
        Row("of these not refused", len(let_in), "", "<=", 0),
        Row("tokens in the log or in the folder of the Hub", len(told), "", "<=", 0),
        Row("the repository is as it was", float(whole), "", ">=", 1),
    ]


def paths(hub: LoopbackHub, base: str) -> tuple[int, list[str]]:
    """Files with names that lead out, as the owner: written, and read."""
    out = []
    for path in PATHS:
        file = {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}}
        head = {"key": "header", "value": {"summary": "out"}}
        status = ask(f"{base}/commit/main", "POST", [head, file], TOKENS["owner"])
        out += [f"write {path!r} {status}"] if status < 400 else []
    ways = ("..%2f..%2fhub.sqlite", "%2e%2e/%2e%2e/hub.sqlite", "..%5chub.sqlite", "%2fetc%2fpasswd")
    for way in ways:
        status = ask(f"{hub.url}/datasets/{R}/resolve/main/{way}", "GET", None, TOKENS["owner"])
        out += [f"read {way} {status}"] if status < 400 else []
    return len(PATHS) + len(ways), out
