"""``fm-hub show``: the page and the video of a clip, from a file and from a dataset."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fm_builders.recipe import Perception, load_recipe
from fm_builders.show.at import Moment, styles_of
from fm_builders.show.overlay import draw, write_overlay
from fm_builders.show.page import page
from fm_builders.show.shown import Shown, of_dataset, of_file
from fm_hub.cli import main
from fm_hub.errors import UserError
from fm_hub.masks import encode
from fm_hub.records import Contact, Masks
from fm_hub.tables import read_table
from fm_hub.video import encode_clip, index_video, read_frames


@pytest.fixture(scope="module")
def shown(made: Path) -> Shown:
    clip = read_table(made, "mcq")["clip_id"][0].as_py()
    return of_dataset(clip[:8], str(made))


def data_of(text: str) -> dict[str, object]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    told: dict[str, object] = json.loads(found)
    return told


def test_the_page_holds_the_clip_its_questions_and_their_proofs(shown: Shown) -> None:
    text = page(shown)
    told = data_of(text)
    assert len(told["questions"]) == len(shown.questions) > 0  # type: ignore[arg-type]
    for q in shown.questions:
        assert q.text in text
        assert f"{q.options[q.answer].margin:+.1f}" in text
    assert text.count('class="option right"') == len(shown.questions)
    assert len(told["rows"]) == len(shown.annotation.tracks) + len(shown.facts)  # type: ignore[arg-type]
    assert "data:video/mp4;base64," in text


def test_the_page_loads_nothing_and_escapes_what_it_shows(shown: Shown) -> None:
    bad = "</script><img src=x onerror=alert(1)>"
    tracks = [replace(t, label=bad) for t in shown.annotation.tracks]
    a, b = (t.track_id for t in tracks[:2])
    contact = Contact(shown.annotation.clip.clip_id, a, b, "hold", 0.0, 1.0, 0.5)
    annotation = replace(shown.annotation, tracks=tracks, contacts=[contact])
    questions = [replace(q, text=bad) for q in shown.questions]
    text = page(replace(shown, title=bad, annotation=annotation, questions=questions))
    assert "<img" not in text
    assert "&lt;img" in text
    assert data_of(text)["tracks"][0]["name"].startswith("</script>")  # type: ignore[index]
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "http" not in re.sub(r"data:video/mp4;base64,[^\"]*", "", text).replace("http-equiv", "")


def test_the_video_has_all_frames_at_their_times_with_boxes_where_they_are(shown: Shown, tmp_path: Path) -> None:
    n = write_overlay(shown, tmp_path / "out.mp4")
    before, after = index_video(shown.path), index_video(tmp_path / "out.mp4")
    assert n == before.n_frames == after.n_frames
    assert np.allclose(before.times, after.times, atol=1e-3)
    track, t = shown.annotation.tracks[0], float(shown.annotation.frames.t[20])
    (plain,), (drawn,) = read_frames(shown.path, [t]), read_frames(tmp_path / "out.mp4", [t])
    assert plain is not None
    assert drawn is not None
    x1, _, x2, y2 = (int(v) for v in track.bbox[20] * plain.shape[1] / shown.annotation.clip.width)
    changed = np.abs(plain.astype(int) - drawn).sum(2)
    x, y = (x1 + x2) // 2, min(y2 - 1, plain.shape[0] - 1)
    assert changed[y - 2 : y + 1, x - 3 : x + 4].max() > 100
    assert np.median(changed) < 20  # most of the picture is left to be seen


def test_between_two_frames_a_box_is_between_and_nothing_is_drawn_of_what_is_gone(shown: Shown) -> None:
    annotation, track = shown.annotation, shown.annotation.tracks[0]
    t = annotation.frames.t
    found = Moment(annotation, float((t[3] + t[4]) / 2)).box(track)
    assert found is not None
    assert found[0] == pytest.approx((track.bbox[3] + track.bbox[4]) / 2, abs=0.01)
    parts = {n: getattr(track, n)[:10] for n in ("frame", "bbox", "score", "state")}
    assert Moment(annotation, float(t[15])).box(replace(track, **parts)) is None
    filled = replace(track, state=np.where(np.arange(len(track.frame)) == 5, 1, 0))
    assert [Moment(annotation, float(t[k])).box(filled)[1] for k in (4, 5, 6)] == [0, 1, 0]  # type: ignore[index]


def test_contacts_and_the_views_pace_are_drawn(shown: Shown) -> None:
    a = shown.annotation
    one, other = (t.track_id for t in a.tracks[:2])
    with_contact = replace(a, contacts=[Contact(a.clip.clip_id, one, other, "touch", 0.0, 1.0, 1.0)])
    grey = np.full((a.clip.height, a.clip.width, 3), 90, np.uint8)
    plain = draw(grey, a, 0.5, styles_of(a))
    assert (draw(grey, with_contact, 0.5, styles_of(a)) != plain).any()
    assert (draw(grey, with_contact, 1.5, styles_of(a)) == draw(grey, a, 1.5, styles_of(a))).all()
    left = np.arange(64)[None].repeat(36, 0) < 32
    masks = Masks(a.clip.clip_id, one, 36, 64, np.arange(len(a.frames.t)), (encode(left),) * len(a.frames.t))
    masked = (draw(grey, replace(a, masks=[masks]), 0.5, styles_of(a)) != plain).any(2)
    half = a.clip.width // 2
    assert masked[:, : half - 20].mean() > 0.8
    assert not masked[:, half + 20 :].any()
    assert data_of(page(replace(shown, annotation=replace(a, masks=[masks]))))["masks"][0]["size"] == [36, 64]  # type: ignore[index]
    camera = replace(a.camera, label="moving", dx=np.full(len(a.frames.t), 2.0))
    pace = Moment(replace(a, camera=camera), 1.0).pace()
    assert pace is not None
    assert pace[0] == pytest.approx(2.0 / float(np.diff(a.frames.t).mean()), rel=1e-6)
    assert Moment(replace(a, camera=replace(camera, label="unknown")), 1.0).pace() is None


def test_a_file_is_looked_at(tmp_path: Path) -> None:
    t = np.arange(24) / 12
    frames = np.full((24, 120, 160, 3), 120, np.uint8)
    for i in range(24):
        frames[i, 40:80, 10 + 4 * i : 50 + 4 * i] = (220, 30, 30)
    encode_clip(iter(frames), t.tolist(), tmp_path / "drawn.mp4")
    recipe = load_recipe("default").model_copy(update={"perception": Perception(detectors=("fake",))})
    shown = of_file(tmp_path / "drawn.mp4", recipe)
    assert [track.label for track in shown.annotation.tracks] == ["red block"]
    assert "red block" in page(shown)
    encode_clip((frames[0] for _ in range(3)), [0.0, 60.0, 125.0], tmp_path / "long.mp4")
    with pytest.raises(UserError, match="fm-hub build"):
        of_file(tmp_path / "long.mp4", recipe)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["x.mp4", "-o", "out.html"], "no such video file"),
        (["0123abcd", "--dataset", "MADE", "-o", "out.html"], "clip"),
        (["nothing here", "--dataset", "MADE", "-o", "out.html"], "neither a video file nor the id"),
        (["x.mp4", "-o", "out.gif"], r".html or .mp4"),
        (["x.mp4", "-o", "nowhere/out.mp4"], "no folder nowhere"),
    ],
)
def test_user_errors_are_one_line(
    args: list[str],
    said: str,
    made: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["show", *(str(made) if a == "MADE" else a for a in args)])
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err
    assert not list(tmp_path.iterdir())
