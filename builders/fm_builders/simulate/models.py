"""Bodies from other packages, read where they are installed: the Fetch robot, the Shadow hand, the humanoid."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fm_builders.simulate.stage import mujoco
from fm_hub.errors import MissingExtra

__all__ = ["FETCH", "HAND", "HUMANOID", "compiled"]

FETCH = ("gymnasium_robotics", "envs/assets/fetch/reach.xml", "robot0:base_link")
HAND = ("gymnasium_robotics", "envs/assets/hand/reach.xml", "robot0:hand mount")
HUMANOID = ("dm_control", "suite/humanoid.xml", "torso")

SETTINGS = ("njmax", "nconmax", *(f"nuser_{x}" for x in ("jnt", "site", "tendon", "actuator", "sensor")))


def compiled(text: str, guests: Sequence[tuple[str, tuple[str, str, str], str]]) -> Any:
    """The model of a text, with the body of a package hung on each named mocap body of it.

    A guest is (body to hang on, where it is from, prefix of its names). What would let it fall is taken off, and so
    are its cameras and lights. Raises :class:`~fm_hub.errors.MissingExtra` where the package is not installed.
    """
    m = mujoco()
    spec = m.MjSpec.from_string(text)
    for mount, (package, file, root), prefix in guests:
        guest = m.MjSpec.from_file(str(_folder(package) / file))
        for setting in SETTINGS:  # nothing is simulated; settings that differ would only be warned of
            setattr(spec, setting, getattr(guest, setting))
        spec.option.timestep, spec.option.iterations = guest.option.timestep, guest.option.iterations
        for thing in (*guest.cameras, *guest.lights):
            guest.delete(thing)
        body = guest.body(root)
        for joint in list(body.joints):
            if joint.type == m.mjtJoint.mjJNT_FREE:
                guest.delete(joint)
        body.pos, body.quat = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
        body.alt.type, body.alt.euler = m.mjtOrientation.mjORIENTATION_QUAT, (0.0, 0.0, 0.0)
        spec.body(mount).add_frame().attach_body(body, prefix, "")
    return spec.compile()


def _folder(package: str) -> Path:
    """Where a package lies, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra("this scene", "simulate")
    return Path(found.submodule_search_locations[0])
