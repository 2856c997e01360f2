"""Whatever the file, a frame that is returned is the one displayed at that time; else the error has a type."""

from __future__ import annotations

import gc
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame

from conformance import KINDS
from fm_hub.errors import (
    DecodeError,
    EmptyFile,
    FmError,
    NotAVideo,
    NoVideoStream,
    TooShort,
    UnreadableFile,
)
from fm_hub.video import copyable, encode_clip, index_video, iter_frames, read_frames, sample_times
from videos_made import (
    HEIGHT,
    WIDTH,
    audio_only,
    damaged,
    make_video,
    number_of,
    numbered,
    overwritten,
    picture,
    remuxed,
    truncated,
)

TICKS = np.cumsum(np.random.default_rng(0).integers(10, 90, 60)).tolist()
VFR: dict[str, Any] = {"time_base": Fraction(1, 1000), "ticks": [t - TICKS[0] for t in TICKS]}
LUMA = np.array([0.2126, 0.7152, 0.0722])  # BT.709
SOUND: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {},
    "no_b_frames.mp4": {"b_frames": 0},
    "long_gop.mp4": {"gop": 250},
    "short_gop.mp4": {"gop": 3},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1"}},
    "open_gop.ts": {"options": {"x264-params": "open-gop=1"}},
    "intra_refresh.mp4": {"b_frames": 0, "options": {"x264-params": "intra-refresh=1"}},
    "fragmented.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "ten_bit.mp4": {"pix_fmt": "yuv420p10le"},
    "vfr.mp4": VFR,
    "vfr.mkv": VFR,
    "plain.mov": {},
    "plain.ts": {},
    "mpeg2.ts": {"codec": "mpeg2video"},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "vp9.webm": {"codec": "libvpx-vp9", "b_frames": 0, "options": {"deadline": "realtime", "cpu-used": "8"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "odd.mp4": {"width": 161, "height": 121, "pix_fmt": "yuv444p"},
    'it\'s a «näme» 100% "q" a:b.mp4': {"audio": True},
}


@pytest.mark.parametrize("name", SOUND)
def test_every_frame_is_the_one_displayed(tmp_path: Path, name: str) -> None:
    how = SOUND[name]
    index = index_video(numbered(tmp_path / name, 60, **how))
    assert (index.n_frames, index.error, index.rotation) == (60, "", 0)
    assert (index.width, index.height) == (how.get("width", 160), how.get("height", 120))
    assert index.vfr == name.startswith("vfr")
    if not index.vfr:
        assert index.fps == pytest.approx(25, rel=1e-6)
        assert index.duration == pytest.approx(2.4, abs=1e-6)
        np.testing.assert_allclose(index.times, np.arange(60) / 25, atol=1e-9)
    else:
        np.testing.assert_allclose(index.times, np.array(VFR["ticks"]) / 1000, atol=1e-3)
    assert [number_of(f) for f in read_frames(index, index.times.tolist())] == list(range(60))
    for asked in ([59], [0], [30, 2, 31, 30, 58], [25, 26, 45]):
        assert [number_of(f) for f in read_frames(index, index.times[asked].tolist())] == asked
    rising = [3, 3, 20, 41, 59]
    got = [(i, number_of(f)) for i, f in iter_frames(index, index.times[rising].tolist())]
    assert got == list(enumerate(rising))


def test_the_frame_at_a_time_is_the_last_that_appeared(tmp_path: Path) -> None:
    path = numbered(tmp_path / "v.mp4", 10)
    asked = {-1.0: 0, 0.0: 0, 0.0394: 0, 0.0396: 1, 0.079: 1, 0.08: 2, 0.36: 9, 99.0: 9}
    assert [number_of(f) for f in read_frames(path, list(asked))] == list(asked.values())
    assert read_frames(path, []) == []
    with pytest.raises(ValueError, match="finite"):
        read_frames(path, [float("nan")])
    with pytest.raises(ValueError, match="never fall"):
        next(iter_frames(path, [0.2, 0.1]))


def test_size_is_of_the_displayed_frame(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", (np.rot90(picture(i)) for i in range(5)), rotation=90)
    (image,) = read_frames(path, [0.12], size=(320, 240))
    assert image is not None
    assert image.dtype == np.uint8
    assert (image.shape, number_of(image)) == ((240, 320, 3), 3)
    (small,) = read_frames(path, [0.12], size=(80, 60))
    assert small is not None
    assert small.shape == (60, 80, 3)


@pytest.mark.parametrize(("turn", "quarters"), [(90, 1), (180, 2), (270, 3)])
def test_rotation_is_applied_once(tmp_path: Path, turn: int, quarters: int) -> None:
    index = index_video(
        make_video(tmp_path / "v.mp4", (np.rot90(picture(i), quarters) for i in range(20)), rotation=turn)
    )
    assert (index.rotation, index.width, index.height) == (turn, 160, 120)
    assert [number_of(f) for f in read_frames(index, index.times.tolist())] == list(range(20))
    assert not copyable(index)


def test_a_mirrored_video_is_read_as_displayed(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", (picture(i)[:, ::-1] for i in range(5)), mirrored=True)
    assert [number_of(f) for f in read_frames(path, index_video(path).times.tolist())] == list(range(5))


def test_what_an_edit_list_hides_is_no_frame(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole.mp4", 60, gop=12)
    index = index_video(remuxed(whole, tmp_path / "cut.mp4", shift=20 * 512, avoid_negative_ts="disabled"))
    assert index.n_frames == 40
    assert index.times[0] == 0.0
    assert [number_of(f) for f in read_frames(index, index.times.tolist())] == list(range(20, 60))
    assert [number_of(f) for f in read_frames(index, [1.0, 0.0])] == [45, 20]
    assert not copyable(index)
    assert copyable(index_video(whole))


def test_only_what_plays_everywhere_is_copyable(tmp_path: Path) -> None:
    for name, right in {
        "b_frames.mp4": True,
        "hevc.mp4": True,
        "plain.mov": True,
        "vfr.mp4": True,
        "plain.ts": False,
        "vfr.mkv": False,
        "ten_bit.mp4": False,
        "mpeg4.avi": False,
    }.items():
        assert copyable(index_video(numbered(tmp_path / name, 10, **SOUND[name]))) is right, name
    late = numbered(tmp_path / "late.mp4", 10, ticks=list(range(25, 35)))
    assert not copyable(index_video(late))


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "one.mp4", 1))
    assert (index.n_frames, index.vfr) == (1, False)
    assert index.duration == pytest.approx(0.04)
    assert [number_of(f) for f in read_frames(index, [0.0, 5.0])] == [0, 0]
    assert sample_times(index, 10)[1].tolist() == [0.0]


def test_unusable_files_have_typed_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "page.mp4").write_text("<html>404 not found</html>\n" * 50)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nb.mp4\n#EXT-X-ENDLIST\n")
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    whole = numbered(tmp_path / "b.mp4")
    audio_only(tmp_path / "sound.mp4")
    truncated(whole, tmp_path / "no_index.mp4")
    for name, error in {
        "missing.mp4": UnreadableFile,
        "dangling.mp4": UnreadableFile,
        ".": UnreadableFile,
        "empty.mp4": EmptyFile,
        "page.mp4": NotAVideo,
        "list.m3u8": NotAVideo,
        "no_index.mp4": NotAVideo,
        "sound.mp4": NoVideoStream,
    }.items():
        with pytest.raises(error) as caught:
            index_video(tmp_path / name)
        assert "file:" not in str(caught.value)


def test_reordered_frames_in_an_avi_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="AVI"):
        index_video(numbered(tmp_path / "v.avi", 20))


