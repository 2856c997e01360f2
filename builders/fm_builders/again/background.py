"""The background of a clip, whether its view moves or not, and what differs from it.

Frames are laid over each other as the view moved, and each pixel of the background is the median of what lay there:
whoever goes past is in few of them. Whoever stands still for half of the clip is background.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import Camera

__all__ = ["Background"]

FRAMES = 17  # that the background is the median of
FEWEST = 4  # of them that must show a pixel
STILL = 0.25  # pixels that the view may go, anywhere and ever, and count as still
FARTHEST = 3.0  # of the frame's longer side: how large what a moving view has seen may be
NOISE, SPREADS = 14.0, 3.0  # grey levels, and spreads of a pixel's background, from which it is something else
LIGHT = 0.35  # share of the frame that changes when it is the light, not a thing
NOTHING = 256  # what stands for a pixel that a frame does not show: greater than all that it does

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Background:
    """What the frames of one clip, uint8 RGB (H, W, 3), have in common; ``scale`` pixels of the clip are one of theirs.

    ``camera`` says how the view moved; ``known`` is false where it does not, or where the view goes too far.
    """

    def __init__(self, frames: Sequence[Pixels], camera: Camera, scale: float) -> None:
        import cv2

        self._frames = frames
        high, wide = frames[0].shape[:2]
        turn, shift = _laid(camera, scale, complex(wide / 2, high / 2))
        corners = np.array([0, wide, high * 1j, wide + high * 1j])
        at = turn[:, None] * corners + shift[:, None]
        self._still = bool(np.abs(at - at[:1]).max() <= STILL)
        sides = np.array([np.ptp(at.real), np.ptp(at.imag)])
        self.known = bool(camera.ok.all() and sides.max() <= FARTHEST * max(wide, high))
        if not self.known:
            return
        corner = complex(np.floor(at.real.min()), np.floor(at.imag.min()))
        self._maps = [_matrix(a, b - corner) for a, b in zip(turn, shift, strict=True)]
        self._size = (wide, high) if self._still else (int(sides[0]) + 2, int(sides[1]) + 2)
        those = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)).tolist()
        self._ground, bound, shown = self._median(those)
        self._bound = cv2.convertScaleAbs(bound, alpha=SPREADS, beta=NOISE)
        self._shown = None if self._still else shown.astype(np.uint8)

    def apart(self, frame: int) -> NDArray[np.uint8]:
        """(H, W) 1 where a frame shows something else than the background, 0 elsewhere and where that is not known."""
        import cv2

        ground, bound = self._under(self._ground, frame), self._under(self._bound, frame)
        over = cv2.subtract(cv2.absdiff(_soft(self._frames[frame]), ground), bound)
        red, green, blue = cv2.split(over)
        _, differs = cv2.threshold(cv2.max(cv2.max(red, green), blue), 0, 1, cv2.THRESH_BINARY)
        if self._shown is not None:
            differs &= self._under(self._shown, frame, cv2.INTER_NEAREST)
        return differs if differs.mean() <= LIGHT else np.zeros_like(differs)

    def _median(self, those: Sequence[int]) -> tuple[Pixels, Pixels, NDArray[np.bool_]]:
        """Median and half of the inner half's width of these frames, (H, W, 3) both; where enough of them show it."""
        import cv2

        if self._still:
            q = [len(those) // 4, len(those) // 2, 3 * len(those) // 4]
            low, ground, up = np.partition(np.stack([_soft(self._frames[f]) for f in those]), q, axis=0)[q]
            return ground, (up - low) // 2, np.ones(ground.shape[:2], bool)
        laid, shown = [], []
        for f in those:
            white = np.ones(self._frames[f].shape[:2], np.uint8)
            shown.append(cv2.warpAffine(white, self._maps[f], self._size, flags=cv2.INTER_NEAREST) > 0)
            over = cv2.warpAffine(_soft(self._frames[f]), self._maps[f], self._size).astype(np.int16)
            over[~shown[-1]] = NOTHING
            laid.append(over)
        count = np.sum(shown, axis=0)
        ordered = np.sort(np.stack(laid), axis=0)
        low, ground, up = (np.take_along_axis(ordered, (count * k // 4)[None, ..., None], 0)[0] for k in (1, 2, 3))
        few = count < FEWEST
        return np.where(few[..., None], 0, ground).astype(np.uint8), ((up - low) // 2).astype(np.uint8), ~few

    def _under(self, laid: Pixels, frame: int, how: int = 1) -> Pixels:
        """What lies under a frame, of all that the view has seen."""
        import cv2

        if self._still:
            return laid
        size = self._frames[frame].shape[1::-1]
        back = how | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(laid, self._maps[frame], size, flags=back), np.uint8)


def _soft(frame: Pixels) -> Pixels:
    import cv2

    return np.asarray(cv2.GaussianBlur(frame, (3, 3), 0), np.uint8)


def _laid(camera: Camera, scale: float, centre: complex) -> tuple[Complex, Complex]:
    """For each frame the ``a`` and ``b`` of ``p -> a p + b`` from its pixels to those of the middle one."""
    step = np.exp(camera.dlogs + 1j * camera.droll)
    move = centre * (1 - step) + (camera.dx + 1j * camera.dy) / scale
    turn, shift = np.ones(len(step), complex), np.zeros(len(step), complex)
    for f in range(1, len(step)):
        turn[f] = turn[f - 1] / step[f]
        shift[f] = shift[f - 1] - turn[f] * move[f]
    middle = len(step) // 2
    return turn / turn[middle], (shift - shift[middle]) / turn[middle]


def _matrix(a: complex, b: complex) -> NDArray[np.float64]:
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
