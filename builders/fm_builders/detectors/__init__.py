"""Detectors: from one frame to boxes with labels, scores and, for some, named points.

A detector writes one pure method, :meth:`Detector.detect`. Whatever joins frames into tracks is a tracker's
(:mod:`fm_builders.trackers`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fm_builders.settings import Settings
from fm_hub.registry import Registry

__all__ = ["DETECTORS", "KEYPOINT_KINDS", "LOOK", "UNKNOWN", "Detections", "Detector", "SecondLook"]

#: How many numbers say what a detection looks like (:mod:`fm_builders.detectors.looks`).
LOOK = 32
#: The label of what moves and has no name.
UNKNOWN = "unknown object"

#: How many points each kind of keypoints has; ``""`` is a detection without points.
KEYPOINT_KINDS = {"": 0, "coco17": 17, "hand21": 21}


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What was seen in one frame: N detections, as parallel arrays.

    ``bbox`` (N, 4) float32 ``x1, y1, x2, y2`` in pixels of the frame that was given, half-open, inside it;
    ``score`` (N,) float32 in 0..1; ``label`` and ``detector`` N words (the model that saw it; two that agree
    are joined by ``+``). ``keypoints`` (N, K, 2) float32 pixels, ``conf`` (N, K) float32 in 0..1, ``kind``
    N words of :data:`KEYPOINT_KINDS`; K is that of the largest kind present, a row with fewer points is
    filled with NaN and confidence 0. ``side`` (N,) float32 in -1..1 says of a hand whether it is a left one (-1) or
    a right one (1) of its owner's body; 0 where nothing is known. ``look`` (N, LOOK) float32 is a histogram of its
    colours, 0 where there is none: a detector leaves it so, and the pass over the frames fills it in.
    """

    bbox: NDArray[np.float32]
    score: NDArray[np.float32]
    label: tuple[str, ...]
    detector: tuple[str, ...]
    keypoints: NDArray[np.float32]
    conf: NDArray[np.float32]
    kind: tuple[str, ...]
    side: NDArray[np.float32]
    look: NDArray[np.float32]

    @staticmethod
    def of(
        detector: str,
        bbox: ArrayLike,
        score: ArrayLike,
        label: Sequence[str],
        keypoints: ArrayLike | None = None,
        conf: ArrayLike | None = None,
        kind: str = "",
        side: ArrayLike | None = None,
    ) -> Detections:
        """The detections of one model; all have points of one kind, or none has.

        Raises ``ValueError`` where the lengths differ or the points are not of the kind.
        """
        n, k = len(label), KEYPOINT_KINDS[kind]
        boxes = np.asarray(bbox, np.float32).reshape(-1, 4)
        points = np.empty((n, 0, 2)) if keypoints is None else keypoints
        confidence = np.empty((n, 0)) if conf is None else conf
        made = Detections(
            bbox=boxes,
            score=np.asarray(score, np.float32).reshape(-1),
            label=tuple(label),
            detector=(detector,) * n,
            keypoints=np.asarray(points, np.float32).reshape(n, -1, 2) if n else np.empty((0, k, 2), np.float32),
            conf=np.asarray(confidence, np.float32).reshape(n, -1) if n else np.empty((0, k), np.float32),
            kind=(kind,) * n,
            side=np.zeros(n, np.float32) if side is None else np.asarray(side, np.float32).reshape(-1),
            look=np.zeros((n, LOOK), np.float32),
        )
        lengths = {len(boxes), len(made.score), len(made.side)}
        if not (lengths == {n} and made.keypoints.shape[1] == made.conf.shape[1] == k):
            raise ValueError(f"{len(boxes)} boxes, {len(made.score)} scores, {n} labels, or not points of {kind!r}")
        return made

    @staticmethod
    def empty() -> Detections:
        """Nothing seen."""
        return Detections.of("", [], [], [])

    @staticmethod
    def concat(parts: Sequence[Detections]) -> Detections:
        """The detections of several models in one frame, in the order given."""
        parts = [p for p in parts if len(p)]
        if not parts:
            return Detections.empty()
        k = max(p.conf.shape[1] for p in parts)
        return Detections(
            bbox=np.concatenate([p.bbox for p in parts]),
            score=np.concatenate([p.score for p in parts]),
            label=tuple(w for p in parts for w in p.label),
            detector=tuple(w for p in parts for w in p.detector),
            keypoints=np.concatenate([_padded(p.keypoints, k, np.nan) for p in parts]),
            conf=np.concatenate([_padded(p.conf, k, 0.0) for p in parts]),
            kind=tuple(w for p in parts for w in p.kind),
            side=np.concatenate([p.side for p in parts]),
            look=np.concatenate([p.look for p in parts]),
        )

    def take(self, index: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> Detections:
        """Some of the detections, by index or by mask, in that order."""
        rows = np.arange(len(self))[np.asarray(index, None if len(index) else np.intp)]
        return Detections(
            bbox=self.bbox[rows],
            score=self.score[rows],
            label=tuple(self.label[i] for i in rows),
            detector=tuple(self.detector[i] for i in rows),
            keypoints=self.keypoints[rows],
            conf=self.conf[rows],
            kind=tuple(self.kind[i] for i in rows),
            side=self.side[rows],
            look=self.look[rows],
        )

    def __len__(self) -> int:
        return len(self.label)


def _padded(array: NDArray[np.float32], k: int, fill: float) -> NDArray[np.float32]:
    width = [(0, 0), (0, k - array.shape[1])] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, width, constant_values=fill)


