"""Captions: proved sentences in the paper's seven aspects, in the order in which a person would tell them.

A sentence stands on one claim that is true with margin; what cannot be proved is not said. An aspect
without a provable sentence is left out. Where the view's motion is not known, nothing is told but what the picture
alone shows: places, sides, distances, contacts, what comes and goes, gestures and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

from fm_builders.material import Material, Span
from fm_builders.questions import GENERATOR, seeded
from fm_builders.questions.company import goes
from fm_builders.questions.distance import LENGTHS, SHARES
from fm_builders.questions.order import events_of, turn_of, way_of
from fm_hub.claims import Proposals
from fm_hub.claims.body import GESTURES, REPEATING
from fm_hub.claims.company import FORMATIONS
from fm_hub.claims.events import BORDERS
from fm_hub.claims.one import DIRECTIONS
from fm_hub.claims.shape import SHAPES
from fm_hub.claims.view import VIEWS
from fm_hub.records import Caption, Provenance, Sentence, Track, canonical_json, caption_id
from fm_hub.wording import UNNAMED, BadTemplate, Wording, families, refer, short_caption

__all__ = ["ASPECTS", "caption"]

MOST = 6
"""Sentences of one aspect: what is told of many things at length is read by nobody."""
ASPECTS = ("action", "order", "association", "location", "count", "dynamics", "relation")


class _Line(NamedTuple):
    """A sentence before it is checked: the first true candidate is said."""

    aspect: str
    family: str
    args: Mapping[str, Any]
    candidates: Proposals
    span: Span


def caption(m: Material, *, seed: int) -> Caption | None:
    """The caption of a clip; None if nothing about it can be proved.

    Where there is nothing else, it is told that the view stands still, that there is one of something, or what the
    view does not do.
    """
    sentences: list[Sentence] = []
    told: Counter[str] = Counter()
    for line in _lines(m):
        if told[line.aspect] < MOST and (sentence := _say(m, line, seed)) is not None:
            if _again(sentence, sentences):
                continue
            told[line.aspect] += 1
            sentences.append(sentence)
    if not sentences:
        least = (sentence for line in _least(m) if (sentence := _say(m, line, seed)) is not None)
        sentences = list(islice(least, 1))
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


def _again(sentence: Sentence, told: Sequence[Sentence]) -> bool:
    """Whether it says that a thing is out of sight for a while, of which it was told what hides it."""
    hidden = sentence.claim.predicate == "hidden"
    return hidden and any(s.claim.predicate == "hides" and s.template_args == sentence.template_args for s in told)


def _say(m: Material, line: _Line, seed: int) -> Sentence | None:
    span = line.span
    for who in ("a", "b"):
        if who in line.args and refer(m.scene, line.args[who], span.t0, span.t1) is None:
            return None
    verdicts = line.candidates.measured(m.scene)
    said = next((i for i, v in enumerate(verdicts) if v.true), None)
    if said is None:
        return None
    claim = m.spelled(line.candidates[said], verdicts[said])
    choices = len(families()[line.family]["statements"])
    args = {**line.args, "frame": "stabilised"} if claim.frame == "stabilised" else line.args
    template = f"{line.family}/s{seeded(seed, 'caption', line.args, line.family) % choices}"
    try:
        text = Wording(m.scene, template, args, span.t0, span.t1).statement(claim)
    except BadTemplate:
        return None
    return Sentence(line.aspect, text, template, canonical_json(args), claim)


def _lines(m: Material) -> Iterator[_Line]:
    for track in m.good:
        span = m.stretch(track)
        if span is not None:
            yield from _about_one(m, track, span)
            yield from _body(m, track, span)
    yield from _contacts(m)
    for a, b in m.couples():
        span = m.common(a, b)
        if span is not None:
            yield from _about_two(m, a, b, span)
    if m.camera == "static":
        yield from _events(m)
    else:
        yield _view(m)
    yield from _numbers(m, range(2, 13))


def _least(m: Material) -> Iterator[_Line]:
    """What can be told of nearly every clip."""
    yield _view(m)
    yield from _numbers(m, [1])
    yield _Line("dynamics", "view", {}, _not_view(m, [word for word in VIEWS if word != "static"]), m.whole)


def _numbers(m: Material, numbers: Iterable[int]) -> Iterator[_Line]:
    for label in m.labels():
        if label != UNNAMED and all(t in m.good for t in m.annotation.tracks if t.label == label):
            most = m.words("at_once", {"label": label}, numbers, m.whole, "image")
            yield _Line("count", "at_once", {"label": label}, most, m.whole)


def _view(m: Material) -> _Line:
    """How the view goes; where no word fits, that it goes."""
    words = m.words("view", {}, VIEWS, m.whole, "image") + _not_view(m, ["static"])
    return _Line("dynamics", "view", {}, words, m.whole)


def _not_view(m: Material, words: Iterable[str]) -> Proposals:
    return m.each("not", [{"predicate": "view", "args": {"is": word}} for word in words], m.whole, "image")


def _about_one(m: Material, track: Track, span: Span) -> Iterator[_Line]:
    given, args = {"track": track.track_id}, {"a": track.track_id}
    still = m.camera == "static"

    def words(predicate: str, *values: str) -> Proposals:
        return m.words(predicate, given, values, span)

    if m.moves(track, span):
        yield _Line("action", "direction", args, words("direction", *DIRECTIONS), span)
        yield _Line("action", "shape", args, words("shape", *SHAPES[1:]), span)
        yield _Line("action", "winding", args, words("winding", "clockwise", "anticlockwise"), span)
        yield _Line("count", "reversals", args, m.words("reversals", given, range(1, 13), span), span)
        yield _Line("dynamics", "speed", args, words("speed", "slow", "medium", "fast"), span)
        yield _Line("dynamics", "speed_change", args, words("speed_change", "speeds-up", "slows-down"), span)
    else:
        yield _Line("action", "moves", args, m.words("moves", given, (False,), span), span)
    turn = turn_of(m, track, span)
    if turn is not None:
        first, then = way_of(m, track, span.t0, turn), way_of(m, track, turn, span.t1)
        if first and then and first != then:
            turned = {**given, "first": first, "then": then, "at": turn}
            yield _Line("order", "sequence", args, m.each("sequence", [turned], span), span)
    if m.camera == "unknown" or m.moves(track, span):
        corners = ("top-left", "top-right", "bottom-left", "bottom-right")
        for at in ("start", "end"):
            claims = m.words("region", {**given, "at": at}, corners, span, "image")
            yield _Line("location", f"region_{at}", args, claims, span)
    for event in ("enters", "leaves"):
        sides = [{**given, "side": s} for s in BORDERS]
        claims = m.each(event, sides, m.whole, "image")
        yield _Line("location", event, args, claims, m.whole)
    if still and not m.handled(track):
        others = [{"a": track.track_id, "b": t.track_id} for t in m.good if t is not track]
        yield _Line("location", "hider", args, m.each("hides", others, m.whole, "image"), m.whole)
        yield _Line("location", "presence", args, m.each("hidden", [given], m.whole, "image"), m.whole)
    if still:
        yield _Line("dynamics", "depth", args, words("depth", "approaches", "recedes"), span)
        for axis in ("x", "y"):
            shares = m.between("travels", {**given, "axis": axis}, SHARES[2:], span)
            yield _Line("dynamics", "travels", {**args, "axis": axis}, shares, span)
    yield _Line("dynamics", "lengths", args, m.between("lengths", given, LENGTHS[2:], span), span)


def _body(m: Material, track: Track, span: Span) -> Iterator[_Line]:
    if track.track_id not in m.scene.keypoints:
        return
    given, args = {"track": track.track_id}, {"a": track.track_id}
    for word in GESTURES:
        yield _Line("action", "gesture", args, m.words("gesture", given, (word,), span, "image"), span)
    for joint in REPEATING[1:]:
        times = m.words("repeats", {**given, "joint": joint}, range(2, 13), span, "image")
        yield _Line("count", "repeats", {**args, "joint": joint}, times, span)
    if m.camera == "static":
        ways = m.words("rotation", given, ("clockwise", "anticlockwise"), span)
        yield _Line("dynamics", "rotation", args, ways, span)


def _contacts(m: Material) -> Iterator[_Line]:
    """The most that can be said of each two things in contact: carried, held, touched; and when."""
    good = {t.track_id: t for t in m.good}
    for a, b in sorted({(c.a, c.b) for c in m.annotation.contacts if c.a in good and c.b in good}):
        both = {"a": a, "b": b}
        for family, predicate in (("carried", "carries"), ("held", "holds"), ("touched", "touches")):
            deed = m.each(predicate, [both], m.whole, m.frame if predicate == "carries" else "image")
            if m.true(deed[0]):
                yield _Line("association", family, {"a": a}, deed, m.whole)
                break


def _about_two(m: Material, a: Track, b: Track, span: Span) -> Iterator[_Line]:
    args = {"a": a.track_id, "b": b.track_id}

    def words(predicate: str, *values: str) -> Proposals:
        return m.words(predicate, args, values, span, "image")

    back = {"a": b.track_id, "b": a.track_id}
    if goes(m, a, span) and goes(m, b, span):
        formation = m.words("formation", args, FORMATIONS, span) + m.each("overtakes", (args, back), span)
        yield _Line("relation", "formation", args, formation, span)
    yield _Line("dynamics", "speed_order", args, m.words("speed_order", args, ("faster", "slower"), span), span)
    ways = [{**args, "from": x, "to": y} for x, y in (("left", "right"), ("right", "left"))]
    swaps = m.each("order_change", ways, span, "image")
    yield _Line("relation", "order_change", args, swaps, span)
    yield _Line("relation", "relation", args, words("relation", "left", "right", "above", "below"), span)
    if "hand" in (a.label, b.label):  # a hand and what stays with it belong together
        yield _Line("association", "distance_change", args, words("distance_change", "same"), span)
    yield _Line("relation", "distance_change", args, words("distance_change", "closer", "apart"), span)


def _events(m: Material) -> Iterator[_Line]:
    real = [(verdict.value, event) for event, verdict in events_of(m) if verdict.true]
    told = [event for _, event in sorted(real, key=lambda x: (x[0], canonical_json(x[1])))]
    for first, then in pairwise(told):
        if then["event"] == "reappears" and {**first, "event": "reappears"} == then:
            continue  # "hidden" says so: it goes out of sight and comes back
        claim = m.each("before", [{"first": first, "then": then}], m.whole, "image")
        yield _Line("order", "before", {}, claim, m.whole)
