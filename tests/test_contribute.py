"""From a contributor's folder to a release that credits them, against the loopback Hub, through the commands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.main
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from contributions_made import OFFER, annotators, built, contribution, in_this_process
from fm_hub.cards import check_card
from fm_hub.cli import app, run_command
from fm_hub.contribute import pulls
from fm_hub.contribution.report import Report, Verdict
from fm_hub.errors import Conflict, UserError
from fm_hub.hubserver.server import LoopbackHub
from fm_hub.manifest import read_manifest
from fm_hub.release.pull import pull
from fm_hub.release.push import Request, push
from fm_hub.release.remote import Remote
from fm_hub.release.restore import rollback
from fm_hub.release.versions import Version
from fm_hub.rows import row_sha
from fm_hub.schemas import SCHEMAS
from fm_hub.tables import read_table, shards, write_table
from fm_hub.verify import verify
from loopback import TOKENS, hub_in

R, D = "fm/motion", "dataset"
TERMS = ("--license", OFFER.license, "--source", OFFER.source, "--consent", OFFER.consent)
Run = Callable[..., str]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    annotators(monkeypatch)
    in_this_process(monkeypatch)
    monkeypatch.chdir(tmp_path)
    with hub_in(tmp_path / "hub", monkeypatch) as running:
        yield running


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as someone; what it printed. No token may be in it."""

    def call(who: str, *args: str, ends: int = 0) -> str:
        monkeypatch.setenv("HF_TOKEN", TOKENS[who])
        capsys.readouterr()
        status = run_command(typer.main.get_command(app), "fm-hub", list(args))
        seen = capsys.readouterr()
        assert status == ends, seen.out + seen.err
        assert not any(t in seen.out + seen.err for t in TOKENS.values())
        assert "Traceback" not in seen.err
        return seen.out + seen.err

    return call


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The maintainer's dataset. Read only."""
    return built(tmp_path_factory.mktemp("home") / "motion", seed=1)


@pytest.fixture(scope="module")
def gift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contributor's dataset, one question of which a person wrote. Read only."""
    root = built(tmp_path_factory.mktemp("gift") / "kitchen", seed=2)
    path = shards(root, "mcq")[0]
    rows = pq.ParquetFile(path).read().to_pylist()
    rows[0] |= {"id": "q-1", "grounding": "human", "generator": "eve", "question": "What does the cook do?"}
    rows[0]["row_sha"] = row_sha(rows[0])
    write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["mcq"]), path)
    return root


def as_owner(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKENS["owner"])


def as_eve(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKENS["other"])


def test_the_whole_way(hub: LoopbackHub, run: Run, home: Path, gift: Path, tmp_path: Path) -> None:
    owner = as_owner(hub)
    push(Request(home, R, Version(1, 0, 0), work=tmp_path / "w"), api=owner)
    head = owner.dataset_info(R).sha
    submit = ("contribute", "submit", str(gift), R, *TERMS, "--title", "Kitchen | clips", "--slug", "kitchen")

    # The contributor looks, then sends. A token that may only read may not.
    assert "say --license, --source, --consent" in run("other", "contribute", "submit", str(gift), R, ends=2)
    hub.seen.clear()
    assert "nothing was sent" in run("other", *submit, "--dry-run")
    assert {s.method for s in hub.seen} == {"GET", "HEAD"}
    run("reader", *submit, ends=1)
    said = run("other", *submit)
    n = read_manifest(gift).counts
    mcq, qa, captions = (sum(n[c].values()) for c in ("mcq", "qa", "captions"))
    assert f"mcq: {mcq - 1} facts, 1 human" in said
    assert "sent as pull request 1" in said
    assert owner.dataset_info(R).sha == head, "main changed"

    # Whoever owns the dataset lists, checks, says so, and merges.
    assert "not checked" in run("owner", "contribute", "review", R)
    out = run("owner", "contribute", "validate", R, "--pr", "1", "--annotator", "drawn", "--post", "--json")
    report = json.loads(out[out.index("{") :].splitlines()[0])
    assert report["status"] == "accepted", report
    assert report["not to be proved"] == 1
    assert report["box agreement"] > 0.9
    assert report["benchmark clips compared"] == 2
    assert "accepted" in run("owner", "contribute", "review", R)
    comments = [e for e in owner.get_discussion_details(R, 1, repo_type=D).events if e.type == "comment"]
    assert "### fm-hub: accepted" in comments[-1].content
    assert "may not change" in run("other", "contribute", "merge", R, "--pr", "1", "--no-boxes", ends=1)
    hub.seen.clear()
    assert "merged" in run("owner", "contribute", "merge", R, "--pr", "1", "--annotator", "drawn")
    assert any(s.path.endswith("/merge") for s in hub.seen)
    there = owner.list_repo_files(R, repo_type=D)
    assert "contrib/eve-kitchen/fm_hub.json" in there
    assert "no open pull request" in run("owner", "contribute", "review", R)

    # The next release has the rows in its shards and says whose they are.
    release = push(Request(home, R, work=tmp_path / "w"), api=owner)
    assert (release.tag, release.plan.level) == ("v1.1.0", "minor")
    got = tmp_path / "got" / "motion"
    manifest, _ = pull(R, got, api=owner)
    assert verify(got).ok
    assert check_card(got, manifest) == []
    assert [p for p in (got / "contrib").rglob("*") if p.is_file()] == [got / "contrib/eve-kitchen/contribution.json"]
    old, new = (set(read_table(x, "clips").column("clip_id").to_pylist()) for x in (home, gift))
    assert set(read_table(got, "clips").column("clip_id").to_pylist()) == old | new
    rows = read_table(got, "mcq").to_pylist()
    assert {r["id"] for r in rows if r["grounding"] == "human"} == {"eve-kitchen:q-1"}
    assert {r["added_in"] for r in rows if r["clip_id"] in new} == {"1.1.0"}
    assert all(r["added_in"] == "1.0.0" for r in rows if r["clip_id"] in old)
    card = (got / "README.md").read_text()
    facts = mcq - 1 + qa + captions
    assert f"| Kitchen clips | eve | 2 | {facts} | 0 | 1 | cc-by-4.0 | drawn by a program of mine |" in card
    assert "| human | 1 | 0 |" in card

    # It stays: the maintainer's folder knows nothing of it, and nothing is different.
    with pytest.raises(UserError, match="nothing to release"):
        push(Request(home, R, work=tmp_path / "w"), api=owner)
    assert "nothing to contribute: 2 known to the dataset already" in run("other", *submit, ends=2)

    # A clip that has to go takes its rows with it; the rest of the contribution stays.
    run("owner", "redact", R, sorted(new)[0], "--work", str(tmp_path / "redact"))
    pull(R, tmp_path / "last" / "motion", api=owner)
    assert set(read_table(tmp_path / "last/motion", "clips").column("clip_id").to_pylist()) == old | set(
        sorted(new)[1:]
    )
    assert "| Kitchen clips | eve | 1 |" in (tmp_path / "last/motion/README.md").read_text()
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and not p.is_symlink())
    assert not any(t.encode() in kept for t in TOKENS.values())


