"""A server as a model of the evaluator: letters, text, and the whole command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.servers import Answer, completion, serve, vision_server
from fm_eval_harness.cli import main
from fm_eval_harness.questions import prompt_of, select
from fm_eval_harness.task import load_task
from fm_hub.models import Options, View, open_model
from fm_hub.models.endpoint import letter_logprobs
from made_dataset import make_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("drawn") / "foundationmotion", clips=2)


def evaluate(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as e:
        main([*map(str, args), "--json", "--frames", "2", "--max-side", "64"])
    out, err = capsys.readouterr()
    return int(str(e.value.code or 0)), json.loads(out.splitlines()[-1]) if out.strip() else {}, err


@given(
    st.lists(st.tuples(st.sampled_from(["A", " A", "B", "\nC", "D", "The", "E"]), st.floats(0.001, 1)), max_size=8),
    st.sampled_from(["AB", "ABCD"]),
)
def test_letters_are_probabilities(top: list[tuple[str, float]], letters: str) -> None:
    total = sum(p for _, p in top) * 1.1 or 1.0
    told = [(t, math.log(p / total)) for t, p in top]
    found = letter_logprobs(told, letters)
    named = {t.strip() for t, _ in told} & set(letters)
    assert set(found) == (set(letters) if named else set())
    assert sum(map(math.exp, found.values())) <= 1 + 1e-6
    if named:  # what was not told never wins over what was
        assert max(found[x] for x in named) >= max(found.values()) - 1e-9


def test_the_evaluator_asks_a_server(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    with serve(vision_server, "vllm") as server:
        command = ("--model", f"endpoint:{server.url}", "--llm-model", "org/model", "--dataset", drawn, "-o", runs)
        code, results, err = evaluate(capsys, *command, "--config", "mcq")
        assert (code, err) == (0, "")
        assert results["model"] == {"id": f"endpoint:{server.url}#org/model", "commit": ""}
        assert results["n_scored"] == results["n"] > 0
        shown = [m for body in server.asked for m in body["messages"][-1]["content"] if isinstance(m, dict)]
        assert any(m["type"] == "image_url" for m in shown)
        assert any(m.get("text", "").startswith("Frame at ") for m in shown)
        n = len(server.asked)
        code, _, _ = evaluate(capsys, *command, "--config", "mcq", "--seed", "1")  # another run, the same questions
        assert code == 0
        assert len(server.asked) == n + 3  # the three trials, and not one question
    assert (runs / "llm.sqlite").is_file()


def test_without_log_probabilities_it_writes_and_says_so(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(lambda _b, _n: completion("A")) as server:
        command = ("--model", f"endpoint:{server.url}", "--dataset", drawn, "-o", tmp_path / "runs")
        code, results, err = evaluate(capsys, *command)
        assert code == 0
        assert "tells no log-probabilities" in err
        assert results["n_unparsed"] == 0
        code, _, err = evaluate(capsys, *command, "--answers", "letters")
        assert code == 2
        assert "add --answers generate" in err


def test_a_spent_budget_is_an_error_of_the_question_and_goes_on_later(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(vision_server, "vllm") as server:
        command = ("--model", f"endpoint:{server.url}", "--dataset", drawn, "-o", tmp_path / "runs")
        code, results, _ = evaluate(capsys, *command, "--llm-budget", "2300tok")
        assert code == 1
        assert results["n_error"] > 0
        done, n = results["n_scored"], len(server.asked)
        code, results, _ = evaluate(capsys, *command)
        assert (code, results["n_error"]) == (0, 0)
        assert len(server.asked) == n + 3 + results["n"] - done


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--model", "endpoint:"), "the server's address must be like"),
        (("--model", "endpoint:http://127.0.0.1:9/v1"), "does not answer"),
        (("--model", "fake:A", "--llm-budget", "5usd"), "go with --model endpoint:URL"),
        (("--model", "endpoint:http://127.0.0.1:9/v1", "--llm-budget", "five"), "budget 'five'"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    args: tuple[str, ...], says: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = evaluate(capsys, *args, "--dataset", drawn, "-o", tmp_path / "runs")
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_server_without_eyes_writes_nothing(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def blind(body: dict[str, Any], n: int) -> Answer:
        if "image_url" in json.dumps(body):
            return Answer(400, b'{"error": "not a multimodal model"}')
        return completion("A", top={"A": -0.1, "B": -3.0})

    with serve(blind) as server:
        code, _, err = evaluate(
            capsys, "--model", f"endpoint:{server.url}", "--dataset", drawn, "-o", tmp_path / "runs"
        )
        assert code == 2
        assert "takes no images" in err
    assert not (tmp_path / "runs").exists()


def test_controls_show_a_server_other_frames_and_the_same_times(drawn: Path) -> None:
    with serve(vision_server, "vllm") as server:
        model = open_model(f"endpoint:{server.url}", Options(drawn))
        (item, *_) = select(drawn, load_task("foundationmotion"), "mcq", None)
        prompt = prompt_of(item, load_task("foundationmotion"))
        view = View(item.question.clip_id, drawn / item.question.video_file, 0.0, 2.0, 4)
        for shown in (view, view.shown((3, 2, 1, 0)), view.shown(())):
            model.score(shown, [prompt])
        plain, turned, blind = server.asked[-3:]
    parts = [[p for p in r["messages"][-1]["content"] if isinstance(p, dict)] for r in (plain, turned, blind)]
    images = [[p for p in some if p["type"] == "image_url"] for some in parts]
    assert images[1] == images[0][::-1]
    assert images[2] == []
    times = [[p["text"] for p in some if p["type"] == "text"] for some in parts]
    assert times[0] == times[1]
    assert "Frame at" not in blind["messages"][-1]["content"], "no picture, no time"
