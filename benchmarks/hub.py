"""Releases under fire, against the loopback Hub: kills at every request, races, doors, growth, loading, many files.

The clients are the real ones, each in a process of its own; a kill is a SIGKILL. ``--every N`` kills at every
N-th request only, ``--files N`` makes the large set smaller, ``--rows N`` the long one.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench import Row, show
from hub_clients import CLIENT, R, child, hub_for, push, street
from hub_doors import doors
from hub_sizes import growth, large, loading, many

from dataset_made import make_dataset
from fm_hub.hubserver.server import LoopbackHub


class Past:
    """A state of Hub and work folder that can be brought back."""

    TABLES = ("refs", "commits", "lfs", "discussions")

    def __init__(self, hub: LoopbackHub, work: Path) -> None:
        self.hub, self.work, self.saved = hub, work, work.with_name(f"{work.name}-saved")
        shutil.copytree(work, self.saved)
        with hub.hub.store.transaction():
            self.rows = {t: hub.hub.store.db.execute(f"SELECT * FROM {t}").fetchall() for t in self.TABLES}  # noqa: S608 - our own table names

    def restore(self) -> None:
        """Bring it back."""
        shutil.rmtree(self.work)
        shutil.copytree(self.saved, self.work)
        with self.hub.hub.store.transaction():
            for table, rows in self.rows.items():
                self.hub.hub.store.db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    self.hub.hub.store.db.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608 - our own table names
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--every", type=int, default=1, help="kill at every N-th request")
    parser.add_argument("--files", type=int, default=10_000, help="clips of the large set")
    parser.add_argument("--rows", type=int, default=467_000, help="rows of the long table")
    parser.add_argument(
        "--only", choices=("kills", "races", "doors", "growth", "large", "loading", "many"), help="one part"
    )
    chosen = parser.parse_args()
    parts: dict[str, Callable[[Path], list[Row]]] = {
        "kills": lambda at: kills(at, chosen.every),
        "races": races,
        "doors": doors,
        "growth": growth,
        "large": large,
        "loading": lambda at: loading(at, chosen.rows),
        "many": lambda at: many(at, chosen.files),
    }
    found: list[Row] = []
    for name, part in parts.items():
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory() as temp:
                found += part(Path(temp))
    show("hub", found, chosen)
