"""A Ray cluster of two nodes on one machine, one of which is killed in the middle of a build. Run as a script."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from fm_builders.build import build
from fm_builders.engines import Limits
from fm_builders.ledger import Ledger
from fm_builders.recipe import load_recipe
from fm_builders.sources import find_sources
from fm_builders.storage import Folder


def main(videos: str, recipe: str, out: Path, kill: bool) -> None:
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    assert len(ray.nodes()) == 2
    killed = threading.Event()
    over = threading.Event()

    def watch() -> None:
        ledger = Ledger(Folder(out / ".fm_hub"))
        while not over.wait(0.05):
            if sum(e.stage == "perceive" for e in ledger.read()) >= 3:
                cluster.remove_node(second, allow_graceful=False)
                killed.set()
                return

    watcher = threading.Thread(target=watch)
    if kill:
        watcher.start()
    try:
        built = build(find_sources([videos]), load_recipe(recipe), out, engine="ray", limits=Limits())
    finally:
        over.set()
        if kill:
            watcher.join()
    end = time.monotonic() + 90  # Ray notices by missing heartbeats, which may take longer than the build
    while kill and cluster_size(ray) > 1 and time.monotonic() < end:
        time.sleep(0.2)
    workers = {e.worker for e in Ledger(Folder(out / ".fm_hub")).read() if e.stage == "perceive"}
    print(f"passed={built.passed} killed={killed.is_set()} workers={len(workers)} alive={cluster_size(ray)}")
    ray.shutdown()
    cluster.shutdown()


def cluster_size(ray: object) -> int:
    return sum(node["Alive"] for node in ray.nodes())  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4] == "kill")
