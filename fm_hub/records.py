"""The records that flow through fm-hub: the only currency between its parts.

All are frozen. Arrays are numpy; they are made read-only when a record is built. Coordinates are pixels of
the displayed frame (rotation applied), x to the right and y down; boxes are ``x1, y1, x2, y2``, half-open.
Times are seconds in the published clip, from its presentation time stamps. Ids are 24 hexadecimal digits of
a SHA-256 (see ``docs/contracts.md``).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LETTERS",
    "Camera",
    "Caption",
    "Claim",
    "Clip",
    "Contact",
    "Fact",
    "Frame",
    "Frames",
    "Keypoints",
    "Masks",
    "Option",
    "Provenance",
    "Question",
    "Sentence",
    "Shortcuts",
    "Source",
    "Track",
    "canonical_json",
    "caption_id",
    "content_id",
    "fact_id",
    "question_id",
]

Frame = Literal["image", "stabilised"]
Grounding = Literal["facts", "model", "human"]
Split = Literal["train", "validation", "test"]
LETTERS = ("A", "B", "C", "D")
VISIBLE, INTERPOLATED, LOST = 0, 1, 2

_quoted = json.encoder.encode_basestring  # with ``ensure_ascii=False``

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


def canonical_json(value: Any) -> str:
    """One spelling for one value: sorted keys, no blanks, floats rounded to 3 decimals, UTF-8.

    Raises :class:`ValueError` for a number that is not finite, :class:`TypeError` for what JSON cannot say.

    >>> canonical_json({"b": 0.12345, "a": [1, True]})
    '{"a":[1,true],"b":0.123}'
    """
    kind = type(value)  # half of all calls are for one word
    if kind is str:
        return _quoted(value)
    if kind is float:
        return _number(value)
    if kind is dict:
        items = [
            f"{_quoted(k)}:{_quoted(v) if type(v) is str else canonical_json(v)}" for k, v in sorted(value.items())
        ]
        return "{" + ",".join(items) + "}"
    if kind is list or kind is tuple:
        return "[" + ",".join([_quoted(v) if type(v) is str else canonical_json(v) for v in value]) + "]"
    if kind is int:
        return str(value)
    return _other_json(value)


def _other_json(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return _number(float(value))
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return canonical_json(dict(value))
    if isinstance(value, (list, tuple)):
        return canonical_json(list(value))
    raise TypeError(f"{type(value).__name__} has no canonical JSON")


@lru_cache(maxsize=1 << 14)  # the times of a clip's windows stand in most of its claims
def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} has no canonical JSON")
    return repr(round(value, 3) + 0.0)


def content_id(*parts: Any) -> str:
    """24 hexadecimal digits of the SHA-256 of the canonical JSON of ``parts``."""
    return hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()[:24]


def question_id(clip_id: str, template: str, args: str, claims: Iterable[Claim], t0: float, t1: float) -> str:
    """The id of a question: its clip, its words and the claims of its options, whatever their order."""
    return content_id("question", clip_id, template, args, sorted(c.as_list() for c in claims), [t0, t1])


def caption_id(clip_id: str, claims: Iterable[Claim]) -> str:
    """The id of a caption: its clip and the claims of its sentences."""
    return content_id("caption", clip_id, [c.as_list() for c in claims])


def fact_id(clip_id: str, claim: Claim) -> str:
    """The id of a fact: its clip and its claim."""
    return content_id("fact", clip_id, claim.as_list())


@lru_cache(maxsize=1 << 14)
def _parsed(args: str) -> dict[str, Any]:
    value = json.loads(args)
    if not isinstance(value, dict):
        raise ValueError(f"the arguments of a claim must be an object, not {args[:40]}")
    return value


def _freeze(record: Any, dtypes: Mapping[str, Any]) -> None:
    for f in fields(record):
        if f.name in dtypes:
            array = np.array(getattr(record, f.name), dtype=dtypes[f.name])
            array.setflags(write=False)
            object.__setattr__(record, f.name, array)


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x == y
        for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    )


@dataclass(frozen=True, slots=True)
class Source:
    """One input file as it was given, accepted or not: every input is a row.

    ``status`` is ``ok`` (it gave at least one clip), ``filtered`` (nothing usable, by rule) or ``failed``;
    ``reason`` is empty for ``ok``, else the class name of the error or the rule, ``detail`` a sentence.
    ``origin`` is the video that the file was cut from, as whoever gave it calls it (a URL, an id), or empty.
    ``source_id`` is made from the origin where one is given, else from the bytes, or from the name where there are
    none to read: files of one origin are one source to splits and error bars.
    """

    source_id: str
    name: str
    sha256: str
    bytes: int
    codec: str
    width: int
    height: int
    rotation: int
    n_frames: int
    duration: float
    vfr: bool
    license: str
    status: Literal["ok", "filtered", "failed"]
    reason: str = ""
    detail: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """One published clip file and where it was cut from.

    ``t0`` and ``t1`` are seconds in the source; everything else speaks of the published file. ``status`` is
    ``ok`` (it has questions), ``empty`` (kept, nothing to ask: ``reason`` says why) or ``failed``.
    ``camera_score`` is how much the view moves in the measure that FoundationMotion filters by (rejecting above 0.3;
    ``fm_builders.camera.paper_score`` says how ours differs); None where the view's motion is not known.
    ``mirror_of`` is the clip of the same source that this one shows flipped left to right, or empty.
    """

    clip_id: str
    source_id: str
    video_file: str
    sha256: str
    t0: float
    t1: float
    copied: bool
    fps: float
    width: int
    height: int
    n_frames: int
    duration: float
    camera: Literal["static", "moving", "unknown"]
    split: Split
    status: Literal["ok", "empty", "failed"]
    reason: str = ""
    detail: str = ""
    camera_score: float | None = None
    mirror_of: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The clock of one clip: the sampled frames that everything else refers to.

    ``frame`` (N,) int32 counts from 0; ``pts`` (N,) int64 in the stream's time base; ``t`` (N,) seconds.
    """

    clip_id: str
    frame: Ints
    pts: NDArray[np.int64]
    t: Floats

    def __post_init__(self) -> None:
        _freeze(self, {"frame": np.int32, "pts": np.int64, "t": np.float64})

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """The motion of the view of one clip, frame by frame; row 0 is the identity.

    The similarity of frame ``f`` maps a point of frame ``f - 1`` to frame ``f``:
    ``p' = exp(dlogs) R(droll) (p - c) + c + (dx, dy)`` with ``c`` the frame's centre, ``dx, dy`` in pixels,
    ``droll`` in radians (positive turns x towards y, clockwise on the screen). ``inliers`` is the share of
    matched points that agree; where ``ok`` is false the view's motion is not known.
    """

    clip_id: str
    label: Literal["static", "moving", "unknown"]
    frame: Ints
    dx: Floats
    dy: Floats
    dlogs: Floats
    droll: Floats
    inliers: Floats
    ok: NDArray[np.bool_]

    def __post_init__(self) -> None:
        floats = dict.fromkeys(("dx", "dy", "dlogs", "droll", "inliers"), np.float64)
        _freeze(self, {"frame": np.int32, "ok": np.bool_, **floats})

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One object through one clip.

    ``frame`` (N,) int32, rising; ``bbox`` (N, 4) float32 pixels; ``score`` (N,) float32;
    ``state`` (N,) int8: 0 visible (detected in that frame), 1 interpolated, or found only because the track leads
    there, 2 lost. ``quality`` in 0..1 is for the whole track: questions are made of good tracks only. ``parent`` is
    the track of the person that a hand belongs to, or empty. ``detector`` is the model that saw it, or ``background``
    where it is what moved before it. ``side`` is ``left`` or ``right`` for the hand of its owner's body (not of the
    picture), or empty where it is not known, or no hand. ``colour`` is one word where nearly all of the thing is of
    that colour, else empty.
    """

    clip_id: str
    track_id: str
    label: str
    label_score: float
    quality: float
    detector: str
    parent: str
    frame: Ints
    bbox: Floats32
    score: Floats32
    state: NDArray[np.int8]
    side: Literal["", "left", "right"] = ""
    colour: str = ""

    def __post_init__(self) -> None:
        _freeze(self, {"frame": np.int32, "bbox": np.float32, "score": np.float32, "state": np.int8})
        if self.bbox.shape != (len(self.frame), 4):
            object.__setattr__(self, "bbox", self.bbox.reshape(len(self.frame), 4))
        if not len(self.frame) == len(self.score) == len(self.state) or not np.isfinite(self.bbox).all():
            raise ValueError(f"track {self.track_id}: lists of different length, or a box that is not a number")

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """Named points of one track: ``kind`` is ``coco17`` (K = 17) or ``hand21`` (K = 21).

    ``frame`` (N,) int32; ``xy`` (N, K, 2) float32 pixels; ``conf`` (N, K) float32 in 0..1.
    """

    clip_id: str
    track_id: str
    kind: Literal["coco17", "hand21"]
    frame: Ints
    xy: Floats32
    conf: Floats32

    def __post_init__(self) -> None:
        _freeze(self, {"frame": np.int32, "xy": np.float32, "conf": np.float32})
        k = 17 if self.kind == "coco17" else 21
        object.__setattr__(self, "xy", self.xy.reshape(len(self.frame), k, 2))
        object.__setattr__(self, "conf", self.conf.reshape(len(self.frame), k))

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The masks of one track, of ``height`` x ``width`` pixels over the whole frame (it may be larger than they are).

    ``frame`` (N,) int32; ``counts`` N arrays int32 of runs, as :mod:`fm_hub.masks` reads them.
    """

    clip_id: str
    track_id: str
    height: int
    width: int
    frame: Ints
    counts: tuple[Ints, ...]

    def __post_init__(self) -> None:
        _freeze(self, {"frame": np.int32})
        object.__setattr__(self, "counts", tuple(np.array(c, np.int32) for c in self.counts))
        if len(self.frame) != len(self.counts) or any(c.sum() != self.height * self.width for c in self.counts):
            raise ValueError(f"masks of {self.track_id}: lists of different length, or runs of another size")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Masks) or len(self.counts) != len(other.counts):
            return False
        same = all(map(np.array_equal, (self.frame, *self.counts), (other.frame, *other.counts)))
        head = ("clip_id", "track_id", "height", "width")
        return same and all(getattr(self, n) == getattr(other, n) for n in head)


