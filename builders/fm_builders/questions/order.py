"""What comes first, and what then: turns of one object, events of one or two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

import numpy as np

from fm_builders.material import Material, Span
from fm_builders.questions import Draft, QuestionKind
from fm_hub.claims import Verdict, check
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Claim, Track

__all__ = ["OrderKind", "events_of", "turn_of", "way_of"]

OPPOSITE = {w: next(o for o, d in DIRECTIONS.items() if abs(d - a) == 180.0) for w, a in DIRECTIONS.items()}
ACROSS = {w: next(o for o, d in DIRECTIONS.items() if (d - a) % 360.0 == 90.0) for w, a in DIRECTIONS.items()}


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

    Where start and end are close, the time at which it is farthest from its start.
    """
    w = m.scene.window(track.track_id, span.t0, span.t1, m.frame)
    if w is None:
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
    claims = {w: Claim.of("direction", {"track": track.track_id, "is": w}, t0, t1, m.frame) for w in DIRECTIONS}
    return next((word for word, claim in claims.items() if check(m.scene, claim).true), None)


def _turn_draft(m: Material, track: Track, span: Span, at: float) -> Draft:
    first, then = way_of(m, track, span.t0, at), way_of(m, track, at, span.t1)
    pairs: list[tuple[str, str]] = []
    if first and then and first != then:
        pool = dict.fromkeys((first, then, OPPOSITE[first], OPPOSITE[then], ACROSS[first], OPPOSITE[ACROSS[first]]))
        pairs = [(first, then), (then, first)]
        for x, y in combinations(pool, 2):
            if {x, y} != {first, then}:
                pairs += [(x, y), (y, x)]
    candidates = [
        Claim.of("sequence", {"track": track.track_id, "first": a, "then": b, "at": at}, span.t0, span.t1, m.frame)
        for a, b in pairs
    ]
    return Draft("sequence", {"a": track.track_id}, candidates, span.t0, span.t1, _mirrored(len(candidates)), 4)


def _mirrored(n: int) -> tuple[tuple[int, ...], ...]:
    """Candidates come in pairs of an order and its reverse; the first is true. A set: its reverse and one other pair.

    With a single pair among the options a reader would know that one of the two is right.
    """
    return tuple((1, i, i + 1) for i in range(2, n - 1, 2))


def events_of(m: Material) -> list[tuple[dict[str, Any], Verdict]]:
    """The events that can be decided, of the tracks that are wholly seen and of their contacts."""
    t0, t1 = m.whole.t0, m.whole.t1
    wanted: list[dict[str, Any]] = []
    for track in m.good:
        given = {"track": track.track_id}
        if m.complete(track):
            wanted += [{"event": e, **given} for e in ("starts", "stops")]
            sides = ("left", "right", "top", "bottom")
            wanted += [{"event": e, **given, "side": s} for e in ("enters", "leaves") for s in sides]
        wanted += [{"event": e, **given} for e in ("appears", "disappears", "hidden", "reappears")]
    good = {t.track_id for t in m.good}
    for a, b in sorted({(c.a, c.b) for c in m.annotation.contacts if {c.a, c.b} <= good}):
        wanted += [{"event": e, "a": a, "b": b} for e in ("grasps", "releases")]
    events = []
    for event in wanted:
        args = {k: v for k, v in event.items() if k != "event"}
        verdict = check(m.scene, Claim.of(event["event"], args, t0, t1))
        if verdict.true or verdict.false:
            events.append((event, verdict))
    return events


def _event_drafts(m: Material) -> Iterator[Draft]:
    t0, t1 = m.whole.t0, m.whole.t1
    events = events_of(m)
    real = [e for e, v in events if v.true]
    for first, then in permutations(real, 2):
        claims = [_before(first, then, m.whole), _before(then, first, m.whole)]
        actors = {e.get("track", e.get("a")) for e in (first, then)}
        others = [e for e, v in events if v.false and e.get("track", e.get("a")) in actors]
        for other in others:
            for known in (first, then):
                claims += [_before(other, known, m.whole), _before(known, other, m.whole)]
        if check(m.scene, claims[0]).true:
            yield Draft("before", {}, claims, t0, t1, _mirrored(len(claims)), 4)


def _before(first: dict[str, Any], then: dict[str, Any], span: Span) -> Claim:
    return Claim.of("before", {"first": first, "then": then}, span.t0, span.t1)
