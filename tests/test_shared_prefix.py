"""Sharing must be invisible: every family gives the logits that it gives when nothing is shared."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from fm_hub.models import View
from fm_hub.models.chat import Chat
from fm_hub.models.shared_prefix import SharedPrefix
from fm_hub.models.writing import Writer
from tiny_families import FAMILIES, family

pytestmark = pytest.mark.filterwarnings("default")  # other libraries' advice is not ours to fail on

QUESTIONS = (
    "Which way does the ball go? A. up B. down C. left D. right",
    "Does it go up? A. yes B. no",
    "Which of the two balls goes down first? Answer with the letter of the right option only. A. the left B. the right",
    "Why? A. B.",
    "How many? A. one B. two",
)


def picture(n: int, seed: int = 5) -> Any:
    return torch.randint(0, 256, (n, 3, 56, 56), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def asked(
    name: str, n: int = 8, seconds: float | None = None, questions: Any = QUESTIONS, seed: int = 5
) -> tuple[Any, list[Any]]:
    """The model of a family, and its inputs for questions about one video of ``n`` frames."""
    model, processor = family(name)
    view = View("clip", Path("clip.mp4"), 0.0, seconds or n / 2, n)
    chat = Chat(name, processor)
    with chat.one_view():
        return model, [chat.inputs(view, picture(n, seed), q) for q in questions]


def plain(model: Any, inputs: list[Any]) -> Any:
    """Written apart from the module: each prompt alone, with nothing but what its processor gave."""
    rows = []
    for x in inputs:
        if hasattr(model.base_model, "rope_deltas"):
            model.base_model.rope_deltas = None
        with torch.no_grad():
            rows.append(model(**{k: v for k, v in x.items() if k != "labels"}, use_cache=False).logits[0, -1])
    return torch.stack(rows)


def largest(answers: list[Any], reference: Any) -> float:
    assert not [a.error for a in answers if a.error]
    return float((torch.stack([a.logits for a in answers]) - reference).abs().max())


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_shares_its_prefix(name: str) -> None:
    """One by one, and with endings of different lengths padded in one pass, also in small passes."""
    model, inputs = asked(name)
    assert len({x["input_ids"].shape[1] for x in inputs}) > 2
    reference = plain(model, inputs)
    for rows in (1, 2, 16):
        asker = SharedPrefix(model, rows=rows)
        answers = asker.ask(inputs)
        assert [a.mode for a in answers] == ["prefix"] * len(inputs)
        assert largest(answers, reference) < 1e-3
        assert torch.equal(torch.stack([a.logits for a in answers]).argmax(-1), reference.argmax(-1))
        assert len(asker.notes) == 1
    # The test can fail: another question and another video are further away than what is allowed.
    other = plain(model, asked(name, seed=6)[1][:1])
    assert float((reference[0] - reference[1]).abs().max()) > 1e-2
    assert float((reference[0] - other[0]).abs().max()) > 1e-2


ALONE = {"molmo2"}
"""Families whose pictures are numbered within their video: several videos of them do not go into one pass."""


@pytest.mark.parametrize("name", FAMILIES)
def test_several_videos_in_one_pass(name: str) -> None:
    """Videos of one shape, and one of another; endings of all in passes that mix them."""
    model, first = asked(name)
    videos = [first, asked(name, seed=6, questions=QUESTIONS[3:])[1], asked(name, seed=7, questions=QUESTIONS[:1])[1]]
    videos.insert(1, asked(name, n=4, questions=QUESTIONS[:2])[1])
    reference = [plain(model, inputs) for inputs in videos]
    asker = SharedPrefix(model, rows=3, videos=8)
    for trusted in (False, True):  # as it is checked, and as it is trusted
        passes = []
        prefix = asker.prefix
        asker.prefix = lambda v, inner=prefix, seen=passes: seen.append(len(v)) or inner(v)  # type: ignore[method-assign]
        answers = asker.ask_videos(videos)
        asker.prefix = prefix  # type: ignore[method-assign]
        assert [len(a) for a in answers] == [5, 2, 2, 1]
        assert {a.mode for mine in answers for a in mine} == {"prefix"}
        assert passes == ([3, 1] if name not in ALONE else [3, 1, 1, 1, 1] if not trusted else [1, 1, 1, 1]), (
            asker.notes
        )
        assert max(largest(a, r) for a, r in zip(answers, reference, strict=True)) < 1e-3
    told = "together: not used, its logits differ" if name in ALONE else "together: like the plain way"
    assert sum(n.startswith(told) for n in asker.notes) == 1
    assert asker.ask_videos([[], first[:1]])[0] == []


def test_videos_that_cannot_go_together_go_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that gives all the first one's pictures: the check sees it, and each video is asked alone."""
    model, first = asked("internvl3")
    videos = [first[:2], asked("internvl3", seed=6)[1][:2]]
    reference = [plain(model, inputs) for inputs in videos]
    asker = SharedPrefix(model, videos=2)
    right = asker.prefix
    monkeypatch.setattr(asker, "prefix", lambda v: right([v[0]] * len(v)))
    answers = asker.ask_videos(videos)
    assert asker.notes[0].startswith("together: not used, its logits differ by")
    assert {a.mode for mine in answers for a in mine} == {"prefix"}
    assert max(largest(a, r) for a, r in zip(answers, reference, strict=True)) < 1e-3
    passes = []
    monkeypatch.setattr(asker, "prefix", lambda v: passes.append(len(v)) or right(v))
    asker.ask_videos(videos)
    assert passes == [1, 1]


