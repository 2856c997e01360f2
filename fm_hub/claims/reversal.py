"""A clip that runs backwards, as tables: what is true of a video that is shown in reverse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_hub.claims.scene import Scene
from fm_hub.records import Claim, Frames

__all__ = ["reversed_claim", "reversed_scene"]


def reversed_scene(scene: Scene, t0: float, t1: float) -> Scene:
    """The scene whose time runs from ``t1`` back to ``t0``: what happened at t happens at t0 + t1 - t.

    Places stay where they are, tracks keep their ids; the view moves back the way it came.
    """
    n = len(scene.t)
    last = n - 1
    frames = Frames("", np.arange(n, dtype=np.int32), np.arange(n), (t0 + t1 - scene.t)[::-1])
    cam = scene.camera
    # Row f of the camera carries frame f-1 to f; backwards that step is undone: p = s⁻¹ R⁻¹ (p' - c - d) + c.
    turn, zoom = -cam.droll[:0:-1], np.exp(-cam.dlogs[:0:-1])
    dx, dy = cam.dx[:0:-1], cam.dy[:0:-1]
    back_x = -zoom * (np.cos(turn) * dx - np.sin(turn) * dy)
    back_y = -zoom * (np.sin(turn) * dx + np.cos(turn) * dy)

    def row(first: float, rest: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([[first], rest])

    camera = replace(
        cam,
        frame=np.arange(n, dtype=np.int32),
        dx=row(0.0, back_x),
        dy=row(0.0, back_y),
        dlogs=row(0.0, -cam.dlogs[:0:-1]),
        droll=row(0.0, turn),
        inliers=row(1.0, cam.inliers[:0:-1]),
        ok=row(True, cam.ok[:0:-1]),
    )
    tracks = [
        replace(t, frame=last - t.frame[::-1], bbox=t.bbox[::-1], score=t.score[::-1], state=t.state[::-1])
        for t in scene.tracks.values()
    ]
    keypoints = [
        replace(k, frame=last - k.frame[::-1], xy=k.xy[::-1], conf=k.conf[::-1]) for k in scene.keypoints.values()
    ]
    contacts = [replace(c, t0=t0 + t1 - c.t1, t1=t0 + t1 - c.t0) for c in scene.contacts]
    return Scene(int(scene.width), int(scene.height), frames, camera, tracks, keypoints, contacts)


def reversed_claim(claim: Claim, t0: float, t1: float) -> Claim:
    """The same statement about the same stretch of a clip that runs backwards: its moments are mirrored.

    Words stay: a claim that something goes left still says left, and is now about the video as shown.
    """
    args = dict(claim.arguments)
    if isinstance(args.get("args"), dict):
        args["args"] = dict(args["args"])
    for part in (args, args.get("args", {})):
        if isinstance(part.get("at"), (int, float)):
            part["at"] = t0 + t1 - part["at"]
    return Claim.of(claim.predicate, args, t0 + t1 - claim.t1, t0 + t1 - claim.t0, claim.frame)
