"""The annotation of a clip as it is of the same clip flipped left to right: nothing is looked at again.

A point at ``x`` of a picture ``width`` pixels wide comes to ``width - x``. What is left of a body becomes its right:
named points and the sides of hands change places. The view turns and shifts the other way round.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fm_builders.contacts import HANDS
from fm_builders.perceive import Seen
from fm_hub.masks import decode, encode
from fm_hub.records import Camera, Contact, Keypoints, Masks, Track, content_id

__all__ = ["mirrored"]

PARTNER = (0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17)))
"""Of each of the 17 points of COCO (nose, then left and right by turns) the one on the body's other side."""
OTHER: dict[str, Literal["", "left", "right"]] = {"": "", "left": "right", "right": "left"}


def mirrored(seen: Seen, width: int, clip_id: str, artifact: str) -> Seen:
    """What is seen in the flipped clip ``clip_id``, ``width`` pixels wide.

    Tracks are numbered anew, by their first time and then x, as those of any clip; ``artifact`` is part of their ids.
    """
    tracks = sorted((_track(t, width) for t in seen.tracks), key=lambda t: (int(t.frame[0]), *map(float, t.bbox[0])))
    ids = {"": ""} | {t.track_id: content_id(clip_id, artifact, n) for n, t in enumerate(tracks)}
    hands = {ids[t.track_id] for t in seen.tracks if t.label in HANDS}
    return Seen(
        _camera(seen.camera, clip_id),
        [replace(t, clip_id=clip_id, track_id=ids[t.track_id], parent=ids[t.parent]) for t in tracks],
        [replace(_keypoints(k, width), clip_id=clip_id, track_id=ids[k.track_id]) for k in seen.keypoints],
        [_contact(c, clip_id, ids[c.a], ids[c.b], hands) for c in seen.contacts],
        [replace(_masks(m), clip_id=clip_id, track_id=ids[m.track_id]) for m in seen.masks],
    )


def _camera(camera: Camera, clip_id: str) -> Camera:
    """The similarity turns about the middle of the picture, which stays where it is."""
    return replace(camera, clip_id=clip_id, dx=0.0 - camera.dx, droll=0.0 - camera.droll)


def _track(track: Track, width: int) -> Track:
    bbox = track.bbox.copy()
    bbox[:, [0, 2]] = width - track.bbox[:, [2, 0]]
    return replace(track, bbox=bbox, side=OTHER[track.side])


def _keypoints(points: Keypoints, width: int) -> Keypoints:
    xy = points.xy.copy()
    xy[..., 0] = width - xy[..., 0]
    if points.kind == "hand21":
        return replace(points, xy=xy)
    return replace(points, xy=xy[:, PARTNER], conf=points.conf[:, PARTNER])


def _masks(masks: Masks) -> Masks:
    def flipped(counts: NDArray[np.int32]) -> NDArray[np.int32]:
        return encode(decode(counts, masks.height, masks.width)[:, ::-1])

    return replace(masks, counts=tuple(map(flipped, masks.counts)))


def _contact(contact: Contact, clip_id: str, a: str, b: str, hands: set[str]) -> Contact:
    """Two hands that meet are told in the order of their ids."""
    if {a, b} <= hands:
        a, b = min(a, b), max(a, b)
    return replace(contact, clip_id=clip_id, a=a, b=b)
