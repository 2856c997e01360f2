"""What a build stands and what it costs: kills, ten thousand clips, engines against each other, bad files, stage costs.

Parts: ``python benchmarks/scale.py [kills] [store] [engines] [bad] [costs]``; all of them without a name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import Row, peak_mb, show
from compose import annotated as synthetic
from compose import run

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from coloured import coloured, fake_recipe, fm, tree
from faults.killing import done_twice, kill, start
from videos_made import audio_only, numbered, truncated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TINY_S = 1.6


def videos(folder: Path, count: int) -> Path:
    """So many different clips, each with a square that crosses it."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        coloured(folder / f"{i:05d}.mp4", seconds=TINY_S, seed=i)
    return folder


def kills(folder: Path, seed: int) -> list[Row]:
    """Kill a build of 60 clips at 50 random moments, resuming it each time; start anew when it gets to its end."""
    source, recipe = videos(folder / "in", 60), fake_recipe(folder)
    whole = folder / "whole" / "foundationmotion"
    begin = time.perf_counter()
    assert fm("build", source, "-o", whole, "--recipe", recipe).returncode == 0
    longest = time.perf_counter() - begin
    moments, met, trees, twice = random.Random(seed), 0, 0, 0
    while met < 50:
        out = folder / f"killed{trees}" / "foundationmotion"
        args = ["build", source, "-o", out, "--recipe", recipe]
        for _ in range(moments.randint(5, 12)):
            process = start(args)
            try:
                process.wait(moments.uniform(0.3, longest / 2))
                break
            except Exception:  # still at work: its time has come
                kill(process)
                met += 1
        assert fm(*args).returncode == 0
        assert tree(out) == tree(whole), f"tree {trees} differs"
        twice += len(done_twice(out))
        trees += 1
    return [
        Row("kills that met a build at work", met, "", ">=", 50),
        Row("trees that differ from an unbroken build", 0, "", "<=", 0),
        Row("stages finished twice", twice, "", "<=", 0),
    ]


def store(folder: Path, seed: int) -> list[Row]:
    """10,000 clips through the real schedule, store and ledger, with stages that do nothing else."""
    from fm_builders import stages
    from fm_builders.annotate import annotate, plan
    from fm_builders.recipe import Recipe
    from fm_builders.sources import Input
    from fm_builders.storage import write_atomic
    from fm_builders.store import clip_name
    from fm_builders.tasks import Work

    noise = random.Random(seed)
    payload = noise.randbytes(6000)

    def read(task: Any, work: Any, kept: Any) -> dict[str, Any]:
        del work, kept
        return {"sha256": hashlib.sha256(task.source.uri.encode()).hexdigest(), "bytes": 1}

    def cut(task: Any, work: Any, kept: Any) -> dict[str, Any]:
        del work
        sha = task.digest.sha256
        kept.storage.write(clip_name(sha[:24]), payload[:2000])
        clips = [{"clip_id": sha[:24], "sha256": sha, "t0": 0.0, "t1": 2.0, "copied": True}]
        measured = {"codec": "h264", "width": 64, "height": 48, "rotation": 0, "n_frames": 20, "duration": 2.0}
        found = {"source": {**measured, "vfr": False}, "clips": clips, "left_out": []}
        kept.put("cut", task.key, json.dumps(found).encode())
        return found

    def perceive(task: Any, work: Any, kept: Any) -> None:
        del work
        kept.put("perceive", task.key, payload)

    table: dict[str, Any] = stages.STAGES
    real = dict(table)
    table.update(read=read, cut=cut, perceive=perceive)
    recipe = Recipe.model_validate({"name": "stub", "perception": {"detectors": ["fake"]}})
    sources = [Input(f"/nowhere/{i}.mp4", f"{i}.mp4") for i in range(10_000)]
    try:
        held, seconds = [], []
        for part in (sources[:1000], sources):
            work = Work(recipe, str(folder / f"store{len(part)}"))
            begin = time.perf_counter()
            with silent():
                annotate(part, work, engine="inline")
            seconds.append((time.perf_counter() - begin) / len(part))
            held.append(peak_mb())
        begin = time.perf_counter()
        planned = plan(sources, work)
        decided = time.perf_counter() - begin
        assert planned.done == Counter(read=10_000, cut=10_000, perceive=10_000)
    finally:
        table.update(real)
    begin = time.perf_counter()
    for i in range(500):
        for data in (payload[:2000], payload[:500], payload):
            write_atomic(folder / "bare" / f"{i}-{len(data)}", data)
    bare = (time.perf_counter() - begin) / 500
    return [
        Row("the bound: its three files written and synced", 1000 * bare, "ms a clip", "<=", 5),
        Row("store, ledger and schedule", 1000 * seconds[1], "ms a clip", "<=", 5),
        Row("the same at a tenth of the clips", 1000 * seconds[0], "ms a clip", "<=", 5),
        Row("memory that 9,000 more clips take", held[1] - held[0], "MB", "<=", 60),
        Row("decision on 10,000 clips", decided, "s", "<=", 3),
    ]