@dataclass(frozen=True, slots=True)
class Contact:
    """An interval in which track ``a`` touches or holds track ``b``, from its first to its last frame, in seconds.

    ``a`` is a hand, or what acts as one (a gripper; a person whose hands have no track of their own). Every
    ``hold`` lies within a ``touch`` of the same two tracks. ``score`` in 0..1.
    """

    clip_id: str
    a: str
    b: str
    kind: Literal["touch", "hold"]
    t0: float
    t1: float
    score: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement that anyone can check from the published tables: see ``docs/claims.md``.

    ``args`` is canonical JSON (so that a claim hashes and compares by value); ``t0`` and ``t1`` are seconds
    in the clip, rounded to 3 decimals.
    """

    predicate: str
    args: str
    frame: Frame
    t0: float
    t1: float

    @staticmethod
    def of(predicate: str, args: Mapping[str, Any], t0: float, t1: float, frame: Frame = "image") -> Claim:
        """Build a claim from plain arguments, in canonical form."""
        return Claim(predicate, canonical_json(args), frame, round(float(t0), 3) + 0.0, round(float(t1), 3) + 0.0)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as plain Python values, to be read only: claims with the same arguments share them."""
        return _parsed(self.args)

    def as_list(self) -> list[Any]:
        """The claim as plain values, for hashing."""
        return [self.predicate, self.args, self.frame, self.t0, self.t1]


