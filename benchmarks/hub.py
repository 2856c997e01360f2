"""Releases under fire, against the loopback Hub: kills at every request, races, growth, ten thousand files.

The clients are the real ones, each in a process of its own; a kill is a SIGKILL. ``--every N`` kills at every
N-th request only, ``--files N`` makes the large set smaller.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing as mp
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench import Row, show

from dataset_made import make_dataset
from fm_hub.errors import FmError
from fm_hub.hubserver.server import LoopbackHub, serving
from fm_hub.manifest import Manifest, read_manifest, write_manifest
from fm_hub.records import Annotation, Clip, Source
from fm_hub.tables import to_table, write_table
from scenes_made import annotation, clock, line, make_track

R = "fm/motion"
TOKEN = "any"  # noqa: S105 - this Hub takes any
CLIENT = mp.get_context("forkserver")


def street(i: int) -> Annotation:
    """A clip that is different for every number."""
    t = clock()
    walker = make_track(f"walker {i}", "person", t, line((60 + i, 200), (500 + i, 190)), seed=i)
    car = make_track(f"car {i}", "car", t, line((600 - i, 300), (100 + i, 300)), size=(90, 45), seed=i)
    return annotation([walker, car], t)


def push(url: str, root: Path, work: Path, small: int, resume: bool, out: Any = None) -> None:
    """A push, in a process of its own; its end goes to ``out``."""
    from huggingface_hub import HfApi

    from fm_hub.release.push import Request
    from fm_hub.release.push import push as run

    try:
        release = run(Request(root, R, work=work, small=small), resume=resume, api=HfApi(endpoint=url, token=TOKEN))
        end = release.tag
    except FmError as e:
        if out is None:
            raise
        end = f"{type(e).__name__}: {e}"
    if out is not None:
        out.put((end, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def pull(url: str, out: Path, told: Any) -> None:
    """A pull, in a process of its own."""
    from huggingface_hub import HfApi

    from fm_hub.release.pull import pull as run

    run(R, out, api=HfApi(endpoint=url, token=TOKEN))
    told.put(("pulled", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def child(target: Any, *args: Any) -> tuple[str, float, float]:
    """Run a client to its end: what it says, its peak memory in MB, wall seconds."""
    told = CLIENT.SimpleQueue()
    start = time.perf_counter()
    process = CLIENT.Process(target=target, args=(*args, told))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"a client ended with {process.exitcode}")
    end, memory = told.get()
    if not end.startswith(("v", "pulled")):
        raise SystemExit(f"a client ended with {end}")
    return end, memory, time.perf_counter() - start


@contextlib.contextmanager
def hub_for(folder: Path, *, xet: str = "") -> Iterator[LoopbackHub]:
    """A Hub, and the environment of clients that talk to it."""
    with serving(folder / "hub", xet=xet) as hub:
        os.environ.update(
            HF_ENDPOINT=hub.url,
            HF_HUB_DISABLE_XET="0" if xet else "1",
            HF_TOKEN="any",  # noqa: S106 - this Hub takes any
            HF_HOME=str(folder / "home"),
            HF_HUB_DISABLE_PROGRESS_BARS="1",
            HF_HUB_DISABLE_TELEMETRY="1",
            HF_HUB_OFFLINE="0",
        )
        CLIENT.set_forkserver_preload(["fm_hub.release.push", "fm_hub.verify", "datasets", "huggingface_hub.hf_api"])
        yield hub


class Past:
    """A state of Hub and work folder that can be brought back."""

    TABLES = ("refs", "commits", "lfs", "discussions")

    def __init__(self, hub: LoopbackHub, work: Path) -> None:
        self.hub, self.work, self.saved = hub, work, work.with_name(f"{work.name}-saved")
        shutil.copytree(work, self.saved)
        with hub.hub.store.transaction():
            self.rows = {t: hub.hub.store.db.execute(f"SELECT * FROM {t}").fetchall() for t in self.TABLES}  # noqa: S608

    def restore(self) -> None:
        """Bring it back."""
        shutil.rmtree(self.work)
        shutil.copytree(self.saved, self.work)
        with self.hub.hub.store.transaction():
            for table, rows in self.rows.items():
                self.hub.hub.store.db.execute(f"DELETE FROM {table}")  # noqa: S608
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    self.hub.hub.store.db.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608
        self.hub.seen.clear()


def seen_by_readers(hub: LoopbackHub) -> tuple[dict[str, str], dict[str, str]]:
    """The files of main by hash, and the tags."""
    store = hub.hub.store
    with store.transaction():
        walk = store.trees.walk(store.commit(R, "main").tree)
        files = {name: e.oid for name, e in walk if e.kind == "file"}
    return files, store.refs(R, "refs/tags/")


def planned(hub: LoopbackHub, root: Path, work: Path, small: int) -> None:
    """A release that is planned and staged, and lost before its first write."""
    first = "open-discussion" if small == 0 else "preupload"
    hub.faults.set(f"{first}:1=stall")
    process = CLIENT.Process(target=push, args=(hub.url, root, work, small, False))
    process.start()
    hub.faults.holding.wait(120)
    process.kill()
    process.join()
    hub.faults.set()


def kills(folder: Path, every: int) -> list[Row]:
    """Kill a push at every request it makes, before and after the Hub has done it; then go on."""
    two, three = folder / "two" / "motion", folder / "three" / "motion"
    make_dataset(two, [street(0)])
    make_dataset(three, [street(0), street(1)])
    n_kills = mixtures = twice = different = failed = 0
    with hub_for(folder) as hub:
        child(push, hub.url, two, folder / "w0", 100, False)
        old_files, old_tags = seen_by_readers(hub)
        for small in (100, 0):
            work = folder / f"w-{small}"
            planned(hub, three, work, small)
            past = Past(hub, work)
            child(push, hub.url, three, work, small, True)
            new_files, new_tags = seen_by_readers(hub)
            for action in ("stall", "hang"):
                n = 1
                while True:
                    past.restore()
                    hub.faults.set(f"any:{n}={action}")
                    process = CLIENT.Process(target=push, args=(hub.url, three, work, small, True))
                    process.start()
                    while process.is_alive() and not hub.faults.holding.is_set():
                        process.join(0.01)
                    if not hub.faults.holding.is_set():
                        break
                    process.kill()
                    process.join()
                    hub.faults.set()
                    n_kills += 1
                    files, tags = seen_by_readers(hub)
                    mixtures += files not in (old_files, new_files) or set(tags) not in (set(old_tags), set(new_tags))
                    again = CLIENT.Process(target=push, args=(hub.url, three, work, small, True))
                    again.start()
                    again.join()
                    failed += again.exitcode != 0
                    files, tags = seen_by_readers(hub)
                    different += files != new_files or set(tags) != set(new_tags)
                    puts = Counter(s.path for s in hub.seen if s.kind == "lfs-put" and s.status == 200)
                    twice += sum(k - 1 for k in puts.values())
                    n += every
            past.restore()
    return [
        Row("kills of a push, at every request it makes", n_kills, "kills", ">=", 200 / every),
        Row("moments with a mixture on main or in the tags", mixtures, "", "<=", 0),
        Row("resumed pushes that failed", failed, "", "<=", 0),
        Row("ends with other bytes", different, "", "<=", 0),
        Row("files sent again that had landed", twice, "", "<=", 0),
    ]


def races(folder: Path, rounds: int = 4) -> list[Row]:
    """Two pushes of different content at once, on the same plan."""
    one = folder / "one" / "motion"
    make_dataset(one, [street(0)])
    roots = [folder / x / "motion" for x in "ab"]
    for i, root in enumerate(roots):
        make_dataset(root, [street(0), street(i + 1)])
    wins = told = 0
    with hub_for(folder) as hub:
        child(push, hub.url, one, folder / "w0", 100, False)
        for k in range(rounds):
            small = 100 if k % 2 else 0
            works = [folder / f"w{k}{x}" for x in "ab"]
            for root, work in zip(roots, works, strict=True):
                planned(hub, root, work, small)
            past = Past(hub, works[0])
            ends = [CLIENT.SimpleQueue() for _ in works]
            both = [
                CLIENT.Process(target=push, args=(hub.url, r, w, small, True, e))
                for r, w, e in zip(roots, works, ends, strict=True)
            ]
            for process in both:
                process.start()
            for process in both:
                process.join()
            said = [e.get()[0] for e in ends]
            wins += sum(s.startswith("v") for s in said)
            told += sum(s.startswith("Conflict") for s in said)
            past.restore()
    return [
        Row("races of two pushes: winners a race", wins / rounds, "", "<=", 1),
        Row("races of two pushes: losers that are told", told / rounds, "", ">=", 1),
    ]


def growth(folder: Path, clips: int = 100) -> list[Row]:
    """Bytes that go up when 1 % more clips are released: over LFS, and into a local Xet store."""
    old, new = folder / "old" / "motion", folder / "new" / "motion"
    scenes = [street(i) for i in range(clips + clips // 100)]
    make_dataset(old, scenes[:clips])
    make_dataset(new, scenes)
    with hub_for(folder) as hub:
        child(push, hub.url, old, folder / "w1", 0, False)
        first = sum(s.received for s in hub.seen if s.kind in ("lfs-put", "commit"))
        hub.seen.clear()
        child(push, hub.url, new, folder / "w2", 0, False)
        sent = sum(s.received for s in hub.seen if s.kind in ("lfs-put", "commit"))
        child(pull, hub.url, folder / "v2")
        tags = hub.hub.store.refs(R, "refs/tags/")
        shards = read_manifest(folder / "v2").shards
        newest = max(tags)[1:]
        fresh = [f for files in shards.values() for f, version in files.items() if version == newest]
        made = {p.relative_to(new).as_posix() for p in (new / "videos").rglob("*.mp4")}
        had = {p.relative_to(old).as_posix() for p in (old / "videos").rglob("*.mp4")}
        changed = sum((folder / "v2" / f).stat().st_size for f in (*fresh, *(made - had)))
    return [
        Row("bytes of the first release", first, "bytes", ">=", 1),
        Row("+1 % clips: bytes of the new rows and clips", changed, "bytes", ">=", 1),
        Row(
            "+1 % clips: bytes sent over LFS and in commits / bytes of new rows and clips", sent / changed, "x", "<=", 2
        ),
        *xet(folder, changed),
    ]


def xet(folder: Path, changed: int) -> list[Row]:
    """The two releases as trees, sent by the real Xet client to a store on this disk."""
    store = folder / "cas"
    store.mkdir()
    here = folder / "xet"
    sizes = []
    with hub_for(here, xet=f"local://{store}"):
        code = (
            "import sys; from huggingface_hub import HfApi; at = {'repo_id': 'fm/x', 'repo_type': 'dataset'}; "
            "HfApi().create_repo(**at, exist_ok=True); HfApi().upload_folder(**at, folder_path=sys.argv[1])"
        )
        first = folder / "w-first"
        for root in (first, folder / "v2"):
            if root == first:
                shutil.copytree(folder / "v2", root)
                manifest = read_manifest(root)
                newest = max(v for files in manifest.shards.values() for v in files.values())
                for files in manifest.shards.values():
                    for name, version in files.items():
                        if version == newest and len(files) > 1:
                            (root / name).unlink()
            subprocess.run(
                [sys.executable, "-c", code, str(root)], check=True, env=dict(os.environ), capture_output=True
            )
            sizes.append(sum(p.stat().st_size for p in store.rglob("*") if p.is_file()))
    return [
        Row(
            "+1 % clips: growth of a Xet store / bytes of new rows and clips",
            (sizes[1] - sizes[0]) / changed,
            "x",
            "<=",
            2,
        )
    ]


def many(folder: Path, files: int) -> list[Row]:
    """A set of many clips, pushed and pulled; memory against a set of a tenth of the size."""
    rows = []
    peaks: dict[str, list[float]] = {"push": [], "pull": []}
    for n in (files // 10, files):
        here = folder / f"{n}"
        clip_set(here / "motion", n)
        with hub_for(here) as hub:
            _, memory, wall = child(push, hub.url, here / "motion", here / "w", 100, False)
            _, memory2, wall2 = child(pull, hub.url, here / "got")
        peaks["push"].append(memory)
        peaks["pull"].append(memory2)
        del hub
        if n == files:
            rows += [
                Row(f"{n} files: push", wall, "s", "<=", 1800),
                Row(f"{n} files: pull", wall2, "s", "<=", 1800),
                Row(f"{n} files: files read back", sum(1 for _ in (here / "got").rglob("*.mp4")), "files", ">=", n),
            ]
    for what, (a, b) in peaks.items():
        rows.append(Row(f"peak memory of a {what}, ten times the files", b / a, "x", "<=", 1.5))
    return rows


def clip_set(root: Path, n: int) -> None:
    """``n`` clips of random bytes with their rows: what is measured is files, not pictures."""
    clips, sources = [], []
    for i in range(n):
        data = hashlib.sha256(f"clip {i}".encode()).digest() * 64
        sha = hashlib.sha256(data).hexdigest()
        name = f"videos/{sha[:2]}/{sha[:24]}.mp4"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        times = (0.0, 1.0, True, 10.0, 64, 48, 10, 1.0)
        clips.append(Clip(sha[:24], sha[:24], name, sha, *times, "static", "test", "ok"))
        media = (sha, len(data), "h264", 64, 48, 0, 10, 1.0, False, "CC0-1.0")
        sources.append(Source(sha[:24], f"{i}.mp4", *media, "ok"))
    tables = {
        ("clips", "test"): to_table("clips", sorted(clips, key=lambda c: c.clip_id)),
        ("sources", "test"): to_table("sources", sorted(sources, key=lambda s: s.source_id)),
    }
    for (config, split), table in tables.items():
        write_table(table, root / config / f"{split}-00000.parquet")
    recipe = {"name": "made", "seed": 0, "perception": {"fps": 10}}
    made = Manifest.measured(
        tables, data_version="0.1.0", generator="made", recipe=recipe, models=[], dropped={}, repo=""
    )
    write_manifest(root, made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--every", type=int, default=1, help="kill at every N-th request")
    parser.add_argument("--files", type=int, default=10_000, help="clips of the large set")
    parser.add_argument("--only", choices=("kills", "races", "growth", "many"), help="one part")
    chosen = parser.parse_args()
    parts: dict[str, Callable[[Path], list[Row]]] = {
        "kills": lambda at: kills(at, chosen.every),
        "races": races,
        "growth": growth,
        "many": lambda at: many(at, chosen.files),
    }
    found: list[Row] = []
    for name, part in parts.items():
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory() as temp:
                found += part(Path(temp))
    show("hub", found, chosen)
