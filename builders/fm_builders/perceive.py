"""What is seen in one clip: camera, tracks, keypoints, contacts and masks, from one pass over its frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fm_builders.again import SIDE, Film, looked_again
from fm_builders.boxes import clipped
from fm_builders.camera import CameraEstimator
from fm_builders.colours import coloured, thumbnail
from fm_builders.contacts import find_contacts
from fm_builders.detectors import UNKNOWN, Detections, SecondLook
from fm_builders.detectors.looks import looks
from fm_builders.perception_models import detectors_of, follower_of, long_side, pose_of, tracker_of
from fm_builders.poses import Pose
from fm_builders.poses.whole_body import hands_of, merged, with_points
from fm_builders.recipe import Perception
from fm_builders.recipe import Pose as PoseRules
from fm_builders.segmenters.follow import Follower, Sight, Thing
from fm_builders.segmenters.rows import masks_of, tracks_of
from fm_builders.unexplained import own_movers, unexplained
from fm_hub.records import Camera, Contact, Frames, Keypoints, Masks, Track, content_id
from fm_hub.video import VideoIndex, iter_frames

__all__ = ["Seen", "perceive", "with_parents", "working_size"]

WRIST_FLOOR = 0.2  # confidence of a wrist that says whose hand it is
CLEAR_WRIST = 0.8  # share of one of the two wrists, above which it says the hand's side
MASKED_SCORE = 0.3  # detections at least this sure are kept out of the estimate of the view's motion

Frame = NDArray[np.uint8]
Held = Sequence[tuple[Thing, Sight]]


@dataclass(frozen=True)
class Seen:
    """All that is seen in one clip, as records of the published tables."""

    camera: Camera
    tracks: Sequence[Track]
    keypoints: Sequence[Keypoints] = ()
    contacts: Sequence[Contact] = ()
    masks: Sequence[Masks] = ()

    def tables(self) -> dict[str, Sequence[Any]]:
        """The records by the name of their table."""
        moving = {"tracks": self.tracks, "keypoints": self.keypoints, "contacts": self.contacts, "masks": self.masks}
        return {"camera": [self.camera], **moving}


def perceive(
    index: VideoIndex,
    t: NDArray[np.float64],
    clip_id: str,
    artifact: str,
    look: Perception | None = None,
    given: Mapping[str, Sequence[Any]] | None = None,
) -> Seen:
    """Detect, follow, track, and watch the view, in the frames at times ``t`` (N,), seconds, rising.

    ``look`` says with what (default: the embedded tier). Each frame is decoded once; those of one part are held while
    things are followed through it, and dropped; the detections are kept. Frames are decoded at ``look.max_side``
    pixels at most, or as many as any of the models gains from, and everything is returned in pixels of the clip.
    ``nanodet`` and ``movenet`` together check each other (:mod:`fm_builders.detectors.fuse`). ``artifact`` is the key
    of what is being made, part of every track id. A hand gets the person that it belongs to as ``parent``, and its
    side. What is ``given``, by table, is not made. Raises :class:`~fm_hub.errors.UnknownName` for unknown names, and
    what reading and the models raise (:class:`~fm_hub.errors.ItemError`).
    """
    import cv2

    cv2.setNumThreads(1)  # a build has one worker a core; more threads would only fight
    look, given = look or Perception(), given or {}
    size = (index.width, index.height)
    if "tracks" in given:
        tracks, keypoints, masks = (list(given.get(config, ())) for config in ("tracks", "keypoints", "masks"))
        camera = given["camera"][0] if given.get("camera") else _view(index, t, clip_id, look, tracks)
    else:
        camera, tracks, keypoints, masks = _found(index, t, clip_id, artifact, look)
        camera = given["camera"][0] if given.get("camera") else camera
    frames = Frames(clip_id, np.arange(len(t), dtype=np.int32), np.zeros(len(t), np.int64), t)
    contacts = given.get("contacts") or find_contacts(frames, camera, tracks, keypoints, size)
    return Seen(camera, tracks, keypoints, contacts, masks)


def _view(index: VideoIndex, t: NDArray[np.float64], clip_id: str, look: Perception, tracks: Sequence[Track]) -> Camera:
    """The view's motion alone, with what is known to move left out."""
    size = (index.width, index.height)
    estimator = CameraEstimator(size)
    frames = iter_frames(index, t.tolist(), size=working_size(size, look.max_side), decoder=look.decoder)
    for n, (_, frame) in enumerate(frames):
        boxes = [track.bbox[track.frame == n] for track in tracks]
        estimator.add(frame, np.concatenate([np.empty((0, 4), np.float32), *boxes]))
    return estimator.result(clip_id)


