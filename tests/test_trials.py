"""Controls, rotations, frames by policy: what is shown, what is asked, and what the differences say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fm_eval_harness.cli import main
from fm_eval_harness.console import show_run
from fm_eval_harness.evaluate import run
from fm_eval_harness.policy import Policy
from fm_eval_harness.prefetch import ahead
from fm_eval_harness.questions import Item, select
from fm_eval_harness.reversal import flipped_answer, flipped_answers
from fm_eval_harness.runs import load_run
from fm_eval_harness.samples import Trials
from fm_eval_harness.task import load_task
from fm_eval_harness.trials import CONTROLS, Trial, order_of, parse_controls, prompt_of_trial, trials_of
from fm_hub.claims import Scene, check
from fm_hub.claims.reversal import reversed_claim, reversed_scene
from fm_hub.droplist import read_drop_list, write_drop_list
from fm_hub.errors import UserError
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.models.baseline import letter_scores
from fm_hub.models.fake import FakeModel
from fm_hub.records import Claim
from fm_hub.scenes import Scenes
from made_dataset import make_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion")


def items_of(drawn: Path) -> list[Item]:
    return select(drawn, load_task("foundationmotion"), "benchmark", None)


class Sees(FakeModel):
    """Answers by what is shown: it follows the red square from the first frame to the last."""

    looks = True

    def __init__(self) -> None:
        super().__init__("hash")
        self.name = "sees"
        self.views: list[View] = []

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        self.views.append(view)
        return [Scores(p.id, letter_scores(p.letters, self._letter(view, p))) for p in prompts]

    def _letter(self, view: View, prompt: Prompt) -> str:
        options = [o.text for o in prompt.question.options]
        places = [self._place(f) for f in view.frames]
        if len(places) > 1 and prompt.question.kind == "direction":
            dx, dy = np.subtract(places[-1], places[0])
            across = "to the right" if dx > 0 else "to the left"
            along = "down" if dy > 0 else "up"
            word = f"{along} and {across}" if abs(dx) > 5 and abs(dy) > 5 else across if abs(dx) > abs(dy) else along
            if np.hypot(dx, dy) > 5 and word in options:
                return prompt.letters[options.index(word)]
        return prompt.letters[0]

    @staticmethod
    def _place(frame: np.ndarray) -> tuple[float, float]:  # type: ignore[type-arg]
        red = (frame[..., 0] > 150) & (frame[..., 2] < 110)
        y, x = np.nonzero(red)
        return float(x.mean()), float(y.mean())


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_the_orders_of_the_controls() -> None:
    view = View("c", Path("c.mp4"), 0, 1, 6)
    assert order_of("blind", view, 6) == ()
    assert order_of("one-frame", view, 6) == (3,)
    assert order_of("frozen", view, 6) == (3,) * 6
    assert order_of("reversed", view, 6) == (5, 4, 3, 2, 1, 0)
    shuffled = order_of("shuffled", view, 6)
    assert sorted(shuffled) == list(range(6)) != list(shuffled)
    assert order_of("shuffled", view, 6) == shuffled
    assert {order_of("shuffled", replace(view, clip_id=str(i)), 6) for i in range(9)} != {shuffled}
    assert order_of("shuffled", view, 2) == (1, 0)
    assert order_of("shuffled", view, 1) == (0,)


def test_controls_by_name() -> None:
    assert parse_controls("") == ()
    assert parse_controls("frozen,blind,blind") == ("blind", "frozen")
    with pytest.raises(UserError, match="did you mean 'shuffled'"):
        parse_controls("shufled")


@pytest.mark.parametrize(
    ("given", "n", "size"),
    [
        ({}, 16, (448, None)),
        ({"frames": 8}, 8, (448, None)),
        ({"fps": 2.0}, 5, (448, None)),
        ({"fps": 2.0, "max_frames": 3}, 3, (448, None)),
        ({"fps": 0.01}, 1, (448, None)),
        ({"fps": 1000.0}, 64, (448, None)),
        ({"max_pixels": 3000}, 16, (None, 3000)),
        ({"max_pixels": 3000, "max_side": 99}, 16, (99, 3000)),
    ],
)
def test_policies(given: dict[str, float], n: int, size: tuple[int | None, int | None]) -> None:
    view = Policy.of(**given).view("c", Path("c.mp4"), 1.0, 3.5)  # type: ignore[arg-type]
    assert (view.n_frames, (view.size, view.max_pixels)) == (n, size)
    times = view.times()
    assert times[0] - 1.0 == pytest.approx(3.5 - times[-1])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"frames": 8, "fps": 1.0}, "exclude each other"),
        ({"max_frames": 8}, "goes with --fps"),
        ({"fps": 0.0}, "above 0"),
        ({"fps": float("nan")}, "above 0"),
        ({"frames": 0}, "--frames 0"),
        ({"max_pixels": 0}, "--max-pixels 0"),
    ],
)
def test_policies_that_make_no_sense(given: dict[str, float], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Policy.of(**given)  # type: ignore[arg-type]


def test_the_policy_is_recorded_with_every_sample(drawn: Path, tmp_path: Path) -> None:
    result = run(Sees(), drawn, output=tmp_path, fps=2.0, max_frames=4, max_pixels=3000, report=False)
    assert {k: result.config[k] for k in ("frames", "fps", "max_frames", "max_side", "max_pixels")} == {
        "frames": None,
        "fps": 2.0,
        "max_frames": 4,
        "max_side": None,
        "max_pixels": 3000,
    }
    for sample in result.samples:
        assert len(sample["frames"]) == 4
        assert sample["pixels"] == [63, 47]  # 128 x 96 in proportion, at most 3000 pixels
        assert 2900 < 63 * 47 <= 3000
    assert "2 frames a second, at most 4" in result.results["policy"]


def test_ahead_keeps_the_order_and_is_bounded() -> None:
    made: list[int] = []

    def prepare(i: int) -> int:
        made.append(i)
        return i * i

    seen = []
    for item, value in ahead(range(50), prepare, workers=3):
        seen.append((item, value))
        assert len(made) <= len(seen) + 4
    assert seen == [(i, i * i) for i in range(50)]


# -- rotations ---------------------------------------------------------------------------------------------------------


def test_every_rotation_asks_the_same_question(drawn: Path) -> None:
    task = load_task("foundationmotion")
    for item in items_of(drawn):
        q = item.question
        right = q.options[q.answer].text
        seen = set()
        for trial in trials_of(item, (), circular=True):
            prompt, place = prompt_of_trial(trial, task), trial.turned.question.answer
            answer = prompt.letters[place]
            assert prompt.question.options[place].text == right
            assert f"{answer}. {right}" in prompt.text
            assert prompt.question.answer == -1
            assert {o.text for o in prompt.question.options} == {o.text for o in q.options}
            seen.add((answer, prompt.id))
        assert len(seen) == len(q.options)  # the key has stood at each letter, under an id of its own


def test_a_preference_for_a_letter_shows(drawn: Path, tmp_path: Path) -> None:
    result = run("fake:B", drawn, output=tmp_path, circular=True, report=False)
    figures = result.results["circular"]
    n_options = [len(i.question.options) for i in items_of(drawn)]
    assert figures["n"] == 13
    assert figures["accuracy"] == pytest.approx(sum(1 / n for n in n_options) / 13, abs=1e-6)
    assert figures["all_rotations"]["accuracy"] == 0
    assert figures["letter_prior"]["B"]["chosen"] == 1
    assert sum(v["fair"] for v in figures["letter_prior"].values()) == pytest.approx(1, abs=1e-5)
    assert result.results["accuracy"] == run("fake:B", drawn, output=tmp_path / "x", report=False).results["accuracy"]
    assert {t[3] for t in Trials(result.folder)} == {0, 1, 2, 3}
    assert len(load_run(result.folder).samples) == 13


class Knows(FakeModel):
    """Finds the right option wherever it stands, by its words."""

    def __init__(self, drawn: Path) -> None:
        super().__init__("hash")
        self.right = {i.question.question_id: i.question.options[i.question.answer].text for i in items_of(drawn)}

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        out = []
        for p in prompts:
            texts = [o.text for o in p.question.options]
            out.append(Scores(p.id, letter_scores(p.letters, p.letters[texts.index(self.right[p.id.split("/")[0]])])))
        return out


def test_who_knows_is_right_in_all_rotations(drawn: Path, tmp_path: Path) -> None:
    figures = run(Knows(drawn), drawn, output=tmp_path, circular=True, report=False).results["circular"]
    assert figures["accuracy"] == figures["all_rotations"]["accuracy"] == 1


# -- controls ----------------------------------------------------------------------------------------------------------


def test_controls_tell_who_looks(drawn: Path, tmp_path: Path) -> None:
    model = Sees()
    result = run(model, drawn, output=tmp_path, n_frames=8, controls=CONTROLS, report=False)
    figures = result.results["controls"]
    assert set(figures) == set(CONTROLS)
    directions = {i.question.question_id for i in items_of(drawn) if i.question.kind == "direction"}
    trials = Trials(result.folder)
    right = {
        c: sum(s["correct"] for t, s in trials.items() if t[2] == c and t[0] in directions) for c in ("", *CONTROLS)
    }
    assert right[""] == len(directions) == 5
    assert right["reversed"] <= 1  # a guess, where the opposite is no option
    for control in CONTROLS:
        f = figures[control]
        full = [s["correct"] for t, s in trials.items() if t[2] == ""]
        shown = [s["correct"] for t, s in trials.items() if t[2] == control]
        assert f["n"] == len(full) == len(shown) == 13
        assert f["gain"] == pytest.approx((sum(full) - sum(shown)) / 13, abs=1e-5)
        assert f["ci95"][0] <= f["gain"] <= f["ci95"][1]
    assert figures["blind"]["gain"] == figures["frozen"]["gain"] == figures["one-frame"]["gain"] > 0
    assert figures["reversed"]["gain"] > 0
    # The keys of the directions turn round, and a model that looks follows them.
    flipped = figures["reversed"]["flipped"]
    assert flipped["n"] >= 2
    assert (flipped["accuracy"], flipped["keeps_the_old_answer"]) == (1.0, 0.0)
    assert result.results["accuracy"] == figures["blind"]["full"]
    # Decoded once a view, whatever is shown of it.
    assert len(model.views) == 5 * 6
    assert {s["pixels"][0] for s in trials.values()} == {128}
    assert {len(s["frames"]) for t, s in trials.items() if t[2] == "one-frame"} == {1}
    assert all(s["frames"] == sorted(s["frames"])[::-1] for t, s in trials.items() if t[2] == "reversed")


def test_what_needs_no_motion_is_listed(drawn: Path, tmp_path: Path) -> None:
    result = run(Sees(), drawn, output=tmp_path, controls=("blind", "frozen"), report=False)
    trials = Trials(result.folder)
    expected = {t[0] for t in trials if all(trials[(*t[:2], c, 0)]["correct"] for c in ("", "blind", "frozen"))}
    listed = read_drop_list(result.folder / "solved_without_motion.txt")
    assert listed == expected
    assert 0 < len(listed) == result.results["solved_without_motion"] < 13
    turned = run(Sees(), drawn, output=tmp_path / "t", controls=("blind", "frozen"), circular=True, report=False)
    assert not read_drop_list(turned.folder / "solved_without_motion.txt")  # always the first letter: no knowledge


def test_controls_can_be_asked_later(drawn: Path, tmp_path: Path) -> None:
    first = run(Sees(), drawn, output=tmp_path, report=False)
    assert first.results["controls"] == {}
    model = Sees()
    second = run(model, drawn, output=tmp_path, controls=["frozen"], report=False)
    assert second.folder == first.folder
    assert len(model.views) == 5  # the questions as they are were answered before
    whole = run(Sees(), drawn, output=tmp_path / "whole", controls=["frozen"], report=False)
    assert second.results == whole.results
    assert run(Sees(), drawn, output=tmp_path, report=False).results == whole.results


def test_controls_need_a_model_that_looks(drawn: Path, tmp_path: Path) -> None:
    for spec in ("fake:A", "baseline:longest", "baseline:tracker"):
        with pytest.raises(UserError, match="does not answer from the frames"):
            run(spec, drawn, output=tmp_path, controls=["blind"])
    assert not list(tmp_path.iterdir())


def test_a_clip_that_cannot_be_read_fails_in_every_control(tmp_path: Path) -> None:
    own = make_dataset(tmp_path / "foundationmotion")
    clip = items_of(own)[0].question
    (own / clip.video_file).write_bytes(b"no video" * 99)
    result = run(Sees(), own, output=tmp_path / "runs", controls=["frozen"], report=False)
    failed = [s for s in Trials(result.folder).values() if s["error"]]
    assert {s["clip_id"] for s in failed} == {clip.clip_id}
    assert {s["control"] for s in failed} == {"", "frozen"}
    assert result.results["controls"]["frozen"]["n"] == 13 - len(failed) // 2


def test_the_command(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--model", "fake:hash", "--dataset", str(drawn), "-o", str(tmp_path), "--circular", "--fps", "2", "--json"]
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert not stop.value.code
    printed = json.loads(capsys.readouterr().out)
    assert printed["circular"]["n"] == 13
    with pytest.raises(SystemExit):
        main(argv[:-1])
    shown = capsys.readouterr().out
    assert "all rotations of the options: mean accuracy" in " ".join(shown.split())
    for wrong in (["--controls", "blnd"], ["--frames", "2", "--fps", "1"], ["--max-frames", "3"]):
        with pytest.raises(SystemExit) as stop:
            main(["--model", "fake:hash", "--dataset", str(drawn), "-o", str(tmp_path / "no"), *wrong])
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "no").exists()


# -- backwards ---------------------------------------------------------------------------------------------------------


def test_backwards_twice_is_forwards(drawn: Path) -> None:
    scenes = Scenes(drawn)
    for clip_id in scenes.clips:
        scene = scenes[clip_id]
        again = reversed_scene(reversed_scene(scene, 0.0, 2.4), 0.0, 2.4)
        assert np.allclose(again.t, scene.t)
        for name, track in scene.tracks.items():
            assert np.array_equal(again.tracks[name].bbox, track.bbox)
            assert np.array_equal(again.tracks[name].frame, track.frame)


def test_the_view_moves_back_the_way_it_came(drawn: Path) -> None:
    """A camera that pans, zooms and rolls: a still thing stays still in the stabilised frame, also backwards."""
    scenes = Scenes(drawn)
    scene = next(scenes[c] for c in scenes.clips)
    n = len(scene.t)
    rng = np.random.default_rng(3)
    cam = replace(
        scene.camera,
        label="moving",
        dx=rng.normal(0, 2, n),
        dy=rng.normal(0, 2, n),
        dlogs=rng.normal(0, 0.01, n),
        droll=rng.normal(0, 0.01, n),
    )
    centre = np.array([scene.width / 2, scene.height / 2])
    p = [np.array([30.0, 40.0])]
    for f in range(1, n):
        a, s = cam.droll[f], np.exp(cam.dlogs[f])
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        p.append(s * turn @ (p[-1] - centre) + centre + (cam.dx[f], cam.dy[f]))
    forward = Scene(int(scene.width), int(scene.height), _clock(scene), cam, [])
    back = reversed_scene(forward, 0.0, 2.4)
    for at, places in ((forward, p), (back, p[::-1])):
        frames = np.arange(n, dtype=np.int32)
        carried, _ = at.carry_back(frames, np.array(places), np.ones(n))
        assert np.allclose(carried, places[0], atol=1e-6)


def _clock(scene: Scene) -> object:
    from fm_hub.records import Frames

    n = len(scene.t)
    return Frames("", np.arange(n, dtype=np.int32), np.arange(n), scene.t)


def test_keys_turn_round_where_the_claims_allow_it(drawn: Path) -> None:
    scenes = Scenes(drawn)
    opposite = {"to the right": "to the left", "up": "down", "up and to the right": "down and to the left"}
    opposite |= {v: k for k, v in opposite.items()}
    seen = set()
    for item in items_of(drawn):
        q = item.question
        found = flipped_answer(q, scenes[q.clip_id])
        texts = [o.text for o in q.options]
        if q.kind == "direction":
            word = opposite[texts[q.answer]]
            assert found == (texts.index(word) if word in texts else None)
            seen.add(found is not None)
        else:
            assert found == q.answer  # what moves, and along which path, does not depend on the way round
        late = replace(q, options=tuple(replace(o, claim=replace(o.claim, t0=1.0)) for o in q.options))
        assert flipped_answer(late, scenes[q.clip_id]) is None
    assert seen == {True, False}
    assert set(flipped_answers(drawn / "nowhere", items_of(drawn)).values()) == {None}


def test_moments_are_mirrored() -> None:
    claim = Claim.of("sequence", {"track": "t", "first": "left", "then": "up", "at": 1.0}, 0.0, 3.0)
    back = reversed_claim(claim, 0.0, 4.0)
    assert (back.arguments["at"], back.t0, back.t1) == (3.0, 1.0, 4.0)
    assert reversed_claim(back, 0.0, 4.0) == claim


def test_claims_backwards_are_the_claims_of_a_clip_that_was_drawn_backwards(drawn: Path) -> None:
    """The stories come in pairs: left is right backwards, up is down."""
    scenes = Scenes(drawn)
    for clip_id in scenes.clips:
        scene = scenes[clip_id]
        mover = next(t for t in scene.tracks.values() if t.label == "square").track_id
        back = reversed_scene(scene, 0.0, 2.4)
        for a, b in (("right", "left"), ("up", "down"), ("up-right", "down-left")):
            claims = [Claim.of("direction", {"track": mover, "is": w}, 0.0, 2.4) for w in (a, b)]
            forwards, backwards = ([check(s, c).true for c in claims] for s in (scene, back))
            assert forwards == backwards[::-1]


# -- lists of questions ------------------------------------------------------------------------------------------------


def test_drop_lists(tmp_path: Path) -> None:
    path = tmp_path / "drop.txt"
    ids = ["ab" * 12, "cd" * 12]
    write_drop_list(path, [*ids, ids[0]], ["why\nnot"])
    assert path.read_text() == f"# why not\n{ids[0]}\n{ids[1]}\n"
    assert read_drop_list(path) == set(ids)
    path.write_text(f"\n{ids[0]}  # easy\n\nAB\n")
    with pytest.raises(UserError, match=r"drop.txt:4: 'AB' is no question's id"):
        read_drop_list(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_drop_list(tmp_path)


def test_a_model_of_ones_own_may_look(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The frames are there when it is asked: it need not decode."""

    class Mean(Model):
        name, looks = "mean", True

        @classmethod
        def from_spec(cls, rest: str, options: Options) -> Model:
            return cls()

        def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
            assert "frames" in view.__dict__
            return [Scores(p.id, dict.fromkeys(p.letters, -float(len(view.frames)))) for p in prompts]

    result = run(Mean(), drawn, output=tmp_path, n_frames=4, controls=["one-frame"], report=False)
    assert {s["scores"]["A"] for s in result.samples} == {-4.0}
    assert Trial(items_of(drawn)[0], "one-frame").key in Trials(result.folder)
    show_run(result)
    shown = " ".join(capsys.readouterr().out.split())
    assert "motion gain" in shown
    assert f"right without motion: {result.results['solved_without_motion']} of 13" in shown
