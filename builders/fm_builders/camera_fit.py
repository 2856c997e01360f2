"""How the view moved between two grey frames: corners, their flow, and what they agree on.

Corners, a few in each of 16 x 9 cells so that one textured thing cannot outvote the rest, are followed with
Lucas-Kanade forwards and backwards; RANSAC fits a similarity. Motions are complex numbers:
``p' = turn (p - c) + c + shift`` with points as x + iy and ``c`` the frame's centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Motion", "Picture", "motion_between"]

CELLS, PER_CELL = (16, 9), 3
LEAST_CORNER = 1e-4  # smaller eigenvalue of the gradient, 0..1 grey: below it is the noise of compression
ROUND_TRIP = 0.5  # pixels: forwards and backwards must come back this near
RANSAC_PIXELS = 1.0
LEAST_POINTS, LEAST_CELLS = 16, 8
LEAST_INLIERS = 0.6  # share; measured on known paths: below it the fit may follow the foreground
LEAST_SPREAD = 0.1  # of the frame: points that fill it evenly have 0.29
CLEAR_INLIERS, WIDER = 0.9, 1.3
SHAKE_POINTS, SHAKE_CELLS, SHAKE_SHARE, SHAKE_SPREAD = 6, 4, 0.3, 0.06
SHAKE_MOST = 0.035  # of the diagonal


@dataclass(frozen=True, slots=True)
class Motion:
    """A similarity about the frame's centre, in clip pixels; ``inliers`` is the share of points that agree."""

    turn: complex = 1.0
    shift: complex = 0.0
    inliers: float = 1.0
    ok: bool = True

    def after(self, first: Motion) -> Motion:
        """``first``, then this."""
        return Motion(self.turn * first.turn, self.turn * first.shift + self.shift, self.inliers, self.ok)

    def inverse(self) -> Motion:
        """The way back."""
        return Motion(1 / self.turn, -self.shift / self.turn)


UNKNOWN = Motion(inliers=0.0, ok=False)


@dataclass(frozen=True, eq=False)
class Picture:
    """A small grey frame (h, w) uint8, and where in it the background may be seen (h, w) bool."""

    grey: NDArray[np.uint8]
    free: NDArray[np.bool_]

    @cached_property
    def corners(self) -> NDArray[np.float32]:
        """(h, w) how strong the corner is that a pixel is, 0 where it is none; at least 3 pixels apart."""
        import cv2

        strength = cv2.cornerMinEigenVal(self.grey.astype(np.float32) / 255, 5)
        peak = (strength >= cv2.dilate(strength, np.ones((7, 7), np.uint8))) & (strength > LEAST_CORNER)
        peak[:8], peak[-8:], peak[:, :8], peak[:, -8:] = False, False, False, False
        return np.where(peak, strength, np.float32(0))


def motion_between(before: Picture, now: Picture, size: tuple[int, int]) -> Motion:
    """The motion of the view from one picture to the other, in pixels of a clip of ``size`` (width, height).

    Where corners are too few or disagree, the small shift that they have in common (a hand's shake), if any.
    """
    small = (before.grey.shape[1], before.grey.shape[0])
    p, q = _matches(before, now)
    fitted, inlier = _fit(p, q, small, size)
    if fitted.ok and fitted.inliers > CLEAR_INLIERS:
        return fitted
    shaken, agree = _shake(p, q, small, size)
    # what a textured thing does that fills one part of the frame must not outvote what the rest of the frame does
    wider = shaken.ok and _spread(p[agree], small) > WIDER * _spread(p[inlier], small)
    return shaken if shaken.ok and (wider or not fitted.ok) else fitted


