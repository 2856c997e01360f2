"""Before a view that does not move, pixels say what of a person is to be seen: those that are not the background's.

A box that was only expected has the size of the whole body, and at the frame's edge, where a leg comes first, that is
not what is there. The background of a place is the median of frames in which nobody is known to be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped

__all__ = ["Still"]

FRAMES, APART = 13, 3  # frames that show the background, and how many others lie between them and what is looked at
FEWEST = 3  # frames without anybody, of each pixel
AROUND, LEAST_AROUND = 0.3, 8.0  # of the longer side, and pixels: how far around a place is looked
SIDE = 96  # pixels of the longer side of what is compared
SPARE = 0.12  # of a person's sides, around their box, which may show them
NOISE, SPREADS = 16.0, 3.0  # grey levels, and spreads of a pixel's background, from which it is something else
KNOWN = 0.6  # share of the place of which the background is known
PIECE, INSIDE = 0.03, 0.4  # of the place, the least piece that counts; its share that must lie in the place
LEAST = 0.12  # share of the place that is not background
AT_EDGE = 3.0  # pixels from the frame's edge within which nobody ends

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Grey = NDArray[np.int16]


class Still:
    """The frames (H, W, 3) of a clip whose view is still, and the boxes (N, 4) of ``people`` in each of them."""

    def __init__(self, frames: Sequence[Pixels], people: Mapping[int, Floats]) -> None:
        self.frames, self.people = frames, people

    def part(self, frame: int, place: Floats, others: Floats) -> Floats | None:
        """The box (4,) of what is to be seen of a person expected at ``place`` (4,); None where pixels do not say.

        What lies in the boxes of ``others`` (N, 4) may be theirs, and counts for nothing.
        """
        high, wide = self.frames[0].shape[:2]
        window = _window(place, wide, high)
        those = np.unique(np.linspace(0, len(self.frames) - 1, FRAMES).round().astype(int))
        those = those[np.abs(those - frame) >= APART]
        here, none = window.inside(place[None]), np.empty((0, 4))
        taken = [window.inside(_spare(self.people.get(int(f), none))) for f in those]
        free = ~np.array(taken, bool).reshape(-1, *here.shape)
        known = (free.sum(0) >= FEWEST) & ~window.inside(others)
        if not here.any() or known[here].mean() < KNOWN:
            return None
        background, spread = _background(np.stack([window.picture(self.frames[f]) for f in those]), free)
        differs = (np.abs(window.picture(self.frames[frame]) - background) > NOISE + SPREADS * spread).any(2) & known
        mask = _pieces(differs, here)
        if mask.sum() < LEAST * here.sum():
            return None
        box, ends = window.around(mask), np.array([0.0, 0.0, wide, high])
        box = np.where((np.abs(box - ends) <= AT_EDGE) & (np.abs(place - ends) <= AT_EDGE), ends, box)
        seen: Floats = clipped(box[None], wide, high)[0].astype(np.float64)
        return seen


@dataclass(frozen=True)
class _Window:
    """The part of frames that is compared, whole pixels ``corner`` (x1, y1, x2, y2), and its size (W, H) then."""

    corner: tuple[int, int, int, int]
    size: tuple[int, int]

    @property
    def scale(self) -> Floats:
        """Pixels compared for one of the frame, of x1, y1, x2, y2."""
        x1, y1, x2, y2 = self.corner
        return np.array([self.size[0] / (x2 - x1), self.size[1] / (y2 - y1)] * 2)

    def inside(self, boxes: Floats) -> Mask:
        """Which pixels (H, W) lie in one of these boxes (N, 4) of the frame."""
        mask = np.zeros(self.size[::-1], bool)
        for box in (boxes - np.tile(self.corner[:2], 2)) * self.scale:
            x1, y1, x2, y2 = (max(0, int(v)) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
            mask[y1:y2, x1:x2] = True
        return mask

    def around(self, mask: Mask) -> Floats:
        """The box (4,) of the frame around what is set in a ``mask`` (H, W)."""
        ys, xs = np.nonzero(mask)
        inside = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float64)
        box: Floats = inside / self.scale + np.tile(self.corner[:2], 2)
        return box

    def picture(self, frame: Pixels) -> Grey:
        """What is compared, (H, W, 3)."""
        import cv2

        x1, y1, x2, y2 = self.corner
        small = cv2.resize(frame[y1:y2, x1:x2], self.size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.int16)


def _window(place: Floats, wide: int, high: int) -> _Window:
    """What is compared for a place (4,) of a frame: it and its surroundings."""
    around = max(LEAST_AROUND, AROUND * float((place[2:] - place[:2]).max()))
    grown = np.clip(place + np.array([-around, -around, around, around]), 0, [wide, high] * 2)
    x1, y1, x2, y2 = (int(v) for v in (*np.floor(grown[:2]), *np.ceil(grown[2:])))
    ratio = min(1.0, SIDE / max(x2 - x1, y2 - y1))
    return _Window((x1, y1, x2, y2), (max(4, round((x2 - x1) * ratio)), max(4, round((y2 - y1) * ratio))))


def _spare(boxes: Floats) -> Floats:
    sides = SPARE * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - sides, boxes[:, 2:] + sides], 1)


def _background(pictures: Grey, free: Mask) -> tuple[Grey, Grey]:
    """The median (H, W, 3) of ``pictures`` (N, H, W, 3) where they are ``free`` (N, H, W), and how far they are off it.

    Medians both, because some of few pictures may show someone of whom nobody knows.
    """
    place = np.broadcast_to((free.sum(0) // 2)[None, ..., None], (1, *pictures.shape[1:]))
    place = np.minimum(place, len(pictures) - 1)

    def median(values: Grey) -> Grey:
        ordered = np.sort(np.where(free[..., None], values, np.int16(255)), axis=0)
        middle: Grey = np.take_along_axis(ordered, place, 0)[0]
        return middle

    one = median(pictures)
    return one, median(np.abs(pictures - one))


def _pieces(differs: Mask, here: Mask) -> Mask:
    """The pieces that lie ``here`` for the most part, without grains and small holes."""
    import cv2

    whole = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    whole = cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, pieces = cv2.connectedComponents(whole)
    size, within = (np.bincount(pieces[at].ravel(), minlength=count) for at in (np.ones_like(here), here))
    good = (size >= PIECE * here.sum()) & (within >= INSIDE * size)
    good[0] = False
    mask: Mask = good[pieces]
    return mask
