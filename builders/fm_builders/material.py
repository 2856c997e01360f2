"""What question kinds and captions are made of: one annotated clip, its good tracks and their windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from fm_hub.claims import Proposal, Proposals, Scene, Verdict, measure, window_of
from fm_hub.records import Annotation, Claim, Clip, Frame, Track
from fm_hub.wording import refer, says_side, says_turn

__all__ = ["Material", "Span"]

MAX_GAP = 0.35
"""Seconds without a sighting after which a track's stretch ends (or 2.5 sampled frames, if those take longer)."""
MIN_STRETCH = 1.0
"""Seconds that a stretch must last to be asked about."""
AT_EDGE = 0.15
"""A stretch this close to the clip's start or end, in seconds, is taken to reach it."""
SPLIT_ABOVE = 3.0
"""A stretch longer than this, in seconds, is also asked about by halves."""


@dataclass(frozen=True)
class Span:
    """Seconds of a clip, rounded to milliseconds."""

    t0: float
    t1: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.t1 - self.t0

    def with_halves(self) -> Iterator[Span]:
        """The span, and the halves of a long one."""
        yield self
        if self.seconds > SPLIT_ABOVE:
            middle = round((self.t0 + self.t1) / 2, 3)
            yield Span(self.t0, middle)
            yield Span(middle, self.t1)


