"""What every tracker keeps to, on planted detections whose owners are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fm_builders.detectors import LOOK, Detections
from fm_builders.trackers import TRACKERS, Tracker
from fm_builders.trackers.quality import quality
from fm_hub.records import Track, content_id

SIZE = (640, 360)
T = np.arange(31) / 10

Path2D = NDArray[np.float64]


@pytest.fixture(params=TRACKERS.names())
def tracker(request: pytest.FixtureRequest) -> Tracker:
    return TRACKERS.load(request.param)()


def path(x: NDArray[np.float64], y: NDArray[np.float64], w: float = 40, h: float = 80) -> Path2D:
    """(N, 4) boxes around the centres."""
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)


def scene(
    paths: Sequence[Path2D], labels: Sequence[str], hidden: Sequence[Sequence[int]] = (), jitter: float = 0.0
) -> list[Detections]:
    """Detections frame by frame; ``hidden[k]`` are the frames in which object k is not detected."""
    rng = np.random.default_rng(0)
    missing = [set(hidden[k]) if k < len(hidden) else set() for k in range(len(paths))]
    frames = []
    for i in range(len(paths[0])):
        who = [k for k in range(len(paths)) if i not in missing[k]]
        boxes = [np.clip(paths[k][i] + rng.normal(0, jitter, 4), 0, [*SIZE, *SIZE]) for k in who]
        frames.append(Detections.of("planted", boxes, [0.8] * len(who), [labels[k] for k in who]))
    return frames


def run(tracker: Tracker, frames: Sequence[Detections], t: NDArray[np.float64] = T) -> list[Track]:
    return tracker.track(frames, t[: len(frames)], SIZE, "clip", "artifact")[0]


def follows(track: Track, path_: Path2D, tolerance: float = 15.0) -> bool:
    middle = (track.bbox[:, :2] + track.bbox[:, 2:]) / 2
    return bool(np.abs(middle - (path_[track.frame, :2] + path_[track.frame, 2:]) / 2).max() < tolerance)


def test_nothing_gives_nothing(tracker: Tracker) -> None:
    assert tracker.track([], np.empty(0), SIZE, "clip", "artifact") == ([], [])
    assert run(tracker, [Detections.empty()] * 5) == []


def test_one_frame_is_no_track(tracker: Tracker) -> None:
    assert run(tracker, scene([path(np.array([100.0]), 100)], ["person"])) == []


def test_lengths_and_times_must_fit(tracker: Tracker) -> None:
    with pytest.raises(ValueError, match="times"):
        tracker.track([Detections.empty()], T[:2], SIZE, "c", "a")
    with pytest.raises(ValueError, match="rise"):
        tracker.track([Detections.empty()] * 2, np.array([1.0, 1.0]), SIZE, "c", "a")


def test_form_and_ids(tracker: Tracker) -> None:
    paths = [path(500 - 100 * T, 200), path(100 + 50 * T, 100), path(300 + 0 * T, 300, 60, 50)]
    tracks = run(tracker, scene(paths, ["person", "car", "car"], hidden=[[0, 1]], jitter=1.0))
    assert [t.track_id for t in tracks] == [content_id("clip", "artifact", k) for k in range(3)]
    assert [t.label for t in tracks] == ["car", "car", "person"]  # by first time, then x
    assert tracks[0].bbox[0, 0] < tracks[1].bbox[0, 0]
    for track in tracks:
        assert (track.bbox.dtype, track.score.dtype, track.state.dtype) == (np.float32, np.float32, np.int8)
        assert np.array_equal(track.frame, np.arange(track.frame[0], track.frame[-1] + 1))
        assert track.state[0] == track.state[-1] == 0
        assert 0 <= track.quality <= 1
        assert 0 <= track.label_score <= 1
        assert (track.bbox >= 0).all()
        assert (track.bbox <= [*SIZE, *SIZE]).all()


def test_equal_input_equal_tracks(tracker: Tracker) -> None:
    frames = scene([path(100 + 80 * T, 200), path(500 - 60 * T, 150)], ["person", "person"], jitter=2.0)
    assert run(tracker, frames) == run(tracker, frames)


@pytest.mark.parametrize("speed", [60.0, 150.0, 300.0])
def test_crossing_things_keep_their_ids(tracker: Tracker, speed: float) -> None:
    """Two that pass each other, 30 pixels apart in height, at up to three quarters of a width per frame."""
    t = T[: int(500 / speed * 10) + 1] if speed > 150 else T
    paths = [path(320 + speed * (t - t[-1] / 2), 180), path(320 - speed * (t - t[-1] / 2), 210)]
    tracks = run(tracker, scene(paths, ["person", "person"], jitter=1.0), t)
    assert len(tracks) == 2
    assert all(sum(follows(track, p) for p in paths) == 1 for track in tracks)
    assert all(len(track.frame) == len(t) for track in tracks)


def test_a_still_and_a_passing_thing(tracker: Tracker) -> None:
    paths = [path(320 + 0 * T, 200), path(60 + 160 * T, 190)]
    tracks = run(tracker, scene(paths, ["person", "person"], jitter=1.0))
    assert len(tracks) == 2
    assert all(sum(follows(track, p) for p in paths) == 1 for track in tracks)


def test_labels_of_different_kinds_never_join(tracker: Tracker) -> None:
    paths = [path(200 + 20 * T, 200), path(200 + 20 * T, 200)]
    hidden = [range(15, 31), range(15)]
    tracks = run(tracker, scene(paths, ["person", "hand"], hidden=hidden))
    assert [t.label for t in tracks] == ["person", "hand"]


def test_the_label_is_voted(tracker: Tracker) -> None:
    box = path(200 + 20 * T, 200, 100, 50)
    frames = [Detections.of("d", [b], [0.7], ["truck" if i % 3 == 0 else "car"]) for i, b in enumerate(box)]
    (track,) = run(tracker, frames)
    assert track.label == "car"
    assert track.label_score == pytest.approx(0.7 * 20 / 31, abs=0.01)


def test_gaps_are_marked(tracker: Tracker) -> None:
    """Up to 1 s between detections: interpolated; 1.4 s: lost, where it looks the same after; 2 s: another track."""
    way = path(100 + 60 * T, 200)
    gone = [5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 20]
    (track,) = run(tracker, scene([way], ["person"], hidden=[gone]))
    assert set(np.flatnonzero(track.state == 1)) == set(gone)
    assert (track.score[track.state > 0] == 0).all()
    assert follows(track, way, 1.0)
    long = range(10, 23)
    alike = [replace(d, look=np.full_like(d.look, 1 / LOOK)) for d in scene([way], ["person"], hidden=[long])]
    (track,) = run(tracker, alike)
    assert set(np.flatnonzero(track.state == 2)) == set(long)
    assert len(run(tracker, scene([way], ["person"], hidden=[range(6, 26)]))) == 2


def test_weak_detections_continue_but_do_not_begin(tracker: Tracker) -> None:
    box = path(100 + 60 * T, 200)
    weak = [Detections.of("d", [b], [0.35], ["person"]) for b in box]
    assert run(tracker, weak) == []
    mixed = [Detections.of("d", [b], [0.8 if 5 <= i < 12 else 0.35], ["person"]) for i, b in enumerate(box)]
    (track,) = run(tracker, mixed)
    assert (track.frame[0], track.frame[-1]) == (0, 30)
    assert (track.state == 0).all()


def test_boxes_without_area_do_no_harm(tracker: Tracker) -> None:
    """A thing that leaves the frame may be clipped to nothing."""
    tracks = run(tracker, scene([path(60 - 80 * T, 200)], ["person"]))
    assert len(tracks) == 1


def test_a_sudden_stop_and_a_reversal(tracker: Tracker) -> None:
    x = np.where(T < 1.5, 100 + 200 * T, 400 - 200 * (T - 1.5))
    (track,) = run(tracker, scene([path(x, 200)], ["person"], jitter=1.0))
    assert len(track.frame) == len(T)
    x = np.minimum(100 + 200 * T, 400)
    (track,) = run(tracker, scene([path(x, 200)], ["person"], jitter=1.0))
    assert len(track.frame) == len(T)


def test_visible_boxes_are_the_detections(tracker: Tracker) -> None:
    """No smoothing: turning points must not move, and claims measure the jitter themselves."""
    frames = scene([path(100 + 60 * T, 200)], ["person"], jitter=3.0)
    (track,) = run(tracker, frames)
    assert all(np.array_equal(b, f.bbox[0]) for b, f in zip(track.bbox, frames, strict=True))


def test_a_mirrored_scene_gives_mirrored_tracks(tracker: Tracker) -> None:
    paths = [path(100 + 90 * T, 180), path(450 - 50 * T, 220), path(300 + 40 * np.sin(3 * T), 100)]
    frames = scene(paths, ["person"] * 3, hidden=[[9, 10], [20, 21, 22, 23, 24, 25]], jitter=1.0)

    def turn(b: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.stack([SIZE[0] - b[:, 2].astype(float), b[:, 1], SIZE[0] - b[:, 0].astype(float), b[:, 3]], 1)

    mirrored = [Detections.of("planted", turn(f.bbox), f.score, f.label) for f in frames]
    a, b = run(tracker, frames), run(tracker, mirrored)
    assert len(a) == len(b) == 3
    for track in a:
        same = [o for o in b if len(o.frame) == len(track.frame) and np.abs(o.bbox - turn(track.bbox)).max() < 1e-3]
        assert len(same) == 1
        assert np.array_equal(same[0].state, track.state)


def test_keypoints_follow_their_track(tracker: Tracker) -> None:
    box = path(100 + 60 * T, 200)
    frames = []
    for i, b in enumerate(box):
        points = np.full((1, 17, 2), b[:2])
        frames.append(
            Detections.of("d", [b], [0.8], ["person"], points, np.ones((1, 17)), "coco17")
            if i % 2
            else Detections.of("d", [b], [0.8], ["person"])
        )
    tracks, keypoints = tracker.track(frames, T, SIZE, "clip", "artifact")
    assert [k.track_id for k in keypoints] == [tracks[0].track_id]
    assert keypoints[0].kind == "coco17"
    assert keypoints[0].frame.tolist() == list(range(1, 31, 2))
    assert np.allclose(keypoints[0].xy[:, 0], box[1::2, :2])


def test_uneven_times(tracker: Tracker) -> None:
    """Velocity is per second, so a skipped sample is no surprise."""
    t = np.delete(T, [7, 8, 15, 20, 21])
    (track,) = run(tracker, scene([path(60 + 180 * t, 200)], ["person"], jitter=1.0), t)
    assert len(track.frame) == len(t)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 4), share=st.floats(0.0, 0.3))
@pytest.mark.parametrize("name", TRACKERS.names())
def test_every_detection_has_one_owner(name: str, seed: int, n: int, share: float) -> None:
    """Lanes far apart, detections dropped at random: no box is in two tracks, and no track changes lane."""
    rng = np.random.default_rng(seed)
    lanes = [path(rng.uniform(220, 420) + rng.uniform(-60, 60) * T, 40 + 90 * k, 40, 60) for k in range(n)]
    hidden = [np.flatnonzero(rng.random(len(T)) < share).tolist() for _ in lanes]
    tracks = run(TRACKERS.load(name)(), scene(lanes, ["person"] * n, hidden=hidden, jitter=1.0))
    for track in tracks:
        assert sum(follows(track, lane, 30) for lane in lanes) == 1
    owned = [(f, tuple(b)) for o in tracks for f, b in zip(o.frame[o.state == 0], o.bbox[o.state == 0], strict=True)]
    assert len(owned) == len(set(owned))


def test_quality_falls_with_what_is_wrong() -> None:
    box = path(100 + 60 * T, 200).astype(np.float32)
    score, state = np.full(31, 0.9, np.float32), np.zeros(31, np.int8)
    best = quality(box, score, state)
    assert best == pytest.approx(0.9, abs=0.01)
    shaken = box + np.random.default_rng(0).normal(0, 6, box.shape).astype(np.float32)
    assert quality(shaken, score, state) < 0.8 * best
    gaps = state.copy()
    gaps[[5, 10, 15]] = 1
    assert quality(box, score, gaps) < 0.8 * best
    assert quality(box, score / 2, state) == pytest.approx(best / 2, abs=0.01)