@contextmanager
def silent() -> Iterator[None]:
    """No bars."""
    before = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(null)
        os.close(before)


def annotated(source: Path, out: Path, recipe: Path, *how: object) -> float:
    """Wall seconds of one annotate."""
    begin = time.perf_counter()
    seen = fm("annotate", source, "-o", out, "--recipe", recipe, *how)
    assert seen.returncode == 0, seen.stderr
    return time.perf_counter() - begin


def engines(folder: Path, _seed: int) -> list[Row]:
    """200 and 2,000 clips with real stages (index, shots, decode, camera, a detector without weights)."""
    recipe, one = fake_recipe(folder), videos(folder / "one", 2)
    some, many = videos(folder / "some", 200), videos(folder / "many", 2000)
    ways: dict[str, tuple[Path, tuple[object, ...]]] = {
        "one": (some, ("--workers", 1)),
        "two": (some, ("--workers", 2)),
        "ray": (some, ("--engine", "ray", "--workers", 2)),
        "many": (many, ("--workers", 2)),
    }
    whole: dict[str, list[float]] = {name: [] for name in ways}
    took: dict[str, list[float]] = {name: [] for name in (*ways, "both")}
    for turn in range(3):
        begin = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:  # two builds of their own at once: what this machine's two cores can give
            outs = [folder / f"both-{turn}-{i}" for i in range(2)]
            list(pool.map(lambda out: annotated(some, out, recipe, "--workers", 1), outs))
        took["both"].append(time.perf_counter() - begin)
        for name, (source, how) in ways.items():
            if name == "many" and turn:
                continue
            idle = annotated(one, folder / f"idle-{name}-{turn}", recipe, *how)
            whole[name].append(annotated(source, folder / f"{name}-{turn}", recipe, *how))
            took[name].append(whole[name][-1] - idle)
    best = {name: median(times) for name, times in took.items()}
    alone = median(whole["one"])
    return [
        Row("the machine's own bound: two builds at once over one", 2 * alone / best["both"], "x", ">=", 0),
        Row("2 workers over 1, 200 clips", best["one"] / best["two"], "x", ">=", 1.7),
        Row("ray over local, 2 workers each, start-up apart", best["ray"] / best["two"], "x", "<=", 1.15),
        Row("2,000 clips over 200", best["many"] / best["two"], "x", "<=", 11),
        Row("2,000 clips over 200, not less", best["many"] / best["two"], "x", ">=", 9),
    ]


def bad(folder: Path, seed: int) -> list[Row]:
    """200 files of which 10 are bad, each in its own way."""
    source = videos(folder / "in", 190)
    long = numbered(folder / "long.mp4", 120)
    (source / "empty.mp4").touch()
    (source / "text.mp4").write_text("<html>gone</html>")
    audio_only(source / "sound.mp4")
    numbered(source / "one-frame.mp4", 1)
    truncated(long, source / "half.mp4")
    (source / "dangling.mp4").symlink_to(source / "nowhere")
    (source / "noise.mp4").write_bytes(random.Random(seed).randbytes(20_000))
    (source / "head.mp4").write_bytes((source / "00000.mp4").read_bytes()[:200])
    os.mkfifo(source / "pipe.mp4")
    (source / "again.mp4").write_bytes((source / "00001.mp4").read_bytes())
    seen = fm("build", source, "-o", folder / "out", "--recipe", fake_recipe(folder), "--json")
    told = json.loads(seen.stdout.splitlines()[-1])
    reasons = Counter(reason for _, reason, _ in told["left_out"])
    print("left out:", dict(reasons))
    return [
        Row("good files built", told["passed"], "", ">=", 190),
        Row("bad files with a reason", sum(reasons.values()), "", ">=", 10),
        Row("files in the totals", told["sources"], "", ">=", 200),
        Row("files that are not in the totals", abs(200 - told["sources"]), "", "<=", 0),
    ]


