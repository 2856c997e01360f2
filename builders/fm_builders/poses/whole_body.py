"""From the points of bodies to what trackers join: people with 17 points, and hands with 21.

Of COCO-WholeBody's 133 points, those of feet and face are not kept. The rule for hands is FoundationMotion's: more than
three points above 0.5, the box of these points, grown by half.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import clipped, iou
from fm_builders.detectors import Detections
from fm_builders.poses import BODY, WHOLE_BODY
from fm_builders.recipe import Pose as PoseRules

__all__ = ["hands_of", "merged", "with_points"]

HANDS = ((-1.0, slice(91, 112)), (1.0, slice(112, 133)))
"""The side, left -1 and right 1, and the points of it, wrist first, then four a finger from the thumb on."""


def with_points(people: Detections, xy: NDArray[np.float32], conf: NDArray[np.float32]) -> Detections:
    """The people with the 17 points of their bodies instead of those that they had."""
    return replace(people, keypoints=xy[:, :BODY], conf=conf[:, :BODY], kind=("coco17",) * len(people))


def hands_of(
    detector: str, xy: NDArray[np.float32], conf: NDArray[np.float32], size: tuple[int, int], rules: PoseRules
) -> Detections:
    """The hands of N people with 133 points, (N, 133, 2) and (N, 133), in a frame of ``size`` (width, height).

    Nothing for people with fewer points. ``score`` is the mean confidence of the points that made the hand.
    """
    if xy.shape[1] != WHOLE_BODY:
        return Detections.empty()
    bbox, score, points, sure, sides = [], [], [], [], []
    for side, part in HANDS:
        for hand, c in zip(xy[:, part], conf[:, part], strict=True):
            good = c > rules.hand_conf
            if np.count_nonzero(good) <= rules.hand_points:
                continue
            low, high = hand[good].min(0).astype(np.float64), hand[good].max(0).astype(np.float64)
            middle, reach = (low + high) / 2, rules.hand_grow * (high - low) / 2
            box = clipped(np.concatenate([middle - reach, middle + reach])[None], *size)[0]
            if (box[2:] - box[:2] < 1).any():
                continue
            bbox.append(box)
            score.append(float(np.clip(c[good].mean(), 0, 1)))
            points.append(hand)
            sure.append(c)
            sides.append(side)
    return Detections.of(detector, bbox, score, ["hand"] * len(bbox), points, sure, "hand21", sides)


def merged(hands: Detections, found: Detections, rules: PoseRules) -> Detections:
    """Both, without what a detector found of the same hands: IoU above ``hand_iou``."""
    same = iou(found.bbox, hands.bbox).max(1, initial=0.0) > rules.hand_iou
    other = np.array([name != "hand" for name in found.label], bool)
    return Detections.concat([hands, found.take(np.flatnonzero(~same | other))])
