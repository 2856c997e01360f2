"""The eye of a rendered scene: a pinhole camera on a planned path, and how its picture of what is fixed moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fm_builders.simulate.film import View
from fm_builders.simulate.motion import Route

__all__ = ["Eye", "Pose", "view_of"]

Floats = NDArray[np.float64]
NEAR = 0.05
FITS = 0.5  # pixels a frame: a view whose fixed points move further from a similarity than this is not one


@dataclass(frozen=True)
class Eye:
    """Where the camera is and what it looks at, over time; world units, z up.

    ``place`` and ``target`` are routes in three dimensions, ``lens`` one of (vertical field of view, roll) in degrees.
    """

    place: Route
    target: Route
    lens: Route
    size: tuple[int, int]

    @classmethod
    def fixed(cls, place: ArrayLike, target: ArrayLike, fovy: float, size: tuple[int, int]) -> Eye:
        """An eye that stays."""
        a, b = (np.asarray(x, float).tolist() for x in (place, target))
        return cls(Route(a), Route(b), Route((fovy, 0.0)), size)

    def at(self, t: float) -> Pose:
        """The eye at a time, seconds."""
        place, target = self.place.at(t)[0], self.target.at(t)[0]
        fovy, roll = self.lens.at(t)[0]
        back = (place - target) / np.linalg.norm(place - target)
        level = np.array([-back[1], back[0], 0.0]) / math.hypot(back[0], back[1])  # to the right: z cross back
        top = np.array([-back[2] * level[1], back[2] * level[0], back[0] * level[1] - back[1] * level[0]])
        a = math.radians(roll)
        right, up = math.cos(a) * level + math.sin(a) * top, math.cos(a) * top - math.sin(a) * level
        return Pose(place, np.column_stack([right, up, back]), float(fovy), self.size)


@dataclass(frozen=True, eq=False)
class Pose:
    """An eye at one moment: ``place`` (3,), ``axes`` (3, 3: right, up, back as columns), ``fovy`` in degrees."""

    place: Floats
    axes: Floats
    fovy: float
    size: tuple[int, int]

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Points (N, 3) in the picture: (N, 2) pixels, and (N,) how far they are before the eye."""
        seen = (points - self.place) @ self.axes
        far = -seen[:, 2]
        focal = self.size[1] / 2 / math.tan(math.radians(self.fovy) / 2)
        flat = seen[:, :2] * np.array([1.0, -1.0]) * (focal / np.maximum(far, NEAR))[:, None]
        return flat + np.array(self.size) / 2, far


def view_of(eye: Eye, kind: str, t: Floats, fixed: Floats) -> View:
    """How the picture of ``fixed`` points (N, 3) moves at times (F,): the similarity that fits best, where one fits.

    An eye that travels sees near things move against far ones: no similarity is that.
    """
    n = len(t)
    if not (eye.place.stretches or eye.target.stretches or eye.lens.stretches):
        return View.still(n)
    half = complex(eye.size[0] / 2, eye.size[1] / 2)
    turn, shift, ok = np.ones(n, complex), np.zeros(n, complex), np.ones(n, bool)
    before = None
    for i, at in enumerate(t.tolist()):
        flat, far = eye.at(at).project(fixed)
        inside = (far > NEAR) & (flat >= 0).all(1) & (flat < np.array(eye.size)).all(1)
        z = flat[:, 0] + 1j * flat[:, 1] - half
        if before is not None:
            both = inside & before[1]
            a, b = before[0][both], z[both]
            if both.sum() >= 8:
                middle = a.mean(), b.mean()
                da, db = a - middle[0], b - middle[1]
                step = np.vdot(da, db) / np.vdot(da, da)
                offset = middle[1] - step * middle[0]
                ok[i] = not eye.place.stretches and np.quantile(np.abs(step * a + offset - b), 0.9) < FITS
            else:
                step, offset, ok[i] = 1.0, 0.0, False
            turn[i], shift[i] = step * turn[i - 1], step * shift[i - 1] + offset
        before = z, inside
    return View(kind, turn, shift, ok)
