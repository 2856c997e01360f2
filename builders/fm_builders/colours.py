"""The one colour of a thing, in a word, where nearly all of it and nearly all frames agree.

A word is for telling things apart, so it is given only where it is plain: most of the inner part of the box has it, in
most frames. Shade, reflections and what shows through a box make everything else: no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import VISIBLE, Track

__all__ = ["COLOURS", "coloured", "thumbnail"]

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "grey", "white")
SIDE = 384  # pixels of the long side of the pictures that colours are taken from
LEAST_SIDE = 4  # pixels of a part of a box there
OF_THE_BOX, OF_THE_FRAMES = 0.6, 0.7
FEWEST = 5
#: The part of a box that is looked at, as shares of its sides: of a person the chest, else the middle.
INNER = (0.25, 0.25, 0.75, 0.75)
CHEST = (0.3, 0.22, 0.7, 0.5)
#: Upper ends of the hues (degrees) in order; red goes on above the last one.
HUES: tuple[tuple[float, str], ...] = (
    (15.0, "red"),
    (42.0, "orange"),
    (68.0, "yellow"),
    (165.0, "green"),
    (258.0, "blue"),
    (290.0, "purple"),
)
HUES += ((340.0, "pink"), (360.0, "red"))


def thumbnail(frame: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """A copy of a frame (H, W, 3) with at most ``side`` pixels a side, each the mean of those it stands for."""
    import cv2

    ratio = min(1.0, side / max(frame.shape[:2]))
    size = max(1, round(frame.shape[1] * ratio)), max(1, round(frame.shape[0] * ratio))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def coloured(
    tracks: Sequence[Track], small: Sequence[NDArray[np.uint8]], size: tuple[int, int], apart: Sequence[str] = ("hand",)
) -> list[Track]:
    """The tracks with their ``colour``, from the small copies of all sampled frames of a clip of ``size`` (W, H).

    Labels in ``apart`` get none: skin is no colour to tell hands apart by.
    """
    return [t if t.label in apart else replace(t, colour=_colour(t, small, size)) for t in tracks]


def _colour(track: Track, small: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> str:
    part = CHEST if track.label == "person" else INNER
    seen = np.nonzero(track.state == VISIBLE)[0]
    votes: dict[str, int] = {}
    looked = 0
    for k in seen:
        picture = small[int(track.frame[k])]
        x1, y1, x2, y2 = track.bbox[k].astype(np.float64) * (picture.shape[1] / size[0])
        left, right = x1 + part[0] * (x2 - x1), x1 + part[2] * (x2 - x1)
        top, bottom = y1 + part[1] * (y2 - y1), y1 + part[3] * (y2 - y1)
        if min(right - left, bottom - top) < LEAST_SIDE:
            continue
        looked += 1
        word = _word(picture[round(top) : round(bottom), round(left) : round(right)])
        votes[word] = votes.get(word, 0) + 1
    best = max(votes, key=lambda w: (votes[w], w), default="")
    return best if looked >= FEWEST and votes[best] >= OF_THE_FRAMES * looked else ""


def _word(patch: NDArray[np.uint8]) -> str:
    """The colour of most of a patch (H, W, 3) RGB, or an empty string."""
    rgb = patch.reshape(-1, 3).astype(np.float64)
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    spread = high - low
    r, g, b = rgb.T
    some = np.maximum(spread, 1e-9)
    hue = 60 * np.where(high == r, (g - b) / some % 6, np.where(high == g, (b - r) / some + 2, (r - g) / some + 4))
    grey = spread < np.maximum(0.22 * high, 12)
    names = np.array([name for _, name in HUES])[np.searchsorted([h for h, _ in HUES], hue, side="right").clip(0, 7)]
    brown = np.isin(names, ("red", "orange", "yellow")) & (high < 140) & ~((names == "red") & (spread > 0.6 * high))
    pale = (names == "red") & (spread < 0.5 * high) & (high > 170)
    names = np.where(brown, "brown", np.where(pale, "pink", names))
    names = np.where(grey, np.where(high < 60, "black", np.where(high > 195, "white", "grey")), names)
    names = np.where(high < 35, "black", names)
    words, counts = np.unique(names, return_counts=True)
    most = int(counts.argmax())
    return str(words[most]) if counts[most] >= OF_THE_BOX * len(names) else ""
