"""One evaluation by several processes, as torchrun starts them: each asks its share, the first one sums up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from fm_hub.errors import MissingExtra

__all__ = ["Ranks", "joined", "my_rank"]

PATIENCE = timedelta(days=30)
"""How long a process that is done waits for the others: their shares may take very different times."""


@dataclass(frozen=True)
class Ranks:
    """This process among ``world`` processes, numbered from 0."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes what there is only one of."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.world > 1:
            import torch.distributed

            torch.distributed.barrier()


def my_rank() -> int:
    """The number that torchrun gave this process; 0 without it."""
    return int(os.environ.get("RANK", "0")) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else 0


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the others within the block; alone, nothing happens and nothing is imported."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2:
        yield Ranks()
        return
    try:
        import torch.distributed as dist
    except ModuleNotFoundError:
        raise MissingExtra("several processes", "eval") from None
    ours = not dist.is_initialized()
    if ours:  # only moments are exchanged, no tensors: gloo does that on every machine
        dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        if ours:
            dist.destroy_process_group()