def costs(folder: Path, seed: int) -> list[Row]:
    """What a clip costs in each stage: the embedded models on the package's clips, compose on synthetic tracks."""
    from fm_builders.build import compose_folder
    from fm_builders.ledger import Ledger
    from fm_builders.samples import folder as samples
    from fm_builders.storage import Folder
    from fm_hub.tables import read_records

    out = folder / "out"
    assert fm("annotate", samples(), "-o", out, "--recipe", "quickstart", "--workers", 1).returncode == 0
    with silent():
        compose_folder(out)
    took = [run("compose", synthetic(folder / str(n), n, seed), "--workers", 1)[1] for n in (256, 1024)]
    entries = [e for e in Ledger(Folder(out / ".fm_hub")).read() if e.status == "ok"]
    clips = list(read_records(out, "clips"))
    seconds = sum(c.duration for c in clips)
    cpu = {stage: sum(e.cpu_s for e in entries if e.stage == stage) for stage in ("read", "cut", "perceive")}
    sizes = dict(Folder(out).names(""))
    tables = sum(n for name, n in sizes.items() if name.endswith(".parquet") and "benchmark_videos" not in name)
    films = sum(n for name, n in sizes.items() if name.startswith("videos/"))
    kept = sum(n for name, n in sizes.items() if name.startswith((".fm_hub/artifacts", ".fm_hub/ledger")))
    cost = Cost(
        read=cpu["read"] / seconds,
        cut=cpu["cut"] / seconds,
        perceive=cpu["perceive"] / seconds,
        compose=(took[1] - took[0]) / 768,  # without what any command costs
        tables=tables / len(clips),
        work=kept / len(clips),
        video=films / seconds,
    )
    print(cost.projected())
    named = {
        "read": (1000 * cost.read, "CPU ms a second of video"),
        "cut": (cost.cut, "CPU s a second of video"),
        "perceive": (cost.perceive, "CPU s a second of video"),
        "compose": (1000 * cost.compose, "CPU ms a clip"),
        "tables": (cost.tables / 1000, "kB a clip"),
        "artifacts and ledger": (cost.work / 1000, "kB a clip"),
        "videos": (cost.video / 1000, "kB a second of video"),
    }
    return [Row(name, value, unit, ">=", 0) for name, (value, unit) in named.items()]


@dataclass(frozen=True)
class Cost:
    """CPU seconds and bytes, a second of video or a clip."""

    read: float
    cut: float
    perceive: float
    compose: float
    tables: float
    work: float
    video: float

    def projected(self) -> str:
        """The table of docs/scale.md: clips of 7.5 seconds, on one machine of 64 cores and on a hundred."""
        lines = ["| | 1 M clips | 100 M clips |", "|---|---|---|"]
        clip_s, files_a_commit = 7.5, 100
        kinds: dict[str, Callable[[float], float]] = {
            "video, hours": lambda n: n * clip_s / 3600,
            "read, CPU hours": lambda n: n * clip_s * self.read / 3600,
            "cut, CPU hours": lambda n: n * clip_s * self.cut / 3600,
            "perceive, CPU hours": lambda n: n * clip_s * self.perceive / 3600,
            "compose, CPU hours": lambda n: n * self.compose / 3600,
            "annotate on 64 cores, days": lambda n: n * clip_s * (self.read + self.cut + self.perceive) / 64 / 86400,
            "annotate on 100 such machines, days": lambda n: (
                n * clip_s * (self.read + self.cut + self.perceive) / 6400 / 86400
            ),
            "videos, TB": lambda n: n * clip_s * self.video / 1e12,
            "tables, GB": lambda n: n * self.tables / 1e9,
            "artifacts and ledger, GB": lambda n: n * self.work / 1e9,
            "ledger lines, M": lambda n: 3 * n / 1e6,
            "files if each clip is one": lambda n: n,
            "of them in one of 256 folders (the Hub allows 10,000)": lambda n: n / 256,
            "commits of 100 files": lambda n: n / files_a_commit,
            "files if packed by 1 GB": lambda n: math.ceil(n * clip_s * self.video / 1e9),
            "hours to read one by one at 1,000 requests a minute": lambda n: n / 1000 / 60,
        }
        for what, count in kinds.items():
            lines.append(f"| {what} | {_round(count(1e6))} | {_round(count(1e8))} |")
        return "\n".join(lines)


def _round(value: float) -> str:
    """Two digits that count, and thousands apart."""
    if value >= 100:
        digits = len(str(int(value))) - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.2g}"


PARTS = {"kills": kills, "store": store, "engines": engines, "bad": bad, "costs": costs}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part named {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    rows: list[Row] = []
    for name in chosen.parts or PARTS:
        with tempfile.TemporaryDirectory() as scratch:
            found = PARTS[name](Path(scratch), chosen.seed)
        rows += found
        for row in found:
            print(f"{row.figure}: {row.value:.3g} {row.unit}", flush=True)
    show("scale", rows, chosen)
