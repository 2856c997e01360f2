"""Written answers of a real, if tiny, model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fm_eval_harness.evaluate import run
from fm_eval_harness.questions import groups, prompt_of, select
from fm_eval_harness.task import load_task
from fm_hub.models import Options, Prompt, View, open_model
from made_dataset import make_dataset

pytest.importorskip("torch")
from fm_hub.models.transformers import TransformersModel
from tiny_vlm import save_tiny_vlm

pytestmark = pytest.mark.filterwarnings("default")  # other libraries' advice is not ours to fail on


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion", clips=2)


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vlm(tmp_path_factory.mktemp("vlm"))


@pytest.fixture(scope="module")
def model(vlm: Path, drawn: Path) -> TransformersModel:
    opened = open_model(str(vlm), Options(drawn, device="cpu"))
    assert isinstance(opened, TransformersModel)
    return opened


@pytest.fixture(scope="module")
def asked(drawn: Path) -> tuple[View, list[Prompt]]:
    task = load_task("foundationmotion")
    group = max(groups(select(drawn, task, "mcq", None)), key=len)
    q = group[0].question
    return View(q.clip_id, drawn / q.video_file, q.view_t0, q.view_t1, 4, 112), [prompt_of(i, task) for i in group]


def test_greedy_means_the_likeliest_token_each_time(model: TransformersModel, asked: tuple[View, list[Prompt]]) -> None:
    import torch

    from fm_hub.models.video_inputs import frames_of

    view, prompts = asked
    (written,) = model.generate(view, prompts[:1], 4)
    assert not written.error
    frames = torch.from_numpy(frames_of(view)).permute(0, 3, 1, 2).contiguous()
    inputs = dict(model.chat.inputs(view, frames, prompts[0].text))
    tokens: list[int] = []
    for _ in range(4):
        ids = torch.cat([inputs["input_ids"], torch.tensor([tokens], dtype=torch.long)], dim=1)
        same = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask", "mm_token_type_ids")}
        if "mm_token_type_ids" in inputs:
            kinds = inputs["mm_token_type_ids"]
            same["mm_token_type_ids"] = torch.cat([kinds, torch.zeros((1, len(tokens)), dtype=kinds.dtype)], dim=1)
        with torch.inference_mode():
            logits = model.asker.model(
                input_ids=ids, attention_mask=torch.ones_like(ids), **same, use_cache=False
            ).logits
        tokens.append(int(logits[0, -1].argmax()))
    assert written.text == model.chat.processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()


def test_the_same_words_each_time_alone_or_in_company(
    model: TransformersModel, asked: tuple[View, list[Prompt]]
) -> None:
    view, prompts = asked
    together = model.generate(view, prompts, 6)
    assert [s.id for s in together] == [p.id for p in prompts]
    assert [s.text for s in model.generate(view, prompts[::-1], 6)][::-1] == [s.text for s in together]
    assert model.generate(view, prompts[:1], 6)[0].text == together[0].text
    assert model.generate(view, [], 6) == []


def test_no_more_tokens_than_allowed(model: TransformersModel, asked: tuple[View, list[Prompt]]) -> None:
    view, prompts = asked
    few, more = (model.generate(view, prompts[:1], n)[0].text for n in (1, 8))
    assert more.startswith(few)
    assert len(few) < len(more)


def test_system_and_prefill_stand_in_the_prompt(model: TransformersModel, asked: tuple[View, list[Prompt]]) -> None:
    import torch

    from fm_hub.models.video_inputs import frames_of

    view, prompts = asked
    frames = torch.from_numpy(frames_of(view)).permute(0, 3, 1, 2).contiguous()

    def words(prompt: Prompt) -> str:
        inputs = model.chat.inputs(view, frames, prompt.text, prompt.system, prompt.prefill)
        return str(model.chat.processor.tokenizer.decode(inputs["input_ids"][0]))

    given = words(replace(prompts[0], system="Answer with care.", prefill="Best option:("))
    assert given.index("Answer with care.") < given.index(prompts[0].text.split("\n")[0])
    assert given.endswith("Best option:(")
    assert not words(prompts[0]).endswith("(")


def test_a_corrupt_clip_is_an_error_not_a_blind_answer(
    model: TransformersModel, asked: tuple[View, list[Prompt]], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(asked[0].path.read_bytes()[:400])
    written = model.generate(replace(asked[0], path=broken), asked[1], 4)
    assert all(s.error and not s.text for s in written)


def test_letters_and_words_of_one_run(vlm: Path, drawn: Path, tmp_path: Path) -> None:
    result = run(str(vlm), drawn, answers="both", n_frames=4, max_side=56, output=tmp_path, report=False, device="cpu")
    assert result.coverage == 1.0
    assert set(result.results["generation"]) == {"accuracy", "n_unparsed", "agreement", "n_agreement"}
    assert all(s["scores"] and isinstance(s["text"], str) for s in result.samples)
    letters = run(str(vlm), drawn, n_frames=4, max_side=56, output=tmp_path, report=False, device="cpu")
    assert [s["prediction"] for s in letters.samples] == [s["prediction"] for s in result.samples]