def test_a_truncated_file_is_refused_or_salvaged(tmp_path: Path) -> None:
    whole = remuxed(numbered(tmp_path / "v.mp4", 60, gop=12), tmp_path / "w.mp4", movflags="+faststart")
    index = index_video(truncated(whole, tmp_path / "half.mp4"))
    assert 15 < index.n_frames < 45
    assert "missing" in index.error
    with pytest.raises(DecodeError, match="missing"):
        read_frames(index, [0.0])
    got = [number_of(f) for f in read_frames(index, [*index.times.tolist(), 2.3], salvage=True)]
    assert got[:12] == list(range(12))
    assert all(g is None or g == i for i, g in enumerate(got))
    assert got[-1] is None
    assert not copyable(index)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_damage_never_shows_another_frame(tmp_path: Path, suffix: str) -> None:
    whole = numbered(tmp_path / f"v{suffix}", 60, gop=12)
    start = index_video(whole).pts[0]
    refused = 0
    for at in (0.3, 0.45, 0.6, 0.75):
        damaged = overwritten(whole, tmp_path / f"d{suffix}", at=at)
        try:
            index = index_video(damaged)
            truth = np.round((index.pts - start) * float(index.time_base) * 25).astype(int).tolist()
            salvaged = [number_of(f) for f in read_frames(index, index.times.tolist(), salvage=True)]
            assert all(s in (None, t) for s, t in zip(salvaged, truth, strict=True))
            assert sum(s is not None for s in salvaged) > 20
            strict = [number_of(f) for f in read_frames(index, index.times.tolist())]
            assert strict == truth
        except FmError:
            refused += 1
    assert refused >= 3


