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
    """Of a model: ``owners`` (geoms,) says whose each geom is, -1 nobody's; ``count`` things."""

    def __init__(self, model: Any, owners: NDArray[np.intp], count: int) -> None:
        self.owners, self.count = owners, count
        visible = (model.geom_rgba[:, 3] > 0) & (model.geom_group <= 2)
        self.geoms = [g for g in range(model.ngeom) if owners[g] >= 0 and visible[g]]
        self.round: dict[int, tuple[Floats, Floats]] = {}  # geom -> middles (K, 3) and radii (3,)
        self.corners: dict[int, Floats] = {}
        for g in self.geoms:
            kind, size = int(model.geom_type[g]), np.array(model.geom_size[g])
            if kind in (SPHERE, CAPSULE):
                half = size[1] if kind == CAPSULE else 0.0
                ends = np.array([[0, 0, -half], [0, 0, half]]) if half else np.zeros((1, 3))
                self.round[g] = ends, np.full(3, size[0])
            elif kind == ELLIPSOID:
                self.round[g] = np.zeros((1, 3)), size
            elif kind == CYLINDER:
                rim = np.column_stack([size[0] * np.cos(RING), size[0] * np.sin(RING), np.full(len(RING), size[1])])
                self.corners[g] = np.concatenate([rim, rim * [1, 1, -1]])
            elif kind == BOX:
                self.corners[g] = size * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
            elif kind == MESH:
                self.corners[g] = _extreme(model, int(model.geom_dataid[g]))

    def measure(self, data: Any, pose: Pose) -> list[Whole]:
        """Every thing as the eye sees it from a pose."""
        import cv2

        axes = pose.axes
        parts: list[list[Floats]] = [[] for _ in range(self.count)]
        depths: list[list[float]] = [[] for _ in range(self.count)]
        for g in self.geoms:
            place, turn = np.array(data.geom_xpos[g]), np.array(data.geom_xmat[g]).reshape(3, 3)
            if g in self.round:
                middles, radii = self.round[g]
                around = np.outer(np.cos(RING), axes[:, 0]) + np.outer(np.sin(RING), axes[:, 1])
                local = around @ turn * radii  # the farthest point of an ellipsoid in each direction on the screen
                support = local * radii / np.linalg.norm(local, axis=1)[:, None]
                points = (middles[:, None] + support[None]).reshape(-1, 3)
            else:
                points = self.corners[g]
            flat, far = pose.project(points @ turn.T + place)
            owner = int(self.owners[g])
            depths[owner].append(float(far.mean()))
            if far.min() > 0:
                parts[owner].append(flat)
        out = []
        for flats, ranges in zip(parts, depths, strict=True):
            depth = float(np.mean(ranges)) if ranges else 0.0
            if not flats:  # behind the eye
                out.append(Whole((-1.0, -1.0, -1.0, -1.0), 0, depth))
                continue
            every = np.concatenate(flats)
            lo, hi = every.min(0), every.max(0)
            limit = LARGEST * np.array(pose.size)
            corner = np.floor(np.maximum(lo, -limit)) - 1
            size = np.ceil(np.minimum(hi, limit) - corner) + 2
            mask = np.zeros((max(1, int(size[1])), max(1, int(size[0]))), np.uint8)
            for flat in flats:
                hull = cv2.convexHull(np.round((flat - corner - 0.5) * 16).astype(np.int32))
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
