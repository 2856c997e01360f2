"""The transformers backend on a real, tiny, random model: the path from a folder to a score, and its failures."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from fm_eval_harness.cli import main
from fm_eval_harness.evaluate import run
from fm_eval_harness.questions import groups, prompt_of, select
from fm_eval_harness.task import load_task
from fm_hub.errors import UserError
from fm_hub.models import Options, Prompt, View, open_model
from fm_hub.models.commits import folder_commit
from fm_hub.models.sameness import Answer
from fm_hub.models.transformers import TransformersModel
from fm_hub.models.weights import TESTED
from made_dataset import make_dataset
from tiny_vlm import tiny_vlm

__all__ = ["tiny_vlm"]

pytestmark = pytest.mark.filterwarnings("default")  # other libraries' advice is not ours to fail on


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion", clips=3)


@pytest.fixture(scope="module")
def model(tiny_vlm: Path, drawn: Path) -> TransformersModel:
    found = open_model(str(tiny_vlm), Options(drawn, device="cpu"))
    assert isinstance(found, TransformersModel)
    return found


def asked(drawn: Path, clip: int = 0, n_frames: int = 4, size: int | None = 64) -> tuple[View, list[Prompt]]:
    task = load_task("foundationmotion")
    group = list(groups(select(drawn, task, "mcq", None)))[clip]
    q = group[0].question
    return View(q.clip_id, drawn / q.video_file, q.view_t0, q.view_t1, n_frames, size), [
        prompt_of(i, task) for i in group
    ]


def reference(model: TransformersModel, view: View, prompt: Prompt) -> dict[str, float]:
    """The same numbers the plain way: no memo, the whole vocabulary, one letter token at a time."""
    import torch
    from transformers.video_utils import VideoMetadata

    processor, network = model.chat.processor, model.asker.model
    n = view.n_frames
    frames = torch.from_numpy(view.frames).permute(0, 3, 1, 2)
    seconds = view.t1 - view.t0
    message = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt.text}]}
    text = processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    meta = VideoMetadata(
        total_num_frames=n, fps=n / seconds, frames_indices=list(range(n)), duration=seconds, height=1, width=1
    )
    inputs = processor(
        text=[text],
        videos=[frames],
        videos_kwargs={"do_sample_frames": False, "video_metadata": [meta]},
        return_tensors="pt",
    )
    with torch.no_grad():
        p = network(**inputs).logits[0, -1].double().softmax(-1)
    vocabulary = processor.tokenizer.get_vocab()
    return {x: math.log(sum(float(p[vocabulary[t]]) for t in (x, f"Ġ{x}") if t in vocabulary)) for x in prompt.letters}


def test_scored_through_the_command(tiny_vlm: Path, drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(
            ["--model", str(tiny_vlm), "--dataset", str(drawn), "-o", str(tmp_path), "--frames", "4", "--device", "cpu"]
        )
    assert stop.value.code in (None, 0)
    (folder,) = tmp_path.iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert results["n_scored"] == results["n"] > 0
    assert results["model"]["commit"] == folder_commit(tiny_vlm)
    assert "<html" in (folder / "report.html").read_text()


def test_the_scores_are_the_models_own_probabilities(model: TransformersModel, drawn: Path) -> None:
    for clip in range(3):
        view, prompts = asked(drawn, clip)
        for scores, prompt in zip(model.score(view, prompts), prompts, strict=True):
            assert not scores.error
            assert scores.logprobs == pytest.approx(reference(model, view, prompt), abs=1e-4)
            assert 0 < sum(map(math.exp, scores.logprobs.values())) <= 1


def test_only_the_letters_of_the_options(model: TransformersModel, drawn: Path) -> None:
    view, prompts = asked(drawn)
    for scores, prompt in zip(model.score(view, prompts), prompts, strict=True):
        assert tuple(scores.logprobs) == prompt.letters
    assert {len(p.letters) for p in prompts} >= {2, 4}


def test_a_letter_after_a_blank_counts_too(model: TransformersModel) -> None:
    vocabulary = model.chat.processor.tokenizer.get_vocab()
    assert "ĠA" in vocabulary  # else this model cannot show it
    assert set(model.chat.tokens_of("A")) == {vocabulary["A"], vocabulary["ĠA"]}
    from fm_hub.errors import ModelError

    with pytest.raises(ModelError, match="no single token"):
        model.chat.tokens_of("éè")


def test_neither_order_nor_company_nor_batch_matters(
    model: TransformersModel, tiny_vlm: Path, drawn: Path, tmp_path: Path
) -> None:
    view, prompts = asked(drawn, 1)
    together = {s.id: s.logprobs for s in model.score(view, prompts)}
    turned = {s.id: s.logprobs for s in model.score(view, prompts[::-1])}
    alone = {p.id: model.score(view, [p])[0].logprobs for p in prompts}
    for key, logprobs in together.items():  # several in one pass are added up in another order
        assert turned[key] == pytest.approx(logprobs, abs=1e-5)
        assert alone[key] == pytest.approx(logprobs, abs=1e-5)
    assert {s.mode for s in model.score(view, prompts)} == {"prefix"}
    runs = [
        run(str(tiny_vlm), drawn, output=tmp_path / str(n), n_frames=4, device="cpu", batch_size=n, report=False)
        for n in (1, 7)
    ]
    assert runs[0].results == runs[1].results
    first, second = ({s["id"]: s["scores"] for s in r.samples} for r in runs)
    assert first.keys() == second.keys()
    for key, scores in first.items():
        assert scores == pytest.approx(second[key], abs=1e-5)


def test_the_batch_size_is_the_number_of_prompts_in_a_pass(
    tiny_vlm: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, prompts = asked(drawn, 1)
    assert len(prompts) == 3
    for size, expected in ((None, [3]), (1, [1, 1, 1]), (2, [2, 1]), (8, [3])):
        found = open_model(str(tiny_vlm), Options(drawn, device="cpu", batch_size=size))
        assert isinstance(found, TransformersModel)
        passes = []
        suffixes = found.asker._suffixes

        def counted(*args: Any, inner: Any = suffixes, seen: Any = passes) -> Any:
            seen.append(len(args[-1]))
            return inner(*args)

        monkeypatch.setattr(found.asker, "_suffixes", counted)
        assert not any(s.error for s in found.score(view, prompts))
        assert passes == expected


def test_what_is_shown_matters(model: TransformersModel, drawn: Path) -> None:
    view, prompts = asked(drawn)
    other, _ = asked(drawn, 1)
    mine = model.score(view, prompts)[0].logprobs
    assert model.score(other, prompts)[0].logprobs != pytest.approx(mine, abs=1e-4)
    assert model.score(asked(drawn, n_frames=8)[0], prompts)[0].logprobs != pytest.approx(mine, abs=1e-4)


def test_frames_are_decoded_and_preprocessed_once(
    model: TransformersModel, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[str, int] = {}

    def counted(name: str, inner: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return inner(*args, **kwargs)

        return call

    monkeypatch.setattr("fm_hub.models.video_inputs.read_frames", counted("decode", _read_frames()))
    part = type(model.chat.processor.video_processor)
    monkeypatch.setattr(part, "preprocess", counted("preprocess", part.preprocess))
    view, prompts = asked(drawn, 1)
    model.score(view, prompts)
    assert len(prompts) > 1
    assert calls == {"decode": 1, "preprocess": 1}
    assert isinstance(model.chat.processor.video_processor, part)


def _read_frames() -> Any:
    from fm_hub.video import read_frames

    return read_frames


def test_frames_keep_their_shape_and_bound(drawn: Path) -> None:
    for size, expected in ((64, (4, 48, 64, 3)), (1000, (4, 96, 128, 3)), (None, (4, 96, 128, 3))):
        assert asked(drawn, size=size)[0].frames.shape == expected


def test_the_images_form(model: TransformersModel, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view, prompts = asked(drawn)
    video = model.score(view, prompts)[0].logprobs
    monkeypatch.setattr(model.chat, "takes_video", False)
    images = model.score(view, prompts)[0]
    assert not images.error
    assert images.logprobs != pytest.approx(video, abs=1e-4)


def test_thoughts_are_closed_before_the_answer(
    model: TransformersModel, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, prompts = asked(drawn)
    seen: list[str] = []
    tokenizer = model.chat.processor.tokenizer

    def ask_videos(videos: Any) -> list[list[Answer]]:
        seen.append(tokenizer.decode(videos[0][0]["input_ids"][0]))
        return [[Answer(error=ValueError("not asked"))]]

    plain = model.chat.processor.chat_template
    monkeypatch.setattr(model.chat.processor, "chat_template", plain + "<think>\n")
    monkeypatch.setattr(model.asker, "ask_videos", ask_videos)
    model.score(view, prompts[:1])
    assert seen[0].endswith("<think>\n\n</think>\n\n")
    monkeypatch.setattr(
        model.chat.processor, "chat_template", plain + "{% if enable_thinking is not false %}<think>{% endif %}"
    )
    model.score(view, prompts[:1])
    assert seen[1].endswith("assistant\n")


def test_never_without_the_frames(model: TransformersModel, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view, prompts = asked(drawn)
    blind = "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}"
    monkeypatch.setattr(model.chat.processor, "chat_template", blind)
    for scores in model.score(view, prompts):
        assert scores.error
        assert not scores.logprobs


def test_a_corrupt_clip_is_an_error_on_its_questions(tiny_vlm: Path, drawn: Path, tmp_path: Path) -> None:
    own = tmp_path / "foundationmotion"
    shutil.copytree(drawn, own)
    item = select(own, load_task("foundationmotion"), "mcq", None)[0]
    (own / item.question.video_file).write_bytes(b"not a video at all" * 40)
    result = run(str(tiny_vlm), own, config="mcq", output=tmp_path / "runs", n_frames=4, device="cpu")
    failed = [s for s in result.samples if s["error"]]
    assert {s["clip_id"] for s in failed} == {item.question.clip_id}
    assert all(s["error"].startswith("NotAVideo: ") for s in failed)
    assert 0 < result.coverage < 1
    assert "cannot be read" in (result.folder / "report.html").read_text()


def test_a_failing_forward_is_an_error_on_the_question(
    model: TransformersModel, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, prompts = asked(drawn, 1)
    whole, calls = model.asker._suffixes, []

    def sometimes(*args: Any) -> Any:
        calls.append(1)
        if len(calls) <= 2:  # all in one pass, and then the first by itself
            raise RuntimeError("out of\nluck")
        return whole(*args)

    monkeypatch.setattr(model.asker, "_suffixes", sometimes)
    errors = [s.error for s in model.score(view, prompts)]
    assert sorted(errors) == ["", "", "RuntimeError: out of luck"]


# -- user errors -------------------------------------------------------------------------------------------------------


def line_of(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_folders_that_are_no_models(tiny_vlm: Path, drawn: Path, tmp_path: Path) -> None:
    options = Options(drawn, device="cpu")
    with pytest.raises(UserError) as e:
        open_model(str(tmp_path), options)
    assert "no config.json" in line_of(e)
    with pytest.raises(UserError) as e:
        open_model("./nothing-here", options)
    assert "no such model folder" in line_of(e)
    with pytest.raises(UserError, match="needs a Hub id or a folder"):
        open_model("transformers:", options)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_layer": 1}')
    with pytest.raises(UserError) as e:
        open_model(str(tmp_path), options)
    assert str(tmp_path) in line_of(e)
    (tmp_path / "config.json").write_text("{broken")
    with pytest.raises(UserError) as e:
        open_model(str(tmp_path), options)
    assert line_of(e)


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_weights_that_are_missing_or_torn(tiny_vlm: Path, drawn: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_vlm, folder)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    weights.unlink()
    if damage == "torn":
        weights.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError) as e:
        run(str(folder), drawn, output=tmp_path / "runs", n_frames=4, device="cpu")
    assert "cannot be loaded" in line_of(e)


def test_no_chat_template(tiny_vlm: Path, drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_vlm, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UserError) as e:
        open_model(str(folder), Options(drawn, device="cpu"))
    assert "chat template" in line_of(e)


def test_an_unknown_repository(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as e:
        open_model("no-such-owner/no-such-model", Options(drawn, device="cpu"))
    assert line_of(e).startswith("no-such-owner/no-such-model: ")


def test_the_commit_of_a_repository(
    tiny_vlm: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Laid out as the Hub's cache is: nothing is fetched."""
    commit = "c" * 40
    repo = tmp_path / "models--me--tiny"
    shutil.copytree(tiny_vlm, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = open_model("me/tiny", Options(drawn, device="cpu"))
    assert found.commit == commit
    view, prompts = asked(drawn)
    assert not found.score(view, prompts)[0].error


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"device": "tpu"}, "--device tpu"),
        ({"device": "cuda:x"}, "cuda:NUMBER"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "cpu", "dtype": "int4"}, "--dtype int4"),
        ({"device": "cpu", "dtype": "float16"}, "needs a GPU"),
        ({"device_map": "balancd"}, "did you mean 'balanced'?"),
        ({"device": "cpu", "device_map": "auto"}, "exclude each other"),
        ({"device": "cpu", "attention": "flash"}, "--attention flash: must be"),
        ({"device": "cpu", "attention": "flash_attention_2"}, "needs a GPU; sdpa"),
    ],
)
def test_devices_and_types(tiny_vlm: Path, drawn: Path, given: dict[str, str], says: str) -> None:
    with pytest.raises(UserError) as e:
        open_model(str(tiny_vlm), Options(drawn, **given))
    assert says in line_of(e)