def test_a_submit_that_was_stopped_goes_on(
    hub: LoopbackHub, run: Run, home: Path, gift: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(Request(home, R, Version(1, 0, 0), work=tmp_path / "w"), api=as_owner(hub))
    monkeypatch.setattr(pulls, "BATCH", 4)
    submit = ("contribute", "submit", str(gift), R, *TERMS)
    hub.faults.set("commit:3=fail")
    run("other", *submit, ends=1)
    hub.faults.set()
    assert "draft" in run("owner", "contribute", "review", R)
    hub.seen.clear()
    assert "going on with pull request 1" in run("other", *submit)
    puts = [s.path for s in hub.seen if s.kind == "lfs-put"]
    assert len(puts) == len(set(puts)) < 12, "what was there was sent again"
    assert [d.num for d in as_owner(hub).get_repo_discussions(R, repo_type=D)] == [1]
    assert "refused" not in run("owner", "contribute", "validate", R, "--pr", "1", "--no-boxes")


def _files(root: Path, at: str) -> list[CommitOperationAdd]:
    names = (p for p in sorted(root.rglob("*")) if p.is_file())
    return [CommitOperationAdd(f"{at}/{p.relative_to(root).as_posix()}", p) for p in names]


CARD = b"---\nlicense: mit\n---\n# m"
ONLY: dict[str, str] = {
    "changes": "changes 1 file",
    "removes": "removes 1 file",
    "attributes": "changes 1 file",
    "outside": "lie outside",
    "two": "2 contributions",
    "theirs": "not eve's",
    "taken": "of this name already",
    "nested": "no file of a contribution",
}


def test_a_pull_request_brings_one_contribution_and_does_nothing_else(
    hub: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    owner, eve = as_owner(hub), as_eve(hub)
    owner.create_repo(R, repo_type=D)
    first = [CommitOperationAdd("README.md", CARD), CommitOperationAdd("contrib/Eve-Garden/x.txt", b"x")]
    owner.create_commit(R, first, commit_message="first", repo_type=D)
    root = contribution(tmp_path / "c")
    more: dict[str, list[object]] = {
        "changes": [CommitOperationAdd("README.md", CARD + b" mine now")],
        "removes": [CommitOperationDelete("README.md")],
        "attributes": [CommitOperationAdd(".gitattributes", b"* -text\n")],
        "outside": [CommitOperationAdd("mcq/train-00009.parquet", b"PAR1")],
        "two": [*_files(root, "contrib/eve-street")],
        "nested": [CommitOperationAdd("contrib/eve-kitchen/contrib/x/y.py", b"1")],
    }
    where = {"theirs": "contrib/bob-kitchen", "taken": "contrib/eve-garden"}
    for kind, says in ONLY.items():
        operations = [*_files(root, where.get(kind, "contrib/eve-kitchen")), *more.get(kind, [])]
        title = f"Contribute {kind} <b>now</b>"
        made = eve.create_commit(R, operations, commit_message=title, repo_type=D, create_pr=True)
        out = run("owner", "contribute", "validate", R, "--pr", str(made.pr_num), "--no-boxes", ends=1)
        assert says in out, kind
    assert "<b>" not in run("owner", "contribute", "review", R)
    downloads = [s.path for s in hub.seen if s.kind == "resolve" and s.method == "GET" and "contrib" in s.path]
    assert not downloads, "files were downloaded that their names had refused"
    assert "not merged" in run("owner", "contribute", "merge", R, "--pr", "1", "--reviewed", "please", ends=1)


def test_only_what_was_checked_is_merged(hub: LoopbackHub, run: Run, tmp_path: Path) -> None:
    owner, eve = as_owner(hub), as_eve(hub)
    owner.create_repo(R, repo_type=D)
    root = contribution(tmp_path / "c")
    operations = _files(root, "contrib/eve-kitchen")
    eve.create_commit(R, operations, commit_message="Contribute", repo_type=D, create_pr=True)
    remote, report = Remote(R, owner), Report()
    assert pulls.fetch(remote, 1, tmp_path / "f", report) is not None
    lie = Verdict(name="eve-kitchen", commit=report.commit, status="accepted", boxes=True)
    forged = Report("eve-kitchen", report.commit, checked=["boxes"]).comment()
    eve.comment_discussion(R, 1, comment=forged, repo_type=D)
    assert list(pulls.verdicts(remote, 1, frozenset({"eve"}))) == [lie]
    assert "not checked" in run("owner", "contribute", "review", R), "the contributor's own word counted"
    more = [CommitOperationAdd("contrib/eve-kitchen/x.py", b"1")]
    eve.create_commit(R, more, commit_message="more", repo_type=D, revision="refs/pr/1")
    with pytest.raises(Conflict, match="has changed since it was checked"):
        pulls.merge(remote, 1, report)
    assert "contrib/eve-kitchen/x.py" not in owner.list_repo_files(R, repo_type=D)


def test_what_was_merged_behind_the_commands_is_checked_at_the_release(
    hub: LoopbackHub, home: Path, tmp_path: Path
) -> None:
    owner, eve = as_owner(hub), as_eve(hub)
    push(Request(home, R, Version(1, 0, 0), work=tmp_path / "w"), api=owner)
    root = contribution(tmp_path / "c")
    path = shards(root, "mcq")[0]
    rows = pq.ParquetFile(path).read().to_pylist()
    rows[0]["answer"] = "B" if rows[0]["answer"] == "A" else "A"
    write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["mcq"]), path)
    operations = _files(root, "contrib/eve-kitchen")
    eve.create_commit(R, operations, commit_message="Contribute", repo_type=D, create_pr=True)
    owner.merge_pull_request(R, 1, repo_type=D)
    with pytest.raises(UserError, match="contrib/eve-kitchen on main does not pass"):
        push(Request(home, R, work=tmp_path / "w"), api=owner)
    with pytest.raises(UserError, match="release them first"):
        rollback(R, Version(1, 0, 0), tmp_path / "back", api=owner)
    assert [t.name for t in owner.list_repo_refs(R, repo_type=D).tags] == ["v1.0.0"]


