"""Paths, bodies and pairs whose truth follows from their formula: what benchmarks/claims.py asks about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from bodies_made import MOVES, body_of
from fm_hub.claims import Scene
from fm_hub.claims.body import GESTURES
from fm_hub.claims.one import DIRECTIONS
from fm_hub.claims.shape import SHAPES
from fm_hub.records import Claim, Keypoints, Track
from lively_scenes import swung
from scenes_made import annotation, clock, make_track

__all__ = ["CASES", "Asked"]

Array = NDArray[np.float64]
Rng = np.random.Generator
Asked = tuple[Scene, list[tuple[Claim, bool]]]
Draw = Callable[[Rng, float, float], Asked]
T = clock()
END = float(T[-1])


def thing(rng: Rng, path: Callable[[Array], Array], jitter: float, dropped: float, **how: Any) -> Track:
    """A track along a path, with noise on each side of its box, and some of its sightings missing."""
    seed = int(rng.integers(1 << 30))
    track = make_track(f"t{seed}", "thing", T, path, jitter=jitter, seed=seed, **{"size": (36, 36), **how})
    keep = rng.random(len(track.frame)) >= dropped
    return replace(
        track, frame=track.frame[keep], bbox=track.bbox[keep], score=track.score[keep], state=track.state[keep]
    )


def scene(tracks: Iterable[Track], keypoints: Iterable[Keypoints] = ()) -> Scene:
    """The scene of these tracks, under a still view."""
    return Scene.of(replace(annotation(list(tracks), T), keypoints=list(keypoints)))


def asked(predicate: str, given: dict[str, Any], key: str, words: Iterable[Any], true: Any) -> list[tuple[Claim, bool]]:
    """The claim of each word, and whether it is the true one."""
    return [(Claim.of(predicate, {**given, key: w}, 0.0, END), w == true) for w in words]


def unit(rng: Rng, off: float = 0.0, steps: int = 8) -> tuple[int, Array]:
    """One of the directions, and a unit vector within ``off`` degrees of it (y down)."""
    k = int(rng.integers(steps))
    a = np.radians(k * 360.0 / steps + rng.uniform(-off, off))
    return k, np.array([np.cos(a), -np.sin(a)])


def straight(rng: Rng, way: Array, far: float, progress: Callable[[Array], Array]) -> Callable[[Array], Array]:
    start = np.array([320.0, 180.0]) - way * far / 2 + rng.uniform(-15, 15, 2)
    return lambda t: start + way * far * progress(t / END)[:, None]


def direction(rng: Rng, jitter: float, dropped: float) -> Asked:
    k, way = unit(rng, 10.0)
    track = thing(rng, straight(rng, way, rng.uniform(70, 240), lambda s: s), jitter, dropped)
    words = list(DIRECTIONS)
    return scene([track]), asked("direction", {"track": track.track_id}, "is", words, words[k])


def moves(rng: Rng, jitter: float, dropped: float) -> Asked:
    goes = bool(rng.random() < 0.5)
    _, way = unit(rng)
    far = rng.uniform(90, 240) if goes else rng.uniform(0, 5)
    track = thing(rng, straight(rng, way, far, lambda s: s), jitter, dropped)
    return scene([track]), asked("moves", {"track": track.track_id}, "is", (True, False), goes)


def shape(rng: Rng, jitter: float, dropped: float) -> Asked:
    word = str(rng.choice(SHAPES))
    turn, radius, phase = rng.choice([-1, 1]), rng.uniform(70, 110), rng.uniform(0, 2 * np.pi)
    _, way = unit(rng, 20.0)
    side = np.array([-way[1], way[0]])
    sweep = {"arc": rng.uniform(1.6, 4.2), "circle": rng.uniform(6.6, 12.0)}.get(word, 0.0) * turn
    middle = np.array([320.0, 180.0])

    def path(t: Array) -> Array:
        s = t / END
        if sweep:
            return middle + radius * np.stack([np.cos(phase + sweep * s), np.sin(phase + sweep * s)], axis=1)
        u = -np.cos(2 * np.pi * 2 * s) / 2 if word == "back-and-forth" else s - 0.5
        w = 0.12 * np.sin(2 * np.pi * 3.5 * s) if word == "zigzag" else 0 * s
        out: Array = middle + 220 * (u[:, None] * way + w[:, None] * side)
        return out

    track = thing(rng, path, jitter, dropped, size=(24, 24))
    claims = asked("shape", {"track": track.track_id}, "is", SHAPES, word)
    if word == "circle":
        sense = "anticlockwise" if turn < 0 else "clockwise"
        claims += asked("winding", {"track": track.track_id}, "is", ("clockwise", "anticlockwise"), sense)
    return scene([track]), claims


def speed_change(rng: Rng, jitter: float, dropped: float) -> Asked:
    word = str(rng.choice(["speeds-up", "slows-down", "steady"]))
    power = {"speeds-up": 2.2, "slows-down": 1 / 2.2, "steady": 1.0}[word]
    _, way = unit(rng, 22.0)

    def progress(s: Array) -> Array:
        out: Array = s**power if power >= 1 else 1 - (1 - s) ** (1 / power)
        return out

    track = thing(rng, straight(rng, way, rng.uniform(160, 260), progress), jitter, dropped)
    return scene([track]), asked(
        "speed_change", {"track": track.track_id}, "is", ("speeds-up", "slows-down", "steady"), word
    )


def reversals(rng: Rng, jitter: float, dropped: float) -> Asked:
    n = int(rng.integers(1, 6))
    _, way = unit(rng, 20.0)
    track = thing(rng, straight(rng, way, 200, lambda s: (1 - np.cos(np.pi * (n + 1) * s)) / 2), jitter, dropped)
    return scene([track]), asked("reversals", {"track": track.track_id}, "is", range(8), n)


def events(rng: Rng, jitter: float, dropped: float) -> Asked:
    word = str(rng.choice(["starts", "stops", "pauses", "none"]))
    a, b = rng.uniform(0.25, 0.4), rng.uniform(0.6, 0.75)
    _, way = unit(rng, 22.0)

    def progress(s: Array) -> Array:
        if word == "starts":
            return np.clip((s - a) / (1 - a), 0, 1)
        if word == "stops":
            return np.clip(s / b, 0, 1)
        return (np.minimum(s, a) + np.maximum(0, s - b)) / (1 - b + a) if word == "pauses" else s

    track = thing(rng, straight(rng, way, rng.uniform(220, 280), progress), jitter, dropped)
    given = {"track": track.track_id}
    truth = {w: w == word for w in ("starts", "stops", "pauses")}
    return scene([track]), [(Claim.of(w, given, 0.0, END), true) for w, true in truth.items()]


def depth(rng: Rng, jitter: float, dropped: float) -> Asked:
    word = str(rng.choice(["approaches", "recedes", "keeps"]))
    growth = {"approaches": 1.0, "recedes": -1.0, "keeps": 0.0}[word] * rng.uniform(0.9, 1.2)
    track = thing(rng, lambda t: 0 * t[:, None] + [320.0, 180.0], jitter, dropped, growth=growth, size=(60, 60))
    return scene([track]), asked("depth", {"track": track.track_id}, "is", ("approaches", "recedes", "keeps"), word)


def company(rng: Rng, jitter: float, dropped: float) -> Asked:
    """Two on one line: ahead, behind, side by side, against each other, or past each other."""
    word = str(rng.choice(["follows", "leads", "alongside", "opposite", "overtakes"]))
    _, way = unit(rng, 20.0)
    side = np.array([-way[1], way[0]])
    gap = rng.uniform(70, 110)
    pace_a, pace_b = (1.6, 0.7) if word == "overtakes" else (1.0, -1.0 if word == "opposite" else 1.0)
    offset = {"follows": -gap, "leads": gap, "overtakes": -60.0}.get(word, 0.0) * way
    offset = offset + (gap * side if word in ("alongside", "opposite") else 14 * side)
    middle = np.array([320.0, 180.0])
    a = thing(rng, lambda t: middle + offset + 130 * pace_a * (t / END - 0.35)[:, None] * way, jitter, dropped)
    b = thing(rng, lambda t: middle + 130 * pace_b * (t / END - 0.35)[:, None] * way, jitter, dropped)
    given = {"a": a.track_id, "b": b.track_id}
    claims = asked("formation", given, "is", ("follows", "leads", "alongside", "opposite"), word)
    return scene([a, b]), [*claims, (Claim.of("overtakes", given, 0.0, END), word == "overtakes")]


def distance(rng: Rng, jitter: float, dropped: float) -> Asked:
    word = str(rng.choice(["closer", "apart", "same"]))
    _, way = unit(rng, 20.0)
    first, last = {"closer": (150, 60), "apart": (60, 150), "same": (110, 110)}[word]
    middle = np.array([320.0, 180.0])

    def beside(sign: int) -> Callable[[Array], Array]:
        return lambda t: middle + sign * way * (first + (last - first) * t / END)[:, None] / 2 + 10 * t[:, None] / END

    track = [thing(rng, beside(sign), jitter, dropped) for sign in (-1, 1)]
    given = {"a": track[0].track_id, "b": track[1].track_id}
    return scene(track), asked("distance_change", given, "is", ("closer", "apart", "same"), word)


def crosses(rng: Rng, jitter: float, dropped: float) -> Asked:
    does = bool(rng.random() < 0.5)
    _, way = unit(rng, 20.0)
    side = np.array([-way[1], way[0]])
    middle = np.array([320.0, 180.0])
    shift, first = (0.0, 0.5) if does else (100.0, 0.0)
    a = thing(rng, lambda t: middle + 200 * (t / END - 0.5)[:, None] * way, jitter, dropped)
    b = thing(rng, lambda t: middle + (shift + 160 * (t / END - first))[:, None] * side, jitter, dropped)
    given = {"a": a.track_id, "b": b.track_id}
    return scene([a, b]), [(Claim.of("crosses", given, 0.0, END), does)]


def gesture(rng: Rng, jitter: float, dropped: float) -> Asked:
    word = str(rng.choice(list(MOVES)))
    track = thing(rng, lambda t: 0 * t[:, None] + [320.0, 180.0], 0.0, dropped, size=(60, 120))
    body = body_of(track, word, jitter=jitter, seed=int(rng.integers(1 << 30)), torso=float(rng.uniform(35, 60)))
    return scene([track], [body]), asked("gesture", {"track": track.track_id}, "is", GESTURES, word)


def repeats(rng: Rng, jitter: float, dropped: float) -> Asked:
    n = int(rng.integers(2, 7))
    track = thing(rng, lambda t: 0 * t[:, None] + [320.0, 180.0], 0.0, dropped, size=(60, 120))
    body = swung(track, n)
    body = replace(body, xy=body.xy + rng.normal(0, jitter, body.xy.shape).astype(np.float32))
    given = {"track": track.track_id, "joint": "right_wrist"}
    claims = asked("repeats", given, "is", range(1, 9), n)
    limbs = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
    return scene([track], [body]), [*claims, *asked("limb", {"track": track.track_id}, "is", limbs, "right_wrist")]


def rotation(rng: Rng, jitter: float, dropped: float) -> Asked:
    word = str(rng.choice(["clockwise", "anticlockwise", "none"]))
    whole = {"clockwise": 1.0, "anticlockwise": -1.0, "none": 0.0}[word] * rng.uniform(100, 400)
    track = thing(rng, lambda t: 0 * t[:, None] + [320.0, 180.0], 0.0, dropped, size=(60, 120))
    body = body_of(track, "nothing", jitter=jitter, seed=int(rng.integers(1 << 30)), torso=45.0)
    angle = np.radians(whole) * T[track.frame] / END
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    middle = np.array([320.0, 180.0])
    x, y = np.moveaxis(body.xy.astype(np.float64) - middle, -1, 0)
    xy = np.stack([c * x - s * y, s * x + c * y], axis=-1) + middle
    words = ("clockwise", "anticlockwise", "none")
    return scene([track], [replace(body, xy=xy.astype(np.float32))]), asked(
        "rotation", {"track": track.track_id}, "is", words, word
    )


def hides(rng: Rng, jitter: float, dropped: float) -> Asked:
    """One passes behind a large thing, or before it."""
    does = bool(rng.random() < 0.5)
    wall = thing(rng, lambda t: 0 * t[:, None] + [320.0, 180.0], jitter, dropped, size=(200, 160))
    walker = thing(rng, lambda t: [60.0, 180.0] + (t / END)[:, None] * np.array([520.0, 0.0]), jitter, dropped)
    at = T[walker.frame] / END
    keep = (np.abs(at - 0.5) > 0.14) if does else np.ones(len(at), bool)
    walker = replace(
        walker, frame=walker.frame[keep], bbox=walker.bbox[keep], score=walker.score[keep], state=walker.state[keep]
    )
    claims = [(Claim.of("hides", {"a": walker.track_id, "b": wall.track_id}, 0.0, END), does)]
    claims += [(Claim.of("hidden", {"track": walker.track_id}, 0.0, END), does)]
    return scene([wall, walker]), claims


CASES: dict[str, Draw] = {
    "moves": moves,
    "direction": direction,
    "shape, winding": shape,
    "speed_change": speed_change,
    "depth": depth,
    "reversals": reversals,
    "starts, stops, pauses": events,
    "formation, overtakes": company,
    "distance_change": distance,
    "crosses": crosses,
    "hides, hidden": hides,
    "gesture": gesture,
    "repeats, limb": repeats,
    "rotation": rotation,
}