def _found(
    index: VideoIndex, t: NDArray[np.float64], clip_id: str, artifact: str, look: Perception
) -> tuple[Camera, list[Track], list[Keypoints], list[Masks]]:
    """All that the recipe's models see in one pass over the frames."""
    every, follower, pose = detectors_of(look.detectors, look.settings), follower_of(look), pose_of(look)
    eyes, movers = ([eye for eye in every if eye.needs_still_view is still] for still in (False, True))
    size = (index.width, index.height)
    small = working_size(size, min(look.max_side, long_side(look)))
    estimator = CameraEstimator(size)
    seen: list[Detections] = []
    small_copies: list[Frame] = []
    kept: list[Frame] = []
    again = next((eye for eye in eyes if isinstance(eye, SecondLook)), None)
    moved: list[Detections] = []
    for eye in every:
        eye.reset()
    pictures = (frame for _, frame in iter_frames(index, t.tolist(), size=small, decoder=look.decoder))
    for frame, held in _with_things(follower, pictures, t):
        moved.append(_rescaled(Detections.concat([eye.detect(frame) for eye in movers]), small, size))
        found = Detections.concat([eye.detect(frame) for eye in eyes])
        if pose is not None and look.pose is not None:
            found = _posed(pose, look.pose, frame, len(seen), found, held)
        found = _rescaled(replace(found, look=looks(frame, found.bbox)), small, size)
        followed = np.array([sight.bbox for _, sight in held]).reshape(-1, 4) * np.tile(_scale(small, size), 2)
        estimator.add(frame, np.concatenate([followed, found.bbox[found.score >= MASKED_SCORE]]))
        seen.append(found)
        for ago, late in (one for eye in eyes for one in eye.recalled()):
            seen[-1 - ago] = Detections.concat([seen[-1 - ago], _rescaled(late, small, size)])
        small_copies.append(thumbnail(frame))
        if again is not None:
            kept.append(thumbnail(frame, SIDE))
    camera = estimator.result(clip_id)
    every_one = seen
    if camera.label == "static" and movers:
        every_one = [Detections.concat([x, unexplained(one, x)]) for one, x in zip(moved, seen, strict=True)]
    tracks, keypoints = tracker_of(look).track(every_one, t, size, clip_id, artifact)
    if again is not None and kept:
        scale = np.array(size, np.float64) / (kept[0].shape[1], kept[0].shape[0])
        tracks = looked_again(tracks, seen, Film(kept, t, scale, camera, again.people_in))
    if movers:
        tracks = own_movers(tracks, UNKNOWN, t)
    tracks, keypoints, _ = _numbered(tracks, keypoints, [], clip_id, artifact)
    masks: list[Masks] = []
    if follower is not None and look.objects is not None:
        theirs, points = tracks_of(follower.things, look.objects.segmenter, small, size, t, clip_id, artifact)
        if look.objects.masks:
            masks = [masks_of(thing, one) for thing, one in zip(follower.things, theirs, strict=True)]
        tracks, keypoints, masks = _numbered([*tracks, *theirs], [*keypoints, *points], masks, clip_id, artifact)
    return camera, coloured(with_parents(tracks, keypoints), small_copies, size), keypoints, masks


def _with_things(
    follower: Follower | None, frames: Iterable[Frame], t: NDArray[np.float64]
) -> Iterator[tuple[Frame, Held]]:
    """Each frame, and what is followed in it."""
    if follower is not None:
        yield from follower.through(frames, t)
    else:
        for frame in frames:
            yield frame, []