@dataclass(frozen=True)
class Material:
    """An annotated clip as the question kinds see it."""

    annotation: Annotation
    min_quality: float

    @cached_property
    def clip(self) -> Clip:
        """The clip's row."""
        return self.annotation.clip

    @cached_property
    def camera(self) -> str:
        """``static``, ``moving`` or ``unknown``."""
        return self.annotation.camera.label

    @cached_property
    def frame(self) -> Frame:
        """Against what motion is said: the picture of a view that stands still, else the background."""
        return "image" if self.camera == "static" else "stabilised"

    @cached_property
    def scene(self) -> Scene:
        """The clip's tables, for claims."""
        return Scene.of(self.annotation)

    @cached_property
    def whole(self) -> Span:
        """From the first to the last sampled frame."""
        return Span(round(float(self.scene.t[0]), 3), round(float(self.scene.t[-1]), 3))

    @cached_property
    def good(self) -> list[Track]:
        """Tracks good enough to ask about, with a stretch that is long enough, in order of id."""
        tracks = [t for t in self.annotation.tracks if t.quality >= self.min_quality and self.stretch(t) is not None]
        return sorted(tracks, key=lambda t: t.track_id)

    def stretch(self, track: Track) -> Span | None:
        """The longest span in which a track is seen without a gap; None if there is none of use."""
        kept: dict[str, Span | None] = self.scene.memo.setdefault("stretch", {})
        if track.track_id not in kept:
            kept[track.track_id] = self._stretch(track)
        return kept[track.track_id]

    def _stretch(self, track: Track) -> Span | None:
        t = self.scene.t[self.scene.visible(track)]
        if not len(t):
            return None
        breaks = np.nonzero(np.diff(t) > max(MAX_GAP, 2.5 * self.scene.step))[0] + 1
        parts = np.split(t, breaks)
        best = max(parts, key=lambda x: (float(x[-1] - x[0]), -float(x[0])))
        span = self._snap(float(best[0]), float(best[-1]))
        return span if span.seconds >= MIN_STRETCH else None

    def handled(self, track: Track) -> bool:
        """Whether a hand or a person is in contact with a track: what is held is lost in the hand, not hidden by it."""
        return any(track.track_id == c.b for c in self.annotation.contacts)

    def complete(self, track: Track) -> bool:
        """Whether a track's stretch holds all but a few of its sightings."""
        span = self.stretch(track)
        if span is None:
            return False
        t = self.scene.t[self.scene.visible(track)]
        return bool(np.count_nonzero(self.scene.inside(t, span.t0, span.t1)) / len(t) >= 0.9)

    def _snap(self, t0: float, t1: float) -> Span:
        whole = self.whole
        start = whole.t0 if t0 - whole.t0 <= AT_EDGE else round(t0, 3)
        end = whole.t1 if whole.t1 - t1 <= AT_EDGE else round(t1, 3)
        return Span(start, end)

    def spans(self, track: Track) -> Iterator[Span]:
        """The windows in which to ask about a track, where it has a name: its stretch, and the halves of a long one."""
        span = self.stretch(track)
        if span is not None:
            yield from (part for part in span.with_halves() if self.named(track, part))

    def pairs(self) -> Iterator[tuple[Track, Track, Span]]:
        """Two good tracks and the windows in which both are seen and have names."""
        for a, b in self.couples():
            span = self.common(a, b)
            if span is not None:
                for part in span.with_halves():
                    if self.named(a, part) and self.named(b, part):
                        yield a, b, part

    def named(self, track: Track, span: Span) -> bool:
        """Whether a viewer of a window can be told which track is meant; where not, it is one of the ``nameless``."""
        if refer(self.scene, track.track_id, span.t0, span.t1) is not None:
            return True
        self.nameless.add((track.track_id, span))
        return False

    def placed(self, track: Track, span: Span) -> bool:
        """Whether what a track is called in a window says on which side it is: then that is no question."""
        name = refer(self.scene, track.track_id, span.t0, span.t1)
        return name is not None and says_side(name)

    def timed(self, track_id: str) -> bool:
        """Whether what a track is called in the whole clip says that it comes first or last."""
        name = refer(self.scene, track_id, self.whole.t0, self.whole.t1)
        return name is not None and says_turn(name)

    @cached_property
    def nameless(self) -> set[tuple[str, Span]]:
        """Tracks, and windows in which nobody can be asked about them: nothing was measured there."""
        return set()

    def couples(self) -> Iterator[tuple[Track, Track]]:
        """Every two good tracks."""
        yield from combinations(self.good, 2)

    def common(self, a: Track, b: Track) -> Span | None:
        """The window in which both tracks are seen; None if it is too short."""
        sa, sb = self.stretch(a), self.stretch(b)
        if sa is None or sb is None:
            return None
        span = Span(max(sa.t0, sb.t0), min(sa.t1, sb.t1))
        return span if span.seconds >= MIN_STRETCH else None

    def propose(self, predicate: str, args: Mapping[str, Any], span: Span, frame: Frame | None = None) -> Proposal:
        """A claim that may be made, in a window."""
        return Proposal(predicate, args, window_of(span.t0, span.t1, frame or self.frame))

    def each(
        self, predicate: str, args: Sequence[Mapping[str, Any]], span: Span, frame: Frame | None = None
    ) -> Proposals:
        """The claims of a predicate with each of these arguments, in a window."""
        return Proposals.each(predicate, window_of(span.t0, span.t1, frame or self.frame), args)

    def words(
        self, predicate: str, given: Mapping[str, Any], words: Iterable[Any], span: Span, frame: Frame | None = None
    ) -> Proposals:
        """The claims of a predicate with each of its words, in a window."""
        return Proposals.words(predicate, window_of(span.t0, span.t1, frame or self.frame), given, tuple(words))

    def deeds(
        self, predicates: Iterable[str], args: Mapping[str, Any], span: Span, frame: Frame | None = None
    ) -> Proposals:
        """The claims of several predicates with the same arguments, in a window."""
        return sum((self.each(predicate, [args], span, frame) for predicate in predicates), Proposals())

    def between(
        self,
        predicate: str,
        given: Mapping[str, Any],
        bounds: Iterable[tuple[float, float]],
        span: Span,
        frame: Frame | None = None,
    ) -> Proposals:
        """The claims that a predicate's quantity lies between each two bounds, in a window."""
        return self.each(predicate, [{**given, "lo": a, "hi": b} for a, b in bounds], span, frame)

    def true(self, proposal: Proposal) -> bool:
        """Whether a claim is true with room to spare."""
        return measure(self.scene, proposal).true

    def decided(self, claims: Proposals) -> tuple[list[int], list[int]]:
        """The places of the claims that are true with room to spare, and of those that are false."""
        verdicts = claims.measured(self.scene)
        return [i for i, v in enumerate(verdicts) if v.true], [i for i, v in enumerate(verdicts) if v.false]

    def spelled(self, proposal: Proposal, verdict: Verdict) -> Claim:
        """A proposal as a claim to be published; the verdict that was measured is kept for the facts to rest on."""
        claim = proposal.claim
        self.scene.verdicts[claim] = verdict.rounded()
        return claim

    def moves(self, track: Track, span: Span) -> bool:
        """Whether a track provably moves in a window: what does not has no direction and draws no figure there."""
        return self.holds("moves", {"track": track.track_id}, True, span)

    def holds(
        self, predicate: str, given: Mapping[str, Any], word: Any, span: Span, frame: Frame | None = None
    ) -> bool:
        """Whether a word of a predicate is true in a window."""
        return self.true(self.propose(predicate, {**given, "is": word}, span, frame))

    def labels(self) -> list[str]:
        """The classes of the good tracks."""
        return sorted({t.label for t in self.good})
