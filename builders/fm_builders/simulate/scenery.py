"""What the rendered scenes share: the text of a model, light and surfaces by chance, and turning about the vertical."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["colour", "fixed_points", "model_text", "yaw"]

Floats = NDArray[np.float64]


def model_text(
    rng: np.random.Generator, bodies: Sequence[str], *, ground: str, sky: str, scale: float = 1.0, floor: float = 0.0
) -> str:
    """A whole MJCF model: the eye, the sun, a stained ground, and the bodies given.

    The ground has no texture: drawing one takes a processor three times as long as all the rest. It is a slab: the same
    pixels of a plane cost five times as much.

    ``ground`` and ``sky`` are ``r g b``; ``scale`` is the size of the world in metres (10: a street,
    0.5: a table), ``floor`` the height of the ground.
    """
    light, side = float(rng.uniform(0.45, 0.7)), rng.uniform(-1, 1, 2)
    ambient = float(rng.uniform(0.3, 0.45))
    return f"""<mujoco>
  <visual>
    <global offwidth="320" offheight="240"/>
    <quality shadowsize="0" offsamples="0" numslices="14" numstacks="8" numquads="1"/>
    <map znear="0.01" zfar="200"/>
    <headlight ambient="{ambient} {ambient} {ambient}" diffuse="0.2 0.2 0.2" specular="0 0 0"/>
  </visual>
  <statistic extent="{scale}" center="0 0 0"/>
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1="{sky}" rgb2="0.9 0.9 0.95" width="64" height="64"/>
  </asset>
  <worldbody>
    <light directional="true" castshadow="false" pos="0 0 {9 * scale}" dir="{side[0] * 0.5} {side[1] * 0.5} -1"
      diffuse="{light} {light} {light}" specular="0.1 0.1 0.1"/>
    <geom type="box" pos="0 0 {floor - scale}" size="{8 * scale} {8 * scale} {scale}" rgba="{ground} 1"/>
    <body pos="0 0 {floor}">{_stains(rng, ground, scale)}</body>
    <body name="eye" mocap="true"><camera name="eye" fovy="45"/></body>
    {" ".join(bodies)}
  </worldbody>
</mujoco>"""


def _stains(rng: np.random.Generator, ground: str, scale: float) -> str:
    """Flat patches, a little lighter or darker than the ground."""
    base = np.array([float(x) for x in ground.split()])
    parts = []
    for i in range(60):
        x, y = rng.uniform(-2.6 * scale, 2.6 * scale, 2)
        a, b = rng.uniform(0.01, 0.06, 2) * scale
        r, g, b_ = np.clip(base * float(rng.choice([0.75, 0.85, 1.15, 1.3])), 0, 1)
        place = f'pos="{x:.3f} {y:.3f} {(0.0002 + i * 1e-5) * scale:.6f}" euler="0 0 {rng.uniform(0, 90):.0f}"'
        parts.append(
            f'<geom type="box" {place} size="{a:.4f} {b:.4f} {1e-4 * scale:.6f}" rgba="{r:.3f} {g:.3f} {b_:.3f} 1"/>'
        )
    return "".join(parts)


def colour(rng: np.random.Generator, most: float = 0.9) -> str:
    """A colour as ``r g b a``, neither black nor white, at most so saturated."""
    import colorsys

    hue, grey = float(rng.random()), float(rng.random()) < 0.25
    r, g, b = colorsys.hsv_to_rgb(
        hue, 0.05 if grey else float(rng.uniform(0.5, 1.0)) * most, float(rng.uniform(0.35, 0.9))
    )
    return f"{r:.3f} {g:.3f} {b:.3f} 1"


def yaw(angle: float) -> Floats:
    """The quaternion (w, x, y, z) of a turn about the vertical, in radians."""
    return np.array([math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)])


def fixed_points(reach: float, height: float) -> Floats:
    """(N, 3) points that never move: a grid on the ground and on far upright walls, to follow the view by."""
    line = np.linspace(-reach, reach, 41)
    ground = np.stack(np.meshgrid(line, line, [0.0]), -1).reshape(-1, 3)
    up = np.linspace(0, height, 6)
    walls = [np.stack(np.meshgrid(line, [w], up), -1).reshape(-1, 3) for w in (-reach, reach)]
    return np.concatenate([ground, *walls])
