"""What comes first, and what then: turns of one object, events of one or two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims import Verdict, measure
from fm_hub.claims.events import BORDERS, actor_of
from fm_hub.claims.one import DIRECTIONS, bows
from fm_hub.claims.window import MOVES_SHARE
from fm_hub.records import Track

__all__ = ["OrderKind", "events_of", "turn_of", "way_of"]

LEAST_BOW = 0.05
"""Of the chord. Two ways that differ provably are twelve degrees apart, and nearly all bend more than this."""
_WAYS = {round(a) % 360: w for w, a in DIRECTIONS.items()}
MIRRORS = tuple(
    {w: _WAYS[round(turn + sign * a) % 360] for w, a in DIRECTIONS.items()}
    for turn, sign in ((180, 1), (0, -1), (180, -1), (90, -1), (-90, -1))
)
"""Turns and mirrors of the picture that undo themselves: of two ways and their image, either could be the true ones."""


class OrderKind(QuestionKind):
    """Directions one after the other, and pairs of events."""

    name = "order"
    type = "action order"
    answer_type = "order"
    camera = "known"

    def drafts(self, m: Material) -> Iterator[Draft]:
        """One turn a window; every pair of events of the clip."""
        for track in m.good:
            for span in m.spans(track):
                turn = turn_of(m, track, span)
                if turn is not None:
                    yield _turn_draft(m, track, span, turn)
        if m.camera == "static":
            yield from _event_drafts(m)


def turn_of(m: Material, track: Track, span: Span) -> float | None:
    """The time at which a track is farthest from the line between its start and its end, in seconds.

    Where start and end are close, the time at which it is farthest from its start. None for a way that is nearly
    straight: before and after any turn it goes one way.
    """
    w = m.scene.window(track.track_id, span.t0, span.t1, m.frame)
    if w is None or max(bows(w)[0]) < LEAST_BOW:
        return None
    rel = w.path - w.path[0]
    if w.length < 0.3 * w.extent:
        far = np.hypot(rel[:, 0], rel[:, 1])
    else:
        far = np.abs(rel[:, 0] * w.d[1] - rel[:, 1] * w.d[0])
    at = round(float(w.t[int(far.argmax())]), 3)
    return at if span.t0 < at < span.t1 else None


def way_of(m: Material, track: Track, t0: float, t1: float) -> str | None:
    """The direction that a track provably takes from ``t0`` to ``t1``; None if there is none."""
    w = m.scene.window(track.track_id, t0, t1, m.frame)
    if w is None or math.hypot(*w.ends) < MOVES_SHARE * m.scene.diagonal:  # half of all parts of a way are that short
        return None
    words = tuple(DIRECTIONS)
    true, _ = m.decided(m.words("direction", {"track": track.track_id}, words, Span(t0, t1)))
    return words[true[0]] if true else None


def _turn_draft(m: Material, track: Track, span: Span, at: float) -> Draft:
    first = way_of(m, track, span.t0, at)
    then = first and way_of(m, track, at, span.t1)
    pairs: list[tuple[str, str]] = []
    if first and then and first != then:
        images = {frozenset((a, b)): (a, b) for a, b in ((mirror[first], mirror[then]) for mirror in MIRRORS)}
        images.pop(frozenset((first, then)), None)
        for x, y in ((first, then), *images.values()):
            pairs += [(x, y), (y, x)]
    turns = [{"track": track.track_id, "first": a, "then": b, "at": at} for a, b in pairs]
    candidates = m.each("sequence", turns, span)
    return Draft("sequence", {"a": track.track_id}, candidates, span.t0, span.t1, _mirrored(len(candidates)), 4)


def _mirrored(n: int) -> tuple[tuple[int, ...], ...]:
    """Candidates come in pairs of an order and its reverse; the first is true. A set: both, and one other pair.

    With a single pair among the options a reader would know that one of the two is right.
    """
    return tuple((0, 1, i, i + 1) for i in range(2, n - 1, 2))


def events_of(m: Material) -> list[tuple[dict[str, Any], Verdict]]:
    """The events that can be decided, of the tracks that are wholly seen and of their contacts; worked out once."""
    found: list[tuple[dict[str, Any], Verdict]] | None = m.scene.memo.get(events_of)
    if found is None:
        found = m.scene.memo[events_of] = _events(m)
    return found


def _events(m: Material) -> list[tuple[dict[str, Any], Verdict]]:
    wanted: list[dict[str, Any]] = []
    for track in m.good:
        given = {"track": track.track_id}
        if m.complete(track):
            wanted += [{"event": e, **given} for e in ("starts", "stops")]
            wanted += [{"event": e, **given, "side": s} for e in ("enters", "leaves") for s in BORDERS]
        if not m.handled(track):
            wanted += [{"event": e, **given} for e in ("appears", "disappears", "hidden", "reappears")]
    good = {t.track_id for t in m.good}
    for a, b in sorted({(c.a, c.b) for c in m.annotation.contacts if {c.a, c.b} <= good}):
        wanted += [{"event": e, "a": a, "b": b} for e in ("grasps", "releases")]
    events = []
    for event in wanted:
        args = {k: v for k, v in event.items() if k != "event"}
        verdict = measure(m.scene, m.propose(event["event"], args, m.whole, "image"))
        if verdict.true or verdict.false:
            events.append((event, verdict))
    return events


def _either_way(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two events could come in either order: what comes into view does nothing before, what goes nothing after,
    and nobody lets go of a thing before taking hold of it.

    Else the order of one thing's events could be told without looking.
    """
    if {a["event"], b["event"]} == {"grasps", "releases"} and (a["a"], a["b"]) == (b["a"], b["b"]):
        return False
    ends = {"enters", "appears", "leaves", "disappears"}
    return actor_of(a) != actor_of(b) or not ends & {a["event"], b["event"]}


def _named_by_it(m: Material, a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two things come into view of which one is said to appear first or last: its name has the answer."""
    arrivals = {a["event"], b["event"]} <= {"enters", "appears"}
    return arrivals and (m.timed(actor_of(a)) or m.timed(actor_of(b)))


def _event_drafts(m: Material) -> Iterator[Draft]:
    t0, t1 = m.whole.t0, m.whole.t1
    events = events_of(m)
    real = [e for e, v in events if v.true]
    for first, then in permutations(real, 2):
        told = [(first, then), (then, first)]
        others = [e for e, v in events if v.false and actor_of(e) in (actor_of(first), actor_of(then))]
        for other in others:
            for known in (first, then):
                if _either_way(other, known):
                    told += [(other, known), (known, other)]
        if not _either_way(first, then) or _named_by_it(m, first, then):
            continue
        claims = m.each("before", [{"first": a, "then": b} for a, b in told], m.whole, "image")
        if m.true(claims[0]):
            yield Draft("before", {}, claims, t0, t1, _mirrored(len(claims)), 4)