@pytest.mark.parametrize("name", [name for name in KINDS if name != "hevc.mp4"])  # that one can say nothing
def test_random_damage_is_found(tmp_path: Path, name: str) -> None:
    whole = numbered(tmp_path / name, 60, gop=12, **KINDS[name])
    start, refused = index_video(whole).pts[0], 0
    for seed in range(24):
        try:
            index = index_video(damaged(whole, tmp_path / f"damaged_{name}", seed))
            truth = np.round((index.pts - start) * float(index.time_base) * 25).astype(int).tolist()
            some = slice(None) if seed % 2 else slice(3, None, 9)
            assert [number_of(f) for f in read_frames(index, index.times[some].tolist())] == truth[some]
            assert truth == list(range(60))
        except FmError:
            refused += 1
    assert refused >= 15


def test_a_broken_part_of_a_matroska_file_is_found(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "v.mkv", 60, gop=12)
    data = whole.read_bytes()
    clusters = [i for i in range(len(data)) if data.startswith(b"\x1f\x43\xb6\x75", i)]
    assert len(clusters) > 2
    assert index_video(whole).error == ""
    for byte in (b"\x00", b"\x1e"):
        (tmp_path / "d.mkv").write_bytes(data[: clusters[1]] + byte + data[clusters[1] + 1 :])
        assert index_video(tmp_path / "d.mkv").error == f"is damaged at byte {clusters[1]}"
    for share in (0.3, 0.6, 0.9):
        assert "breaks off" in index_video(truncated(whole, tmp_path / "half.mkv", share)).error


def test_a_picture_missing_from_a_transport_stream_is_found(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "v.ts", 60, gop=12)
    lost = remuxed(whole, tmp_path / "lost.ts", without={20})
    index = index_video(lost)
    assert "missing in 1 place" in index.error
    assert index.n_frames == 59
    with pytest.raises(DecodeError, match="missing"):
        read_frames(index, [0.0])
    got = [number_of(f) for f in read_frames(index, index.times.tolist(), salvage=True)]
    assert got[:12] == list(range(12))
    assert 5 < got.count(None) < 30
    pause = numbered(tmp_path / "pause.ts", 24, gop=12, b_frames=0, ticks=[*range(12), *range(50, 62)])
    assert index_video(pause).error == ""


def test_frames_that_are_skipped_change_no_other(tmp_path: Path) -> None:
    for how in ({"b_frames": 3}, {"b_frames": 3, "gop": 250}, {"options": {"x264-params": "open-gop=1:b-pyramid=2"}}):
        index = index_video(numbered(tmp_path / "v.mp4", 60, **how))
        every = read_frames(index, index.times.tolist())
        for start, step in ((0, 7), (5, 11), (59, 1)):
            for frame, same in zip(
                read_frames(index, index.times[start::step].tolist()), every[start::step], strict=True
            ):
                np.testing.assert_array_equal(frame, same)


def test_salvage_changes_nothing_for_a_sound_file(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 30))
    got = read_frames(index, index.times.tolist(), salvage=True)
    for frame, same in zip(got, read_frames(index, index.times.tolist()), strict=True):
        np.testing.assert_array_equal(frame, same)


def test_the_clock_takes_each_displayed_frame_once(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "v.mp4", 30))
    pts, t = sample_times(index, 10)
    assert pts.dtype == np.int64
    assert [number_of(f) for f in read_frames(index, t.tolist())] == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27]
    assert len(sample_times(index, 1000)[0]) == 30
    with pytest.raises(ValueError, match="fps"):
        sample_times(index, 0)
    slow = index_video(numbered(tmp_path / "slow.mp4", 4, ticks=[0, 50, 51, 200]))
    assert sample_times(slow, 10)[1].tolist() == pytest.approx([0.0, 2.0, 2.04, 8.0])


