"""A stage: a MuJoCo model, the eye that looks at it, and a script that moves it. Nothing is simulated by forces.

What each pixel shows is rendered too, so that the boxes of visible parts are exact; the outlines of whole things are
projected from their shapes.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fm_builders.simulate.copypaste import bounds
from fm_builders.simulate.eye import Eye
from fm_builders.simulate.film import EVERY, Image, Seen, Shot, frame_times
from fm_builders.simulate.outline import Outlines
from fm_hub.errors import MissingExtra, UserError

__all__ = ["SIZE", "Rig", "Stage", "mujoco"]

SIZE = (320, 240)
Floats = NDArray[np.float64]
BACKENDS = ("egl", "osmesa")
UNSEEN = 5  # a group of geoms that is not drawn


def mujoco() -> Any:
    """The module. Raises :class:`~fm_hub.errors.MissingExtra` where it is not installed."""
    os.environ.setdefault("MUJOCO_GL", "disable")  # what draws is chosen below, when there is something to draw
    try:
        module = importlib.import_module("mujoco")
    except ImportError:
        raise MissingExtra("rendering a scene", "simulate") from None
    module.set_mju_user_warning(_unheard)
    return module


def _unheard(text: str) -> None:
    """MuJoCo's warnings are of settings that meet in one scene. Nothing is stepped here; it would write a log file."""
    del text


@lru_cache(maxsize=1)
def _gl_context() -> Any:
    """A place to draw without a screen: EGL, else OSMesa. Raises :class:`UserError`, in one line, for neither.

    There is one in a process: what a software renderer compiles for the first clip, it has for the others.
    """
    mujoco()
    os.environ.setdefault("LP_NUM_THREADS", "0")  # Mesa's own threads cost a tenth; a build has a process a core
    asked = os.environ["MUJOCO_GL"]
    for name in BACKENDS if asked == "disable" else (asked,):
        if name not in BACKENDS:
            break
        try:
            return importlib.import_module(f"mujoco.{name}").GLContext(*SIZE)
        except Exception:  # each backend fails in a way of its own: no library, no device, no symbol
            os.environ.pop("PYOPENGL_PLATFORM", None)
            for module in [m for m in sys.modules if m == f"mujoco.{name}" or m.split(".")[0] == "OpenGL"]:
                del sys.modules[module]
    raise UserError(
        "nothing to draw with: neither EGL nor OSMesa answers; install one: apt install libegl1 libgl1-mesa-dri, "
        "or apt install libosmesa6 and set MUJOCO_GL=osmesa"
    )


class Rig:
    """The model as a script moves it."""

    def __init__(self, model: Any, data: Any) -> None:
        self.model, self.data = model, data
        self._addresses: dict[str, int] = {}

    def place(self, body: str, position: ArrayLike, turn: ArrayLike = (1.0, 0.0, 0.0, 0.0)) -> None:
        """Put a mocap body at a place, turned by a quaternion (w, x, y, z)."""
        i = self.model.body(body).mocapid[0]
        self.data.mocap_pos[i], self.data.mocap_quat[i] = position, turn

    def joint(self, name: str, value: ArrayLike) -> None:
        """Set a joint: radians or units."""
        if name not in self._addresses:
            self._addresses[name] = int(self.model.joint(name).qposadr[0])
        self.data.qpos[self._addresses[name]] = value

    def site(self, name: str) -> Floats:
        """(3,) where a site is, after the rest was placed."""
        mujoco().mj_kinematics(self.model, self.data)
        return np.array(self.data.site(name).xpos)


@dataclass(frozen=True, eq=False)
class Stage:
    """``build()`` gives the compiled model, which has a mocap body ``eye`` with a camera of that name.

    ``things`` maps each name to the body that it hangs on, with all that hangs on that. ``script(rig, t)`` puts
    everything where it is at a time. ``points(rig, eye, t)`` may give named points in space (K, 3) by thing.
    """

    build: Callable[[], Any]
    things: Mapping[str, str]
    eye: Eye
    script: Callable[[Rig, float], None]
    points: Callable[[Rig], Mapping[str, Floats]] | None = None

    def shoot(self, seconds: float, pictures: bool) -> Iterator[Shot]:
        """Every frame of the film."""
        m = mujoco()
        model = self.build()
        rig = Rig(model, m.MjData(model))
        _gl_context().make_current()
        camera = _Camera(model)
        try:
            outlines = Outlines(model, self._owners(model), len(self.things))
            for i, t in enumerate(frame_times(seconds).tolist()):
                sampled = i % EVERY == 0
                if not (pictures or sampled):
                    yield Shot(None, None)
                    continue
                self._set(rig, t)
                camera.look(rig.data)
                image = camera.picture() if pictures else None
                seen = self._seen(camera, outlines, rig, t) if sampled else None
                yield Shot(image, seen)
        finally:
            camera.close()

    def _set(self, rig: Rig, t: float) -> None:
        m = mujoco()
        self.script(rig, t)
        pose = self.eye.at(t)
        turn = np.zeros(4)
        m.mju_mat2Quat(turn, pose.axes.flatten())
        rig.place("eye", pose.place, turn)
        rig.model.cam_fovy[rig.model.camera("eye").id] = pose.fovy
        m.mj_kinematics(rig.model, rig.data)
        m.mj_camlight(rig.model, rig.data)

    def _owners(self, model: Any) -> NDArray[np.intp]:
        """(geoms,) the number of the thing that each geom belongs to; -1 for scenery."""
        roots = {model.body(body).id: i for i, body in enumerate(self.things.values())}
        of_body = np.full(model.nbody, -1)
        for body in range(1, model.nbody):  # parents come first
            of_body[body] = roots.get(body, of_body[model.body_parentid[body]])
        return np.asarray(of_body[model.geom_bodyid], np.intp)

    def _seen(self, camera: _Camera, outlines: Outlines, rig: Rig, t: float) -> dict[str, Seen]:
        shown = camera.things(outlines.owners)
        pose = self.eye.at(t)
        wholes = outlines.measure(rig.data, pose)
        points = self.points(rig) if self.points else {}
        out = {}
        for i, name in enumerate(self.things):
            mask = shown == i
            pixels, whole = int(np.count_nonzero(mask)), wholes[i]
            share = min(1.0, pixels / max(whole.pixels, 1))
            flat = pose.project(points[name])[0] if name in points else None
            out[name] = Seen(bounds(mask) if pixels else None, whole.box, pixels, share, whole.depth, flat)
        return out


