"""Bodies drawn with numpy: keypoints whose gesture is known by construction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import Keypoints, Track

Array = NDArray[np.float64]
Move = Callable[[Array, Array], None]
#: A person who faces the camera, in lengths of the torso, hips at the origin, y down (COCO order).
STANDING = np.array(
    [
        *[(0.0, -1.5), (0.08, -1.56), (-0.08, -1.56), (0.16, -1.5), (-0.16, -1.5)],
        *[(0.35, -1.0), (-0.35, -1.0), (0.45, -0.5), (-0.45, -0.5), (0.5, 0.0), (-0.5, 0.0)],
        *[(0.2, 0.0), (-0.2, 0.0), (0.2, 0.9), (-0.2, 0.9), (0.2, 1.8), (-0.2, 1.8)],
    ]
)


def ease(s: Array, start: float = 0.4, end: float = 0.6) -> Array:
    """From 0 to 1 between two moments of 0..1."""
    return np.clip((s - start) / (end - start), 0.0, 1.0)


def _arm(p: Array, s: Array, side: int, *, up: bool) -> None:
    """The hand from beside the hip to above the head, or down again; ``side`` 0 left, 1 right."""
    share = ease(s) if up else 1 - ease(s)
    out = 1 if side == 0 else -1
    p[:, 7 + side] += share[:, None] * (np.array([0.35 * out, -1.2]) + np.array([-0.45 * out, 0.5]))
    p[:, 9 + side] += share[:, None] * np.array([0.0 * out, -1.7])


def _wave(p: Array, s: Array, side: int, times: float = 4.0) -> None:
    _arm(p, np.ones_like(s), side, up=True)
    p[:, 9 + side, 0] += 0.45 * np.sin(2 * np.pi * times * s)


def _tilt(p: Array, angle: Array, joints: tuple[int, ...]) -> None:
    """Turn joints about the hips, clockwise on the screen, radians (N,)."""
    c, q = np.cos(angle), np.sin(angle)
    for j in joints:
        x, y = p[:, j, 0].copy(), p[:, j, 1].copy()
        p[:, j, 0], p[:, j, 1] = c * x - q * y, q * x + c * y


def _face(p: Array, s: Array, *, away: bool) -> None:
    p[:, :13, 0] *= (1 - 2 * ease(s) if away else 2 * ease(s) - 1)[:, None]


def _sit(p: Array, s: Array, *, down: bool) -> None:
    share = ease(s) if down else 1 - ease(s)
    p[:, :13, 1] += 0.75 * share[:, None]


def _jump(p: Array, s: Array) -> None:
    p[:, :, 1] -= 0.9 * np.clip(1 - np.abs(s - 0.5) / 0.1, 0, None)[:, None]


UPPER, ALL = tuple(range(11)), tuple(range(17))
MOVES: dict[str, Move] = {
    **{f"raises-{n}-hand": (lambda p, s, i=i: _arm(p, s, i, up=True)) for i, n in enumerate(("left", "right"))},
    **{f"lowers-{n}-hand": (lambda p, s, i=i: _arm(p, s, i, up=False)) for i, n in enumerate(("left", "right"))},
    **{f"waves-{n}-hand": (lambda p, s, i=i: _wave(p, s, i)) for i, n in enumerate(("left", "right"))},
    "bends-down": lambda p, s: _tilt(p, np.radians(75) * ease(s), UPPER),
    "straightens-up": lambda p, s: _tilt(p, np.radians(75) * (1 - ease(s)), UPPER),
    "sits-down": lambda p, s: _sit(p, s, down=True),
    "stands-up": lambda p, s: _sit(p, s, down=False),
    "jumps": _jump,
    "turns-away": lambda p, s: _face(p, s, away=True),
    "turns-to-camera": lambda p, s: _face(p, s, away=False),
    "nothing": lambda p, s: None,
}


def poses(move: str, n: int) -> Array:
    """The points (n, 17, 2) of a body that makes a gesture, in lengths of the torso."""
    p = np.repeat(STANDING[None], n, axis=0)
    MOVES[move](p, np.linspace(0, 1, n))
    return p


def body_of(
    track: Track, move: str, *, torso: float = 30.0, jitter: float = 0.0, seed: int = 0, conf: float = 0.9
) -> Keypoints:
    """The keypoints of a track whose person makes a gesture about the track's centre."""
    n = len(track.frame)
    middle = (track.bbox[:, :2] + track.bbox[:, 2:]).astype(np.float64) / 2
    noise = np.random.default_rng([seed, 7]).normal(0, jitter, (n, 17, 2)) if jitter else 0.0
    xy = middle[:, None] + torso * poses(move, n) + noise
    return Keypoints(track.clip_id, track.track_id, "coco17", track.frame, xy, np.full((n, 17), conf))  # type: ignore[arg-type]
