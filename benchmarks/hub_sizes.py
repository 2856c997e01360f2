"""Releases that grow, that are long, and that have many files: what is sent, waited for, and held in memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from bench import IMPORTS, Row, peak_mb
from hub_clients import R, child, hub_for, pull, push, street

from dataset_made import make_dataset
from fm_hub.manifest import Manifest, read_manifest, write_manifest
from fm_hub.records import Clip, Source
from fm_hub.tables import read_table, to_table, write_table

__all__ = ["growth", "large", "loading", "many"]


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
                [sys.executable, "-c", SEND, "fm/x", str(root)], check=True, env=dict(os.environ), capture_output=True
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


SEND = """
import sys
from huggingface_hub import HfApi
at = {"repo_id": sys.argv[1], "repo_type": "dataset"}
HfApi().create_repo(**at, exist_ok=True)
HfApi().upload_folder(**at, folder_path=sys.argv[2])
"""
ASK = """
import json, os, sys, time
import fm_hub
from bench import peak_mb
start = time.perf_counter()
rows = fm_hub.load_dataset(sys.argv[1], "mcq", "train", videos=sys.argv[2], n_frames=8, streaming=sys.argv[3] == "flow")
first = next(iter(rows))
seconds = time.perf_counter() - start
assert len(first["video"]) and first["question"]
print(json.dumps({"seconds": seconds, "mb": peak_mb()}))
"""


def loading(folder: Path, n: int) -> list[Row]:
    """The first row, and the first frames, of a long table on the Hub, with nothing of it in the cache."""
    root = folder / "long" / "motion"
    long_set(root, n)
    rows = []
    with hub_for(folder) as hub:
        subprocess.run([sys.executable, "-c", SEND, R, str(root)], check=True, capture_output=True)
        for videos, how, what in (
            ("path", "flow", "streamed, first row and its video"),
            ("frames", "flow", "streamed, first 8 frames"),
            ("frames", "table", "downloaded, first 8 frames"),
        ):
            hub.seen.clear()
            env = {**os.environ, **IMPORTS, "HF_HOME": str(folder / f"{videos}-{how}")}
            args = [sys.executable, "-c", ASK, R, videos, how]
            said = subprocess.run(args, check=True, capture_output=True, text=True, env=env).stdout
            got = json.loads(said.strip().splitlines()[-1])
            sent = sum(s.sent for s in hub.seen) / 1e6
            rows += [
                Row(f"{n} rows, {what}", got["seconds"], "s", "<=", 60 if how == "flow" else 120),
                Row(f"{n} rows, {what}: downloaded", sent, "MB", "<=", 60 if how == "flow" else 500),
                Row(f"{n} rows, {what}: peak memory", got["mb"], "MB", "<=", 1500),
            ]
    return rows


def long_set(root: Path, n: int) -> None:
    """One real clip whose questions are repeated to ``n`` rows with ids of their own, in shards of 100,000."""
    from fm_builders.recipe import Recipe

    recipe = Recipe.model_validate({"name": "made", "splits": {"train": 1.0, "validation": 0.0}})
    make_dataset(root, [street(0)], recipe=recipe)
    table = read_table(root, "mcq", "train")
    copies = -(-n // table.num_rows)
    (root / "mcq" / "train-00000.parquet").unlink()
    manifest = read_manifest(root)
    names, step = {}, 100_000
    whole = pa.concat_tables([table] * copies).slice(0, n)
    for column in ("id", "row_sha", "template_args"):  # so that it is as long on disk as a table of different rows
        made = pa.array(hashlib.sha256(f"{column} {i}".encode()).hexdigest()[:24] for i in range(n))
        whole = whole.set_column(whole.column_names.index(column), column, made)
    for i in range(0, n, step):
        name = f"mcq/train-{i // step:05d}.parquet"
        write_table(whole.slice(i, step), root / name)
        names[name] = manifest.data_version
    counts = {**manifest.counts, "mcq": {"train": n}}
    shards = {**manifest.shards, "mcq": names}
    write_manifest(root, manifest.model_copy(update={"counts": counts, "shards": shards, "files": {}}))


HOLD = """
import os, sys, threading
from pathlib import Path
from fm_hub.hubserver.server import serving
with serving(Path(sys.argv[1])) as hub:
    print(hub.url, flush=True)
    sys.stdin.read()
"""


def large(folder: Path, megabytes: int = 400) -> list[Row]:
    """One large file up and down, by four clients at once: the most memory that the Hub's own process needs for it."""
    (folder / "up").mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder / "hub")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as hub:
        assert hub.stdout
        assert hub.stdin
        url = hub.stdout.readline().strip()
        env = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "any", "HF_HUB_OFFLINE": "0"}
        before = peak_mb(hub.pid)
        clients = []
        for i in range(4):
            here = folder / "up" / str(i)
            here.mkdir()
            with open(here / "large.bin", "wb") as f:
                for _ in range(megabytes // 4):
                    f.write(os.urandom(1 << 20))
            one = {**env, "HF_HOME": str(folder / f"home-{i}")}
            clients.append(subprocess.Popen([sys.executable, "-c", SEND, f"fm/large-{i}", str(here)], env=one))
        failed = sum(c.wait() != 0 for c in clients)
        grown = peak_mb(hub.pid) - before
        hub.stdin.close()
    return [
        Row(f"{megabytes} MB in four uploads at once: uploads that failed", failed, "", "<=", 0),
        Row(f"{megabytes} MB in four uploads at once: growth of the Hub's peak memory", grown, "MB", "<=", 100),
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
