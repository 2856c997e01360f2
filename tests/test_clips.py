"""Every second of a source becomes a clip or has a reason, and a clip shows the frames of its span."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pytest

from fm_builders import samples
from fm_builders.clips import Span, cut_clip, plan_clips
from fm_builders.energy import motion_energy
from fm_builders.shots import find_shots
from fm_hub.errors import TooShort
from fm_hub.video import VideoIndex, copyable, index_video, read_frames
from videos_made import make_video, number_of, numbered, picture


def numbers(path: Path) -> list[int | None]:
    index = index_video(path)
    return [number_of(f) for f in read_frames(index, index.times.tolist())]


def index_of(tmp_path: Path, seconds: float) -> VideoIndex:
    """A video of 5 frames a second: long without costing much."""
    count = round(seconds * 5)
    return index_video(numbered(tmp_path / "v.mp4", count, ticks=[i * 5 for i in range(count)]))


def test_a_short_source_of_one_shot_is_copied_byte_for_byte(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 60))
    plan = plan_clips(index, [(0.0, index.duration)])
    assert plan.spans == (Span(0.0, index.duration, copy=True),)
    assert plan.left_out == ()
    cut_clip(index, plan.spans[0], tmp_path / "c.mp4")
    assert (tmp_path / "c.mp4").read_bytes() == index.path.read_bytes()


def test_what_must_not_be_copied_is_encoded_with_rotation_applied(tmp_path: Path) -> None:
    turned = make_video(tmp_path / "v.mp4", (np.rot90(picture(i)) for i in range(50)), rotation=90)
    for path in (turned, numbered(tmp_path / "v.ts", 50), numbered(tmp_path / "v.mkv", 50)):
        index = index_video(path)
        (span,) = plan_clips(index, [(0.0, index.duration)]).spans
        assert span == Span(0.0, index.duration, copy=False)
        cut_clip(index, span, tmp_path / "c.mp4")
        clip = index_video(tmp_path / "c.mp4")
        assert (clip.rotation, clip.width, clip.height, copyable(clip)) == (0, 160, 120, True)
        assert numbers(tmp_path / "c.mp4") == list(range(50))
        np.testing.assert_allclose(clip.times, index.times, atol=1e-5)


def test_cuts_are_trimmed_and_short_shots_have_a_reason(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 150))
    plan = plan_clips(index, [(0.0, 2.0), (2.0, 3.0), (3.0, 6.0)])
    assert [(s.copy, round(s.t0, 6), round(s.t1, 6)) for s in plan.spans] == [(False, 0.0, 1.92), (False, 3.08, 6.0)]
    assert [(x.t0, x.t1, x.reason) for x in plan.left_out] == [(2.0, 3.0, "ShotTooShort")]
    assert "0.84 s" in plan.left_out[0].detail
    cut_clip(index, plan.spans[1], tmp_path / "c.mp4")
    assert numbers(tmp_path / "c.mp4") == list(range(77, 150))
    cut_clip(index, Span(3.08 + 4e-4, 4.0 - 4e-4), tmp_path / "c.mp4")
    assert numbers(tmp_path / "c.mp4") == list(range(77, 100))


def test_a_source_below_the_least_length_is_left_out(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 20))
    plan = plan_clips(index, [(0.0, index.duration)])
    assert plan.spans == ()
    assert [x.reason for x in plan.left_out] == ["ShotTooShort"]


@pytest.mark.parametrize(("seconds", "parts"), [(12, 1), (12.4, 2), (20, 2), (20.2, 3), (45, 5)])
def test_a_long_shot_becomes_equal_parts(tmp_path: Path, seconds: float, parts: int) -> None:
    index = index_of(tmp_path, seconds)
    plan = plan_clips(index, [(0.0, index.duration)])
    assert len(plan.spans) == parts
    assert plan.left_out == ()
    assert plan.spans[0].t0 == 0.0
    assert plan.spans[-1].t1 == index.duration
    lengths = [s.t1 - s.t0 for s in plan.spans]
    assert max(lengths) - min(lengths) <= 0.2 + 1e-6
    if parts > 1:
        assert all(a.t1 == b.t0 for a, b in zip(plan.spans, plan.spans[1:], strict=False))
        assert 5 <= min(lengths) <= max(lengths) <= 10.2
        assert not any(s.copy for s in plan.spans)


def test_parts_hold_every_frame_once(tmp_path: Path) -> None:
    index = index_of(tmp_path, 25)
    got = []
    for span in plan_clips(index, [(0.0, index.duration)]).spans:
        cut_clip(index, span, tmp_path / "c.mp4")
        got += numbers(tmp_path / "c.mp4")
    assert got == list(range(125))


def test_cutting_is_deterministic_and_an_empty_span_is_refused(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 60))
    for name in ("a.mp4", "b.mp4"):
        cut_clip(index, Span(0.4, 2.0), tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with pytest.raises(TooShort):
        cut_clip(index, Span(0.401, 0.402), tmp_path / "c.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "v.mp4"]


def test_the_shipped_samples_are_what_their_table_says() -> None:
    table = tomllib.loads((samples.folder() / "SAMPLES.toml").read_text())["sample"]
    assert sorted(s["name"] for s in table) == sorted(p.name for p in samples.folder().glob("*.mp4"))
    for sample in table:
        data = (samples.folder() / sample["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sample["sha256"]
    assert sum(p.stat().st_size for p in samples.folder().glob("*.mp4")) < 4_000_000


def test_the_plan_of_a_sample_with_cuts() -> None:
    index = index_video(samples.folder() / "bikes.mp4")
    plan = plan_clips(index, find_shots(index))
    assert len(plan.spans) == 4
    assert [round(x.t0, 2) for x in plan.left_out] == [0.0, 9.68]
    walker = index_video(samples.folder() / "walker.mp4")
    assert [s.copy for s in plan_clips(walker, find_shots(walker)).spans] == [True]


def test_parts_end_where_little_happens(tmp_path: Path) -> None:
    index = index_of(tmp_path, 20)
    energy = np.ones(100)
    energy[46:52] = 0.0  # at 9.2 to 10.4 s; the middle is 10 s
    plan = plan_clips(index, [(0.0, index.duration)], energy=energy)
    assert len(plan.spans) == 2
    assert 9.4 <= plan.spans[0].t1 <= 10.0
    far = np.ones(100)
    far[20:30] = 0.0
    assert abs(plan_clips(index, [(0.0, index.duration)], energy=far).spans[0].t1 - 10) <= 1.0


def test_some_clips_are_drawn_by_what_moves_and_by_the_seed(tmp_path: Path) -> None:
    index = index_of(tmp_path, 60)
    shots = [(0.0, index.duration)]
    every = plan_clips(index, shots).spans
    energy = np.where((index.times >= every[2].t0) & (index.times < every[3].t1), 100.0, 0.001)
    plans = [plan_clips(index, shots, energy=energy, most=2, seed=k) for k in range(5)]
    for plan in plans:  # of six parts, two of which have all the motion
        assert all(s.t0 < every[3].t1 and s.t1 > every[2].t0 for s in plan.spans)
        assert [x.reason for x in plan.left_out] == ["NotDrawn"] * (len(every) - 2)
    even = [plan_clips(index, shots, most=2, seed=k).spans for k in range(8)]
    assert len(set(even)) > 1
    assert even == [plan_clips(index, shots, most=2, seed=k).spans for k in range(8)]


def test_motion_energy_is_of_things_not_of_the_whole_picture(tmp_path: Path) -> None:
    def frames(step: int, light: int) -> list[np.ndarray]:
        out = []
        for i in range(12):
            f = np.full((120, 160, 3), 90 + light * (i % 2), np.uint8)
            f[40:80, 10 + step * i : 50 + step * i] = 220
            out.append(f)
        return out

    still, moves, flickers = (
        motion_energy(index_video(make_video(tmp_path / f"{k}.mp4", frames(*k))))[1:].mean()
        for k in ((0, 0), (8, 0), (0, 40))
    )
    assert moves > 20 * max(still, 0.01)
    assert moves > 3 * flickers
