"""The background of a clip, whether its view moves or not, and what differs from it: what of a person is to be seen.

Frames are laid over each other as the view moved, and each pixel of the background is the median of what lay there
when nobody was known to be. Whoever is not known and stands still for half of the clip is background.

A box that was only expected has the size of the whole body, and at the frame's edge, where a leg comes first, that is
not what is there. Pixels that are not background say what is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fm_builders.again.film import Film
from fm_builders.boxes import clipped

__all__ = ["Background"]

FRAMES, FEWEST = 17, 4  # frames that the background is the median of, and of them that must show a pixel
STILL = 0.25  # pixels that the view may go, anywhere and ever, and count as still
LARGEST = 4.0  # frames: how large the picture of all that a moving view has seen may be
NOISE, SPREADS = 14.0, 3.0  # grey levels, and spreads of a pixel's background, from which it is something else
LIGHT = 0.35  # share of the frame that changes when it is the light, not a thing
SPARE = 0.12  # of a person's sides, around their box, which may show them
AROUND, LEAST_AROUND = 0.3, 8.0  # of the longer side, and pixels: how far around a place is looked
KNOWN = 0.6  # share of the place of which the background is known
PIECE, INSIDE = 0.03, 0.4  # of the place, the least piece that counts; its share that must lie in the place
LEAST = 0.12  # share of the place that is not background
AT_EDGE = 3.0  # pixels from the frame's edge within which nobody ends
NEVER = 255  # levels from the background at which nothing is: too little is known of it
NOTHING = 256  # what stands for a pixel that a frame does not show: greater than all that it does

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]
Mask = NDArray[np.bool_]


class Background:
    """What the frames of a film have in common, ``people`` (N, 4) left out of each of them in which some are known.

    ``known`` is false where the view's motion is not, or takes it too far. Of a still view it need not be known in
    every frame: one in which it is not says nothing.
    """

    def __init__(self, film: Film, people: Mapping[int, Floats]) -> None:
        self._frames, self._people, self._clear = film.frames, people, film.camera.ok
        wide, high = film.size
        self._turn, self._shift = _laid(film)
        corners = np.array([0, wide, high * 1j, wide + high * 1j])
        at = self._turn[:, None] * corners + self._shift[:, None]
        sides = np.array([np.ptp(at.real), np.ptp(at.imag)])
        followed = self._clear.all() or film.camera.label == "static"
        self.known = bool(followed and sides.prod() <= LARGEST * wide * high)
        if not self.known:
            return
        self._still = bool(np.abs(at - at[:1]).max() <= STILL)
        corner = complex(np.floor(at.real.min()), np.floor(at.imag.min()))
        self._maps = [_matrix(a, b - corner) for a, b in zip(self._turn, self._shift, strict=True)]
        self._size = (wide, high) if self._still else (int(sides[0]) + 2, int(sides[1]) + 2)
        self._ground = self._median()
        self._told: dict[int, tuple[Mask, Mask]] = {}

    def laid(self, frame: NDArray[np.integer], points: Floats) -> Floats:
        """Points (N, 2) of one frame each, (N,), where they are in the middle one: what is fixed in the world stays."""
        z = self._turn[frame] * (points[:, 0] + 1j * points[:, 1]) + self._shift[frame]
        return np.stack([z.real, z.imag], 1)

    def part(self, frame: int, place: Floats, others: Floats) -> Floats | None:
        """The box (4,) of what is to be seen of a person expected at ``place`` (4,); None where pixels do not say.

        What lies in the boxes of ``others`` (N, 4) may be theirs, and counts for nothing.
        """
        if not self.known:
            return None
        high, wide = self._frames[0].shape[:2]
        around = max(LEAST_AROUND, AROUND * float((place[2:] - place[:2]).max()))
        window = np.clip(place + np.array([-around, -around, around, around]), 0, [wide, high] * 2)
        x1, y1, x2, y2 = (int(v) for v in (*np.floor(window[:2]), *np.ceil(window[2:])))
        corner, size = np.array([x1, y1, x1, y1]), (y2 - y1, x2 - x1)
        differs, known = (mask[y1:y2, x1:x2] for mask in self.apart(frame))
        here = _inside(place[None] - corner, size)
        known = known & ~_inside(others - corner, size)
        if not here.any() or known[here].mean() < KNOWN:
            return None
        mask = _pieces(differs & known, here)
        if mask.sum() < LEAST * here.sum():
            return None
        ys, xs = np.nonzero(mask)
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float64) + corner
        ends = np.array([0.0, 0.0, wide, high])
        box = np.where((np.abs(box - ends) <= AT_EDGE) & (np.abs(place - ends) <= AT_EDGE), ends, box)
        seen: Floats = clipped(box[None], wide, high)[0].astype(np.float64)
        return seen

    def apart(self, frame: int) -> tuple[Mask, Mask]:
        """(H, W) where a frame shows something else than the background, and where the background is known."""
        if frame not in self._told:
            self._told[frame] = self._compared(frame)
        return self._told[frame]

    def _compared(self, frame: int) -> tuple[Mask, Mask]:
        import cv2

        high, wide = self._frames[frame].shape[:2]
        if not self._clear[frame]:
            return np.zeros((high, wide), bool), np.zeros((high, wide), bool)
        under = self._ground
        if not self._still:
            under = cv2.warpAffine(
                under, self._maps[frame], (wide, high), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
            )
        red, green, blue, bound = cv2.split(under)
        off = [
            cv2.absdiff(a, b) for a, b in zip(cv2.split(_soft(self._frames[frame])), (red, green, blue), strict=True)
        ]
        differs, known = cv2.max(cv2.max(off[0], off[1]), off[2]) > bound, bound < NEVER
        return (differs if differs.mean() <= LIGHT else np.zeros_like(known)), known

    def _median(self) -> Pixels:
        """(H, W, 4) the median of what the frames show, and how far from it something else is.

        ``NEVER`` where too few of them show one.
        """
        import cv2

        clear = np.flatnonzero(self._clear)
        those = clear[np.unique(np.linspace(0, len(clear) - 1, FRAMES).round().astype(int))].tolist()
        laid = np.empty((len(those), *self._size[::-1], 3), np.int16)
        count = np.zeros(self._size[::-1], np.intp)
        for k, f in enumerate(those):
            taken = _inside(_spare(self._people.get(f, np.empty((0, 4)))), self._frames[f].shape[:2])
            picture = np.dstack([_soft(self._frames[f]), np.where(taken, 0, 255).astype(np.uint8)])
            if not self._still:
                picture = np.asarray(cv2.warpAffine(picture, self._maps[f], self._size), np.uint8)
            free = picture[..., 3] == 255
            laid[k] = np.where(free[..., None], picture[..., :3], np.int16(NOTHING))
            count += free
        laid.sort(axis=0)
        low, ground, up = (np.take_along_axis(laid, (count * k // 4)[None, ..., None], 0)[0] for k in (1, 2, 3))
        spread = np.minimum(up - ground, ground - low)  # who stands there for a while spreads one side alone
        bound = np.minimum(NOISE + SPREADS * spread.max(2), NEVER)
        return np.dstack([np.minimum(ground, NEVER), np.where(count < FEWEST, NEVER, bound)]).astype(np.uint8)


def _soft(frame: Pixels) -> Pixels:
    import cv2

    return np.asarray(cv2.GaussianBlur(frame, (3, 3), 0), np.uint8)


def _laid(film: Film) -> tuple[Complex, Complex]:
    """For each frame the ``a`` and ``b`` of ``p -> a p + b`` from its pixels to those of the middle one."""
    camera, centre = film.camera, complex(*film.size) / 2
    step = np.exp(camera.dlogs + 1j * camera.droll)
    move = centre * (1 - step) + (camera.dx + 1j * camera.dy) / float(film.scale.mean())
    turn, shift = np.ones(len(step), complex), np.zeros(len(step), complex)
    for f in range(1, len(step)):
        turn[f] = turn[f - 1] / step[f]
        shift[f] = shift[f - 1] - turn[f] * move[f]
    middle = len(step) // 2
    return turn / turn[middle], (shift - shift[middle]) / turn[middle]


def _matrix(a: complex, b: complex) -> Floats:
    """The map as OpenCV takes it, for whom a pixel's middle, not its corner, has whole numbers."""
    b += (0.5 + 0.5j) * (a - 1)
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _inside(boxes: Floats, size: tuple[int, ...]) -> Mask:
    """Which pixels (H, W) lie in one of these boxes (N, 4)."""
    mask = np.zeros(size, bool)
    for box in boxes:
        x1, y1, x2, y2 = (max(0, int(v)) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
        mask[y1:y2, x1:x2] = True
    return mask


def _spare(boxes: Floats) -> Floats:
    sides = SPARE * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - sides, boxes[:, 2:] + sides], 1)


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
