"""Which split a source belongs to: a threshold on a hash of its id, so that no row ever changes split."""

from __future__ import annotations

import hashlib

from fm_hub.records import Split

__all__ = ["split_of"]


def split_of(source_id: str, train: float, validation: float) -> Split:
    """The split of a source video, from its id and the shares of the recipe alone.

    >>> split_of("00ff", train=1.0, validation=0.0)
    'train'
    """
    place = int(hashlib.sha256(source_id.encode()).hexdigest()[:8], 16) / 2**32
    return "train" if place < train else "validation" if place < train + validation else "test"
