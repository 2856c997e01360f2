"""The second look at where people should be: at the edge, in gaps, and what it must refuse."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders import again
from fm_builders.again import Film, looked_again
from fm_builders.again.background import Background
from fm_builders.again.strangers import continued
from fm_builders.boxes import iou
from fm_builders.detectors import UNKNOWN, Detections
from fm_builders.detectors.movenet import persons
from fm_builders.detectors.nanodet import people_in
from fm_builders.trackers.assemble import run_of
from fm_hub.records import INTERPOLATED, LOST, VISIBLE, Camera, Track
from fm_hub.video import read_frames

Pixels = NDArray[np.uint8]
WIDE, HIGH, COUNT = 320, 180, 40
T = np.arange(COUNT) / 10
TALL, SIDE = 60, 30  # of the person
See = Callable[[Sequence[Pixels]], list[Detections]]


def picture(seed: int, height: int, width: int, colour: Sequence[int]) -> Pixels:
    """Blotches around a colour, which no other seed has."""
    rough = np.random.default_rng(seed).integers(-60, 60, (height // 6 + 1, width // 6 + 1, 1))
    fine = np.kron(rough, np.ones((6, 6, 1), int))[:height, :width]
    return np.clip(np.array(colour) + fine, 0, 255).astype(np.uint8)


BODY, WALL = picture(1, TALL, SIDE, (200, 60, 60)), picture(2, HIGH, WIDE, (90, 110, 90))
STREET = np.concatenate([WALL, picture(3, HIGH, WIDE, (90, 110, 90)), WALL], axis=1)


def ground(frame: int, step: int = 0) -> Pixels:
    """What is behind, before a view that goes ``step`` pixels to the right from frame to frame."""
    left = (WIDE if step else 0) + frame * step
    return STREET[:, left : left + WIDE].copy()


def film(xs: Sequence[float | None], step: int = 0) -> list[Pixels]:
    """A body whose left side is at x of each frame, or nobody, before a wall; y is 80."""
    frames = []
    for f, x in enumerate(xs):
        frame = ground(f, step)
        if x is not None:
            a, b = max(0, round(x)), min(WIDE, round(x) + SIDE)
            if b > a:
                frame[80 : 80 + TALL, a:b] = BODY[:, a - round(x) : b - round(x)]
        frames.append(frame)
    return frames


def box(x: float) -> list[float]:
    """What is to be seen of a body at x."""
    return [max(0.0, x), 80.0, min(float(WIDE), x + SIDE), 80.0 + TALL]


def track(at: Sequence[int], xs: Sequence[float], name: str = "a", label: str = "person") -> Track:
    """A track that was seen in the frames ``at``, and lies on straight lines between them."""
    run = run_of(np.array(at), np.array([box(xs[f]) for f in at]), np.full(len(at), 0.8), T)
    told = {"clip_id": "c", "track_id": name, "label": label, "label_score": 0.8, "quality": 0.7, "detector": "d"}
    return Track(**told, parent="", **run._asdict())


def sees(score: float, where: Callable[[Pixels], NDArray[np.bool_]] | None = None) -> See:
    """A detector that gives what is red in each part, or what ``where`` says, a score."""

    def see(parts: Sequence[Pixels]) -> list[Detections]:
        found = []
        for part in parts:
            mask = where(part) if where else part[..., 0].astype(int) > part[..., 1].astype(int) + 40
            y, x = np.nonzero(mask)
            boxes = [[x.min(), y.min(), x.max() + 1, y.max() + 1]] if len(x) else []
            found.append(Detections.of("n", boxes, [score] * len(boxes), ["person"] * len(boxes)))
        return found

    return see


def view(step: float, known: bool = True) -> Camera:
    """A view that goes so many pixels to the right from frame to frame; or nobody knows where."""
    label: Literal["static", "moving", "unknown"] = "unknown" if not known else "moving" if step else "static"
    still, ok = np.zeros(COUNT), np.full(COUNT, known)
    rows = {"frame": np.arange(COUNT), "dy": still, "dlogs": still, "droll": still, "inliers": still + 1.0}
    return Camera("c", label, dx=np.array([0.0, *[-step] * (COUNT - 1)]), ok=ok, **rows)


def look(
    tracks: list[Track],
    frames: list[Pixels],
    see: See,
    camera: Camera | None = None,
    seen: Sequence[Detections] | None = None,
) -> list[Track]:
    """A second look at clips of a view of which nothing is known, unless it is told."""
    seen = seen or [Detections.empty()] * COUNT
    return looked_again(tracks, seen, Film(frames, T, np.ones(2), camera or view(0, known=False), see))


def overlap(found: Track, frame: int, truth: list[float]) -> float:
    row = found.bbox[found.frame == frame]
    return float(iou(row, np.array([truth]))[0, 0]) if len(row) else 0.0


def test_who_leaves_by_the_edge_is_followed_until_gone() -> None:
    """Seen as long as the whole body is inside; then the detector gives what is left of it a score of 0.08."""
    xs = [100.0 + 8 * f for f in range(COUNT)]
    last = max(f for f in range(COUNT) if xs[f] + SIDE < WIDE - 4)
    before = track(range(last + 1), xs)
    (after,) = look([before], film(xs), sees(0.08))
    own = np.isin(after.frame, before.frame)
    assert np.array_equal(after.bbox[own], before.bbox)
    assert (after.state[own] == VISIBLE).all()
    assert (after.state[~own] == INTERPOLATED).all()
    cut = [f for f in range(last + 1, COUNT) if box(xs[f])[2] - box(xs[f])[0] >= 0.3 * SIDE]
    assert len(cut) >= 2
    assert all(overlap(after, f, box(xs[f])) >= 0.6 for f in cut)
    assert after.frame[-1] <= cut[-1] + 1
    assert after.quality == before.quality


def test_who_came_in_late_is_found_before_the_first_sight() -> None:
    xs = [float(20 + 5 * f) for f in range(COUNT)]
    (after,) = look([track(range(19, COUNT), xs)], film(xs), sees(0.2))
    assert after.frame[0] == 0
    assert min(overlap(after, f, box(xs[f])) for f in range(19)) >= 0.6


@pytest.mark.parametrize("step", [0, -2, None])
def test_of_who_comes_in_pixels_alone_say_what_is_to_be_seen(step: int | None) -> None:
    """A leg comes first: of the body at the edge the lower half alone; no detector sees it.

    The body came from the left at 5 pixels a frame and was seen from where it was clear of the edge. A view that goes
    somewhere says as much as one that stands still, one of which nothing is known nothing.
    """
    xs = [-32.0 + 5 * f for f in range(COUNT)]
    frames = film(xs, step or 0)
    for f in range(8):
        frames[f][80:110] = ground(f, step or 0)[80:110]
    first = min(f for f in range(COUNT) if xs[f] > 8)
    camera = None if step is None else view(step)
    (after,) = look([track(range(first, COUNT), xs)], frames, sees(0.0, lambda part: part[..., 0] > 255), camera)
    cut = [f for f in range(8) if xs[f] + SIDE >= SIDE / 3]
    assert len(cut) >= 3
    if step is None:
        assert after.frame[0] > cut[-1] - 1
        return
    halves = [[0.0, 110.0, xs[f] + SIDE, 140.0] for f in cut]
    assert min(overlap(after, f, half) for f, half in zip(cut, halves, strict=True)) >= (0.5 if step else 0.7)
    assert set(after.state[after.frame < first]) == {INTERPOLATED}


@pytest.mark.parametrize("step", [0, 2])
def test_a_straight_line_gets_the_size_that_is_there(step: int) -> None:
    """Between two sights of half the width the body is as wide as ever; its pixels say so, those of another do not."""
    xs = [float(20 + 5 * f) for f in range(COUNT)]
    frames = film(xs, step)
    before = track([*range(18), *range(20, COUNT)], xs)
    bbox = before.bbox.copy()
    for f in (17, 18, 19, 20):
        bbox[f, 2] = bbox[f, 0] + 0.6 * SIDE
    before = replace(before, bbox=bbox)
    (after,) = look([before], frames, sees(0.0, lambda part: part[..., 0] > 255), view(step))
    assert all(overlap(after, f, box(xs[f])) >= 0.85 for f in (18, 19))
    assert np.array_equal(after.bbox[[17, 20]], before.bbox[[17, 20]])
    near = track(range(COUNT), xs, "b")
    (same, _) = look([before, near], frames, sees(0.0, lambda part: part[..., 0] > 255), view(step))
    assert np.array_equal(same.bbox, before.bbox)


@pytest.mark.parametrize("there", [True, False])
def test_who_stands_half_behind_another_is_known_by_their_pixels(there: bool) -> None:
    """No detector can tell the two there; what is like the person keeps them, and nothing is kept where it is gone."""
    before, other = track(range(20), [100.0] * COUNT), track(range(COUNT), [115.0] * COUNT, "b")
    frames = film([100.0] * 20 + [100.0 if there else None] * 20)
    after, _ = look([before, other], frames, sees(0.0, lambda part: part[..., 0] > 255))
    assert after.frame[-1] == (COUNT - 1 if there else 19)
    if there:
        assert set(after.state[20:]) == {INTERPOLATED}
        assert min(overlap(after, f, box(100.0)) for f in range(20, COUNT)) >= 0.8


def test_a_long_gap_is_filled_where_someone_is_seen() -> None:
    """1.5 s without a sight; in the middle the person is behind a board, and stays lost there."""
    xs = [float(20 + 5 * f) for f in range(COUNT)]
    frames = film(xs)
    for f in range(16, 20):
        frames[f][74:146, 96:152] = picture(7, 72, 56, (80, 100, 140))
    before = track([*range(10), *range(25, COUNT)], xs)
    assert set(before.state[10:25]) == {LOST}
    (after,) = look([before], frames, sees(0.1))
    seen = [*range(10, 16), *range(20, 25)]
    assert (after.state[seen] == INTERPOLATED).all()
    assert (after.score[seen] == np.float32(0.1)).all()
    assert all(overlap(after, f, box(xs[f])) >= 0.9 for f in seen)
    assert (after.score[16:20] == 0).all()


def test_what_looks_otherwise_is_nobody() -> None:
    """The person is gone, and the detector swears that the wall is one, just where they would go on."""
    xs: list[float | None] = [40.0 + 3 * f if f < 20 else None for f in range(COUNT)]
    before = track(range(20), [40.0 + 3 * f for f in range(COUNT)])
    shown: list[tuple[int, ...]] = []

    def lies(parts: Sequence[Pixels]) -> list[Detections]:
        shown.extend(part.shape for part in parts)
        return [Detections.of("n", [[57, 42, 87, 102]], [0.5], ["person"]) for _ in parts]

    (after,) = look([before], film(xs), lies)
    assert shown[0] == (142, 144, 3)  # cut below: the box lies at the very place
    assert np.array_equal(after.frame, before.frame)


def test_another_person_is_not_taken_for_the_lost_one() -> None:
    """One stops being seen just where another stands, in the same shirt."""
    xs = [float(60 + 4 * f) for f in range(COUNT)]
    here = float(xs[20])
    stander = track(range(COUNT), [here] * COUNT, "b")
    before = track(range(18), xs)
    frames = film([here] * COUNT)
    for f in range(18):
        a = round(xs[f])
        frames[f][80 : 80 + TALL, a : a + SIDE] = BODY
    after, other = look([before, stander], frames, sees(0.6))
    assert np.array_equal(after.frame, before.frame)
    assert other is stander


def test_nobody_goes_on_in_another_shot() -> None:
    xs = [float(40 + 2 * f) for f in range(COUNT)]
    frames = film(xs)
    other = picture(9, HIGH, WIDE, (120, 120, 120))
    for f in range(20, COUNT):
        frames[f] = np.where((frames[f] == WALL).all(2, keepdims=True), other, frames[f])
    (after,) = look([track(range(20), xs)], frames, sees(0.6))
    assert after.frame[-1] == 19
    crossing = track([*range(18), *range(23, COUNT)], xs)
    (kept,) = look([crossing], frames, sees(0.6))
    assert kept is crossing


@pytest.mark.parametrize(("hits", "label"), [(7, "person"), (20, "car")])
def test_only_sure_people_are_looked_for(hits: int, label: str) -> None:
    xs = [float(40 + 2 * f) for f in range(COUNT)]
    before = track(range(hits), xs, label=label)

    def see(parts: Sequence[Pixels]) -> list[Detections]:
        raise AssertionError(f"{len(parts)} looks")

    assert look([before], film(xs), see) == [before]


@pytest.mark.parametrize("step", [0, 2])
def test_whom_nobody_named_is_found_by_what_moves(step: int) -> None:
    """A body that goes to the right, before a view that stands still or follows it; seen closely it gets 0.3."""
    xs = [float(20 + 5 * f) for f in range(COUNT)]
    (new,) = look([], film(xs, step), sees(0.3), view(step))
    assert (new.clip_id, new.label) == ("c", "person")
    assert new.quality > 0
    seen = new.frame[new.state == VISIBLE]
    assert len(seen) >= 0.9 * COUNT
    assert min(overlap(new, f, box(xs[f])) for f in seen) >= 0.8


def test_who_is_followed_without_a_name_is_found_all_the_same() -> None:
    """A mover of no name is what background subtraction makes of the very same walker."""
    xs = [float(20 + 5 * f) for f in range(COUNT)]
    found = look([track(range(5, COUNT), xs, label=UNKNOWN)], film(xs), sees(0.3), view(0))
    assert sorted(x.label for x in found) == ["person", UNKNOWN]


def test_whom_the_view_follows_goes_before_the_background() -> None:
    (new,) = look([], film([140.0] * COUNT, 3), sees(0.3), view(3))
    assert (new.state == VISIBLE).sum() >= 0.9 * COUNT


def test_a_frame_of_which_nothing_is_known_is_left_out_before_a_still_view() -> None:
    xs = [float(20 + 5 * f) for f in range(COUNT)]
    camera = view(0)
    (new,) = look([], film(xs), sees(0.3), replace(camera, ok=np.arange(COUNT) != 10))
    assert new.state[new.frame == 10] != VISIBLE
    assert (new.state == VISIBLE).sum() >= 0.8 * COUNT


@pytest.mark.parametrize(("count", "scale"), [(8, 1.0), (COUNT, 2.0)])
def test_short_and_large_clips_have_strangers_too(count: int, scale: float) -> None:
    """Of eight frames four are looked at; where the clip is twice as large as the frames held, boxes are so too."""
    xs = [float(20 + 12 * f) if count == 8 else float(20 + 5 * f) for f in range(count)]
    rows = {name: getattr(view(0), name)[:count] for name in ("frame", "dx", "dy", "dlogs", "droll", "inliers", "ok")}
    frames = film(xs)
    held = Film(frames, T[:count], np.array([scale, scale]), Camera("c", "static", **rows), sees(0.3))
    (new,) = looked_again([], [Detections.empty()] * count, held)
    for f in new.frame[new.state == VISIBLE]:
        assert overlap(new, f, [v * scale for v in box(xs[f])]) >= 0.7


def test_the_background_of_a_view_that_rolls_and_zooms_is_itself() -> None:
    """Frames cut from one smooth picture, turned and enlarged about their middle more and more."""
    rough = np.random.default_rng(4).integers(40, 215, (9, 16, 3)).astype(np.uint8)
    world = cv2.resize(rough, (3 * WIDE, 3 * HIGH), interpolation=cv2.INTER_CUBIC)
    turn, zoom = 0.01, 0.006
    frames = []
    for f in range(COUNT):
        a = np.exp((zoom + 1j * turn) * (f - COUNT / 2))
        middle, there = complex(WIDE, HIGH) / 2, complex(3 * WIDE, 3 * HIGH) / 2
        b = there - a * middle + (0.5 + 0.5j) * (a - 1)
        how = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        frames.append(
            cv2.warpAffine(
                world, np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]), (WIDE, HIGH), flags=how
            )
        )
    step = np.where(np.arange(COUNT) > 0, 1.0, 0.0)
    camera = replace(view(0), label="moving", dlogs=-zoom * step, droll=-turn * step)
    background = Background(Film(frames, T, np.ones(2), camera, sees(0.0)), {})
    assert background.known
    for f in range(0, COUNT, 5):
        differs, known = background.apart(f)
        assert not differs.any()
        assert known.mean() > 0.6
    wrong = replace(camera, droll=turn * step)
    assert any(Background(Film(frames, T, np.ones(2), wrong, sees(0.0)), {}).apart(f)[0].mean() > 0.02 for f in (0, 39))


@pytest.mark.parametrize("after", [False, True])
def test_of_two_who_may_be_the_stranger_it_is_the_nearer(after: bool) -> None:
    """One appears where a stranger was last seen, or was lost where one appears; another is some way off."""
    part = [*range(20, 30)] if after else [*range(10)]
    own = [*range(15)] if after else [*range(12, COUNT)]
    new = track(part, [100.0] * COUNT, "new")
    far, near = (track(own, [x] * COUNT, name) for x, name in ((130.0, "far"), (104.0, "near")))
    held = Film(film([None] * COUNT), T, np.ones(2), view(0), sees(0.0))
    assert continued(new, [far, near], held, Background(held, {})) is near
    assert continued(new, [far], held, Background(held, {})) is far
    gone = track(own, [260.0] * COUNT, "gone")
    assert continued(new, [gone], held, Background(held, {})) is None


@pytest.mark.parametrize(
    ("what", "score", "known"), [("faint", 0.1, True), ("stands", 0.3, True), ("view unknown", 0.3, False)]
)
def test_what_moves_is_nobody_unless_all_speaks_for_it(what: str, score: float, known: bool) -> None:
    """It looks like a person, it goes somewhere, and it is known where the background is."""
    xs = [20.0 + 5 * f for f in range(COUNT)] if what != "stands" else [100.0] * 8 + [None] * (COUNT - 8)
    assert look([], film(xs), sees(score), view(0, known)) == []


def test_what_is_seen_already_is_no_stranger() -> None:
    """A car that a detector named, and a person whose track goes on."""
    xs = [float(20 + 5 * f) for f in range(COUNT)]
    car = [Detections.of("n", [box(x)], [0.9], ["car"]) for x in xs]
    assert look([], film(xs), sees(0.3), view(0), car) == []
    (same,) = look([track(range(COUNT), xs)], film(xs), sees(0.3), view(0))
    assert np.array_equal(same.frame, np.arange(COUNT))


def test_a_stranger_who_becomes_somebody_known_is_the_same() -> None:
    """Seen from the frame on in which they turn; straight on from there nobody comes from, so they are led to."""
    xs = [20.0 + 8 * min(f, 20) - 6 * max(0, f - 20) for f in range(COUNT)]
    known = track(range(22, COUNT), xs)
    (one,) = look([known], film(xs), sees(0.3), view(0))
    assert one.track_id == known.track_id
    assert one.frame[0] <= 3
    assert set(one.state[one.frame < 22]) == {INTERPOLATED}
    assert (one.state[one.frame >= 22] == VISIBLE).all()


def test_strangers_are_looked_at_in_half_of_the_frames_at_most() -> None:
    """Nine who cross the picture, where eight looks at each would be 72."""
    frames = film([None] * COUNT)
    for f in range(COUNT):
        for k in range(9):
            x = 10 + 30 * k + f
            frames[f][4 + 19 * k : 20 + 19 * k, x : x + 9] = BODY[:16, :9]
    parts: list[int] = []

    def see(shown: Sequence[Pixels]) -> list[Detections]:
        parts.append(len(shown))
        return [Detections.empty() for _ in shown]

    assert look([], frames, see, view(0)) == []
    assert parts == [1] * 20


def test_forward_passes_are_bounded() -> None:
    """Four who stand, with gaps all along, and nobody is seen in them: 104 places, 20 passes of four looks."""
    crowd = [track(range(0, COUNT, 3), [10.0 + 80 * k] * COUNT, str(k)) for k in range(4)]
    passes: list[int] = []
    blind = sees(0.0, lambda part: np.zeros(part.shape[:2], bool))

    def see(parts: Sequence[Pixels]) -> list[Detections]:
        passes.append(len(parts))
        return blind(parts)

    look(crowd, film([None] * COUNT), see)
    assert passes == [again.AT_ONCE] * math.ceil(again.A_FRAME * COUNT)


def test_four_places_in_one_pass_do_not_disturb_each_other() -> None:
    """The two people of a street, each with and without others beside; an empty place stays empty."""
    path = Path(__file__).parent / "fixtures" / "videos" / "sports2d_demo.mp4"
    (frame,) = (f for f in read_frames(path, [2.5], size=(884, 496)) if f is not None)
    bodies = persons(frame, 512)
    boxes = bodies.bbox[bodies.score > 0.3].astype(np.float64)
    assert len(boxes) == 2
    parts, places = [], []
    for b in boxes:
        middle, half = (b[:2] + b[2:]) / 2, 1.2 * float(np.max(b[2:] - b[:2]))
        x1, y1, x2, y2 = np.clip(np.round([*(middle - half), *(middle + half)]), 0, [884, 496] * 2).astype(int)
        parts.append(frame[y1:y2, x1:x2])
        places.append(b - [x1, y1, x1, y1])
    empty = np.full((90, 120, 3), 128, np.uint8)
    together = people_in([empty, parts[0], parts[1], empty, parts[0]])
    assert len(together) == 5
    for k, place in ((1, places[0]), (2, places[1]), (4, places[0])):
        there = together[k].bbox[together[k].score >= 0.1]
        assert iou(there, place[None]).max() >= 0.5
    assert all((together[k].score < 0.1).all() for k in (0, 3))
    for part, found in zip([empty, *parts], together[:3], strict=True):
        assert (found.bbox <= [part.shape[1], part.shape[0]] * 2).all()