def test_encoding_keeps_frames_and_times(tmp_path: Path) -> None:
    times = [5.0, 5.04, 5.2, 5.21, 6.0]
    encode_clip((picture(i) for i in range(5)), times, tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    index = index_video(tmp_path / "a.mp4")
    np.testing.assert_allclose(index.times, np.array(times) - 5.0, atol=1e-5)
    got = read_frames(index, index.times.tolist())
    assert [number_of(f) for f in got] == list(range(5))
    assert copyable(index)
    for i, frame in enumerate(got):
        assert frame is not None
        assert np.abs((frame[60:].astype(float) - picture(i)[60:]) @ LUMA).mean() < 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("size", [(64, 48), (160, 120), (322, 242)])
def test_encoding_twice_gives_the_same_bytes(tmp_path: Path, size: tuple[int, int]) -> None:
    times = [i / 25 for i in range(40)]
    random = np.random.default_rng()
    seen = set()
    for _ in range(6):
        # Other memory in use each time: an encoder that reads what nobody set would show it.
        waste = [random.integers(0, 256, random.integers(1000, 400_000), np.uint8) for _ in range(20)]
        del waste[::2]
        encode_clip((picture(i, *size) for i in range(40)), times, tmp_path / "v.mp4")
        seen.add((tmp_path / "v.mp4").read_bytes())
    assert len(seen) == 1


def test_flat_colours_survive_encoding(tmp_path: Path) -> None:
    for colour in ((200, 30, 40), (20, 180, 60), (128, 128, 128)):
        encode_clip([np.full((64, 64, 3), colour, np.uint8)] * 3, [0, 0.1, 0.2], tmp_path / "c.mp4")
        (frame,) = read_frames(tmp_path / "c.mp4", [0.0])
        assert frame is not None
        assert np.abs(frame.astype(int) - colour).max() <= 4


def test_odd_sizes_lose_the_last_row_and_column(tmp_path: Path) -> None:
    encode_clip((picture(i, 161, 121) for i in range(3)), [0, 0.1, 0.2], tmp_path / "v.mp4")
    index = index_video(tmp_path / "v.mp4")
    assert (index.width, index.height) == (160, 120)
    assert [number_of(f) for f in read_frames(index, index.times.tolist())] == [0, 1, 2]


def test_a_clip_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with pytest.raises(TooShort):
        encode_clip([], [], path)
    with pytest.raises(ValueError, match="rise"):
        encode_clip([picture(0)] * 2, [0.1, 0.1], path)
    with pytest.raises(ValueError, match="shape"):
        encode_clip([picture(0), picture(0, 80, 60)], [0.0, 0.1], path)
    with pytest.raises(ValueError, match="argument"):
        encode_clip([picture(0)], [0.0, 0.1], path)
    assert list(tmp_path.iterdir()) == []


def test_reading_prints_nothing_and_importing_loads_no_av(tmp_path: Path) -> None:
    damaged = overwritten(numbered(tmp_path / "v.mp4", 30), tmp_path / "d.mp4")
    code = (
        "import sys, fm_hub.video as v\n"
        "assert 'av' not in sys.modules\n"
        "i = v.index_video(sys.argv[1]); v.read_frames(i, i.times.tolist(), salvage=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(damaged)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_pixels_that_are_not_square_are_read_square(tmp_path: Path) -> None:
    index = index_video(numbered(tmp_path / "wide.mp4", 10, options={"x264-params": "sar=2/1"}))
    assert (index.width, index.height) == (2 * WIDTH, HEIGHT)
    assert read_frames(index, [0.0])[0].shape == (HEIGHT, 2 * WIDTH, 3)
    assert not copyable(index)


def test_no_frame_outlives_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    encode_clip([np.full((48, 64, 3), i, np.uint8) for i in range(60)], [i / 10 for i in range(60)], path)
    index = index_video(path)

    def alive() -> int:
        return sum(type(thing) is VideoFrame for thing in gc.get_objects())  # asking some for their class warns

    gc.collect()
    others = alive()  # of tests before this one
    gc.disable()  # rings of objects stay
    try:
        for _ in iter_frames(index, index.times):
            assert alive() - others <= 4, "frames are kept by rings of objects"
    finally:
        gc.enable()