def _posed(pose: Pose, rules: PoseRules, frame: Frame, n: int, found: Detections, held: Held) -> Detections:
    """Give the people their points, those that are followed and those that were detected, and find their hands."""
    followed = [(thing, sight) for thing, sight in held if thing.label == "person"]
    mine = np.array([name == "person" for name in found.label], bool)
    people = found.take(np.flatnonzero(mine))
    boxes = np.array([*(sight.bbox for _, sight in followed), *people.bbox], np.float32).reshape(-1, 4)
    if not len(boxes):
        return found
    xy, conf = pose.points(frame, boxes)
    for i, (thing, _) in enumerate(followed):
        thing.points[n] = (xy[i, :17], conf[i, :17])
    own = slice(len(followed), None)
    rest = Detections.concat([with_points(people, xy[own], conf[own]), found.take(np.flatnonzero(~mine))])
    return merged(hands_of(pose.name, xy, conf, (frame.shape[1], frame.shape[0]), rules), rest, rules)


def _numbered(
    tracks: list[Track], keypoints: list[Keypoints], masks: list[Masks], clip_id: str, artifact: str
) -> tuple[list[Track], list[Keypoints], list[Masks]]:
    """What was tracked and what was followed as one list, with the ids and the order that a tracker gives."""
    tracks = sorted(tracks, key=lambda track: (int(track.frame[0]), *(float(v) for v in track.bbox[0])))
    ids = {track.track_id: content_id(clip_id, artifact, n) for n, track in enumerate(tracks)}
    return (
        [replace(track, track_id=ids[track.track_id]) for track in tracks],
        [replace(k, track_id=ids[k.track_id]) for k in keypoints],
        [replace(m, track_id=ids[m.track_id]) for m in masks],
    )


def working_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """(width, height) at most ``long_side`` long, in proportion, never enlarged.

    >>> working_size((1768, 994), 1280)
    (1280, 720)
    """
    ratio = min(1.0, long_side / max(size))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _scale(small: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.array([a / b for a, b in zip(size, small, strict=True)], np.float32)


def _rescaled(found: Detections, small: tuple[int, int], size: tuple[int, int]) -> Detections:
    if small == size:
        return found
    scale = _scale(small, size)
    bbox = clipped(found.bbox * np.tile(scale, 2), *size)
    return replace(found, bbox=bbox, keypoints=np.asarray(found.keypoints * scale, np.float32))


def with_parents(tracks: list[Track], keypoints: list[Keypoints]) -> list[Track]:
    """The tracks, with each hand's ``parent``: the person whose wrists are nearest in most of its frames.

    A wrist counts when it lies within the hand's box, grown by its own size. Where it is nearly always the same
    wrist, that is the hand's ``side``; if the hand's own look says the other, the side is not known.
    """
    people = {k.track_id: k for k in keypoints if k.kind == "coco17"}
    return [_with_owner(t, people) if t.label == "hand" else t for t in tracks]


def _with_owner(hand: Track, people: dict[str, Keypoints]) -> Track:
    near = {track_id: _wrists_in(hand, points) for track_id, points in people.items()}
    best = max(near, key=lambda i: (int(near[i].any(1).sum()), i), default="")
    if not best or near[best].any(1).sum() < len(hand.frame) / 2:
        return hand
    left, right = (int(n) for n in near[best].sum(0))
    if max(left, right) < CLEAR_WRIST * (left + right):
        return replace(hand, parent=best)
    told: Literal["left", "right"] = "left" if left > right else "right"
    return replace(hand, parent=best, side=told if hand.side in ("", told) else "")


def _wrists_in(hand: Track, person: Keypoints) -> NDArray[np.bool_]:
    """(frames of both, 2): whether the left and the right wrist lie in the hand's box, grown by its size."""
    _, here, there = np.intersect1d(hand.frame, person.frame, return_indices=True)
    box = hand.bbox[here].astype(np.float64)
    grow = (box[:, 2:] - box[:, :2]).max(1, initial=0.0)[:, None, None] / 2
    wrists = person.xy[there, 9:11]
    inside = (wrists >= box[:, None, :2] - grow) & (wrists <= box[:, None, 2:] + grow)
    seen: NDArray[np.bool_] = inside.all(2) & (person.conf[there, 9:11] > WRIST_FLOOR)
    return seen