def test_a_folder_is_validated_against_a_folder(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once in processes of their own, as it is outside of tests."""
    root = contribution(tmp_path / "c", seed=3)
    assert "accepted" in run("owner", "contribute", "validate", str(root), "--dataset", str(home), "--no-boxes")
    in_this_process(monkeypatch)
    again = contribution(tmp_path / "d", seed=1)
    out = run("owner", "contribute", "validate", str(again), "--dataset", str(home), "--no-boxes", ends=1)
    assert "is a video of the benchmark" in out
    assert read_manifest(home).counts["mcq"]
    assert "no contribution" in run("owner", "contribute", "validate", str(home), ends=2)
    shutil.rmtree(root / "videos")
    run("owner", "contribute", "validate", str(root), "--dataset", str(home), ends=1)


@pytest.mark.slow
def test_a_real_clip_with_the_real_second_look(
    hub: LoopbackHub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder of videos, built with the recipe of the repository, to the boxes of the embedded tier again."""
    from fm_builders.build import build
    from fm_builders.recipe import load_recipe
    from fm_builders.samples import folder
    from fm_builders.sources import find_sources

    monkeypatch.undo()  # real processes, real annotators
    monkeypatch.chdir(tmp_path)
    with hub_in(tmp_path / "hub2", monkeypatch) as running:
        build(find_sources([str(folder() / "bikes.mp4")]), load_recipe("quickstart"), tmp_path / "motion")
        push(Request(tmp_path / "motion", R, Version(1, 0, 0)), api=as_owner(running))
        (tmp_path / "yours").mkdir()
        shutil.copyfile(folder() / "cup.mp4", tmp_path / "yours" / "cup.mp4")
        assert "sent as pull request 1" in run("other", "contribute", "submit", "yours", R, *TERMS)
        out = run("owner", "contribute", "validate", R, "--pr", "1", "--json", "--seed", "0")
        report = json.loads(out[out.index("{") :].splitlines()[0])
        assert report["status"] == "accepted", report
        assert report["box agreement"] > 0.99, "the same detectors on the same bytes"
