"""Every request that the loopback Hub knows, by everyone who may not make it: refused, and no token in any log."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from fm_hub.hubserver.server import ROUTES, LoopbackHub
from loopback import TOKENS, hub_in

R, D = "acme/secret", "dataset"
WHO = {"nobody": None, "wrong": "tok-nobody", "reader": TOKENS["reader"], "other": TOKENS["other"]}
READS = {"info", "auth-check", "refs", "commits", "tree", "paths-info", "discussions", "discussion", "resolve"}
OF_EVERYONE = {"whoami", "validate-yaml", "list"}  # they speak of no repository


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with hub_in(tmp_path / "hub", monkeypatch) as running:
        api = HfApi(endpoint=running.url, token=TOKENS["owner"])
        api.create_repo(R, repo_type=D, private=True)
        add = [CommitOperationAdd("a.txt", b"secret"), CommitOperationAdd("d/b.bin", b"\0secret")]
        api.create_commit(R, add, commit_message="one", repo_type=D)
        api.create_discussion(R, "talk", repo_type=D)
        api.create_pull_request(R, "change", repo_type=D)
        api.create_tag(R, tag="v1.0.0", repo_type=D)
        running.seen.clear()
        yield running


def ask(hub: LoopbackHub, method: str, path: str, token: str | None, body: bytes | None = None) -> tuple[int, bytes]:
    head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(hub.url + path, body, head, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def filled(path: str) -> str:
    path = path.replace("tree/{rev}/{path:path}", "tree/{rev}/d")
    parts = {"owner": "acme", "name": "secret", "rev": "main", "path:path": "a.txt", "num": "1", "action": "comment"}
    parts["oid"] = "0" * 64
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", value)
    return path


BODY = json.dumps(
    {
        "name": "secret",
        "organization": "acme",
        "type": "dataset",
        "title": "t",
        "description": "d",
        "comment": "c",
        "tag": "v2.0.0",
        "private": False,
        "paths": ["a.txt"],
        "files": [{"path": "x", "size": 1}],
        "operation": "upload",
        "objects": [{"oid": "1" * 64, "size": 1}],
    }
).encode()
COMMIT = b"\n".join(
    json.dumps(line).encode()
    for line in (
        {"key": "header", "value": {"summary": "s"}},
        {"key": "file", "value": {"path": "x", "content": "eA==", "encoding": "base64"}},
    )
)


def state(hub: LoopbackHub) -> list[object]:
    db = sqlite3.connect(hub.hub.store.root / "hub.sqlite")
    tables = ("repos", "refs", "commits", "lfs", "discussions")
    rows: list[object] = [db.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables]
    db.close()
    return rows


@pytest.mark.parametrize("who", WHO)
def test_a_private_repository_is_not_there_for_others(hub: LoopbackHub, who: str) -> None:
    """The reader is of the organisation: they may read, and change nothing."""
    before, asked = state(hub), 0
    for kind, method, path, _ in ROUTES:
        if kind in OF_EVERYONE:
            continue
        body = None if method == "GET" else COMMIT if kind == "commit" else BODY
        for query in ("", "?create_pr=1") if kind == "commit" else ("",):
            status, said = ask(hub, method, filled(path) + query, WHO[who], body)
            asked += 1
            may = who == "reader" and (kind in READS)
            if may:
                assert status == 200, (kind, said)
            else:
                assert status in (401, 403, 404), (kind, status, said)
                assert b"secret" not in said.replace(b"acme/secret", b""), kind
    assert state(hub) == before, "something was changed"
    assert asked >= 25


@pytest.mark.parametrize("who", ["reader", "other", "nobody"])
def test_a_public_repository_is_read_by_all_and_changed_by_its_owners(hub: LoopbackHub, who: str) -> None:
    HfApi(endpoint=hub.url, token=TOKENS["owner"]).update_repo_settings(R, private=False, repo_type=D)
    before = state(hub)
    for kind, method, path, _ in ROUTES:
        if kind in OF_EVERYONE or method == "GET":
            continue
        if who == "other" and kind in ("open-discussion", "post", "lfs-batch", "preupload"):
            continue  # what a pull request needs is open to all who may write anything
        status, said = ask(hub, method, filled(path), WHO[who], COMMIT if kind == "commit" else BODY)
        assert status == 200 if kind in READS else status in (401, 403, 404), (kind, status, said)
    for action in ("merge", "status", "title"):
        path = f"/api/datasets/{R}/discussions/2/{action}"
        assert ask(hub, "POST", path, WHO[who], b'{"status": "closed", "title": "x"}')[0] in (401, 403)
    commit = f"/api/datasets/{R}/commit/refs%2Fpr%2F2"
    assert ask(hub, "POST", commit, WHO[who], COMMIT)[0] in (401, 403), "someone else's pull request was written to"
    assert state(hub) == before


TRICKS = (
    "/datasets/acme/secret/resolve/main/..%2f..%2f..%2fhub.sqlite",
    "/datasets/acme/secret/resolve/main/../../../hub.sqlite",
    "/datasets/acme/secret/resolve/main/%2e%2e/%2e%2e/hub.sqlite",
    "/datasets/acme/secret/resolve/main//etc/passwd",
    "/datasets/acme/secret/resolve/main/%2fetc%2fpasswd",
    "/datasets/acme/secret/resolve/main/a.txt%00.png",
    "/datasets/acme/secret/resolve/..%2f..%2f/a.txt",
    "/datasets/acme/secret/resolve/refs%2Fpr%2F..%2F..%2Fheads/a.txt",
    "/datasets/..%2facme/secret/resolve/main/a.txt",
    "/datasets/acme/..%2fsecret/resolve/main/a.txt",
    "/datasets/acme/secret%00/resolve/main/a.txt",
    "/datasets/ACME/secret/resolve/main/a.txt",
    "/api/datasets/acme/secret/tree/main/..%2f..",
    "/api/datasets/acme/secret/tree/main/%2e%2e",
    "/api/datasets/acme%2fsecret/x/revision/main",
    "/api/datasets/acme/secret/discussions/..%2f1",
    "/lfs/datasets/acme/secret/..%2f..%2fhub.sqlite",
    "//datasets/acme/secret/resolve/main/a.txt",
    "/datasets/acme/secret/resolve/main/a.txt/../../../../../../etc/passwd",
)


@pytest.mark.parametrize("who", ["owner", "other", "nobody"])
def test_no_trick_with_a_path_leads_anywhere(hub: LoopbackHub, who: str) -> None:
    token = TOKENS["owner"] if who == "owner" else WHO[who]
    for path in TRICKS:
        status, said = ask(hub, "GET", path, token)
        assert status in (400, 401, 403, 404, 405), (path, said)
        assert b"SQLite" not in said, path
        assert b"root:" not in said, path
        assert said != b"secret", path


def test_no_token_stays_anywhere(hub: LoopbackHub, tmp_path: Path) -> None:
    for token in (*TOKENS.values(), "tok-nobody"):
        ask(hub, "GET", f"/api/datasets/{R}?token={token}", token)
        ask(hub, "GET", f"/datasets/{R}/resolve/main/nowhere", token)
        ask(hub, "POST", f"/api/datasets/{R}/commit/main", token, b"not json")
    log = repr(list(hub.seen))
    kept = b"".join(p.read_bytes() for p in (tmp_path / "hub").rglob("*") if p.is_file())
    for token in (*TOKENS.values(), "tok-nobody"):
        assert token not in log
        assert token.encode() not in kept
    assert "sig=" not in log
