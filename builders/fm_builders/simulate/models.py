"""Bodies from other packages, read where they are installed: the Fetch robot, the Shadow hand, the humanoid."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.stage import mujoco
from fm_hub.errors import MissingExtra

__all__ = ["FETCH", "HAND", "HUMANOID", "compiled"]

FETCH = ("gymnasium_robotics", "envs/assets/fetch/reach.xml", "robot0:base_link")
HAND = ("gymnasium_robotics", "envs/assets/hand/reach.xml", "robot0:hand mount")
HUMANOID = ("dm_control", "suite/humanoid.xml", "torso")

CELLS, LEAST = 16, 48  # along the longest side of a mesh, and of the largest mesh: vertices are drawn no closer
SETTINGS = ("njmax", "nconmax", *(f"nuser_{x}" for x in ("jnt", "site", "tendon", "actuator", "sensor")))


def compiled(text: str, guests: Sequence[tuple[str, tuple[str, str, str], str]]) -> Any:
    """The model of a text, with the body of a package hung on each named mocap body of it.

    A guest is (body to hang on, where it is from, prefix of its names). What would let it fall is taken off, and so
    are its cameras, lights and skies. Raises :class:`~fm_hub.errors.MissingExtra` where the package is not installed.
    """
    m = mujoco()
    spec = m.MjSpec.from_string(text)
    for mount, (package, file, root), prefix in guests:
        guest = m.MjSpec.from_file(str(_folder(package) / file))
        for setting in SETTINGS:  # nothing is simulated; settings that differ would only be warned of
            setattr(spec, setting, getattr(guest, setting))
        spec.option.timestep, spec.option.iterations = guest.option.timestep, guest.option.iterations
        skies = [x for x in guest.textures if x.type == m.mjtTexture.mjTEXTURE_SKYBOX]
        for thing in (*guest.cameras, *guest.lights, *skies):
            guest.delete(thing)
        body = guest.body(root)
        for joint in list(body.joints):
            if joint.type == m.mjtJoint.mjJNT_FREE:
                guest.delete(joint)
        body.pos, body.quat = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
        body.alt.type, body.alt.euler = m.mjtOrientation.mjORIENTATION_QUAT, (0.0, 0.0, 0.0)
        spec.body(mount).add_frame().attach_body(body, prefix, "")
    model = spec.compile()
    sides = [float(np.ptp(_vertices(model, mesh), axis=0).max()) for mesh in range(model.nmesh)]
    for mesh, side in enumerate(sides):
        _coarsen(model, mesh, max(side / CELLS, max(sides) / LEAST))
    return model


def _vertices(model: Any, mesh: int) -> NDArray[np.float32]:
    """(N, 3) metres."""
    first = int(model.mesh_vertadr[mesh])
    vertices: NDArray[np.float32] = model.mesh_vert[first : first + int(model.mesh_vertnum[mesh])]
    return vertices


def _coarsen(model: Any, mesh: int, cell: float) -> None:
    """Draw a mesh with fewer triangles, in place: vertices that lie in one cell, so wide, of a grid become one.

    The meshes of real robots are made for a close look: at 320 pixels most of a frame's time went into triangles that
    are smaller than a pixel.
    """
    face = int(model.mesh_faceadr[mesh])
    rows = slice(face, face + int(model.mesh_facenum[mesh]))
    kept, joined = _coarse(_vertices(model, mesh).tobytes(), model.mesh_face[rows].tobytes(), cell)
    few = slice(face, face + len(kept))
    normals, places = (np.array(a[rows])[kept] for a in (model.mesh_facenormal, model.mesh_facetexcoord))
    model.mesh_face[few], model.mesh_facenormal[few], model.mesh_facetexcoord[few] = joined, normals, places
    model.mesh_facenum[mesh] = len(kept)


@lru_cache(maxsize=256)
def _coarse(mesh_vert: bytes, mesh_face: bytes, cell: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which triangles of a mesh stay (K,), and their vertices (K, 3): every clip of a scene has the same meshes."""
    vertices = np.frombuffer(mesh_vert, np.float32).reshape(-1, 3)
    faces = np.frombuffer(mesh_face, np.int32).reshape(-1, 3)
    _, first, of = np.unique(np.floor(vertices / cell), axis=0, return_index=True, return_inverse=True)
    joined = first[of.reshape(-1)][faces]
    kept = np.flatnonzero((joined != np.roll(joined, 1, axis=1)).all(1))
    _, alone = np.unique(np.sort(joined[kept], axis=1), axis=0, return_index=True)
    kept = kept[np.sort(alone)]
    return kept, joined[kept]


def _folder(package: str) -> Path:
    """Where a package lies, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra("this scene", "simulate")
    return Path(found.submodule_search_locations[0])