@dataclass(frozen=True, slots=True)
class Fact:
    """A claim that holds, with its measured value, tolerance and signed margin (in tolerances)."""

    fact_id: str
    clip_id: str
    claim: Claim
    value: float
    tolerance: float
    margin: float


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a question: its words, its claim, and the claim's signed margin."""

    text: str
    claim: Claim
    margin: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a row: the generator and its version, the seed it used, and the prompt where a model worded it.

    ``prompt`` is ``<name>@<version>:<12 digits of its SHA-256>``.
    """

    generator: str
    seed: int
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """How well a question is answered without its video, one number in 0..1 a way: the credit that the way gets.

    A way that names several options shares its one point among them. ``letter``: the commonest letter of the
    data set; ``length``: the longest option; ``overlap``: the option that shares most words with the question;
    ``frequent``: the option that is most often right in other source videos; ``text``: the share that a classifier
    of words, trained on other source videos, gives the key; ``blind``: a language model without the video. None
    where it was not asked.
    """

    letter: float | None = None
    length: float | None = None
    overlap: float | None = None
    frequent: float | None = None
    text: float | None = None
    blind: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one clip, as a multiple-choice item and as an open one.

    The model may see only the view ``view_t0..view_t1``. ``answer`` is the index of the one option whose
    claim is true. ``template`` and ``template_args`` (canonical JSON) give the words back. ``answer_type``
    says how an open answer is compared: ``number``, ``direction``, ``label``, ``order`` or ``phrase``.
    """

    question_id: str
    clip_id: str
    source_id: str
    split: Split
    video_file: str
    type: str
    kind: str
    difficulty: Literal["easy", "medium", "hard"]
    view_t0: float
    view_t1: float
    text: str
    options: tuple[Option, ...]
    answer: int
    answer_type: str
    template: str
    template_args: str
    grounding: Grounding
    provenance: Provenance
    added_in: str = "0.1.0"
    shortcuts: Shortcuts | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a caption: the aspect it covers, its words and the claim it rests on."""

    aspect: str
    text: str
    template: str
    template_args: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption of one clip: ``text`` is its sentences joined by blanks."""

    caption_id: str
    clip_id: str
    source_id: str
    split: Split
    video_file: str
    text: str
    short: str
    sentences: tuple[Sentence, ...]
    grounding: Grounding
    provenance: Provenance
    added_in: str = "0.1.0"


@dataclass(frozen=True)
class Annotation:
    """All that perception says about one clip: what compose and the claims read."""

    clip: Clip
    frames: Frames
    camera: Camera
    tracks: Sequence[Track]
    keypoints: Sequence[Keypoints] = field(default_factory=tuple)
    contacts: Sequence[Contact] = field(default_factory=tuple)
    masks: Sequence[Masks] = field(default_factory=tuple)
