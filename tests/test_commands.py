"""The steps of a build by themselves: plan, annotate, compose, status, gc, fetch; stores elsewhere; manifests."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from coloured import coloured, fake_recipe, fm, tree
from fm_builders.annotate import plan
from fm_builders.build import annotate_sources, build, compose_folder, retry
from fm_builders.cli_work import _duration
from fm_builders.fetch import read_fetch_list
from fm_builders.recipe import load_recipe
from fm_builders.sources import find_sources
from fm_builders.status import collect_garbage, status
from fm_builders.tasks import Digest, Task, Work
from fm_hub.errors import BadDataset, BadOutput, UnknownName
from fm_hub.manifest import read_manifest
from fm_hub.records import content_id
from fm_hub.tables import read_records
from fm_hub.verify import verify


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(3):
        coloured(folder / f"{i}.mp4", seconds=2.0, seed=i)
    return folder


def made(videos: Path, out: Path, recipe: Path, **how: object) -> Path:
    built = build(find_sources([str(videos)]), load_recipe(str(recipe)), out, engine="inline", **how)  # type: ignore[arg-type]
    assert built.passed == 3
    return out


def test_the_steps_give_what_the_build_gives(tmp_path: Path, videos: Path) -> None:
    recipe = fake_recipe(tmp_path)
    whole = made(videos, tmp_path / "whole" / "foundationmotion", recipe)
    out = tmp_path / "steps" / "foundationmotion"
    args = (videos, "-o", out, "--recipe", recipe, "--json")

    before = json.loads(fm("plan", *args).stdout)
    assert before["to_run"] == {"read": 3, "cut": 3}
    assert before["sources_not_cut"] == 3
    assert not out.exists(), "a plan writes nothing"
    done = json.loads(fm("annotate", *args).stdout)
    assert (done["passed"], done["clips"], done["left_out"]) == (3, 3, [])
    after = json.loads(fm("plan", *args).stdout)
    assert (after["done"], after["to_run"]) == ({"read": 3, "cut": 3, "perceive": 3}, {})
    assert not (out / "fm_hub.json").exists()

    for path in videos.iterdir():
        path.unlink()  # compose needs the sources no more
    composed = fm("compose", out, "--json")
    assert composed.returncode == 0, composed.stderr
    assert json.loads(composed.stdout)["reused_stages"] == 6
    assert tree(out) == tree(whole)


def test_another_recipe_asks_otherwise_without_another_look(tmp_path: Path, videos: Path) -> None:
    out = made(videos, tmp_path / "foundationmotion", fake_recipe(tmp_path))
    recipe = load_recipe(str(fake_recipe(tmp_path)))
    fewer = recipe.model_copy(update={"compose": recipe.compose.model_copy(update={"kinds": ("location",)})})
    compose_folder(out, fewer)
    assert {q.kind for q in read_records(out, "mcq")} == {"location"}
    assert verify(out).ok
    slower = recipe.model_copy(update={"perception": recipe.perception.model_copy(update={"fps": 5.0})})
    with pytest.raises(BadOutput, match=r"not annotated with this recipe \(3 to perceive\)"):
        compose_folder(out, slower)
    with pytest.raises(BadOutput, match="nothing is annotated there"):
        compose_folder(tmp_path / "nowhere")


def test_a_list_keeps_questions_out_of_the_benchmark_alone(tmp_path: Path, videos: Path) -> None:
    recipe, out = fake_recipe(tmp_path), tmp_path / "foundationmotion"
    made(videos, out, recipe)
    whole = {c: [q.question_id for q in read_records(out, c)] for c in ("mcq", "qa", "benchmark")}
    before = read_manifest(out).dropped
    assert len(whole["benchmark"]) > 2
    gone = whole["benchmark"][:2]
    unasked = [i for i in whole["mcq"] if i not in whole["benchmark"]][:1]
    drop = tmp_path / "drop.txt"
    drop.write_text("# solved without motion\n" + "\n".join([*gone, *unasked, "0" * 24]) + "\n")

    done = fm("compose", out, "--drop", drop, "--json")
    assert done.returncode == 0, done.stderr
    left = {**whole, "benchmark": whole["benchmark"][2:]}
    assert {c: [q.question_id for q in read_records(out, c)] for c in left} == left
    assert read_manifest(out).dropped == {**before, "Dropped": 2}
    assert verify(out).ok
    composed = tree(out)
    compose_folder(out)  # the list is remembered
    assert tree(out) == composed
    built = fm("build", videos, "-o", tmp_path / "again", "--recipe", recipe, "--engine", "inline", "--drop", drop)
    assert built.returncode == 0, built.stderr
    assert [q.question_id for q in read_records(tmp_path / "again", "benchmark")] == left["benchmark"]
    compose_folder(out, drop=())  # and can be given up
    assert [q.question_id for q in read_records(out, "benchmark")] == whole["benchmark"]


def test_a_list_that_drops_nothing_is_refused(tmp_path: Path, videos: Path) -> None:
    out = made(videos, tmp_path / "foundationmotion", fake_recipe(tmp_path))
    before, drop = tree(out), tmp_path / "drop.txt"
    for text, says in (("0" * 24, "none of its 1 ids is a question here"), ("x", ":1: 'x' is no question's id")):
        drop.write_text(text + "\n")
        done = fm("compose", out, "--drop", drop)
        assert done.returncode == 2
        assert says in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert tree(out) == before
    compose_folder(out)  # a refused list is not remembered
    assert tree(out) == before


def test_status_counts_from_the_ledger(tmp_path: Path, videos: Path) -> None:
    (videos / "bad.mp4").write_bytes(b"no")
    out, recipe = tmp_path / "out", load_recipe(str(fake_recipe(tmp_path)))
    annotate_sources(find_sources([str(videos)]), recipe, out, engine="inline")
    now = status(out)
    assert now.over
    assert {n: (s.ok, s.failed, s.to_run) for n, s in now.stages.items()} == {
        "read": (4, 0, 0),
        "cut": (3, 1, 0),
        "perceive": (3, 0, 0),
    }
    assert now.reasons == {"NotAVideo": 1}
    assert now.eta_s == 0
    perceive = now.stages["perceive"]
    assert perceive.p50_s is not None
    assert perceive.p95_s is not None
    assert 0 < perceive.p50_s <= perceive.p95_s
    (out / ".fm_hub" / "artifacts" / "perceive").rename(tmp_path / "lost")
    later = status(out)
    assert later.stages["perceive"].to_run == 3
    assert later.eta_s == pytest.approx(3 * perceive.p50_s, rel=1.0)
    shown = fm("status", out)
    assert shown.returncode == 0, shown.stderr
    assert "NotAVideo 1" in shown.stdout
    assert "left" in shown.stdout
    assert [_duration(s) for s in (None, 0.5, 60, 600, 36000)] == ["-", "0.50 s", "60 s", "10 min", "10.0 h"]


def test_gc_removes_what_nothing_leads_to(tmp_path: Path, videos: Path) -> None:
    out = made(videos, tmp_path / "foundationmotion", fake_recipe(tmp_path))
    before = tree(out)
    assert collect_garbage(out).files == 0
    (videos / "0.mp4").unlink()
    build(find_sources([str(videos)]), load_recipe(str(fake_recipe(tmp_path))), out, engine="inline", replace=True)
    (out / ".fm_hub" / "tmp").mkdir(exist_ok=True)
    (out / ".fm_hub" / "tmp" / "half").write_bytes(b"xx")
    asked = json.loads(fm("gc", out, "--dry-run", "--json").stdout)
    assert asked["files"] == 4, "its cut, its tables, its clip, and what a killed worker left"
    assert json.loads(fm("gc", out, "--json").stdout)["files"] == 4
    assert collect_garbage(out).files == 0
    assert len(tree(out)) < len(before)
    assert verify(out).ok


def test_a_torn_artifact_and_a_lost_clip_are_made_again(tmp_path: Path, videos: Path) -> None:
    recipe = fake_recipe(tmp_path)
    out = made(videos, tmp_path / "foundationmotion", recipe)
    before = tree(out)
    torn = sorted((out / ".fm_hub" / "artifacts" / "perceive").rglob("*"))[-1]
    torn.write_bytes(torn.read_bytes()[:50])
    next((out / "videos").rglob("*.mp4")).unlink()
    clip = sorted((out / ".fm_hub" / "clips").rglob("*.mp4"))[0]
    clip.write_bytes(b"altered, and so is its other name among the videos")
    made(videos, out, recipe)
    assert tree(out) == before


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_the_work_may_lie_behind_a_url(tmp_path: Path, videos: Path, engine: str) -> None:
    recipe = fake_recipe(tmp_path)
    whole = made(videos, tmp_path / "whole" / "foundationmotion", recipe)
    out, url = tmp_path / "url" / "foundationmotion", f"file://{tmp_path}/bucket"
    for reused in (0, 6):
        built = build(find_sources([str(videos)]), load_recipe(str(recipe)), out, engine=engine, store=url)
        assert (built.passed, built.reused) == (3, reused)
        url = None  # type: ignore[assignment]  # the folder remembers
    assert tree(out) == tree(whole)
    assert not (out / ".fm_hub" / "artifacts").exists()
    assert (tmp_path / "bucket" / "ledger").is_dir()
    with pytest.raises(BadOutput, match="may serve other outputs"):
        collect_garbage(out)


def test_a_dataset_without_videos_can_be_completed(tmp_path: Path, videos: Path) -> None:
    recipe, out = fake_recipe(tmp_path), tmp_path / "foundationmotion"
    seen = fm("build", videos, "-o", out, "--recipe", recipe, "--no-videos")
    assert seen.returncode == 0, seen.stderr
    assert not (out / "videos").exists()
    assert not (out / "benchmark_videos").exists()
    assert verify(out).ok, "the answers need no pixel"
    assert "fm-hub fetch" in (out / "README.md").read_text()
    (videos / "2.mp4").rename(tmp_path / "elsewhere.mp4")
    some = fm("fetch", out, videos)
    assert some.returncode == 1
    assert "2 clip(s) made, 0 there before, 1 missing" in some.stdout
    assert "no file given has the bytes of 2.mp4" in some.stdout
    assert verify(out).ok
    rest = json.loads(fm("fetch", out, tmp_path / "elsewhere.mp4", "--json").stdout)
    assert (rest["made"], rest["present"], rest["missing"]) == (1, 2, [])
    assert verify(out).ok
    clip = next((out / "videos").rglob("*.mp4"))
    clip.write_bytes(b"altered")
    assert [p.why for p in verify(out).problems] == ["changed file: its hash is not that of the clip"]
    with pytest.raises(BadDataset, match=r"has no fetch\.jsonl"):
        read_fetch_list(tmp_path)


def test_a_manifest_gives_licence_origin_and_parts(tmp_path: Path) -> None:
    coloured(tmp_path / "long.mp4", seconds=8.0, seed=1)
    coloured(tmp_path / "other.mp4", seconds=2.0, seed=2)
    rows = [
        {"video": "long.mp4", "license": "CC0-1.0", "source_id": "film 7", "start": 1, "end": 3},
        {"video": "long.mp4", "license": "CC0-1.0", "source_id": "film 7", "start": 5, "end": 7.5},
        {"video": "other.mp4", "license": "MIT", "source_id": "film 7"},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out"
    build(find_sources([str(tmp_path / "m.jsonl")]), load_recipe(str(fake_recipe(tmp_path))), out, engine="inline")
    sources = {s.name: s for s in read_records(out, "sources")}
    clips = sorted(read_records(out, "clips"), key=lambda c: (c.copied, c.t0))
    assert {s.source_id for s in sources.values()} == {content_id("origin", "film 7")}, "one film: one split"
    assert sources["long.mp4"].license == "CC0-1.0"
    assert sources["other.mp4"].license == "MIT"
    assert [(c.t0, c.t1) for c in clips if not c.copied] == [(1.0, 3.0), (5.0, 7.5)]
    assert verify(out).ok


def test_parts_are_not_in_the_key_where_none_are_given(tmp_path: Path, videos: Path) -> None:
    recipe = load_recipe(str(fake_recipe(tmp_path)))
    (source, *_) = find_sources([str(videos)]).sources
    keys = set()
    for spans in ((), ((0.0, 1.0),), ((0.0, float("inf")),)):
        keys.add(Task.cut(replace(source, spans=spans), Digest("ab", 1), recipe).key)
    assert len(keys) == 3


def test_a_decoder_is_part_of_what_decides_a_result(tmp_path: Path, videos: Path) -> None:
    recipe, out = fake_recipe(tmp_path), tmp_path / "out"
    wrong = fm("build", videos, "-o", out, "--recipe", recipe, "--decoder", "decrod")
    assert (wrong.returncode, "did you mean 'decord'" in wrong.stderr) == (2, True)
    chosen = load_recipe(str(recipe))
    other = chosen.model_copy(update={"perception": chosen.perception.model_copy(update={"decoder": "decord"})})
    made(videos, out, recipe)
    assert plan(find_sources([str(videos)]).sources, Work(other, str(out / ".fm_hub"))).to_run == {"perceive": 3}
    if find_spec("decord") is None:
        missing = fm("build", videos, "-o", tmp_path / "no", "--recipe", recipe, "--decoder", "decord")
        assert (missing.returncode, "pip install 'fm-hub[decord]'" in missing.stderr) == (2, True)


def test_retry_keeps_what_it_cannot_see_any_more(tmp_path: Path, videos: Path) -> None:
    (videos / "bad.mp4").write_bytes(b"no")
    out, recipe = tmp_path / "out", load_recipe(str(fake_recipe(tmp_path)))
    build(find_sources([str(videos)]), recipe, out, engine="inline")
    videos.rename(tmp_path / "unmounted")
    taken, built = retry(out, "NotAVideo", engine="inline")
    assert (taken, built.passed) == (1, 3), "what was annotated stays, though its files are gone"
    (tmp_path / "unmounted").rename(videos)
    coloured(videos / "bad.mp4", seconds=2.0, seed=8)
    assert build(find_sources([str(videos)]), recipe, out, engine="inline").passed == 4
    with pytest.raises(UnknownName, match="failure with reason"):
        retry(out, "NotAVideo", engine="inline")


def test_gc_waits_until_all_is_known(tmp_path: Path, videos: Path) -> None:
    out = made(videos, tmp_path / "out", fake_recipe(tmp_path))
    next((out / ".fm_hub" / "clips").rglob("*.mp4")).unlink()
    with pytest.raises(BadOutput, match="still to run"):
        collect_garbage(out)
