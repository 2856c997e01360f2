"""How much moves in a video, frame by frame: what is worth a clip, and where a cut disturbs least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_hub.video import VideoIndex, iter_frames

__all__ = ["motion_energy"]

SIZE = (64, 48)  # pixels, width and height: compression noise is gone, a hand is still there
CELL = 8  # pixels


def motion_energy(index: VideoIndex) -> NDArray[np.float64]:
    """(n_frames,) for each frame its change from the one before, in grey levels; the first has none.

    Over cells of 8 pixels it is the strongest tenth less the median: what changes everywhere, as when the view moves
    or the light does, is no motion of things. One pass over the frames, two small ones in memory.
    """
    energy = np.zeros(index.n_frames)
    before: NDArray[np.float32] | None = None
    for k, image in iter_frames(index, index.times.tolist(), size=SIZE):
        grey = image.astype(np.float32).mean(2)
        if before is not None:
            change = np.abs(grey - before).reshape(SIZE[1] // CELL, CELL, SIZE[0] // CELL, CELL).mean((1, 3))
            energy[k] = float(np.quantile(change, 0.9) - np.median(change))
        before = grey
    return energy
