"""A person's height stays: a sight that shows the head where it should be, and no legs, is of half a body.

Detectors now and then give the upper half of someone for the whole, or the shadow with the body. Who sits down, bends
or jumps moves the head; whose head goes on as before and whose feet alone leap is as tall as in the sights around.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import INTERPOLATED, LOST, VISIBLE, Track

__all__ = ["steadied"]

NEAR, EACH = 12, 2  # frames in which sights count for a height; least of them before, and after
SAME = 1.25  # times as tall or short from which a box is not the whole body's
CALM = 0.2  # spread of the heights around (median), of the height, above which nothing is known
HEAD = 0.2  # of the height: how far the top may be from where it should be
AT_EDGE = 2.0  # pixels from the frame's edge at which a body may go on behind it

Floats = NDArray[np.float64]


def steadied(track: Track, high: float) -> Track:
    """The track with bottoms mended, and with state 1 where they were; ``high`` is the frame's height in pixels."""
    seen = np.flatnonzero(track.state == VISIBLE)
    boxes, state = track.bbox.astype(np.float64), track.state.copy()
    for i in np.flatnonzero(track.state != LOST).tolist():
        near = seen[(np.abs(seen - i) <= NEAR) & (seen != i)]
        before, after = near[near < i], near[near > i]
        if min(len(before), len(after)) < EACH:
            continue
        tall = _height(track.bbox[near].astype(np.float64))
        _, top, _, bottom = track.bbox[i].astype(np.float64)
        if tall is None or top <= AT_EDGE or bottom >= high - AT_EDGE or _same(bottom - top, tall):
            continue
        around = np.concatenate([before[-EACH:], after[:EACH]])
        head, feet = (float(np.polyval(np.polyfit(around - i, track.bbox[around, k], 1), 0)) for k in (1, 3))
        if abs(top - head) < min(abs(bottom - feet), HEAD * tall):
            boxes[i, 3] = min(top + tall, high)
            state[i] = INTERPOLATED
    return replace(track, bbox=boxes.astype(np.float32), state=state) if (boxes != track.bbox).any() else track


def _height(boxes: Floats) -> float | None:
    """The height of these boxes (N, 4), or None where it changes."""
    heights = boxes[:, 3] - boxes[:, 1]
    tall = float(np.median(heights))
    return tall if float(np.median(np.abs(heights - tall))) <= CALM * tall else None


def _same(a: float, b: float) -> bool:
    return max(a, b) < SAME * min(a, b)