def test_out_of_memory_halves_the_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    model, first = asked("qwen2_5_vl", questions=QUESTIONS[:2])
    videos = [first, *(asked("qwen2_5_vl", seed=s, questions=QUESTIONS[:2])[1] for s in (6, 7, 8, 9))]
    reference = [plain(model, inputs) for inputs in videos]
    forward = model.forward

    def small(**given: Any) -> Any:
        if given.get("past_key_values") is None and len(given["input_ids"]) > 2:
            raise torch.OutOfMemoryError("injected")
        return forward(**given)

    small.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "forward", small)
    asker = SharedPrefix(model, rows=4, videos=5)
    answers = asker.ask_videos(videos)
    assert max(largest(a, r) for a, r in zip(answers, reference, strict=True)) < 1e-3
    assert asker.videos in (1, 2)
    assert any(n.startswith("out of memory: 2 videos in one pass") for n in asker.notes)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_long_videos_keep_the_positions_of_the_whole_prompt(name: str) -> None:
    """Time runs past height and width here: positions of a prefix alone would be others."""
    model, inputs = asked(name, n=48, seconds=24.0, questions=QUESTIONS[:2])
    answers = SharedPrefix(model).ask(inputs)
    assert answers[0].mode == "prefix"
    assert largest(answers, plain(model, inputs)) < 1e-3


