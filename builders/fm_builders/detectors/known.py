"""The persons that a detector of single frames has seen lately, and where each is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import best_pairs, iou

__all__ = ["Known", "remembered", "unmatched"]

MEMORY = 10  # frames in which a person who is not seen is looked for
TOUCHES = 1e-6  # IoU of boxes that meet at all

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """A person seen a moment ago: the box (4,) expected now, its motion (2,) in pixels a frame, frames not seen.

    ``first`` (4,) is the box where the present row of ``run`` sightings began.
    """

    box: Floats
    step: Floats
    first: Floats
    run: int = 1
    unseen: int = 0

    def moved(self) -> Known:
        """The same one a frame later."""
        return replace(self, box=self.box + np.tile(self.step, 2), unseen=self.unseen + 1)

    def seen(self, box: Floats) -> Known:
        """The same one, seen at ``box`` in the frame for which it is expected."""
        surprise = (box[:2] + box[2:] - self.box[:2] - self.box[2:]) / 2
        step = self.step + surprise / (2 * max(self.unseen, 1))  # half of what surprised, as boxes shake
        again = self.unseen > 1
        return Known(box, step, box if again else self.first, 1 if again else self.run + 1)


def remembered(known: Sequence[Known], people: Floats) -> list[Known]:
    """The persons of this frame, whose boxes are ``people`` (N, 4), and those who are looked for a little longer."""
    overlaps = iou(np.array([k.box for k in known]).reshape(-1, 4), people)
    same = {j: known[i] for i, j in best_pairs(overlaps, TOUCHES)}
    here = [same[j].seen(box) if j in same else Known(box, np.zeros(2), box) for j, box in enumerate(people)]
    taken = {id(k) for k in same.values()}
    return [*here, *(k for k in known if id(k) not in taken and k.unseen < MEMORY)]


def unmatched(expected: Floats, people: Floats, least: float) -> Floats:
    """Those boxes of ``expected`` (N, 4) that are nobody's of ``people`` (M, 4), each of whom is one of them at most.

    ``least`` is the IoU from which a box is a person's.
    """
    alone = np.ones(len(expected), bool)
    alone[[i for i, _ in best_pairs(iou(expected, people), least)]] = False
    return expected[alone]
