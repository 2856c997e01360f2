"""Releases: whole or not at all, from every place where one can break; old rows keep their bytes."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from hypothesis import given
from hypothesis import strategies as st

from dataset_made import make_dataset, scenes
from fm_hub.cards import check_card
from fm_hub.errors import BadOutput, Conflict, HubError, UnknownName, UserError
from fm_hub.hubserver.server import LoopbackHub
from fm_hub.manifest import MANIFEST, file_sha256, read_manifest, write_manifest
from fm_hub.release.journal import Journal, locked
from fm_hub.release.pull import pull, split_revision
from fm_hub.release.push import Release, Request, push
from fm_hub.release.remote import Remote, hub_errors
from fm_hub.release.restore import redact, rollback
from fm_hub.release.stage import _with_twins
from fm_hub.release.versions import LEVELS, Version, check_version
from fm_hub.tables import from_table, read_records, read_table, to_table, write_table
from fm_hub.verify import verify
from loopback import TOKENS, hub_in, settings

R, D = "fm/motion", "dataset"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with hub_in(tmp_path / "hub", monkeypatch) as running:
        yield running


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKENS["owner"])


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two clips. Read only."""
    root = tmp_path_factory.mktemp("two") / "motion"
    make_dataset(root, scenes()[:2])
    return root


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same and one clip more. Read only."""
    root = tmp_path_factory.mktemp("three") / "motion"
    make_dataset(root, scenes())
    return root


def copy(root: Path, where: Path) -> Path:
    shutil.copytree(root, where)
    return where


def state(api: HfApi) -> tuple[dict[str, str], dict[str, str]]:
    """The files of main, by id, and the tags."""
    remote = Remote(R, api)
    if remote.head() is None:
        return {}, {}
    return {n: b.oid for n, b in remote.blobs("main").items()}, {v.tag: c for v, c in remote.tags().items()}


def tree(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file() and ".fm_hub" not in p.parts)
    return {p.relative_to(root).as_posix(): file_sha256(p).sha256 for p in files}


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.sampled_from(LEVELS[1:]))
def test_a_bumped_version_is_the_least_that_is_allowed(a: int, b: int, c: int, level: str) -> None:
    last = Version(a, b, c)
    least = last.bump(level)  # type: ignore[arg-type]
    check_version(least, last, level)  # type: ignore[arg-type]
    assert Version.parse(least.tag) == least > last
    with pytest.raises(UserError):
        check_version(last, last, level)  # type: ignore[arg-type]
    if level != "patch":
        with pytest.raises(UserError, match="too little"):
            check_version(last.bump("patch"), last, level)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1", "1.2", "1.2.3.4", "v1.2.x", "01.2.3", "1.2.-3", "", "1.2.3-rc1"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(UserError, match=r"MAJOR\.MINOR\.PATCH"):
        Version.parse(text)


@pytest.mark.parametrize("small", [100, 0])
def test_a_release_is_what_was_verified(hub: LoopbackHub, api: HfApi, two: Path, tmp_path: Path, small: int) -> None:
    root = copy(two, tmp_path / "motion")
    before = tree(root)
    release = push(Request(root, R, Version(1, 0, 0), small=small), api=api)
    assert tree(root) == before, "a push changed the folder"
    assert release.tag == "v1.0.0"
    manifest, commit = pull(R, tmp_path / "got" / "motion", api=api)
    assert commit == release.commit == api.dataset_info(R, revision="v1.0.0").sha
    assert (manifest.data_version, manifest.repo) == ("1.0.0", R)
    assert verify(tmp_path / "got" / "motion").ok
    (tmp_path / "got" / "motion").rename(tmp_path / "got" / "elsewhere")
    assert check_card(tmp_path / "got" / "elsewhere", manifest) == []
    (tmp_path / "got" / "elsewhere").rename(tmp_path / "got" / "motion")
    rows = read_table(tmp_path / "got" / "motion", "mcq").to_pylist()
    assert {r["added_in"] for r in rows} == {"1.0.0"}
    assert all(r["video"] == {"bytes": None, "path": f"hf://datasets/{R}/{r['video_file']}"} for r in rows)
    assert not (root / ".fm_hub/release/fm--motion/tree").exists(), "the staged copy stays"


def test_what_is_published_stays_byte_for_byte(
    api: HfApi, hub: LoopbackHub, two: Path, three: Path, tmp_path: Path
) -> None:
    push(Request(two, R, Version(1, 0, 0), work=tmp_path / "w1"), api=api)
    pull(R, tmp_path / "a", api=api)
    release = push(Request(three, R, work=tmp_path / "w2"), api=api)
    assert (release.tag, release.plan.level) == ("v1.1.0", "minor")
    pull(R, tmp_path / "b", api=api)
    old, new = tree(tmp_path / "a"), tree(tmp_path / "b")
    changed = {n for n in old if old[n] != new.get(n)}
    assert {"README.md", MANIFEST} <= changed <= {"README.md", MANIFEST, "card/statistics.svg"}
    assert set(release.plan.send) == {n for n in new if old.get(n) != new[n]}
    assert read_manifest(tmp_path / "b").shards["clips"] == {
        "clips/test-00000.parquet": "1.0.0",
        "clips/test-00001.parquet": "1.1.0",
    }
    assert release.plan.rows["clips"] == {"rows": 3, "added": 1, "changed": 0, "gone": 0, "columns": ()}
    assert verify(tmp_path / "b").ok


def test_the_version_says_what_changed(api: HfApi, hub: LoopbackHub, two: Path, three: Path, tmp_path: Path) -> None:
    def at(root: Path, version: str) -> Release:
        return push(Request(root, R, Version.parse(version), work=tmp_path / "work"), api=api)

    at(two, "1.0.0")
    with pytest.raises(UserError, match="nothing to release"):
        at(two, "1.0.1")
    with pytest.raises(UserError, match=r"rows were added; give 1\.1\.0"):
        at(three, "1.0.1")
    with pytest.raises(UserError, match="not above"):
        at(three, "0.9.0")
    assert at(three, "1.1.0").plan.level == "minor"
    assert at(two, "1.1.1").plan.level == "patch"
    other = copy(two, tmp_path / "other" / "motion")
    text = (other / MANIFEST).read_text().replace('"schema_version": "1.0"', '"schema_version": "1.9"')
    (other / MANIFEST).write_text(text)
    for path in (other / "clips").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(["detail"]).append_column("fps2", table.column("fps")), path)
    with pytest.raises(UserError, match=r"the schema changed; give 2\.0\.0"):
        at(other, "1.2.0")


def test_a_dry_run_writes_nothing(api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    root = copy(two, tmp_path / "motion")
    before = tree(root)
    release = push(Request(root, R, Version(1, 0, 0)), dry_run=True, api=api)
    assert release.commit == ""
    assert "fm_hub.json" in release.plan.new
    assert any("file(s) to send" in line for line in release.plan.lines())
    assert {s.method for s in hub.seen} == {"GET"}
    assert tree(root) == before
    assert [p.name for p in (root / ".fm_hub/release").iterdir()] == ["fm--motion.lock"]


def test_a_lie_is_not_published(api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    root = copy(two, tmp_path / "motion")
    path = next((root / "mcq").glob("*.parquet"))
    table = pq.read_table(path)
    column = table.column_names.index("answer")
    turned = ["B" if a == "A" else "A" for a in table.column("answer").to_pylist()]
    pq.write_table(table.set_column(column, "answer", [turned]), path)
    with pytest.raises(UserError, match="fail, the first"):
        push(Request(root, R), api=api)
    assert state(api) == ({}, {})


def test_a_tag_never_moves(api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    api.create_repo(R, repo_type=D)
    hub.faults.set("tag:1=fail")
    with pytest.raises(HubError):
        push(Request(two, R, Version(1, 0, 0), work=tmp_path / "w"), api=api)
    api.create_tag(R, tag="v1.0.0", repo_type=D, revision=api.list_repo_commits(R, repo_type=D)[-1].commit_id)
    there = state(api)[1]
    with pytest.raises(Conflict, match="a tag never moves"):
        push(Request(two, R, work=tmp_path / "w"), resume=True, api=api)
    assert state(api)[1] == there


def test_a_release_on_a_main_that_moved_on(
    api: HfApi, hub: LoopbackHub, two: Path, three: Path, tmp_path: Path
) -> None:
    push(Request(two, R, Version(1, 0, 0), work=tmp_path / "w0"), api=api)
    for small in (100, 0):
        hub.faults.set("commit:1=fail")
        with pytest.raises(HubError):
            push(Request(three, R, work=tmp_path / f"w{small}", small=small), api=api)
        card = (two / "README.md").read_bytes() + b"edited %d" % small
        api.create_commit(R, [CommitOperationAdd("README.md", card)], commit_message="by hand", repo_type=D)
        there = state(api)
        with pytest.raises(Conflict, match="main has moved on"):
            push(Request(three, R, work=tmp_path / f"w{small}", small=small), resume=True, api=api)
        assert state(api) == there
        with pytest.raises(UserError, match="no unfinished release"):
            push(Request(three, R, work=tmp_path / f"w{small}", small=small), resume=True, api=api)
    assert push(Request(three, R, work=tmp_path / "w3"), api=api).tag == "v1.1.0"


def test_a_release_whose_answer_was_lost_is_tagged_where_it_landed(
    api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path
) -> None:
    hub.faults.set("commit:1=cut")
    request = Request(two, R, Version(1, 0, 0), work=tmp_path / "w")
    with pytest.raises(HubError, match="go on with --resume"):
        push(request, api=api)
    landed = api.dataset_info(R).sha
    note = CommitOperationAdd("README.md", b"---\nlicense: mit\n---\nedited by hand")
    api.create_commit(R, [note], commit_message="by hand", repo_type=D)
    with pytest.raises(UserError, match=r"the unfinished release is v1\.0\.0"):
        push(Request(two, R, Version(2, 0, 0), work=tmp_path / "w"), resume=True, api=api)
    assert push(request, resume=True, api=api).commit == landed == api.dataset_info(R, revision="v1.0.0").sha


def test_two_releases_of_one_folder_do_not_mix(api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    request = Request(two, R, work=tmp_path / "w")
    with locked(request.folder), pytest.raises(BadOutput, match="another release is at work"):
        push(request, api=api)


def test_foreign_files_are_not_lost(api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    api.create_repo(R, repo_type=D)
    api.upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id=R, repo_type=D)
    with pytest.raises(Conflict, match=r"no release put there \(notes.txt\)"):
        push(Request(two, R, work=tmp_path / "w"), api=api)
    assert list(state(api)[0]) == ["notes.txt"]


@pytest.mark.parametrize("small", [100, 0])
def test_two_pushes_at_once(hub: LoopbackHub, api: HfApi, two: Path, three: Path, tmp_path: Path, small: int) -> None:
    push(Request(two, R, Version(1, 0, 0), work=tmp_path / "w0"), api=api)
    other = copy(three, tmp_path / "other" / "motion")
    write_manifest(other, read_manifest(other).model_copy(update={"generator": "someone else"}))
    start = threading.Barrier(2)

    def run(root: Path, work: str) -> Release | Conflict:
        request = Request(root, R, work=tmp_path / work, small=small)
        with pytest.raises(HubError):
            push(request, api=_Stopped(hub))
        start.wait(30)
        for _ in range(3):  # the client's own time limits, on a machine with other things to do
            try:
                return push(request, resume=True, api=HfApi(endpoint=hub.url, token=TOKENS["owner"]))
            except Conflict as e:
                return e
            except HubError:
                continue
        raise AssertionError("a push did not end")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(run, (three, other), ("w1", "w2")))
    assert sorted(type(e).__name__ for e in ends) == ["Conflict", "Release"], ends
    pull(R, tmp_path / "got", api=api)
    assert verify(tmp_path / "got").ok
    won = next(i for i, e in enumerate(ends) if isinstance(e, Release))
    assert (read_manifest(tmp_path / "got").generator == "someone else") == (won == 1)
    assert set(state(api)[1]) == {"v1.0.0", "v1.1.0"}


class _Stopped(HfApi):
    """A client that is lost before its first write, so that a push stops right after its plan."""

    def __init__(self, hub: LoopbackHub) -> None:
        super().__init__(endpoint=hub.url, token=TOKENS["owner"])

    def create_commit(self, *args: object, **kwargs: object) -> None:  # type: ignore[override]
        raise OSError("the network is gone")

    create_pull_request = create_commit  # type: ignore[assignment]


def prepared(hub: LoopbackHub, api: HfApi, two: Path, three: Path, tmp_path: Path, small: int) -> Request:
    """Version 1.0.0 is out; 1.1.0 is planned and staged, and nothing of it is sent."""
    push(Request(two, R, Version(1, 0, 0), work=tmp_path / "w0"), api=api)
    request = Request(three, R, work=tmp_path / "w", small=small)
    with pytest.raises(HubError):
        push(request, api=_Stopped(hub))
    return request


@pytest.mark.parametrize(
    ("small", "action", "every"),
    [
        (100, "fail", 5),
        (0, "fail", 11),
        (100, "cut", 4),
        (0, "duplicate", 13),
        pytest.param(100, "fail", 1, marks=pytest.mark.slow),
        pytest.param(0, "fail", 2, marks=pytest.mark.slow),
        pytest.param(100, "cut", 1, marks=pytest.mark.slow),
        pytest.param(100, "duplicate", 1, marks=pytest.mark.slow),
        pytest.param(0, "duplicate", 3, marks=pytest.mark.slow),
    ],
)
def test_a_push_that_breaks_anywhere_goes_on(
    hub: LoopbackHub,
    api: HfApi,
    two: Path,
    three: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small: int,
    action: str,
    every: int,
) -> None:
    """Readers see the old release or the new one; what landed is not sent again; the bytes are the same."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # the client waits between tries
    request = prepared(hub, api, two, three, tmp_path, small)
    old = state(api)
    saved = tmp_path / "saved"
    copy(request.folder, saved)
    with hub.hub.store.transaction():
        tables = ("refs", "commits", "lfs", "discussions")
        kept = {t: hub.hub.store.db.execute(f"SELECT * FROM {t}").fetchall() for t in tables}
    new: dict[str, str] = {}
    n = broken = 0
    while True:
        n += every if n else 1
        shutil.rmtree(request.folder)
        copy(saved, request.folder)
        with hub.hub.store.transaction():
            for t, rows in kept.items():
                hub.hub.store.db.execute(f"DELETE FROM {t}")
                marks = ", ".join("?" * len(rows[0])) if rows else ""
                hub.hub.store.db.executemany(f"INSERT INTO {t} VALUES ({marks})", rows) if rows else None
        hub.seen.clear()
        hub.faults.set(f"any:{n}={action}")
        try:
            push(request, resume=True, api=api)
        except HubError:
            broken += 1
            fired = hub.faults.fired.is_set()
            hub.faults.set()
            files, tags = state(api)
            assert files == old[0] or set(files) > set(old[0]), "main holds a mixture"
            assert tags == old[1] or set(tags) == {"v1.0.0", "v1.1.0"}
            assert fired
            push(request, resume=True, api=api)
        done = not hub.faults.fired.is_set() and hub.faults._rules != []
        hub.faults.set()
        files, tags = state(api)
        new = new or files
        assert files == new, f"request {n}"
        assert set(tags) == {"v1.0.0", "v1.1.0"}
        assert tags["v1.0.0"] == old[1]["v1.0.0"]
        assert len(api.list_repo_commits(R, repo_type=D)) == 3, "a release is one commit on main"
        if action == "fail":
            puts = Counter(s.path for s in hub.seen if s.kind == "lfs-put" and s.status == 200)
            assert not puts or max(puts.values()) == 1, "bytes that landed were sent again"
        if done:
            break
    assert broken > 0 or action == "duplicate"


