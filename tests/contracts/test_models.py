"""Every model and every baseline of the registries keeps the contract of ``Model.score``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fm_eval_harness.questions import groups, prompt_of, select
from fm_eval_harness.task import load_task
from fm_hub.errors import UserError
from fm_hub.models import MODELS, Model, Options, Prompt, Scores, View, open_model
from fm_hub.models.baseline import BASELINES
from fm_hub.records import Question
from made_dataset import make_dataset

SPECS = {
    "endpoint": ["SERVED"],
    "baseline": [f"baseline:{name}" for name in BASELINES.names()],
    "fake": ["fake:hash", "fake:A", "fake:error"],
    "replay": ["SAVED"],
    "transformers": ["TINY"],
}
ALL = [spec for name in MODELS.names() for spec in SPECS.get(name, [f"{name}:"])]

pytestmark = pytest.mark.filterwarnings("default")  # other libraries' advice is not ours to fail on


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion", clips=2)


@pytest.fixture(scope="module", params=ALL)
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "SERVED":
        from endpoint.servers import serve, vision_server

        with serve(vision_server, "vllm") as server:
            yield f"endpoint:{server.url}"
    elif request.param == "SAVED":
        saved = tmp_path_factory.mktemp("saved") / "answers.jsonl"
        items = select(request.getfixturevalue("drawn"), load_task("foundationmotion"), "mcq", None)
        lines = ({"id": i.question.question_id, "prediction": "B"} for i in items)
        saved.write_text("".join(json.dumps(x) + "\n" for x in lines))
        yield f"replay:{saved}"
    elif request.param == "TINY":
        pytest.importorskip("torch")
        from tiny_vlm import save_tiny_vlm

        yield str(save_tiny_vlm(tmp_path_factory.mktemp("vlm")))
    else:
        yield str(request.param)


@pytest.fixture(scope="module")
def model(spec: str, drawn: Path) -> Model:
    return open_model(spec, Options(drawn, device="cpu", seed=3))


@pytest.fixture(scope="module")
def asked(drawn: Path) -> tuple[View, list[Prompt]]:
    """One view with three questions: a model that looks takes its time for each call."""
    task = load_task("foundationmotion")
    group = max(groups(select(drawn, task, "mcq", None)), key=len)
    q = group[0].question
    view = View(q.clip_id, drawn / q.video_file, q.view_t0, q.view_t1, 4, 112)
    return view, [prompt_of(i, task) for i in group]


Asked = tuple[View, list[Prompt]]


@pytest.fixture(scope="module")
def scored(model: Model, asked: Asked) -> list[Scores]:
    return model.score(*asked)


def test_it_says_who_it_is(model: Model) -> None:
    assert model.name
    assert "\n" not in model.name
    assert isinstance(model.commit, str)


def test_same_order_same_length(model: Model, asked: Asked, scored: list[Scores]) -> None:
    view, prompts = asked
    assert [s.id for s in scored] == [p.id for p in prompts]
    assert model.score(view, []) == []


def test_scores_or_an_error_never_both(asked: Asked, scored: list[Scores]) -> None:
    for scores, prompt in zip(scored, asked[1], strict=True):
        assert bool(scores.error) != bool(scores.logprobs)
        assert "\n" not in scores.error
        assert set(scores.logprobs) in (set(), set(prompt.letters))
        assert all(math.isfinite(v) and v <= 1e-6 for v in scores.logprobs.values())
        assert sum(map(math.exp, scores.logprobs.values())) <= 1 + 1e-6
        assert scores.letter in ("", *prompt.letters)


def test_the_same_again_in_another_order(model: Model, asked: Asked, scored: list[Scores]) -> None:
    view, prompts = asked
    assert model.score(view, prompts[::-1]) == scored[::-1]


def test_built_again_it_answers_alike(spec: str, model: Model, asked: Asked, scored: list[Scores], drawn: Path) -> None:
    again = open_model(spec, Options(drawn, device="cpu", seed=3))
    assert (again.name, again.commit) == (model.name, model.commit)
    assert again.score(*asked) == scored


def _with_a_key(question: Question) -> Question:
    options = tuple(replace(o, margin=9.0 - i) for i, o in enumerate(question.options))
    return replace(question, answer=0, options=options)


def test_the_key_is_not_there_to_be_seen(model: Model, asked: Asked, scored: list[Scores]) -> None:
    """The answer is -1 and the margins are 0; a model that read either would answer otherwise here."""
    view, prompts = asked
    assert all(p.question.answer == -1 for p in prompts)
    assert all(o.margin == 0 for p in prompts for o in p.question.options)
    lied = [replace(p, question=_with_a_key(p.question)) for p in prompts]
    assert model.score(view, lied) == scored


def test_every_name_loads() -> None:
    for registry in (MODELS, BASELINES):
        for name in registry.names():
            assert issubclass(registry.load(name), Model)


def test_it_writes_to_every_prompt_or_says_that_it_does_not(model: Model, asked: Asked) -> None:
    view, prompts = asked
    if type(model).generate is Model.generate:
        with pytest.raises(UserError, match="letters and no text"):
            model.generate(view, prompts, 4)
        return
    written = model.generate(view, prompts, 4)
    assert [s.id for s in written] == [p.id for p in prompts]
    assert all(bool(s.error) or isinstance(s.text, str) for s in written)
    assert model.generate(view, [], 4) == []
