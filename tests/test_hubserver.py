"""The loopback Hub: unmodified clients work against it, and it says no where a Hub has to."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from fm_hub.errors import UserError
from fm_hub.hubserver.access import Users
from fm_hub.hubserver.faults import Rule
from fm_hub.hubserver.refusal import Refusal
from fm_hub.hubserver.server import LoopbackHub
from fm_hub.hubserver.store import Store
from fm_hub.hubserver.trees import Entry, check_path
from loopback import TOKENS, hub_in, settings

R, D = "fm/motion", "dataset"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with hub_in(tmp_path / "hub", monkeypatch) as running:
        yield running


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    made = HfApi(endpoint=hub.url, token=TOKENS["owner"])
    made.create_repo(R, repo_type=D)
    return made


def add(path: str, data: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, data)


def status(call: object) -> int:
    with pytest.raises(HfHubHTTPError) as e:
        call()  # type: ignore[operator]
    return int(e.value.response.status_code)


def test_the_cycle_of_a_release(api: HfApi, hub: LoopbackHub, tmp_path: Path) -> None:
    big = os.urandom(3_000_000)
    src = tmp_path / "src"
    (src / "videos/ab").mkdir(parents=True)
    (src / "videos/ab/x.mp4").write_bytes(big)
    (src / "README.md").write_text("---\nlicense: mit\n---\n# hello\n")
    pr = api.create_pull_request(R, "Release", repo_type=D)
    assert (pr.status, pr.git_reference) == ("draft", "refs/pr/1")
    api.upload_folder(repo_id=R, folder_path=src, repo_type=D, revision=pr.git_reference)
    assert api.list_repo_files(R, repo_type=D) == [".gitattributes"], "main changed before the merge"
    assert "videos/ab/x.mp4" in api.list_repo_files(R, repo_type=D, revision="refs/pr/1")
    api.change_discussion_status(R, 1, "open", repo_type=D)
    api.merge_pull_request(R, 1, repo_type=D, comment="checked")
    details = api.get_discussion_details(R, 1, repo_type=D)
    assert details.status == "merged"
    sha = api.dataset_info(R).sha
    assert details.merge_commit_oid == sha
    api.create_tag(R, tag="v1.0.0", repo_type=D, revision=sha)
    (info,) = api.get_paths_info(R, ["videos/ab/x.mp4"], repo_type=D, revision="v1.0.0")
    assert info.lfs.sha256 == hashlib.sha256(big).hexdigest()
    folder = Path(snapshot_download(R, repo_type=D, revision="v1.0.0", local_dir=tmp_path / "got"))
    assert (folder / "videos/ab/x.mp4").read_bytes() == big
    assert [c.title for c in api.list_repo_commits(R, repo_type=D)] == ["Release (#1)", "initial commit"]
    sent = sum(s.received for s in hub.seen)
    api.upload_folder(repo_id=R, folder_path=src, repo_type=D)
    assert sum(s.received for s in hub.seen) - sent < 10_000, "what is there was sent again"


def test_the_datasets_client_loads_pushes_and_streams(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    code = f"""
import datasets
ds = datasets.Dataset.from_dict({{"a": list(range(500)), "s": ["x" * 50] * 500}})
ds.push_to_hub({R!r}, "numbers")
from huggingface_hub import HfApi
HfApi().create_tag({R!r}, tag="v1.0.0", repo_type="dataset")
assert datasets.get_dataset_config_names({R!r}) == ["numbers"]
assert datasets.load_dataset({R!r}, split="train", revision="v1.0.0")["a"] == list(range(500))
rows = list(datasets.load_dataset({R!r}, "numbers", split="train", streaming=True))
assert len(rows) == 500 and rows[7]["a"] == 7
import fsspec
with fsspec.open("hf://datasets/{R}@v1.0.0/numbers/train-00000-of-00001.parquet") as f:
    f.seek(-4, 2)
    assert f.read() == b"PAR1"