def test_rollback_is_a_new_release_with_the_old_bytes(
    api: HfApi, hub: LoopbackHub, two: Path, three: Path, tmp_path: Path
) -> None:
    push(Request(two, R, Version(1, 0, 0), work=tmp_path / "w"), api=api)
    push(Request(three, R, work=tmp_path / "w"), api=api)
    with pytest.raises(UnknownName, match="version"):
        rollback(R, Version(9, 9, 9), tmp_path / "w2", api=api)
    assert rollback(R, Version(1, 0, 0), tmp_path / "w2", api=api).tag == "v1.1.1"
    pull(f"{R}@1.0.0", tmp_path / "a", api=api)
    pull(R, tmp_path / "b", api=api)
    old, new = tree(tmp_path / "a"), tree(tmp_path / "b")
    assert {n for n in {*old, *new} if old.get(n) != new.get(n)} == {"README.md", MANIFEST}


def test_a_redacted_clip_does_not_come_back(
    api: HfApi, hub: LoopbackHub, two: Path, three: Path, tmp_path: Path
) -> None:
    push(Request(two, R, Version(1, 0, 0), work=tmp_path / "w"), api=api)
    clip = read_table(two, "clips").to_pylist()[0]
    with pytest.raises(UnknownName, match="clip"):
        redact(R, ["0" * 24], tmp_path / "w2", api=api)
    release = redact(R, [clip["clip_id"]], tmp_path / "w2", api=api)
    assert release.tag == "v1.0.1"
    assert clip["video_file"] in release.plan.gone
    push(Request(three, R, work=tmp_path / "w"), api=api)  # the builder's folder still has it
    pull(R, tmp_path / "got", api=api)
    assert verify(tmp_path / "got").ok
    assert read_manifest(tmp_path / "got").redacted == (clip["clip_id"],)
    for path in (tmp_path / "got").rglob("*.parquet"):
        assert clip["clip_id"] not in str(pq.read_table(path).to_pylist())
    names = read_table(tmp_path / "got", "sources").column("source_id").to_pylist()
    assert clip["source_id"] not in names
    assert not (tmp_path / "got" / clip["video_file"]).exists()


