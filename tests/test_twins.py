"""Mirrored twins: flipped tables are exact, their claims are the mirrored claims, and a build makes and proves them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fm_builders.readable as reading
from coloured import coloured, fake_recipe, fm
from fm_builders.fetch import fetch_clips
from fm_builders.material import Material
from fm_builders.mirror import mirrored
from fm_builders.perceive import Seen
from fm_builders.questions import KINDS, ask
from fm_hub.claims import check
from fm_hub.errors import MissingExtra
from fm_hub.masks import decode
from fm_hub.records import Annotation, Claim, Keypoints, Masks, Track
from fm_hub.tables import read_records
from fm_hub.verify import verify
from fm_hub.video import encode_clip, index_video, read_frames
from lively_scenes import lively

WIDTH = 640
OPPOSITE = {"left": "right", "right": "left", "clockwise": "anticlockwise", "anticlockwise": "clockwise"}


def seen_of(a: Annotation) -> Seen:
    return Seen(a.camera, a.tracks, a.keypoints, a.contacts, a.masks)


def flipped(a: Annotation) -> tuple[Annotation, dict[str, str]]:
    """The twin of an annotation, and the track of each of its tracks."""
    seen = mirrored(seen_of(a), WIDTH, "twin", "key")
    mine = {(t.label, t.frame.tobytes(), t.bbox[:, [1, 3]].tobytes()): t.track_id for t in seen.tracks}
    ids = {t.track_id: mine[t.label, t.frame.tobytes(), t.bbox[:, [1, 3]].tobytes()] for t in a.tracks}
    rest = seen.tracks, seen.keypoints, seen.contacts, seen.masks
    clip, frames = replace(a.clip, clip_id="twin"), replace(a.frames, clip_id="twin")
    return Annotation(clip, frames, seen.camera, *rest), ids


def said(value: Any, ids: dict[str, str]) -> Any:
    """Arguments of a claim as they are in the mirror."""
    if isinstance(value, dict):
        return {k: said(v, ids) for k, v in value.items()}
    if isinstance(value, list):
        return [said(v, ids) for v in value]
    if not isinstance(value, str):
        return value
    return ids.get(value) or re.sub(r"left|right|anticlockwise|clockwise", lambda m: OPPOSITE[m[0]], value)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_flipped_twice_is_the_same(seed: int) -> None:
    a = lively(seed)
    once = mirrored(seen_of(a), WIDTH, "twin", "key")
    twice = mirrored(once, WIDTH, a.clip.clip_id, "key")
    assert np.array_equal(twice.camera.dx, a.camera.dx)
    assert np.array_equal(twice.camera.droll, a.camera.droll)
    assert len(twice.tracks) == len(a.tracks)
    order = sorted(a.tracks, key=lambda t: (int(t.frame[0]), *map(float, t.bbox[0])))
    back = dict(zip((t.track_id for t in twice.tracks), order, strict=True))
    for again, track in zip(twice.tracks, order, strict=True):
        np.testing.assert_allclose(again.bbox, track.bbox, atol=1e-3)
        assert (again.label, again.side, again.colour) == (track.label, track.side, track.colour)
        assert again.parent == "" or back[again.parent].track_id == track.parent
    for points, first in zip(twice.keypoints, a.keypoints, strict=True):
        np.testing.assert_allclose(points.xy, first.xy, atol=1e-3)
        np.testing.assert_array_equal(points.conf, first.conf)
        assert back[points.track_id].track_id == first.track_id
    for one, first in zip(twice.contacts, a.contacts, strict=True):
        assert (back[one.a].track_id, back[one.b].track_id, one.kind) == (first.a, first.b, first.kind)


def test_masks_and_hands_are_flipped() -> None:
    a = lively(3)
    hand = Keypoints("c", "h", "hand21", np.array([0]), np.arange(42.0), np.linspace(0, 1, 21))
    track = Track(
        "c", "h", "hand", 1, 1, "x", "", np.array([0]), np.array([[1, 2, 5, 9.0]]), np.ones(1), np.zeros(1), "left"
    )
    mask = Masks("c", "h", 2, 3, np.array([0]), (np.array([1, 3, 2]),))
    seen = mirrored(Seen(a.camera, [track], [hand], [], [mask]), 10, "twin", "key")
    assert seen.tracks[0].bbox.tolist() == [[5, 2, 9, 9]]
    assert seen.tracks[0].side == "right"
    np.testing.assert_array_equal(seen.keypoints[0].xy[0, :, 0], 10 - hand.xy[0, :, 0])  # a thumb stays a thumb
    np.testing.assert_array_equal(seen.keypoints[0].conf, hand.conf)
    assert decode(seen.masks[0].counts[0], 2, 3).tolist() == decode(mask.counts[0], 2, 3)[:, ::-1].tolist()


def test_what_a_clip_claims_its_twin_claims_mirrored() -> None:
    """Every option of every question, true or false: with the other words it is as true of the twin."""
    words: set[str] = set()
    for seed in range(60):
        a = lively(seed)
        twin, ids = flipped(a)
        there = Material(twin, 0.4).scene
        for q in ask(Material(a, 0.4), tuple(KINDS.names()), seed=seed, max_per_kind=4, max_per_clip=40).questions:
            for o in q.options:
                args = said(o.claim.arguments, ids)
                verdict = check(there, Claim.of(o.claim.predicate, args, o.claim.t0, o.claim.t1, o.claim.frame))
                assert verdict.margin == pytest.approx(o.margin, rel=0.02, abs=0.02), (o.claim, args)
                words.add(o.claim.predicate) if args != o.claim.arguments else None
    assert {"direction", "relation", "view", "gesture", "rotation", "winding"} <= words


def with_text(path: Path) -> Path:
    """A clip like ``coloured`` with a word in it that stands still."""
    import cv2

    index = index_video(path)
    frames = [image.copy() for image in read_frames(index, index.times.tolist()) if image is not None]
    for image in frames:
        cv2.putText(image, "EXIT 12", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2)
    encode_clip(iter(frames), index.times.tolist(), path)
    return path


def test_a_build_makes_twins_where_nothing_can_be_read(tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    coloured(videos / "plain.mp4", size=(320, 240))
    with_text(coloured(videos / "sign.mp4", size=(320, 240), seed=6))
    recipe = fake_recipe(tmp_path)
    recipe.write_text(recipe.read_text() + "[quality]\nmirrored_twins = true\n")
    done = fm("build", videos, "-o", out, "--recipe", recipe, "--json")
    assert done.returncode == 0, done.stderr
    report = verify(out)
    assert report.ok, report.problems[:3]

    clips = {c.clip_id: c for c in read_records(out, "clips")}
    (twin,) = [c for c in clips.values() if c.mirror_of]
    clip = clips[twin.mirror_of]
    assert len(clips) == 3
    assert (twin.source_id, twin.split, twin.t0, twin.t1) == (clip.source_id, clip.split, clip.t0, clip.t1)
    assert json.loads((out / "fm_hub.json").read_text())["dropped"]["TextInFrame"] == 1
    pictures = [read_frames(out / c.video_file, [1.0])[0] for c in (clip, twin)]
    assert pictures[0] is not None
    assert pictures[1] is not None
    assert np.abs(pictures[0][:, ::-1].astype(int) - pictures[1]).mean() < 6
    keys = {
        q.clip_id: q.options[q.answer].text for q in read_records(out, "mcq") if q.template.startswith("direction/")
    }
    assert keys[clip.clip_id] == "to the right"
    assert keys[twin.clip_id] == "to the left"

    again = fm("build", videos, "-o", out, "--recipe", recipe, "--json")
    told = json.loads(again.stdout.splitlines()[-1])
    assert (told["counts"]["clips"], told["reused_stages"]) == (3, 6)
    assert json.loads(fm("gc", out, "--json").stdout)["files"] == 0  # twins are work that is needed
    less = fm("compose", out, "--no-videos")
    assert less.returncode == 0, less.stderr
    made = fetch_clips(out, sorted(videos.iterdir()))
    assert (made.made, made.missing) == (3, ())
    assert verify(out).ok


def test_without_the_reader_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(reading, "version", gone)
    with pytest.raises(MissingExtra, match=r"quality\.mirrored_twins.*fm-hub\[twins\]"):
        reading.text_model()