def test_bfloat16_runs(tiny_vlm: Path, drawn: Path) -> None:
    found = open_model(str(tiny_vlm), Options(drawn, device="cpu", dtype="bfloat16"))
    view, prompts = asked(drawn)
    assert not any(s.error for s in found.score(view, prompts))


def test_it_writes(model: TransformersModel, drawn: Path) -> None:
    view, prompts = asked(drawn, 1)
    written = model.generate(view, prompts, 5)
    assert [s.id for s in written] == [p.id for p in prompts]
    assert not any(s.error or s.logprobs for s in written)
    assert model.generate(view, prompts, 5) == written
    assert model.generate(view, [], 5) == []
    begun = model.generate(view, [replace(p, prefill="Best option: (") for p in prompts], 5)
    assert not any(s.text.startswith("Best option: (") for s in begun)  # what it wrote, not what it was given
    assert [s.text for s in begun] != [s.text for s in written]
    told = model.generate(view, [replace(p, system="Answer in one word.") for p in prompts], 5)
    assert [s.text for s in told] != [s.text for s in written]
    assert model.score(view, prompts) != model.score(view, [replace(p, system="You see well.") for p in prompts])


def test_who_knows_letters_alone_says_so(drawn: Path) -> None:
    with pytest.raises(UserError, match="gives letters and no text"):
        open_model("baseline:longest", Options(drawn)).generate(*asked(drawn), 5)


