"""Contacts: when a hand, or what acts as one, touches a thing and when it holds it, from tracks alone.

A picture has no depth: what overlaps need not touch. So nearness alone is not believed. A *touch* needs a hand that
stays with the thing, a *hold* a thing that goes where the hand goes and is not merely pushed ahead of it.

For each frame in which both tracks are there, and in units of the hand's size (the square root of its area):

* the **gap** between the hand's points and the thing's box (between the boxes where there are no points), negative
  inside, smoothed by a running median of five;
* the **slip**: how fast the two centres move against each other, within 0.4 s, and more than trembling boxes do;
* whether the thing **goes along**: within half a second it moves, as seen against the background, and the hand with it.

A touch begins where the gap falls to `NEAR` and ends where it rises above `APART`; it is believed if the slip is small
for long enough. A hold spans the frames of a touch from the first in which the thing goes along to the last, with the
still frames before and after in which neither slips. Where the boxes tremble so much that a slip drowns in it, both are
cut to the frames in which the two are together as their path shows it (:mod:`fm_builders.parting`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fm_builders.boxes import area, centre
from fm_builders.parting import together
from fm_builders.trackers.two_stage import GROUPS
from fm_hub.claims.scene import Scene
from fm_hub.claims.series import jitter, smooth
from fm_hub.records import LOST, VISIBLE, Camera, Contact, Frames, Keypoints, Track

__all__ = ["HANDS", "find_contacts"]

HANDS = {"hand", "gripper", "robot hand"}
"""Labels of what touches and holds; a person does so with wrists, where their hands have no track of their own."""
BODIES = {"person", "robot"}
LARGEST_LOAD = 0.35  # share of a body's box, for a thing that it carries where its hands are not seen
GOES_BY_ITSELF = {"animal", "vehicle", "cycle"}
TOO_LARGE = 6.0  # hands: the longer side of a thing's box, above which an overlap says nothing (a couch, a car)
NEAR, APART = 0.05, 0.25  # hands
SLOW = 1.2  # hands a second: a hand that stays with a thing, as it reaches, turns and regrips
SLIP_WINDOW, TREMBLES = 0.4, 2.0  # seconds; deviations of the boxes' trembling
DROWNS = 0.5  # of SLOW: trembling that looks faster hides a slip
PARTS, PARTS_BY = 0.8, 1.0  # hands a second, hands: what parts goes at least so fast and so far
WITHIN, FOR_A_WHILE = 0.2, 0.2  # sizes of the thing; share of a touch
LEAST_TOUCH, LEAST_SLOW = 0.25, 0.5  # seconds; share of a touch
ALONG_WINDOW = 0.5  # seconds
ALONG_LEAST = 0.2  # sizes of the thing, within the window: less is jitter
ALONG_SLIP = 0.4  # of the thing's way: more is not the same way
LEAST_ALONG = 0.3  # seconds
AHEAD, INSIDE = 0.7, 0.25  # cosine of the way and the hand's direction, and overlap: pushed, not held
LONGEST_LOSS = 1.0  # seconds in which one of the two is not seen, within a contact
WRIST_FLOOR = 0.3
LEFT_ARM, RIGHT_ARM = (7, 9), (8, 10)  # elbow and wrist of COCO's 17 points
BEYOND, HAND_OF_ARM = 0.35, 0.4  # the hand's centre beyond the wrist, and its size, in forearms

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class _Hand:
    """What may touch, in the frames in which it is there: boxes (N, 4), and points (N, P, 2), NaN where not seen."""

    track: Track
    frame: NDArray[np.int32]
    bbox: Floats
    points: Floats
    score: Floats
    whole_body: bool = False

    @property
    def size(self) -> Floats:
        """(N,) pixels."""
        return np.sqrt(np.maximum(area(self.bbox), 16.0))


def find_contacts(
    frames: Frames, camera: Camera, tracks: Sequence[Track], keypoints: Sequence[Keypoints], size: tuple[int, int]
) -> list[Contact]:
    """The contacts of one clip, in order of (a, b, time, kind).

    ``size`` is the clip's (width, height). Boxes that the tracker filled in between two detections count; lost ones do
    not, but a contact goes on through a loss of at most a second if it is there before and after it. Where the view's
    motion is not known nothing is held, for then it cannot be said that a thing moves.
    """
    scene = Scene(*size, frames, camera, tracks)
    points = {k.track_id: k for k in keypoints}
    owners = {t.parent for t in tracks if t.label in HANDS and t.parent}
    found: list[Contact] = []
    for track in sorted(tracks, key=lambda t: t.track_id):
        for hand in _hands(track, points.get(track.track_id), has_hands=track.track_id in owners):
            for thing in sorted(tracks, key=lambda t: t.track_id):
                if _may_touch(hand, thing):
                    found += _Meeting(scene, hand, thing).contacts()
    return sorted(set(_merged(found)), key=lambda c: (c.a, c.b, c.t0, c.kind))


def _may_touch(hand: _Hand, thing: Track) -> bool:
    a = hand.track
    if thing.track_id in (a.track_id, a.parent) or a.track_id == thing.parent or thing.label in BODIES:
        return False
    if thing.label in HANDS and (thing.track_id < a.track_id or a.label in BODIES):
        return False  # two hands that meet are one contact
    if not len(hand.frame) or not len(thing.frame):
        return False
    if hand.whole_body:
        share = float(np.median(area(thing.bbox))) / float(np.median(area(hand.bbox)))
        return share <= LARGEST_LOAD and GROUPS.get(thing.label) not in GOES_BY_ITSELF
    long = float(np.median((thing.bbox[:, 2:] - thing.bbox[:, :2]).max(1)))
    return long <= TOO_LARGE * float(np.median(hand.size))


def _hands(track: Track, points: Keypoints | None, *, has_hands: bool) -> Iterator[_Hand]:
    """The hands that a track is or has."""
    there, none = track.state != LOST, np.full((len(track.frame), 0, 2), np.nan)
    if track.label in HANDS:
        frame, bbox = track.frame[there], track.bbox[there].astype(np.float64)
        xy = np.full((len(frame), 21, 2), np.nan)
        if points is not None and points.kind == "hand21":
            _, i, j = np.intersect1d(frame, points.frame, return_indices=True)
            xy[i] = points.xy[j]
        yield _Hand(track, frame, bbox, xy, track.score[there].astype(np.float64))
    elif track.label in BODIES and points is not None and points.kind == "coco17" and not has_hands:
        for elbow, wrist in (LEFT_ARM, RIGHT_ARM):
            sure = (points.conf[:, [elbow, wrist]] > WRIST_FLOOR).all(1)
            xy = points.xy[sure].astype(np.float64)
            arm = xy[:, wrist] - xy[:, elbow]
            middle = xy[:, wrist] + BEYOND * arm
            half = HAND_OF_ARM / 2 * np.linalg.norm(arm, axis=1)[:, None]
            score = points.conf[sure][:, [elbow, wrist]].min(1).astype(np.float64)
            yield _Hand(
                track, points.frame[sure], np.concatenate([middle - half, middle + half], 1), none[: len(xy)], score
            )
    elif track.label in BODIES and not has_hands:
        frame, bbox = track.frame[there], track.bbox[there].astype(np.float64)
        yield _Hand(track, frame, bbox, none[: len(frame)], track.score[there].astype(np.float64), whole_body=True)


class _Meeting:
    """One hand and one thing in the frames in which both are there: (N,) each."""

    def __init__(self, scene: Scene, hand: _Hand, thing: Track) -> None:
        there = thing.state != LOST
        common, i, j = np.intersect1d(hand.frame, thing.frame[there], return_indices=True)
        self.hand, self.thing, self.scene = hand, thing, scene
        self.frame, self.t = common, scene.t[common]
        self.a, self.b = hand.bbox[i], thing.bbox[there][j].astype(np.float64)
        self.points, self.size = hand.points[i], hand.size[i]
        seen = (thing.state[there][j] == VISIBLE) & (hand.score[i] > 0)
        self._between = centre(self.a) - centre(self.b)
        self.score = np.where(seen, np.sqrt(hand.score[i] * thing.score[there][j]), 0.0)

    def contacts(self) -> Iterator[Contact]:
        """The touches, each followed by its holds."""
        if len(self.frame) < 3:
            return
        slow, (along, pushed) = self._slow(), self._along()
        for near in self._near():
            start, stop = self._together(*near)
            held = self._held(start, stop, slow, along)
            stays = slow[start:stop].mean() >= LEAST_SLOW and not self.hand.whole_body
            moved = self._lasts(pushed | along, start, stop)
            stays = stays and (moved or self._reaches_into(start, stop))
            if stays:  # it comes by and it goes: then nothing touches yet, or no more
                still = start + np.flatnonzero(slow[start:stop] | along[start:stop])
                start, stop = int(still[0]), int(still[-1]) + 1
            if self.t[stop - 1] - self.t[start] < LEAST_TOUCH or not (stays or held):
                continue
            if held and self.hand.whole_body:
                start, stop = held  # all that is known of a body's hands is that the thing goes along
            yield self._contact("touch", start, stop)
            if held:
                yield self._contact("hold", *held)

    def _contact(self, kind: Literal["touch", "hold"], start: int, stop: int) -> Contact:
        t0, t1 = (round(float(self.t[k]), 3) for k in (start, stop - 1))
        score = round(float(self.score[start:stop].mean()), 4)
        return Contact(self.thing.clip_id, self.hand.track.track_id, self.thing.track_id, kind, t0, t1, score)

    def _near(self) -> Iterator[tuple[int, int]]:
        """Runs of frames ``start <= k < stop`` of one contact, by hysteresis on the gap; a long loss ends one."""
        gap = smooth((self._gap() / self.size)[:, None])[:, 0]
        start: int | None = None
        for k in range(len(gap)):
            if start is not None and (gap[k] > APART or self.t[k] - self.t[k - 1] > LONGEST_LOSS):
                yield start, k
                start = None
            if start is None and gap[k] <= NEAR:
                start = k
        if start is not None:
            yield start, len(gap)

    def _reaches_into(self, start: int, stop: int) -> bool:
        """Whether the hand is well within the thing's box for a while: beside or before it, its edge is crossed too."""
        inside = slice(start, stop)
        share = smooth((self._gap() / np.sqrt(np.maximum(area(self.b), 16.0)))[:, None])[inside, 0]
        return bool(np.quantile(share, FOR_A_WHILE) <= -WITHIN)

    def _gap(self) -> Floats:
        """Pixels from the hand's second nearest point, or else its box, to the thing's box; below 0 inside."""
        apart = np.maximum(self.a[:, :2] - self.b[:, 2:], self.b[:, :2] - self.a[:, 2:])
        boxes = _signed(apart)
        if self.points.shape[1] < 2:
            return boxes
        outside = np.maximum(self.b[:, None, :2] - self.points, self.points - self.b[:, None, 2:])
        near = np.sort(_signed(outside), axis=1)[:, 1]
        return np.where(np.isnan(near), boxes, near)

    def _slow(self) -> Bools:
        """Whether the two centres hardly move against each other: what boxes that tremble would show is no motion.

        A small hand far away trembles by more than its size.
        """
        raw = self._between
        between, (lo, hi) = smooth(raw), self._around(SLIP_WINDOW)
        step, seconds = between[hi] - between[lo], np.maximum(self.t[hi] - self.t[lo], 1e-6)
        slip = smooth((np.linalg.norm(step, axis=1) / seconds)[:, None])[:, 0]
        slow: Bools = slip <= SLOW * self.size + TREMBLES * jitter(raw) / SLIP_WINDOW
        return slow

    def _together(self, start: int, stop: int) -> tuple[int, int]:
        """A run without its ends in which the two come together or part, where :meth:`_slow` cannot tell.

        What is near from the first frame on, or to the last, is not seen to come or to go.
        """
        here, size = slice(start, stop), float(np.median(self.size[start:stop]))
        if TREMBLES * jitter(self._between) / SLIP_WINDOW < DROWNS * SLOW * size:
            return start, stop
        comes, goes = start > 0, stop < len(self.t)
        place = smooth(self._between)[here]
        first, end = together(self.t[here], place, PARTS * size, PARTS_BY * size, meet=comes, part=goes)
        return start + first, start + end

    def _around(self, seconds: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(N,) each: the first and the last frame within a window of some seconds around every one."""
        lo = np.searchsorted(self.t, self.t - seconds / 2 - 1e-6)
        return lo, np.searchsorted(self.t, self.t + seconds / 2 + 1e-6) - 1

    def _along(self) -> tuple[Bools, Bools]:
        """Whether the thing goes where the hand goes, and is not pushed; whether it is."""
        if self.scene.camera.label == "unknown":
            return np.zeros(len(self.t), bool), np.zeros(len(self.t), bool)
        extent = np.sqrt(np.maximum(area(self.b), 16.0))
        a, _ = self.scene.carry_back(self.frame, smooth(centre(self.a)), extent)
        b, _ = self.scene.carry_back(self.frame, smooth(centre(self.b)), extent)
        lo, hi = self._around(ALONG_WINDOW)
        way, slip = b[hi] - b[lo], np.linalg.norm((b - a)[hi] - (b - a)[lo], axis=1)
        length = np.linalg.norm(way, axis=1)
        unknown = np.cumsum(~self.scene.camera.ok)[self.frame]
        goes = (length >= ALONG_LEAST * extent) & (slip <= ALONG_SLIP * length) & (unknown[hi] == unknown[lo])
        goes &= self.t[hi] - self.t[lo] < 2 * ALONG_WINDOW
        away = b - a
        cosine = (way * away).sum(1) / np.maximum(length * np.linalg.norm(away, axis=1), 1e-9)
        pushed = (cosine > AHEAD) & (_shared(self.a, self.b) < INSIDE)
        return goes & ~pushed, goes & pushed

    def _lasts(self, so: Bools, start: int, stop: int) -> bool:
        """Whether something is so for long enough to be no chance."""
        step = np.diff(self.t, append=self.t[-1])
        return bool(step[start:stop][so[start:stop]].sum() >= LEAST_ALONG)

    def _held(self, start: int, stop: int, slow: Bools, along: Bools) -> tuple[int, int] | None:
        """The part of a touch in which the thing is held."""
        moving = start + np.flatnonzero(along[start:stop])
        if not len(moving) or not self._lasts(along, start, stop):
            return None
        first, end = int(moving[0]), int(moving[-1]) + 1
        while first > start and slow[first - 1]:
            first -= 1
        while end < stop and slow[end]:
            end += 1
        return first, end


def _signed(apart: Floats) -> Floats:
    """Distances from how far apart two boxes are in x and y (..., 2): below 0 where they overlap, how deep."""
    outside = np.linalg.norm(np.maximum(apart, 0.0), axis=-1)
    signed: Floats = np.where(outside > 0, outside, apart.max(-1))
    return signed


def _shared(a: Floats, b: Floats) -> Floats:
    """(N,) the share of the smaller of two boxes that lies in the other, row by row."""
    side = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    share: Floats = side.prod(1) / np.maximum(np.minimum(area(a), area(b)), 1e-9)
    return share


def _merged(found: Sequence[Contact]) -> Iterator[Contact]:
    """One row for what both hands of a person do at once: intervals of one kind that overlap are joined."""
    open_: dict[tuple[str, str, str], Contact] = {}
    for c in sorted(found, key=lambda c: (c.t0, c.t1)):
        key = (c.a, c.b, c.kind)
        last = open_.get(key)
        if last is not None and c.t0 <= last.t1:
            c = Contact(c.clip_id, c.a, c.b, c.kind, last.t0, max(last.t1, c.t1), max(last.score, c.score))
        elif last is not None:
            yield last
        open_[key] = c
    yield from open_.values()