"""
    env = {**os.environ, **settings(hub, tmp_path / "home")}
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert seen.returncode == 0, seen.stderr[-2000:]
    assert any(s.status == 206 for s in hub.seen), "nothing was read by range"


def test_two_commits_on_one_parent(api: HfApi) -> None:
    head = api.dataset_info(R).sha
    api.create_commit(R, [add("a.txt", b"1")], commit_message="one", repo_type=D, parent_commit=head)
    late = lambda: api.create_commit(R, [add("a.txt", b"2")], commit_message="two", repo_type=D, parent_commit=head)  # noqa: E731
    assert status(late) == 412
    (info,) = api.get_paths_info(R, ["a.txt"], repo_type=D)
    assert info.size == 1


def test_many_clients_at_once_lose_nothing(api: HfApi) -> None:
    def one(i: int) -> None:
        api.create_commit(R, [add(f"files/{i}.txt", b"%d" % i)], commit_message=f"{i}", repo_type=D)
        api.create_commit(R, [add(f"big/{i}.bin", os.urandom(50_000))], commit_message=f"big {i}", repo_type=D)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    assert len(api.list_repo_files(R, repo_type=D)) == 49
    assert len(api.list_repo_commits(R, repo_type=D)) == 49


def test_pull_requests_that_conflict_and_that_do_not(api: HfApi) -> None:
    api.create_commit(R, [add("a.txt", b"0"), add("gone.txt", b"0")], commit_message="base", repo_type=D)
    for data in (b"1", b"2"):
        api.create_commit(R, [add("a.txt", data)], commit_message="change", repo_type=D, create_pr=True)
    both = [add("b.txt", b"3"), CommitOperationDelete("gone.txt")]
    api.create_commit(R, both, commit_message="other", repo_type=D, create_pr=True)
    api.merge_pull_request(R, 1, repo_type=D)
    assert api.get_discussion_details(R, 2, repo_type=D).conflicting_files == ["a.txt"]
    assert status(lambda: api.merge_pull_request(R, 2, repo_type=D)) == 409
    api.merge_pull_request(R, 3, repo_type=D)
    assert set(api.list_repo_files(R, repo_type=D)) == {".gitattributes", "a.txt", "b.txt"}
    assert status(lambda: api.merge_pull_request(R, 3, repo_type=D)) == 409
    assert [d.num for d in api.get_repo_discussions(R, repo_type=D, discussion_status="open")] == [2]


def test_refs_are_never_moved(api: HfApi) -> None:
    api.create_tag(R, tag="v1.0.0", repo_type=D)
    assert status(lambda: api.create_tag(R, tag="v1.0.0", repo_type=D)) == 409
    api.create_tag(R, tag="v1.0.0", repo_type=D, exist_ok=True)
    api.create_branch(R, branch="work", repo_type=D)
    assert status(lambda: api.create_branch(R, branch="work", repo_type=D)) == 409
    assert status(lambda: api.delete_branch(R, branch="main", repo_type=D)) == 403
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(R, revision="v9.9.9")
    with pytest.raises(HfHubHTTPError):
        api.create_commit(R, [add("x", b"1")], commit_message="on a tag", repo_type=D, revision="v1.0.0")


def test_a_card_that_is_no_yaml_is_refused(api: HfApi) -> None:
    for text in ("---\nlicense: [\n---\n", "---\nsize_categories: [huge]\n---\n", "---\nconfigs: 3\n---\n"):
        with pytest.raises(ValueError, match=r"Invalid metadata"):
            api.create_commit(R, [add("README.md", text.encode())], commit_message="card", repo_type=D)


def test_long_lists_come_in_pages(api: HfApi) -> None:
    files = [add(f"d{i % 7}/{i}.txt", b"x") for i in range(2300)]
    api.create_commit(R, files, commit_message="many", repo_type=D)
    assert len(api.list_repo_files(R, repo_type=D)) == 2301


def test_who_may_do_what(hub: LoopbackHub, api: HfApi) -> None:
    reader, other, nobody = (HfApi(endpoint=hub.url, token=t) for t in (TOKENS["reader"], TOKENS["other"], False))
    wrong = HfApi(endpoint=hub.url, token="tok-nobody")
    api.create_commit(R, [add("a.txt", b"1")], commit_message="one", repo_type=D)
    api.create_repo("acme/secret", repo_type=D, private=True)
    head = api.dataset_info(R).sha
    for who in (reader, other, nobody, wrong):
        for write in (
            lambda w=who: w.create_commit(R, [add("a.txt", b"2")], commit_message="x", repo_type=D),
            lambda w=who: w.create_tag(R, tag="v1.0.0", repo_type=D),
            lambda w=who: w.create_branch(R, branch="b", repo_type=D),
            lambda w=who: w.update_repo_settings(R, private=True, repo_type=D),
            lambda w=who: w.delete_repo(R, repo_type=D),
            lambda w=who: w.create_repo("fm/new", repo_type=D),
        ):
            assert status(write) in (401, 403)
    for who in (other, nobody, wrong):
        with pytest.raises(HfHubHTTPError):
            who.dataset_info("acme/secret")
        assert "acme/secret" not in [d.id for d in who.list_datasets()] if who is not wrong else True
    assert reader.dataset_info("acme/secret").private
    assert api.dataset_info(R).sha == head
    pull = other.create_commit(R, [add("b.txt", b"2")], commit_message="mine", repo_type=D, create_pr=True)
    other.create_commit(R, [add("c.txt", b"2")], commit_message="more", repo_type=D, revision="refs/pr/1")
    assert pull.pr_num == 1
    assert status(lambda: other.merge_pull_request(R, 1, repo_type=D)) == 403
    assert status(lambda: reader.create_pull_request(R, "no", repo_type=D)) == 403
    api.merge_pull_request(R, 1, repo_type=D)


def test_knowing_a_hash_gives_no_right_to_the_bytes(hub: LoopbackHub, api: HfApi) -> None:
    secret = os.urandom(100_000)
    api.create_repo("fm/secret", repo_type=D, private=True)
    api.create_commit("fm/secret", [add("x.bin", secret)], commit_message="secret", repo_type=D)
    oid = hashlib.sha256(secret).hexdigest()
    lines = [
        {"key": "header", "value": {"summary": "steal"}},
        {"key": "lfsFile", "value": {"path": "y.bin", "algo": "sha256", "oid": oid, "size": len(secret)}},
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    url = f"{hub.url}/api/datasets/{R}/commit/main?create_pr=1"
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {TOKENS['other']}"}, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_gated_is_said_as_gated(hub: LoopbackHub, api: HfApi) -> None:
    api.create_commit(R, [add("a.txt", b"1")], commit_message="one", repo_type=D)
    api.update_repo_settings(R, gated="manual", repo_type=D)
    other = HfApi(endpoint=hub.url, token=TOKENS["other"])
    with pytest.raises(GatedRepoError):
        other.auth_check(R, repo_type=D)
    with pytest.raises(RepositoryNotFoundError):
        other.dataset_info("fm/nothing")


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/x", "a//b", ".git/config", "a\\b", "a\x00b", "x" * 300, "..", ".", ""]
)
def test_paths_that_lead_out_are_refused(hub: LoopbackHub, api: HfApi, path: str) -> None:
    with pytest.raises(Refusal):
        check_path(path)
    lines = [
        {"key": "header", "value": {"summary": "out"}},
        {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}},
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    head = {"Authorization": f"Bearer {TOKENS['owner']}"}
    request = urllib.request.Request(f"{hub.url}/api/datasets/{R}/commit/main", data, head, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)
    got = urllib.request.Request(f"{hub.url}/datasets/{R}/resolve/main/..%2f..%2f..%2fhub.sqlite", headers=head)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(got)


def test_an_upload_address_is_for_one_object_and_its_bytes(hub: LoopbackHub, api: HfApi) -> None:
    oid = hashlib.sha256(b"right").hexdigest()
    query = hub.hub.signer.sign(R, oid, 5)

    def put(data: bytes, where: str, query: str) -> int:
        request = urllib.request.Request(f"{hub.url}/lfs/datasets/{R}/{where}?{query}", data, method="PUT")
        try:
            return int(urllib.request.urlopen(request).status)
        except urllib.error.HTTPError as e:
            return e.code

    assert put(b"wrong", oid, query) == 400
    assert put(b"right and more", oid, query) == 400
    assert put(b"right", oid, query.replace("size=5", "size=6")) == 403
    assert put(b"right", hashlib.sha256(b"other").hexdigest(), query) == 403
    assert put(b"right", oid, "") == 403
    assert put(b"right", oid, query) == 200
    assert not list((hub.hub.store.root / "incoming").iterdir())


def test_malformed_requests_are_no_crash(hub: LoopbackHub, api: HfApi) -> None:
    head = {"Authorization": f"Bearer {TOKENS['owner']}"}
    for path, data in (
        (f"/api/datasets/{R}/commit/main", b'{"key": "header"}\n'),
        (f"/api/datasets/{R}/commit/main", b"not json\n"),
        (f"/api/datasets/{R}/commit/main", b""),
        (f"/api/datasets/{R}/preupload/main", b'{"files": [{"path": 3}]}'),
        (f"/api/datasets/{R}/preupload/main", b"[]"),
        (f"/api/datasets/{R}/preupload/main", b""),
        (f"/datasets/{R}.git/info/lfs/objects/batch", b""),
        (f"/api/datasets/{R}/discussions", b""),
        (f"/api/datasets/{R}/discussions", b"{}"),
        (f"/api/datasets/{R}/tag/main", b'{"tag": "../x"}'),
        ("/api/repos/create", b'{"name": "../../etc", "type": "dataset"}'),
        ("/api/repos/create", b"\xff\xfe"),
        (f"/datasets/{R}.git/info/lfs/objects/batch", b'{"operation": "upload", "objects": [{"oid": "x", "size": 1}]}'),
    ):
        request = urllib.request.Request(hub.url + path, data, head, method="POST")
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(request)
        assert 400 <= e.value.code < 500, path
        assert "Traceback" not in e.value.read().decode()


@pytest.mark.parametrize("action", ["fail", "drop", "cut", "duplicate", "delay:0.2"])
def test_a_fault_is_what_it_says(hub: LoopbackHub, api: HfApi, action: str) -> None:
    head = api.dataset_info(R).sha
    hub.faults.set(f"commit:1={action}")
    failed = False
    try:
        api.create_commit(R, [add("a.txt", b"1")], commit_message="x", repo_type=D, parent_commit=head)
    except Exception:
        failed = True
    assert hub.faults.fired.is_set()
    landed = "a.txt" in api.list_repo_files(R, repo_type=D)
    assert (failed, landed) == {
        "fail": (True, False),
        "drop": (True, False),
        "cut": (True, True),
        "duplicate": (True, True),  # the second time the parent is stale
        "delay:0.2": (False, True),
    }[action]


def test_fault_rules_and_users_are_checked(tmp_path: Path) -> None:
    for text in ("commit", "commit:0=fail", "commit:1=explode", "commit:x=fail"):
        with pytest.raises(UserError, match="KIND:N"):
            Rule.parse(text)
    path = tmp_path / "users.toml"
    path.write_text('[[user]]\nname = "fm"\ntoken = "hf_clear"\n')
    with pytest.raises(UserError) as e:
        Users.read(path)
    assert "hf_clear" not in str(e.value)
    path.write_text(f'[[user]]\nname = "fm"\ntoken_sha256 = "{hashlib.sha256(b"t").hexdigest()}"\nrole = "write"\n')
    assert Users.read(path).of_header("Bearer t").name == "fm"  # type: ignore[union-attr]


def test_a_hub_is_there_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (1, 2):
        with hub_in(tmp_path / "hub", monkeypatch) as hub:
            api = HfApi(endpoint=hub.url, token=TOKENS["owner"])
            api.create_repo(R, repo_type=D, exist_ok=True)
            api.create_commit(R, [add(f"{n}.bin", b"%d" % n * 9)], commit_message="x", repo_type=D)
            assert len(api.list_repo_files(R, repo_type=D)) == n + 1


def test_no_token_stays_anywhere(hub: LoopbackHub, api: HfApi) -> None:
    api.create_commit(R, [add("a.bin", b"1" * 99)], commit_message="one", repo_type=D)
    kept = b"".join(p.read_bytes() for p in hub.hub.store.root.rglob("*") if p.is_file())
    for token in TOKENS.values():
        assert token.encode() not in kept
        assert not any(token in str(s) for s in hub.seen)
    assert not any("sig=" in s.path for s in hub.seen)


_files = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=2, max_size=4).map(lambda p: (*p[:-1], p[-1] + ".x")),
    st.integers(0, 3).map(lambda n: Entry("file", f"{n}", n)),
    max_size=8,
)


@example_settings(max_examples=60)
@given(_files, _files, _files)
def test_trees_are_maps_and_merge_like_maps(
    tmp_path_factory: pytest.TempPathFactory,
    base: dict[tuple[str, ...], Entry],
    a: dict[tuple[str, ...], Entry],
    b: dict[tuple[str, ...], Entry],
) -> None:
    store = Store(tmp_path_factory.mktemp("trees"))
    trees = store.trees

    def flat(root: str) -> dict[tuple[str, ...], Entry]:
        return {tuple(p.split("/")): e for p, e in trees.walk(root) if e.kind == "file"}

    roots = [trees.edit("", files) for files in (base, a, b)]
    assert [flat(r) for r in roots] == [base, a, b]
    assert flat(trees.edit(roots[1], trees.changes(roots[1], roots[2]))) == b
    merged, conflicts = trees.merge(*roots)
    for path in base.keys() | a.keys() | b.keys():
        x, y, z = base.get(path), a.get(path), b.get(path)
        if conflicts:
            continue
        assert flat(merged).get(path) == (z if y == x else y)
    different = {p for p in base.keys() | a.keys() | b.keys() if len({base.get(p), a.get(p), b.get(p)}) == 3}
    assert bool(conflicts) == bool(different)
    store.close()
