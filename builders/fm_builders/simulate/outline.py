"""The outlines of whole things, hidden parts and all, projected from the shapes that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.eye import Pose

__all__ = ["Outlines", "Whole"]

Floats = NDArray[np.float64]
SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX, MESH = 2, 3, 4, 5, 6, 7  # mjtGeom
RING = np.linspace(0, 2 * np.pi, 24, endpoint=False)
MOST_VERTICES = 60
LARGEST = 3.0  # an outline is drawn as far as this many frames around


@dataclass(frozen=True, slots=True)
class Whole:
    """A thing's box in pixels, also beyond the frame, the number of pixels it covers, and how far it is."""

    box: tuple[float, float, float, float]
    pixels: int
    depth: float


class Outlines:
    """Of a model: ``owners`` (geoms,) says whose each geom is, -1 nobody's; ``count`` things.

    Points lie one geom after the other, first those of geoms with corners, then those around what is round.
    """

    def __init__(self, model: Any, owners: NDArray[np.intp], count: int) -> None:
        self.owners, self.count = owners, count
        visible = (model.geom_rgba[:, 3] > 0) & (model.geom_group <= 2)
        corners: dict[int, Floats] = {}
        middles: dict[int, Floats] = {}  # (K, 3) of balls or ellipsoids whose hull the geom is
        radii: dict[int, Floats] = {}
        for g in range(model.ngeom):
            if owners[g] < 0 or not visible[g]:
                continue
            kind, size = int(model.geom_type[g]), np.array(model.geom_size[g])
            if kind in (SPHERE, CAPSULE):
                half = size[1] if kind == CAPSULE else 0.0
                middles[g] = np.array([[0, 0, -half], [0, 0, half]]) if half else np.zeros((1, 3))
                radii[g] = np.full(3, size[0])
            elif kind == ELLIPSOID:
                middles[g], radii[g] = np.zeros((1, 3)), size
            elif kind == CYLINDER:
                rim = np.column_stack([size[0] * np.cos(RING), size[0] * np.sin(RING), np.full(len(RING), size[1])])
                corners[g] = np.concatenate([rim, rim * [1, 1, -1]])
            elif kind == BOX:
                corners[g] = size * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
            elif kind == MESH:
                corners[g] = _extreme(model, int(model.geom_dataid[g]))
        self.corners = np.concatenate([*corners.values(), np.empty((0, 3))])
        self.cornered = np.repeat(np.array([*corners], np.intp), [len(x) for x in corners.values()])
        self.middles = np.concatenate([*middles.values(), np.empty((0, 3))])
        self.radii = np.concatenate([*(np.tile(r, (len(middles[g]), 1)) for g, r in radii.items()), np.empty((0, 3))])
        self.round = np.repeat(np.array([*middles], np.intp), [len(x) for x in middles.values()])
        self.geoms = np.array([*corners, *middles], np.intp)
        counts = [*(len(x) for x in corners.values()), *(len(x) * len(RING) for x in middles.values())]
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)

    def _points(self, data: Any, axes: Floats) -> Floats:
        """(N, 3) where the points are: corners, and rings that bound what is round as it is seen along ``axes``."""
        place, turn = data.geom_xpos, data.geom_xmat.reshape(-1, 3, 3)
        corners = np.einsum("nij,nj->ni", turn[self.cornered], self.corners) + place[self.cornered]
        around = np.outer(np.cos(RING), axes[:, 0]) + np.outer(np.sin(RING), axes[:, 1])
        turns, radii = turn[self.round], self.radii[:, None]
        local = around @ turns * radii  # the farthest point of an ellipsoid in each direction on the screen
        rings = self.middles[:, None] + local * radii / np.linalg.norm(local, axis=2)[..., None]
        rings = rings @ turns.transpose(0, 2, 1) + place[self.round][:, None]
        points: Floats = np.concatenate([corners, rings.reshape(-1, 3)])
        return points

    def measure(self, data: Any, pose: Pose) -> list[Whole]:
        """Every thing as the eye sees it from a pose."""
        import cv2

        flat, far = pose.project(self._points(data, pose.axes))
        starts = self.starts[:-1]
        before = np.minimum.reduceat(far, starts) > 0 if len(starts) else np.empty(0, bool)
        depths = np.add.reduceat(far, starts) / np.diff(self.starts) if len(starts) else np.empty(0)
        owners = self.owners[self.geoms]
        limit = LARGEST * np.array(pose.size)
        out = []
        for thing in range(self.count):
            mine = owners == thing
            depth = float(depths[mine].mean()) if mine.any() else 0.0
            shapes = [slice(*self.starts[g : g + 2]) for g in np.flatnonzero(mine & before)]
            if not shapes:  # behind the eye
                out.append(Whole((-1.0, -1.0, -1.0, -1.0), 0, depth))
                continue
            every = np.concatenate([flat[shape] for shape in shapes])
            lo, hi = every.min(0), every.max(0)
            corner = np.floor(np.maximum(lo, -limit)) - 1
            size = np.ceil(np.minimum(hi, limit) - corner) + 2
            mask = np.zeros((max(1, int(size[1])), max(1, int(size[0]))), np.uint8)
            for shape in shapes:
                hull = cv2.convexHull(np.round((flat[shape] - corner - 0.5) * 16).astype(np.int32))
                cv2.fillConvexPoly(mask, hull, 1, shift=4)
            box = (float(lo[0]), float(lo[1]), float(hi[0]), float(hi[1]))
            out.append(Whole(box, int(np.count_nonzero(mask)), depth))
        return out


def _extreme(model: Any, mesh: int) -> Floats:
    """The vertices of a mesh, of those that are drawn, that stand out in some direction."""
    first, face = int(model.mesh_vertadr[mesh]), int(model.mesh_faceadr[mesh])
    vertices = model.mesh_vert[first : first + int(model.mesh_vertnum[mesh])]
    return _standing_out(vertices.tobytes(), model.mesh_face[face : face + int(model.mesh_facenum[mesh])].tobytes())


@lru_cache(maxsize=256)
def _standing_out(mesh_vert: bytes, mesh_face: bytes) -> Floats:
    """The same, of bytes: every clip of a scene has the same meshes."""
    drawn = np.unique(np.frombuffer(mesh_face, np.int32))
    vertices = np.array(np.frombuffer(mesh_vert, np.float32).reshape(-1, 3)[drawn], float)
    if len(vertices) <= MOST_VERTICES:
        return vertices
    turn = np.arange(200) * np.pi * (3 - np.sqrt(5))  # a spiral over the sphere, evenly spread
    z = 1 - (np.arange(200) + 0.5) / 100
    ways = np.column_stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z])
    extreme: Floats = vertices[np.unique(np.argmax(vertices @ ways.T, axis=0))]
    return extreme