class _Camera:
    """Draws a model in the current context, in colours or by what each pixel shows."""

    def __init__(self, model: Any) -> None:
        m = mujoco()
        self.m, self.model = m, model
        self.scene = m.MjvScene(model, maxgeom=model.ngeom)
        self.geoms = self.scene.geoms  # as they were drawn last; asking for them anew makes them all anew
        self.options, self.view = m.MjvOption(), m.MjvCamera()
        self.groups = np.array(model.geom_group)
        self.shown = np.asarray(self.options.geomgroup, bool)[self.groups]
        self.view.type, self.view.fixedcamid = m.mjtCamera.mjCAMERA_FIXED, model.camera("eye").id
        self.canvas = m.MjrContext(model, m.mjtFontScale.mjFONTSCALE_50.value)
        self.rect = m.MjrRect(0, 0, *SIZE)
        self.scene.flags[m.mjtRndFlag.mjRND_SHADOW] = False
        self.scene.flags[m.mjtRndFlag.mjRND_REFLECTION] = False

    def look(self, data: Any) -> None:
        """Take the scene as it is now, and leave out what lies beside the view, which would be drawn in vain."""
        self.m.mjr_setBuffer(self.m.mjtFramebuffer.mjFB_OFFSCREEN.value, self.canvas)
        self.model.geom_group[:] = np.where(self.shown & ~self._beside(data), self.groups, UNSEEN)
        every = self.m.mjtCatBit.mjCAT_ALL.value
        self.m.mjv_updateScene(self.model, data, self.options, None, self.view, every, self.scene)

    def _beside(self, data: Any) -> NDArray[np.bool_]:
        """(geoms,) whether the sphere around each lies wholly beyond a side of the view; a plane has none."""
        camera = self.view.fixedcamid
        place = (data.geom_xpos - data.cam_xpos[camera]) @ data.cam_xmat[camera].reshape(3, 3)
        high = math.tan(math.radians(float(self.model.cam_fovy[camera])) / 2)
        around, out = self.model.geom_rbound, np.zeros(len(place), bool)
        for axis, slope in ((0, high * SIZE[0] / SIZE[1]), (1, high)):
            off = (np.abs(place[:, axis]) + slope * place[:, 2]) / math.hypot(1.0, slope)  # the view looks along -z
            out |= off > around
        return np.asarray(out & (around > 0))

    def picture(self) -> Image:
        """(H, W, 3) RGB."""
        self.m.mjr_render(self.rect, self.scene, self.canvas)
        image = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
        self.m.mjr_readPixels(image, None, self.rect, self.canvas)
        return image[::-1]

    def things(self, owners: NDArray[np.intp]) -> NDArray[np.int16]:
        """(H, W) the number of the thing that each pixel shows; -1 for none."""
        flags = self.m.mjtRndFlag
        self.scene.flags[flags.mjRND_SEGMENT] = self.scene.flags[flags.mjRND_IDCOLOR] = True
        raw = self.picture()
        self.scene.flags[flags.mjRND_SEGMENT] = self.scene.flags[flags.mjRND_IDCOLOR] = False
        geom = int(self.m.mjtObj.mjOBJ_GEOM)
        table = np.full(self.scene.ngeom + 1, -1, np.int16)
        for g in self.geoms[: self.scene.ngeom]:
            if g.segid >= 0 and g.objtype == geom:
                table[g.segid + 1] = owners[g.objid]
        numbers = raw[..., 0] if len(table) <= 256 else raw[..., 0] | raw[..., 1].astype(np.uint16) << 8
        ids: NDArray[np.int16] = table[numbers]
        return ids

    def close(self) -> None:
        """Give the memory back."""
        self.canvas.free()