def test_the_shorter_version_is_wrong_on_long_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions from the prefix alone, as they come to mind first: the check at the start sees it."""
    model, inputs = asked("qwen2_5_vl", n=48, seconds=24.0, questions=QUESTIONS[:2])
    right = SharedPrefix._suffixes

    def shorter(self: SharedPrefix, cache: Any, start: Any, *more: Any) -> Any:
        length = torch.full_like(start, cache.get_seq_length()) + model.base_model.rope_deltas.reshape(-1)[0]
        return right(self, cache, length, *more)

    def keeping(self: SharedPrefix, row: dict[str, Any], visual: dict[str, Any]) -> Any:
        cut = self._cut([row])
        positions = model.base_model.get_rope_index(
            row["input_ids"][:, :cut],
            **{k: v for k, v in {**row, **visual}.items() if k in ("video_grid_thw", "second_per_grid_ts")},
            mm_token_type_ids=row["mm_token_type_ids"][:, :cut],
        )
        found = whole(self, row, visual)
        model.base_model.rope_deltas = positions[1]
        return found

    whole = SharedPrefix.positions
    monkeypatch.setattr(SharedPrefix, "_suffixes", shorter)
    monkeypatch.setattr(SharedPrefix, "positions", keeping)
    asker = SharedPrefix(model)
    answers = asker.ask(inputs)
    assert answers[0].mode == "features"
    assert "prefix: not used, its logits differ by" in asker.notes[0]
    assert largest(answers, plain(model, inputs)) < 1e-3


def test_pictures_that_see_the_question_are_not_cut_from_it() -> None:
    model, inputs = asked("paligemma", n=2)
    asker = SharedPrefix(model)
    answers = asker.ask(inputs)
    assert {a.mode for a in answers} <= {"features", "plain"}
    assert asker.notes[0].startswith("prefix: not used, its logits differ")
    assert largest(answers, plain(model, inputs)) < 1e-3


def test_words_before_the_video_share_the_features() -> None:
    model, processor = family("qwen2_5_vl")
    plain_template = processor.chat_template
    view, chat = View("clip", Path("clip.mp4"), 0.0, 4.0, 8), Chat("tiny", processor)
    processor.chat_template = (
        "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}"
        "<|vision_start|><|video_pad|><|vision_end|>{% endfor %}Answer:"
    )
    try:
        with chat.one_view():
            inputs = [chat.inputs(view, picture(8), q) for q in QUESTIONS]
    finally:
        processor.chat_template = plain_template
    calls = []
    vision = model.base_model.visual.forward
    model.base_model.visual.forward = lambda *a, **k: calls.append(1) or vision(*a, **k)
    try:
        asker = SharedPrefix(model)
        answers = asker.ask(inputs)
        assert {a.mode for a in answers} == {"features"}
        assert len(calls) == 1 + 1  # once for all, and the one that is asked the plain way
    finally:
        model.base_model.visual.forward = vision
    assert largest(answers, plain(model, inputs)) < 1e-3


def test_sharing_can_be_switched_off() -> None:
    model, inputs = asked("internvl3")
    asker = SharedPrefix(model, share=False)
    answers = asker.ask(inputs)
    assert {a.mode for a in answers} == {"plain"}
    assert asker.notes == ["plain: sharing is switched off"]
    assert largest(answers, plain(model, inputs)) < 1e-5


def test_one_question_and_none() -> None:
    model, inputs = asked("smolvlm2")
    asker = SharedPrefix(model)
    assert asker.ask([]) == []
    answers = asker.ask(inputs[:1])
    assert answers[0].mode == "prefix"
    assert largest(answers, plain(model, inputs[:1])) < 1e-3
    assert len(asker.notes) == 1
    asker.ask(inputs[1:2])
    asker.ask(inputs[2:])
    assert len(asker.notes) == 1  # one question was checked; the next one is long after


def test_much_longer_videos_are_checked_again() -> None:
    model, short = asked("qwen2_5_vl", n=4)
    _, long = asked("qwen2_5_vl", n=48)
    asker = SharedPrefix(model)
    asker.ask(short)
    asker.ask(long)
    asker.ask(long)
    assert len(asker.notes) == 2


def test_one_question_of_so_many_is_checked_all_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fm_hub.models.sameness.EVERY", 10)
    model, inputs = asked("qwen2_5_vl")
    asker = SharedPrefix(model, rows=4)
    for _ in range(6):  # of five questions each
        asker.ask(inputs)
    assert asker.trust.verdicts == [("prefix", True)] * 3
    lengths = [int(note.split(" at ")[1].split()[0]) for note in asker.notes]
    sizes = sorted(x["input_ids"].shape[1] for x in inputs)
    assert lengths == [sizes[0], sizes[-1], sizes[0]]  # by turns what is padded most, and the longest


def test_sharing_that_breaks_late_is_seen_and_used_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fm_hub.models.sameness.EVERY", 10)
    model, inputs = asked("qwen2_5_vl")
    reference = plain(model, inputs)
    asker = SharedPrefix(model, rows=4)
    asker.ask(inputs)
    right = SharedPrefix._suffixes
    monkeypatch.setattr(SharedPrefix, "_suffixes", lambda *given: right(*given).flip(-1))
    assert {a.way for a in asker.ask(inputs)} == {"prefix"}  # not seen yet: these will be taken back
    answers = asker.ask(inputs)
    assert {(a.mode, a.way) for a in answers} == {("features", "features")}
    assert largest(answers, reference) < 1e-3
    assert asker.trust.verdicts == [("prefix", True), ("prefix", False), ("features", True)]


@pytest.mark.parametrize("rows", [2, 8])
def test_out_of_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    model, inputs = asked("internvl3")
    reference = plain(model, inputs)
    forward, sizes = model.forward, []

    def small(**given: Any) -> Any:
        sizes.append(len(given["input_ids"]))
        if len(given["input_ids"]) > 1:
            raise torch.OutOfMemoryError("injected")
        return forward(**given)

    small.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "forward", small)
    asker = SharedPrefix(model, rows=rows)
    answers = asker.ask(inputs)
    assert largest(answers, reference) < 1e-3
    assert asker.rows == 1
    assert any("out of memory: 1 prompts" in note for note in asker.notes)
    sizes.clear()
    asker.ask(inputs)
    assert set(sizes) == {1}  # it does not run into the same wall again


def test_out_of_memory_with_nothing_left_to_halve(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = asked("internvl3")

    def never(**given: Any) -> Any:
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(model, "forward", never)
    for share in (True, False):
        answers = SharedPrefix(model, share=share).ask(inputs)
        assert all("lower --frames" in str(a.error) for a in answers)


def test_a_failing_question_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = asked("internvl3")
    asker = SharedPrefix(model)
    asker.ask(inputs)
    forward, endings = model.forward, []

    def once(**given: Any) -> Any:
        if given.get("past_key_values") is not None:
            endings.append(1)
            if len(endings) == 2:
                raise RuntimeError("injected")
        return forward(**given)

    monkeypatch.setattr(model, "forward", once)
    answers = asker.ask(inputs)
    assert [str(a.error) for a in answers if a.error] == ["injected"]


def test_a_model_without_the_hooks_is_asked_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = asked("internvl3")

    def gone(*args: Any, **kwargs: Any) -> Any:
        raise AttributeError("no such hook")

    monkeypatch.setattr(model, "_prepare_position_ids_for_generation", gone)
    asker = SharedPrefix(model)
    answers = asker.ask(inputs)
    assert {a.mode for a in answers} == {"plain"}
    assert [n.split(":")[0] for n in asker.notes] == ["prefix", "features"]
    assert largest(answers, plain(model, inputs)) < 1e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_no_frames_and_one_frame(name: str) -> None:
    """What the controls show: nothing, and a single picture."""
    model, processor = family(name)
    chat, view = Chat(name, processor), View("clip", Path("clip.mp4"), 0.0, 4.0, 8)
    for n, modes in ((0, {"plain"}), (1, {"prefix"})):
        with chat.one_view():
            inputs = [chat.inputs(view, picture(n), q) for q in QUESTIONS[:2]]
        assert any(k.startswith("pixel_values") for k in inputs[0]) == bool(n)
        answers = SharedPrefix(model).ask(inputs)
        assert {a.mode for a in answers} == modes
        assert largest(answers, plain(model, inputs)) < 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_words_are_those_of_the_plain_way(name: str) -> None:
    model, inputs = asked(name, questions=QUESTIONS[:3])
    asker = SharedPrefix(model)
    written = Writer(asker).write(inputs, 6)
    assert [w.mode for w in written] == ["prefix"] * 3
    for row, w in zip(inputs, written, strict=True):
        if hasattr(model.base_model, "rope_deltas"):
            model.base_model.rope_deltas = None
        out = model.generate(**row, max_new_tokens=6, do_sample=False)
        assert w.tokens == tuple(out[0, row["input_ids"].shape[1] :].tolist())


def test_words_after_a_prefix_that_cannot_be_shared() -> None:
    model, inputs = asked("paligemma", n=2, questions=QUESTIONS[:2])
    for x in inputs:
        x.pop("labels", None)
    asker = SharedPrefix(model)
    written = Writer(asker).write(inputs, 4)
    assert [w.error for w in written] == [None, None]
    assert [w.mode for w in written] == ["plain", "plain"]
    assert "prefix: not used" in asker.notes[0]


def test_words_that_fail_fail_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = asked("internvl3")
    writer = Writer(SharedPrefix(model))
    writer.write(inputs, 2)
    generate, calls = model.generate, []

    def sometimes(**given: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise torch.OutOfMemoryError("injected") if len(calls) == 1 else RuntimeError("injected")
        return generate(**given)

    monkeypatch.setattr(model, "generate", sometimes)
    errors = [str(w.error) for w in writer.write(inputs, 2) if w.error]
    assert len(errors) == 2
    assert "lower --frames" in errors[0]


def test_a_view_is_shown_in_any_order(tmp_path: Path) -> None:
    from fm_hub.video import encode_clip

    frames = [np.full((32, 64, 3), 10 * i, np.uint8) for i in range(20)]
    encode_clip(frames, [i / 10 for i in range(20)], tmp_path / "clip.mp4")
    view = View("clip", tmp_path / "clip.mp4", 0.0, 2.0, 4, 32)
    assert view.frames.shape == (4, 16, 32, 3)
    back = view.shown((3, 2, 1, 0))
    assert np.array_equal(back.frames, view.frames[::-1])
    assert back.times() == view.times()[::-1]
    assert view.shown(()).frames.shape == (0, 16, 32, 3)
    assert View("clip", tmp_path / "clip.mp4", 0.0, 2.0, 4, order=(1, 1), max_pixels=128).frames.shape == (2, 8, 16, 3)
    with pytest.raises(ValueError, match="order already"):
        back.shown((0,))