class Detector(ABC):
    """Finds things in one frame.

    ``name`` is the detector's name in tables, ``model_ids`` its weights (``name@sha256``: part of the key of
    every artifact made with it; empty where there are none). ``long_side`` is the size of frame, in pixels,
    beyond which the detector gains nothing: what decodes may shrink frames to the largest of these. ``settings`` is
    what a recipe may set of it: with a class of its own there, it is called with an instance of that. With
    ``needs_still_view`` what it finds counts only in clips whose view is static, and where no other detector sees
    anything.
    """

    name: ClassVar[str]
    model_ids: tuple[str, ...] = ()
    long_side: ClassVar[int] = 1280
    needs_still_view: ClassVar[bool] = False
    settings: ClassVar[type[Settings]] = Settings

    @abstractmethod
    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """What is seen in ``frame``, uint8 RGB (H, W, 3), in its pixels.

        It depends on this frame only, but for detectors that say otherwise: those look where the frames since
        the last :meth:`reset` have shown something, and frames must come in order of time.
        """

    def recalled(self) -> Sequence[tuple[int, Detections]]:
        """What the frame given last has shown of earlier ones: how many frames ago (1 or more), and what was there.

        It is asked for once after each :meth:`detect`, and adds to what was said of those frames.
        """
        return ()

    def reset(self) -> None:  # noqa: B027 - most detectors remember nothing
        """Forget earlier frames: called at the start of every clip."""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Before the first clip, once, where the build starts: fetch what is needed.

        Raises :class:`~fm_hub.errors.UserError` in one line where that cannot be had.
        """

    def study(self, frames: Sequence[NDArray[np.uint8]]) -> None:  # noqa: B027 - most have nothing to learn
        """Look at the key frames of a part of the clip before they are given to :meth:`detect` one by one."""


class SecondLook(Detector):
    """A detector that can also be asked about places where someone is known to be (:mod:`fm_builders.again`)."""

    @abstractmethod
    def people_in(self, parts: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """What may be a person in each of these parts of frames, uint8 RGB, down to scores of a few hundredths."""


DETECTORS: Registry[type[Detector]] = Registry(
    "detector",
    "fm_hub.detectors",
    {
        "dfine": "fm_builders.detectors.detr:DFine",
        "embedded": "fm_builders.detectors.fuse:EmbeddedDetector",
        "fake": "fm_builders.detectors.fake:FakeDetector",
        "grounding_dino": "fm_builders.detectors.grounding:GroundingDino",
        "hands": "fm_builders.detectors.hands:HandDetector",
        "movers": "fm_builders.detectors.movers:MoverDetector",
        "movenet": "fm_builders.detectors.movenet:MoveNet",
        "nanodet": "fm_builders.detectors.nanodet:NanoDet",
        "rtdetr": "fm_builders.detectors.detr:RTDetr",
        "simulator": "fm_builders.detectors.simulator:Simulator",
    },
)
