"""People whom no detector names: what moves before the background, is nothing known, and is a person from near by.

A person of 40 pixels gets scores that a lamp post gets as well, and more of them the more a frame is enlarged. What
moves by itself is little, and of that little NanoDet, shown it enlarged, takes people for people, and grass, shadows
and the edges of what a shaking view shows for nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fm_builders.again.background import Background
from fm_builders.again.film import Film
from fm_builders.again.places import square
from fm_builders.boxes import area, centre, iou
from fm_builders.detectors import UNKNOWN, Detections
from fm_builders.trackers.two_stage import TwoStageTracker
from fm_builders.unexplained import unexplained
from fm_hub.records import INTERPOLATED, VISIBLE, Track

__all__ = ["continued", "overlooked"]

LEAST, MOST = 45, 0.2  # pixels, and share of the frame, that the outline of one of them holds
SMALLEST = 14  # pixels of the longer side
TALL, WIDE = 9, 5  # pixels between parts of one body, up and down and to the side
SCORE = 0.5  # nothing says how sure a region is
FEWEST = 5  # frames in which something moved
WENT = 1.0  # sizes of itself that it goes
LOOKS, LEAST_LOOKS = 8, 3  # frames in which it is looked at closely, at most and at least
A_FRAME = 0.5  # looks a frame of the clip, at most: each is a forward pass, as beside others scores are half as high
PERSON = 0.15  # median of NanoDet's scores: it gives people 0.2 to 0.5, and all else hardly ever more than 0.1
SAME = 0.45  # IoU with what moved
SOON_S, NEAR, GROWN = 1.0, 1.5, 1.8  # seconds, sizes, and growth, from one track to the next of the same person

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


def overlooked(seen: Sequence[Detections], tracks: Sequence[Track], film: Film, background: Background) -> list[Track]:
    """Tracks of people who are neither in ``seen`` nor in ``tracks``, in pixels of the clip; boxes are what moved.

    ``seen`` (N,) is what was seen in each frame of the film, hands left aside, and what merely moved: ``tracks`` of
    what has no name may be the very people. ``background`` must be known.
    """
    (wide, high), clip_id = film.size, film.camera.clip_id
    named = [track for track in tracks if track.label != UNKNOWN]
    moved = []
    for f, one in enumerate(seen):
        boxes = _regions(background.apart(f)[0], MOST * high * wide) * film.sides
        new = Detections.of("background", boxes, [SCORE] * len(boxes), ["person"] * len(boxes))
        moved.append(unexplained(new, Detections.concat([_without_hands(one), _in_frame(named, f)])))
    size = (round(wide * film.scale[0]), round(high * film.scale[1]))
    found, _ = TwoStageTracker().track(moved, film.t, size, clip_id, "overlooked")
    going = [track for track in found if _went(track, film, background)]
    left, people = int(A_FRAME * len(film.frames)), []
    for track in sorted(going, key=lambda x: -int((x.state == VISIBLE).sum())):
        at, most = np.flatnonzero(track.state == VISIBLE), min(LOOKS, left)
        if len(at) < FEWEST or most < LEAST_LOOKS:
            break
        looked = at[np.unique(np.linspace(0, len(at) - 1, most).round().astype(int))]
        left -= len(looked)
        if _is_person(track, looked, film):
            people.append(track)
    return people


def continued(track: Track, known: Sequence[Track], film: Film, background: Background) -> Track | None:
    """The nearest of ``known`` of whom ``track`` is the part before they were seen, or after; None if there is none."""
    near: list[tuple[float, Track]] = []
    for other in known:
        for first, then in ((track, other), (other, track)):
            soon = 0 < film.t[then.frame[0]] - film.t[first.frame[-1]] <= SOON_S
            ends = np.stack([first.bbox[-1], then.bbox[0]]) / film.sides
            sides = np.sqrt(np.maximum(area(ends), 1.0))
            places = background.laid(np.array([first.frame[-1], then.frame[0]]), centre(ends))
            apart = float(np.hypot(*(places[1] - places[0]))) / float(sides.max())
            if soon and apart <= NEAR and sides.max() <= GROWN * sides.min():
                near.append((apart, other))
    return min(near, key=lambda one: one[0])[1] if near else None


def _without_hands(seen: Detections) -> Detections:
    return seen.take(np.array([label != "hand" for label in seen.label], bool))


def _in_frame(tracks: Sequence[Track], frame: int) -> Detections:
    """Where tracks are known to be in a frame."""
    boxes = [track.bbox[(track.frame == frame) & (track.state <= INTERPOLATED)] for track in tracks]
    every = np.concatenate([np.empty((0, 4), np.float32), *boxes])
    return Detections.of("tracks", every, [SCORE] * len(every), ["person"] * len(every))


def _regions(differs: Mask, most: float) -> Floats:
    """The boxes (N, 4) of what may be a body, of pixels (H, W) that are not background."""
    import cv2

    whole = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    whole = cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((TALL, WIDE), np.uint8))
    outlines, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = [cv2.boundingRect(x) for x in outlines if LEAST <= cv2.contourArea(x) <= most]
    x, y, w, h = np.array(found, np.float64).reshape(-1, 4).T
    boxes: Floats = np.stack([x, y, x + w, y + h], 1)[np.maximum(w, h) >= SMALLEST]
    return boxes


def _went(track: Track, film: Film, background: Background) -> bool:
    """Whether what moved went somewhere before the background: an arm does not, nor where somebody stood."""
    boxes = track.bbox / film.sides
    path, size = background.laid(track.frame, centre(boxes)), float(np.median(np.sqrt(area(boxes))))
    return float(np.hypot(*np.ptp(path, axis=0))) >= WENT * size


def _is_person(track: Track, looked: NDArray[np.intp], film: Film) -> bool:
    """Whether a detector that looks closely, in these rows of a track, takes what moved for a person."""
    scores = []
    for k in looked:
        box = track.bbox[k] / film.sides
        longest = float((box[2:] - box[:2]).max())
        x1, y1, x2, y2 = square((box[:2] + box[2:]) / 2, longest, np.array(film.size))
        there = film.see([film.frames[track.frame[k]][y1:y2, x1:x2]])[0]
        fits = iou(there.bbox, (box - np.array([x1, y1, x1, y1]))[None])[:, 0] >= SAME
        scores.append(float(there.score[fits].max(initial=0.0)))
    return float(np.median(scores)) >= PERSON
