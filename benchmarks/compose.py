"""A set of the paper's size from synthetic tracks: composed, verified, the same bytes whoever did it.

``python benchmarks/compose.py [--clips 46700] [--workers 2]``: annotations are drawn by chance (they are no part of
what is measured), then composed into captions, QA and MCQ, and verified. Half the clips are composed too, for the
growth; and a small set with one worker, with two, and after a kill, for the bytes; neither with ``--alone``.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench import Row, show

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

BATCH = 250
PER_CLIP = 20
"""Questions of a clip at most, as the recipe has it."""


def annotate(folder: str, start: int, count: int, seed: int) -> None:
    """Store the annotations of some clips, and the ledger's lines for them, as ``fm-hub annotate`` would."""
    import json

    from synthetic_tracks import annotation

    from fm_builders.ledger import Ledger
    from fm_builders.packed import pack
    from fm_builders.recipe import load_recipe
    from fm_builders.sources import Input
    from fm_builders.store import Store
    from fm_builders.tasks import ClipFile, Digest, Outcome, Task, Work, entry_of

    store, recipe = Store(folder), load_recipe("default")
    work = Work(recipe, folder)
    with Ledger(store.storage) as ledger:
        for number in range(start, start + count):
            a = annotation(number, seed)
            source = Input(f"/synthetic/{number}.mp4", f"{number}.mp4", origin=f"film {number // 2}")
            digest, file = Digest(a.clip.sha256, 1), ClipFile(a.clip.clip_id, a.clip.sha256, 0.0, a.clip.t1, True)
            read, cut = Task.read(source), Task.cut(source, digest, recipe)
            look = Task.perceive(source, digest, file, recipe)
            measured = {"codec": "h264", "width": a.clip.width, "height": a.clip.height, "rotation": 0}
            rows = {**measured, "n_frames": a.clip.n_frames, "duration": a.clip.duration, "vfr": False}
            clips = [{"clip_id": file.clip_id, "sha256": file.sha256, "t0": 0.0, "t1": file.t1, "copied": True}]
            found = {"source": rows, "clips": clips, "left_out": []}
            store.put("cut", cut.key, json.dumps(found).encode())
            store.storage.write(f"clips/{file.clip_id[:2]}/{file.clip_id}.mp4", b"")
            tables: dict[str, Any] = {"clips": [a.clip], "frames": [a.frames], "camera": [a.camera], "tracks": a.tracks}
            store.put("perceive", look.key, pack({**tables, "keypoints": [], "contacts": []}))
            ledger.add(entry_of(read, Outcome("ok", output={"sha256": digest.sha256, "bytes": 1}), work))
            ledger.add(entry_of(cut, Outcome("ok"), work))
            ledger.add(entry_of(look, Outcome("ok"), work))


def annotated(out: Path, clips: int, seed: int, per_clip: int = PER_CLIP) -> Path:
    """A folder that ``fm-hub compose`` takes, with so many clips, and so many questions of each at most."""
    from fm_builders.recipe import load_recipe
    from fm_builders.sources import Input
    from fm_builders.workplace import Plan, Workplace

    out.mkdir(parents=True)
    store = str(out / ".fm_hub")
    with ProcessPoolExecutor(2) as pool:
        starts = range(0, clips, BATCH)
        jobs = [pool.submit(annotate, store, i, min(BATCH, clips - i), seed) for i in starts]
        for job in jobs:
            job.result()
    names = range(clips)
    sources = tuple(Input(f"/synthetic/{i}.mp4", f"{i}.mp4", origin=f"film {i // 2}") for i in names)
    recipe = load_recipe("default")
    recipe = recipe.model_copy(update={"compose": recipe.compose.model_copy(update={"max_per_clip": per_clip})})
    place = Workplace(out)
    with place.locked():
        place.save(Plan(sources, recipe, store, False, frozenset()))
    return out


def run(*args: object) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the largest memory (GB) of any process of a command of fm-hub."""
    code = "import sys; from fm_hub.cli import main; main(sys.argv[1:])"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.DEVNULL)
    held = 0.0
    while process.poll() is None:
        held = max(held, family_gb(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"fm-hub {args[0]} ended with exit status {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu, held


def family_gb(pid: int) -> float:
    """What a process and its children hold, GB: their proportional share where memory is shared (Linux)."""
    total = 0.0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += int(line.split()[1]) / 1e6
    except (OSError, ValueError):
        return total
    return total + sum(family_gb(int(child)) for child in children)


def same_bytes(folder: Path, seed: int, per_clip: int) -> int:
    """How many ways to compose a small set give other bytes than two workers do: one worker, and after a kill."""
    from coloured import tree
    from faults.killing import kill, start

    out = annotated(folder / "small", 600, seed, per_clip)
    trees = []
    for workers in (2, 1):
        run("compose", out, "--workers", workers)
        trees.append(tree(out))
    process = start(["compose", out])
    begin = time.perf_counter()
    while time.perf_counter() - begin < random.Random(seed).uniform(2.0, 6.0) and process.poll() is None:
        time.sleep(0.05)
    kill(process)
    run("compose", out)
    trees.append(tree(out))
    return sum(t != trees[0] for t in trees[1:])


def main() -> None:
    """Draw, compose, verify, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=46_700)
    parser.add_argument("--per-clip", type=int, default=PER_CLIP, help="questions of a clip at most")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--alone", action="store_true", help="only the whole set: neither its half nor the small ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    chosen = parser.parse_args()
    from fm_hub.manifest import read_manifest

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows, sizes, took = [], [chosen.clips], {}
        if not chosen.alone:
            differ = same_bytes(folder, chosen.seed, chosen.per_clip)
            rows.append(Row("ways to compose that give other bytes", differ, "", "<=", 0))
            sizes.insert(0, chosen.clips // 2)
        for clips in sizes:
            out = annotated(folder / f"of{clips}", clips, chosen.seed, chosen.per_clip)
            took[clips] = run("compose", out, "--workers", chosen.workers)
            print(f"{clips} clips composed: {took[clips][0]:.0f} s wall, {took[clips][1]:.0f} s CPU", flush=True)
        counts = read_manifest(out).counts
        wall, cpu, held = took[chosen.clips]
        verified = run("verify", out, "--workers", chosen.workers)
        share = chosen.clips / 46_700
        for config, least in (("mcq", 467_000), ("qa", 467_000), ("captions", 46_700)):
            rows.append(Row(f"rows of {config}", sum(counts[config].values()), "", ">=", int(least * share)))
        rows += [
            Row("compose, wall", wall / 60, "min", "<=", 8 * share),
            Row("compose, CPU", cpu / 60, "min", "<=", 16 * share),
            Row("compose, memory of all its processes", held, "GB", "<=", 3),
            Row("verify, wall", verified[0] / 60, "min", "<=", 10 * share),
            Row("verify, CPU", verified[1] / 60, "min", "<=", 20 * share),
            Row("verify, memory of all its processes", verified[2], "GB", "<=", 6),
        ]
        if not chosen.alone:
            rows.append(Row("twice the clips", cpu / took[sizes[0]][1], "x CPU", "<=", 2.2))
    show("compose", rows, chosen)


if __name__ == "__main__":
    main()