def test_a_redacted_clip_takes_its_twin_with_it(two: Path, tmp_path: Path) -> None:
    root = copy(two, tmp_path / "motion")
    ids = [c.clip_id for c in read_records(root, "clips")]
    paths = sorted((root / "clips").rglob("*.parquet"))
    for path in paths:
        clips = from_table("clips", pq.read_table(path))
        twins = [replace(c, mirror_of=ids[0]) if c.clip_id == ids[1] else c for c in clips]
        write_table(to_table("clips", twins), path)
    for named in ids[:2]:
        assert _with_twins(root, frozenset({named})) == {ids[0], ids[1]}
    assert _with_twins(root, frozenset({"0" * 24})) == {"0" * 24}


def test_a_pull_is_there_whole_or_not_at_all(api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    push(Request(two, R, work=tmp_path / "w"), api=api)
    out = tmp_path / "got"
    hub.faults.set("resolve:9=fail")
    with pytest.raises(HubError):
        pull(R, out, api=api)
    assert not out.exists()
    hub.faults.set()
    pull(R, out, api=api)
    assert verify(out).ok
    with pytest.raises(BadOutput, match="is there already"):
        pull(R, out, api=api)
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_errors_are_one_line_without_secrets(api: HfApi, hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="OWNER/NAME"):
        Remote("motion")
    for token in ("tok-nobody", TOKENS["reader"], TOKENS["other"]):
        with pytest.raises(HubError) as e:
            push(Request(two, R, work=tmp_path / "w"), restart=True, api=HfApi(endpoint=hub.url, token=token))
        assert "\n" not in str(e.value)
        assert token not in str(e.value)
    with pytest.raises(HubError) as e, hub_errors("x"):
        raise RuntimeError("Bearer hf_abcdefghijkl sent to http://h/x?a=1&sig=0123abc\nand more")
    assert str(e.value) == "x: Bearer … sent to http://h/x?a=1&sig=… and more"
    assert state(api) == ({}, {})


def test_a_torn_journal_is_read_up_to_the_tear(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.note("begin", tag="v1.0.0")
    with open(journal.path, "a") as f:
        f.write('{"step": "lan')
    again = Journal(journal.path)
    assert again.unfinished
    again.note("done", commit="x")
    assert not Journal(journal.path).unfinished


def test_names_with_revisions() -> None:
    assert split_revision("a/b") == ("a/b", None)
    assert split_revision("a/b@1.2.3") == ("a/b", "v1.2.3")
    assert split_revision("a/b@v1.2.3") == ("a/b", "v1.2.3")
    assert split_revision("a/b@main") == ("a/b", "main")


def test_the_commands(hub: LoopbackHub, two: Path, tmp_path: Path) -> None:
    """Through the command line, in processes of their own, with plain datasets at the end."""
    root = copy(two, tmp_path / "motion")
    env = {**os.environ, **settings(hub, tmp_path / "home"), "NO_COLOR": "1", "COLUMNS": "100"}
    code = "import sys; from fm_hub.cli import main; main(sys.argv[1:])"

    def fm(*args: str, exit_status: int = 0) -> str:
        seen = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, env=env, cwd=tmp_path, check=False
        )
        assert seen.returncode == exit_status, seen.stderr
        assert TOKENS["owner"] not in seen.stdout + seen.stderr
        assert "Traceback" not in seen.stderr
        return seen.stdout + seen.stderr

    assert "nothing was sent" in fm("push", str(root), R, "--version", "1.0.0", "--dry-run")
    assert "released fm/motion@v1.0.0" in fm("push", str(root), R, "--version", "1.0.0")
    assert "nothing to release" in fm("push", str(root), R, exit_status=2)
    assert fm("versions", R).startswith("1.0.0")
    assert '"failed": 0' in fm("verify", f"{R}@1.0.0", "--json")
    assert "files: 0 new, 8 changed, 0 gone" in fm("diff", str(root), f"{R}@v1.0.0")
    assert "version 1.0.0" in fm("pull", R, "-o", "got")
    assert "no such repository" in fm("pull", "fm/nothing@main", exit_status=2)
    ask = f"import datasets; print(datasets.load_dataset({R!r}, split='test', revision='v1.0.0').num_rows)"
    rows = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, env=env, check=True).stdout
    assert int(rows) == read_manifest(root).counts["mcq"]["test"]
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert TOKENS["owner"].encode() not in kept
