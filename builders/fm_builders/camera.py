"""The motion of the view: from frame to frame a similarity, estimated on what does not move by itself.

What is within the boxes of detected things is left out (:mod:`fm_builders.camera_fit` does the measuring). On
known paths the median error is below 0.02 pixels at 640 pixels; in the research for this project 25 % of
unmasked foreground did no harm.

Frames are compared with an *anchor*, an earlier frame that is kept while the view is within 4 % of the diagonal
of it, rather than each with the one before: then the errors of a still view do not add up, and a moment in
which nothing can be measured is bridged. A moving view leaves its anchor at once, and is followed from frame
to frame.

A plain wall has too few corners for a fit. One question can still be answered there: does the view stand still,
up to the shake of a hand? Then the few corners there are, far apart, have all moved by the same small shift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fm_builders.camera_fit import Motion, Picture, motion_between
from fm_hub.records import Camera

__all__ = ["CameraEstimator", "estimate_camera", "label_of", "paper_score"]

LONG_SIDE = 640  # pixels at which the view is measured
GROW = 1.1  # boxes are masked a little larger: shadows, swinging arms
LEAVE_ANCHOR = 0.04  # of the diagonal
FORGET_ANCHOR = 10  # frames

STILL_DRIFT = 0.035  # of the diagonal: a still thing stays below the 6 % that docs/claims.md calls moving, by 2 tau
STILL_ZOOM, STILL_ROLL = 0.03, np.radians(2.0)
LEAST_OK = 0.8  # share of frames with a known motion, for any label but unknown; the anchor bridges the others

PAPER_FRAMES = 4  # spread over the clip, whatever its length

Label = Literal["static", "moving", "unknown"]


class CameraEstimator:
    """Takes the frames of one clip in order; keeps two grey ones. ``size`` is the clip's (width, height)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        ratio = min(1.0, LONG_SIDE / max(size))
        self.small = (max(24, round(size[0] * ratio)), max(24, round(size[1] * ratio)))
        self._steps: list[Motion] = []
        self._anchor: Picture | None = None
        self._last: Picture | None = None
        self._pose = Motion()  # from the anchor to the last frame
        self._missed = 0  # frames since the anchor was last recognised

    def add(self, frame: NDArray[np.uint8], boxes: NDArray[np.floating]) -> None:
        """The next frame, uint8 RGB of any size, and the boxes (N, 4) of what may move in it, in clip pixels."""
        import cv2

        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if (grey.shape[1], grey.shape[0]) != self.small:
            grey = cv2.resize(grey, self.small, interpolation=cv2.INTER_AREA)
        now = Picture(np.asarray(grey, np.uint8), self._free(boxes))
        self._steps.append(self._step(now))
        self._last = now

    def result(self, clip_id: str) -> Camera:
        """The motion of the frames added so far."""
        turn = np.array([s.turn for s in self._steps], complex)
        shift = np.array([s.shift for s in self._steps], complex)
        columns: dict[str, Any] = {
            "frame": np.arange(len(turn)),
            "dx": shift.real,
            "dy": shift.imag,
            "dlogs": np.log(np.abs(turn)),
            "droll": np.angle(turn),
            "inliers": np.array([s.inliers for s in self._steps]),
            "ok": np.array([s.ok for s in self._steps], bool),
        }
        camera = Camera(clip_id=clip_id, label="unknown", **columns)
        return replace(camera, label=label_of(camera, self.size))

    def _step(self, now: Picture) -> Motion:
        """The motion from the last frame to this one; keeps the anchor and the pose."""
        if self._anchor is None or self._last is None:
            self._anchor = now
            return Motion()
        pose = motion_between(self._anchor, now, self.size)
        self._missed = 0 if pose.ok else self._missed + 1
        if not pose.ok and self._anchor is not self._last:
            step = motion_between(self._last, now, self.size)
            pose = step.after(self._pose) if step.ok else pose
        if not pose.ok:
            return replace(pose, turn=1.0, shift=0.0)
        step = pose.after(self._pose.inverse())
        self._pose = pose
        if abs(pose.shift) > LEAVE_ANCHOR * np.hypot(*self.size) or self._missed >= FORGET_ANCHOR:
            self._anchor, self._pose, self._missed = now, Motion(), 0
        return step

    def _free(self, boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
        free = np.ones((self.small[1], self.small[0]), bool)
        scale = self.small[0] / self.size[0]
        for box in np.asarray(boxes, np.float64).reshape(-1, 4) * scale:
            middle, half = (box[:2] + box[2:]) / 2, GROW * (box[2:] - box[:2]) / 2
            x1, y1 = np.maximum(np.floor(middle - half), 0).astype(int)
            x2, y2 = np.maximum(np.ceil(middle + half), 0).astype(int)
            free[y1:y2, x1:x2] = False
        return free


def estimate_camera(
    frames: Iterable[NDArray[np.uint8]],
    boxes: Iterable[NDArray[np.floating]],
    size: tuple[int, int],
    clip_id: str,
) -> Camera:
    """The camera of one clip: ``frames`` in order, and with each the boxes (N, 4) of what may move in it."""
    estimator = CameraEstimator(size)
    for frame, moving in zip(frames, boxes, strict=True):
        estimator.add(frame, moving)
    return estimator.result(clip_id)


def label_of(camera: Camera, size: tuple[int, int]) -> Label:
    """``static``, ``moving`` or ``unknown``.

    *unknown*: one frame only, or in more than a fifth of them the motion is not known. *static*: the view never
    drifts further than 3.5 % of the diagonal from where it began, nor zooms by more than 3 %, nor rolls by more
    than 2 degrees: a hand-held shot that shakes around one place is static. Else *moving*.
    """
    if len(camera.ok) < 2 or camera.ok[1:].mean() < LEAST_OK:
        return "unknown"
    drift = np.hypot(np.cumsum(camera.dx), np.cumsum(camera.dy)).max() / np.hypot(*size)
    zoom, roll = (float(np.abs(np.cumsum(a)).max()) for a in (camera.dlogs, camera.droll))
    return "static" if drift <= STILL_DRIFT and zoom <= STILL_ZOOM and roll <= STILL_ROLL else "moving"


def paper_score(camera: Camera, size: tuple[int, int]) -> float | None:
    """How much the view moves, in FoundationMotion's measure (its code rejects a clip above 0.3); None if not known.

    Theirs: four frames spread over the clip, the camera's pose in each by VGGT, between neighbours the change of
    position ``dt`` and of the rotation matrix ``dr`` (Frobenius norm), and
    ``mean dt + mean dr + max dt / 2 + max dr / 2``.
    Ours puts the published similarity in place of VGGT's pose: a shift counts as a turn of the camera about its axes,
    with a focal length of the frame's longer side (a view of 53 degrees), roll as a turn about the third, and zoom as
    a way towards the scene in units of its distance. A camera that travels sideways is so taken for one that turns.
    """
    if label_of(camera, size) == "unknown":
        return None
    at = np.unique(np.round(np.linspace(0, len(camera.frame) - 1, PAPER_FRAMES)).astype(int))
    columns = (camera.dx, camera.dy, camera.dlogs, camera.droll)
    dx, dy, nearer, roll = (np.diff(np.cumsum(a)[at]) for a in columns)
    angle = np.sqrt(np.arctan2(np.hypot(dx, dy), max(size)) ** 2 + roll**2)
    turned = 2 * np.sqrt(2) * np.sin(np.minimum(angle, np.pi) / 2)  # |R - 1| of a turn by an angle
    moved = np.abs(np.expm1(nearer))
    return round(float(moved.mean() + turned.mean() + moved.max() / 2 + turned.max() / 2), 4)
