"""What a thing is called: by what a viewer can see, never by its id; a name that fits two things is no name."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from fm_hub.claims import Scene
from fm_hub.claims.series import med
from fm_hub.records import Track

__all__ = ["UNNAMED", "families", "one", "plural", "refer", "says_side", "says_turn"]

APART = 0.1
"""Two objects of one class are told apart by left and right if this share of the width lies between them."""
MIN_SIGHTINGS = 3
LATER = 1.0
"""Seconds between the first sightings of two objects of which one is said to appear first."""
UNNAMED = "object"
"""The label of a thing whose class the detector does not tell: any other thing in view could be meant."""
NAMED_APART = ("person", "hand")
LIKE = (
    *("red orange", "red brown", "red pink", "red purple", "orange yellow", "orange brown", "orange pink"),
    *("yellow brown", "yellow green", "yellow white", "green blue", "blue purple", "blue black", "purple pink"),
    *("pink white", "brown black", "brown grey", "black grey", "grey white", "grey blue", "purple black"),
)
"""Colours that one viewer takes for the other: nothing is told apart by them."""


@cache
def families() -> dict[str, dict[str, Any]]:
    """The wording tables by family."""
    return tomllib.loads((files("fm_hub.wording") / "en.toml").read_text(encoding="utf-8"))


def one(label: str) -> str:
    """What one thing of a class is called.

    >>> one("car"), one("scissors")
    ('car', 'pair of scissors')
    """
    called: str = families()["one"].get(label, label)
    return called


def plural(label: str) -> str:
    """The plural of a class name.

    >>> plural("person"), plural("car"), plural("box"), plural("wine glass"), plural("lorry"), plural("toy")
    ('people', 'cars', 'boxes', 'wine glasses', 'lorries', 'toys')
    """
    known: str | None = families()["plural"].get(label)
    if known is not None:
        return known
    if label.endswith(("s", "x", "z", "ch", "sh")):
        return f"{label}es"
    if label.endswith("y") and label[-2:-1] not in tuple("aeiou"):
        return f"{label[:-1]}ies"
    return f"{label}s"


def says_side(name: str) -> bool:
    """Whether a name says on which side of its like a thing is: who is told that need not look where it is.

    >>> says_side("the car on the left"), says_side("the red car")
    (True, False)
    """
    return name.endswith((" on the left", " on the right"))


def says_turn(name: str) -> bool:
    """Whether a name says that a thing comes first or last: who is told that need not look when it comes."""
    return name.endswith((" appears first", " appears last"))


def refer(scene: Scene, track_id: str, t0: float, t1: float) -> str | None:
    """Name a track so that a viewer of ``t0..t1`` knows which is meant; None if no name fits it alone.

    By its class where it is the only one of its class in the window; a hand by its owner and side; else by its
    colour where no other of its class has that one or one like it; else, of two, by the side it is on (if they never
    change sides) or starts on; else by appearing first or last; what has no class of its own,
    by its colour alone: another thing than the tracked ones may be first, or on the left. Worked out once a scene.
    """
    names: dict[tuple[str, float, float], str | None] = scene.memo.setdefault(refer, {})
    key = (track_id, t0, t1)
    if key not in names:
        names[key] = _name(scene, track_id, t0, t1)
    return names[key]


def _name(scene: Scene, track_id: str, t0: float, t1: float) -> str | None:
    track = scene.tracks.get(track_id)
    if track is None or not _seen(scene, track, t0, t1):
        return None
    rivals = []
    for other in scene.tracks.values():
        alike = other.label == track.label or (track.label == UNNAMED and other.label not in NAMED_APART)
        if alike and other.track_id != track_id:
            sightings = _seen(scene, other, t0, t1)
            if sightings >= MIN_SIGHTINGS:
                rivals.append(other)
            elif sightings:
                return None
    if not rivals:
        return f"the {one(track.label)}"
    if any(other.label != track.label for other in rivals):
        return None
    if track.label == UNNAMED:
        return _by_colour(track, rivals)
    return (
        _by_owner(scene, track, rivals, t0, t1)
        or _by_colour(track, rivals)
        or _by_side(scene, track, rivals, t0, t1)
        or _by_time(scene, track, rivals, t0, t1)
    )


def _seen(scene: Scene, track: Track, t0: float, t1: float) -> int:
    at = scene.range(scene.visible(track), t0, t1)
    return int(at.stop) - int(at.start)


def _by_owner(scene: Scene, hand: Track, rivals: list[Track], t0: float, t1: float) -> str | None:
    if hand.label != "hand" or not hand.side or not hand.parent:
        return None
    if any(not r.side or not r.parent or (r.side, r.parent) == (hand.side, hand.parent) for r in rivals):
        return None
    owner = refer(scene, hand.parent, t0, t1)
    return f"the person's {hand.side} hand" if owner == "the person" else None


def _by_colour(track: Track, rivals: list[Track]) -> str | None:
    if not track.colour:
        return None
    for other in rivals:
        pair = {f"{track.colour} {other.colour}", f"{other.colour} {track.colour}"}
        if not other.colour or other.colour == track.colour or pair & set(LIKE):
            return None
    return f"the person in {track.colour}" if track.label == "person" else f"the {track.colour} {one(track.label)}"


def _by_side(scene: Scene, track: Track, rivals: list[Track], t0: float, t1: float) -> str | None:
    if len(rivals) > 1:
        return None
    first = [_first_x(scene, x, t0, t1) for x in (track, rivals[0])]
    if first[0] is None or first[1] is None or abs(first[0] - first[1]) < APART * scene.width:
        return None
    side = "left" if first[0] < first[1] else "right"
    keeps = _keep_sides(scene, track, rivals[0], t0, t1)
    return f"the {one(track.label)} on the {side}" if keeps else f"the {_which(track)} starts on the {side}"


def _which(track: Track) -> str:
    return f"{one(track.label)} {'who' if track.label == 'person' else 'that'}"


def _by_time(scene: Scene, track: Track, rivals: list[Track], t0: float, t1: float) -> str | None:
    """All are there by the end, and one comes well before or well after all others."""
    own, *others = (_first_time(scene, x, t0, t1) for x in (track, *rivals))
    if own <= min(others) - LATER:
        return f"the {_which(track)} appears first"
    return f"the {_which(track)} appears last" if own >= max(others) + LATER else None


def _first_time(scene: Scene, track: Track, t0: float, t1: float) -> float:
    frames = scene.visible(track)
    return float(scene.t[frames[scene.range(frames, t0, t1)][0]])


def _first_x(scene: Scene, track: Track, t0: float, t1: float) -> float | None:
    """The median x of a track's first three sightings, if they come within a second of the window's start."""
    if _first_time(scene, track, t0, t1) > t0 + 1.0:
        return None
    frames, boxes = scene.sightings(track.track_id)
    few = boxes[scene.range(frames, t0, t1)][:MIN_SIGHTINGS]
    return med((few[:, 0] + few[:, 2]) / 2)


def _keep_sides(scene: Scene, a: Track, b: Track, t0: float, t1: float) -> bool:
    """Whether two tracks are never seen to swap their left-right order in the window."""
    places = []
    for track in (a, b):
        frames, boxes = scene.sightings(track.track_id)
        at = scene.range(frames, t0, t1)
        middle = (boxes[at, 0] + boxes[at, 2]) / 2
        places.append(dict(zip(frames[at].tolist(), middle.tolist(), strict=True)))
    gaps = [x - places[1][f] for f, x in places[0].items() if f in places[1]]
    return all(g > 0 for g in gaps) or all(g < 0 for g in gaps)
