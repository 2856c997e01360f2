"""Captions: proved sentences in the paper's seven aspects, in the order in which a person would tell them.

A sentence stands on one claim that is true with margin; what cannot be proved is not said. An aspect
without a provable sentence is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from fm_builders.material import Material, Span
from fm_builders.questions import GENERATOR, seeded
from fm_builders.questions.order import turn_of, way_of
from fm_hub.claims import check
from fm_hub.claims.one import DIRECTIONS
from fm_hub.records import Caption, Claim, Provenance, Sentence, Track, canonical_json, caption_id
from fm_hub.wording import UNNAMED, BadTemplate, families, short_caption, statement

__all__ = ["ASPECTS", "caption"]

ASPECTS = ("action", "order", "association", "location", "count", "dynamics", "relation")


@dataclass(frozen=True)
class _Line:
    """A sentence before it is checked: the first true candidate is said."""

    aspect: str
    family: str
    args: Mapping[str, Any]
    candidates: tuple[Claim, ...]
    span: Span


def caption(m: Material, *, seed: int) -> Caption | None:
    """The caption of a clip; None if nothing about it can be proved."""
    sentences = [s for line in _lines(m) if (s := _say(m, line, seed)) is not None]
    sentences.sort(key=lambda s: ASPECTS.index(s.aspect))
    if not sentences:
        return None
    return Caption(
        caption_id=caption_id(m.clip.clip_id, (s.claim for s in sentences)),
        clip_id=m.clip.clip_id,
        source_id=m.clip.source_id,
        split=m.clip.split,
        video_file=m.clip.video_file,
        text=" ".join(s.text for s in sentences),
        short=short_caption(sentences),
        sentences=tuple(sentences),
        grounding="facts",
        provenance=Provenance(GENERATOR, seed),
    )


def _say(m: Material, line: _Line, seed: int) -> Sentence | None:
    claim = next((c for c in line.candidates if check(m.scene, c).true), None)
    if claim is None:
        return None
    choices = len(families()[line.family]["statements"])
    template = f"{line.family}/s{seeded(seed, 'caption', line.args, line.family) % choices}"
    span = line.span
    try:
        text = statement(m.scene, template, line.args, claim, span.t0, span.t1, whole=span == m.whole)
    except BadTemplate:
        return None
    return Sentence(line.aspect, text, template, canonical_json(line.args), claim)


def _lines(m: Material) -> Iterator[_Line]:
    if m.camera == "static":
        for track in m.good:
            span = m.stretch(track)
            if span is not None:
                yield from _about_one(m, track, span)
        seen = set()
        for a, b, span in m.pairs():
            if (a.track_id, b.track_id) not in seen:  # the widest window of a pair comes first
                seen.add((a.track_id, b.track_id))
                yield from _about_two(a, b, span)
        yield from _events(m)
    for label in m.labels():
        if label != UNNAMED and all(t in m.good for t in m.annotation.tracks if t.label == label):
            numbers = tuple(_claim("at_once", {"label": label, "is": n}, m.whole) for n in range(2, 13))
            yield _Line("count", "at_once", {"label": label}, numbers, m.whole)


def _about_one(m: Material, track: Track, span: Span) -> Iterator[_Line]:
    given, args = {"track": track.track_id}, {"a": track.track_id}

    def words(predicate: str, *values: str) -> tuple[Claim, ...]:
        return tuple(_claim(predicate, {**given, "is": v}, span) for v in values)

    rests = _claim("moves", {**given, "is": False}, span)
    yield _Line("action", "moves", args, (rests,), span)
    yield _Line("action", "direction", args, words("direction", *DIRECTIONS), span)
    yield _Line("action", "path", args, words("path", "curved", "back-and-forth"), span)
    turn = turn_of(m, track, span)
    if turn is not None:
        first, then = way_of(m, track, span.t0, turn), way_of(m, track, turn, span.t1)
        if first and then and first != then:
            turned = _claim("sequence", {**given, "first": first, "then": then, "at": turn}, span)
            yield _Line("order", "sequence", args, (turned,), span)
    if check(m.scene, _claim("moves", {**given, "is": True}, span)).true:
        corners = ("top-left", "top-right", "bottom-left", "bottom-right")
        for at in ("start", "end"):
            claims = tuple(_claim("region", {**given, "is": c, "at": at}, span) for c in corners)
            yield _Line("location", f"region_{at}", args, claims, span)
    for event in ("enters", "leaves"):
        claims = tuple(_claim(event, {**given, "side": s}, m.whole) for s in ("left", "right", "top", "bottom"))
        yield _Line("location", event, args, claims, m.whole)
    turns = tuple(_claim("reversals", {**given, "is": n}, span) for n in range(1, 13))
    yield _Line("count", "reversals", args, turns, span)
    yield _Line("dynamics", "speed", args, words("speed", "slow", "medium", "fast"), span)
    yield _Line("dynamics", "speed_change", args, words("speed_change", "speeds-up", "slows-down"), span)
    yield _Line("dynamics", "depth", args, words("depth", "approaches", "recedes"), span)
    shares = [(0.25, 0.5), (0.5, 0.75), (0.75, 9.0)]
    for axis in ("x", "y"):
        claims = tuple(_claim("travels", {**given, "axis": axis, "lo": lo, "hi": hi}, span) for lo, hi in shares)
        yield _Line("dynamics", "travels", {**args, "axis": axis}, claims, span)


def _about_two(a: Track, b: Track, span: Span) -> Iterator[_Line]:
    args = {"a": a.track_id, "b": b.track_id}

    def words(predicate: str, *values: str) -> tuple[Claim, ...]:
        return tuple(_claim(predicate, {**args, "is": v}, span) for v in values)

    if "hand" in (a.label, b.label):  # a hand and what stays with it belong together
        yield _Line("association", "distance_change", args, words("distance_change", "same"), span)
    yield _Line("dynamics", "speed_order", args, words("speed_order", "faster", "slower"), span)
    swaps = tuple(
        _claim("order_change", {**args, "from": x, "to": y}, span) for x, y in (("left", "right"), ("right", "left"))
    )
    yield _Line("relation", "order_change", args, swaps, span)
    yield _Line("relation", "relation", args, words("relation", "left", "right", "above", "below"), span)
    yield _Line("relation", "distance_change", args, words("distance_change", "closer", "apart"), span)


def _events(m: Material) -> Iterator[_Line]:
    real = []
    for track in m.good:
        if m.complete(track):
            wanted: list[tuple[str, dict[str, Any]]] = [(e, {"track": track.track_id}) for e in ("starts", "stops")]
            for side in ("left", "right", "top", "bottom"):
                wanted += [(e, {"track": track.track_id, "side": side}) for e in ("enters", "leaves")]
            real += [{"event": e, **args} for e, args in wanted if check(m.scene, _claim(e, args, m.whole)).true]
    orders = tuple(_claim("before", {"first": a, "then": b}, m.whole) for a, b in permutations(real, 2))
    yield _Line("order", "before", {}, orders, m.whole)


def _claim(predicate: str, args: Mapping[str, Any], span: Span) -> Claim:
    return Claim.of(predicate, args, span.t0, span.t1)