def test_who_is_tested_and_who_is_not(
    model: TransformersModel, tiny_vlm: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of tested families is that of the tests; any other is asked all the same, and told so."""
    from tiny_families import FAMILIES, family

    assert sorted({family(name)[0].config.model_type for name in FAMILIES}) == sorted(TESTED)
    view, prompts = asked(drawn)
    model.score(view, prompts[:1])
    assert not any("no tested family" in x for x in model.findings())
    monkeypatch.setattr("fm_hub.models.transformers.TESTED", ())
    other = open_model(str(tiny_vlm), Options(drawn, device="cpu"))
    assert not other.score(view, prompts[:1])[0].error
    assert other.findings()[0] == "qwen2_5_vl: no tested family; checked while it runs like any other"


@pytest.mark.parametrize("given", [{"attention": "eager"}, {"device_map": "auto"}, {"share": False}])
def test_options_that_change_no_letter(
    model: TransformersModel, tiny_vlm: Path, drawn: Path, given: dict[str, Any]
) -> None:
    device = {} if "device_map" in given else {"device": "cpu"}
    found = open_model(str(tiny_vlm), Options(drawn, **device, **given))
    view, prompts = asked(drawn, 1)
    for mine, theirs in zip(found.score(view, prompts), model.score(view, prompts), strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)
        assert mine.mode == ("plain" if given.get("share") is False else "prefix")
    assert isinstance(found, TransformersModel)
    assert found.asker.model.config._attn_implementation == given.get("attention", "sdpa")


def test_the_commit_changes_with_the_weights(tiny_vlm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_vlm, folder)
    before = folder_commit(folder)
    assert before == folder_commit(tiny_vlm)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-8:] = bytes(8)
    weights.write_bytes(bytes(data))
    assert folder_commit(folder) != before