def _corners(picture: Picture, free: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, 1, 2) the strongest corners of each cell."""
    strength = picture.corners
    y, x = np.nonzero((strength > 0) & free)
    height, width = strength.shape
    cell = (y * CELLS[1] // height) * CELLS[0] + x * CELLS[0] // width
    order = np.lexsort((x, y, -strength[y, x], cell))
    _, first = np.unique(cell[order], return_index=True)
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    best = order[rank < PER_CELL]
    return np.stack([x[best], y[best]], 1).astype(np.float32)[:, None]


def _matches(before: Picture, now: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (N, 2) in the frame before and where they are now, in small pixels."""
    import cv2

    p = _corners(before, before.free & now.free)
    if not len(p):
        return p[:, 0], p[:, 0]
    flow: dict[str, Any] = {"winSize": (21, 21), "maxLevel": 4}
    q, there, _ = cv2.calcOpticalFlowPyrLK(before.grey, now.grey, p, None, **flow)
    back, again, _ = cv2.calcOpticalFlowPyrLK(now.grey, before.grey, q, None, **flow)
    good = (there.ravel() == 1) & (again.ravel() == 1) & (np.linalg.norm((back - p)[:, 0], axis=1) < ROUND_TRIP)
    return p[good, 0], q[good, 0]


def _fit(
    p: NDArray[np.float32], q: NDArray[np.float32], small: tuple[int, int], size: tuple[int, int]
) -> tuple[Motion, NDArray[np.bool_]]:
    """The similarity from p to q, about the centre of the clip's frame, in clip pixels; and which points agree."""
    import cv2

    none = np.zeros(len(p), bool)
    if len(p) < LEAST_POINTS or len(_cells(p, small)) < LEAST_CELLS:
        return UNKNOWN, none
    scale = np.array(size) / np.array(small)
    # a pixel's centre is half a pixel from its corner, where our coordinates have their origin
    a, b = (p + 0.5) * scale, (q + 0.5) * scale
    matrix, inlier = cv2.estimateAffinePartial2D(
        a, b, method=cv2.RANSAC, ransacReprojThreshold=RANSAC_PIXELS * float(scale.mean()), confidence=0.999
    )
    if matrix is None:
        return UNKNOWN, none
    share = float(inlier.mean())
    middle = np.array(size) / 2
    dx, dy = matrix[:, :2] @ middle + matrix[:, 2] - middle
    turn = complex(matrix[0, 0], matrix[1, 0])
    agree = inlier.ravel().astype(bool)
    ok = share >= LEAST_INLIERS and abs(turn) > 0.1 and _spread(p[agree], small) >= LEAST_SPREAD
    return Motion(turn, complex(dx, dy), share, ok), agree


def _shake(
    p: NDArray[np.float32], q: NDArray[np.float32], small: tuple[int, int], size: tuple[int, int]
) -> tuple[Motion, NDArray[np.bool_]]:
    """The small shift that corners far apart have in common, and which have it.

    Needed: at least 6 corners in 4 cells, some way apart, and 30 % of all, agree to a pixel on a shift of at most
    3.5 % of the diagonal. What moves in front is faster, or sits in one place.
    """
    if len(p) < SHAKE_POINTS:
        return UNKNOWN, np.zeros(len(p), bool)
    shift = (q - p).astype(np.float64)
    near = np.linalg.norm(shift[:, None] - shift[None], axis=2) < RANSAC_PIXELS
    near &= (np.linalg.norm(shift, axis=1) <= SHAKE_MOST * np.hypot(*small))[None]
    agree = near[int(near.sum(1).argmax())]
    enough = agree.sum() >= SHAKE_POINTS and len(_cells(p[agree], small)) >= SHAKE_CELLS
    if not enough or agree.mean() < SHAKE_SHARE or _spread(p[agree], small) < SHAKE_SPREAD:
        return UNKNOWN, agree
    dx, dy = np.median(shift[agree], axis=0) * np.array(size) / np.array(small)
    return Motion(shift=complex(dx, dy), inliers=float(agree.mean())), agree


def _spread(points: NDArray[np.float32], small: tuple[int, int]) -> float:
    """How far apart points are: the geometric mean of their standard deviations, as shares of width and height."""
    return float(np.sqrt((points.std(0) / small).prod())) if len(points) else 0.0


def _cells(points: NDArray[np.float32], small: tuple[int, int]) -> set[tuple[int, int]]:
    return {(int(x * CELLS[0] / small[0]), int(y * CELLS[1] / small[1])) for x, y in points}
