"""What is sent, a dialect: the body as it reaches the server, and what each refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from endpoint.servers import Answer, completion, serve
from fm_hub.endpoint.client import Client, Settings
from fm_hub.endpoint.dialects import DIALECTS
from fm_hub.endpoint.limits import Budget
from fm_hub.endpoint.probe import Capabilities, find_server
from fm_hub.endpoint.request import Ask, Film, Picture, Turn, estimate, pictures
from fm_hub.errors import UnknownName, UserError
from golden_files import check_golden

FRAME = Picture(b"\xff\xd8 a frame", 0.25)
SCHEMA = {"type": "object", "properties": {"way": {"type": "string"}}, "required": ["way"]}
ASKS = {
    "frames": Ask((Turn("system", ("Be short.",)), Turn("user", (FRAME, Picture(b"\xff\xd8 2", 0.75), "Which way?")))),
    "letters": Ask((Turn("user", ("A or B?",)),), max_tokens=1, top=20),
    "schema": Ask((Turn("user", ("Which way?",)),), schema=SCHEMA, whole=True),
    "begun": Ask((Turn("user", ("Which way?",)), Turn("assistant", ("Best option: (",)))),
    "film": Ask((Turn("user", (Film(b"mp4"), "Which way?")),)),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_what_reaches_the_server(name: str) -> None:
    """Through the real library of the dialect, so that what it changes on the way is seen too."""
    sent: dict[str, object] = {}
    detected = "compatible" if name == "openai" else name
    with serve(lambda _b, _n: completion("ok"), detected) as server:
        with Client(server.url, dialect=name) as client:
            for kind, ask in ASKS.items():
                before = len(server.asked)
                try:
                    client.ask([ask])
                    sent[kind] = server.asked[before]
                except UserError as e:
                    assert len(server.asked) == before
                    sent[kind] = f"refused: {e}"
        posted = json.dumps(sent, indent=1, sort_keys=True, ensure_ascii=False)
    check_golden(f"endpoint_{name}.json", posted + "\n")


@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - {"openai"}))
def test_a_server_says_what_it_is(name: str) -> None:
    with serve(lambda _b, _n: completion("ok"), name) as server:
        found = find_server(server.url, "")
        assert found.dialect is DIALECTS[name]
        assert found.models == ("org/model",)
        assert found.commit == ("c0ffee" if name == "tgi" else "")
        assert find_server(server.url, "", dialect="vllm").dialect is DIALECTS["vllm"]
        with pytest.raises(UnknownName, match="did you mean 'vllm'"):
            find_server(server.url, "", dialect="vlm")


def test_what_it_can_do_is_tried_out_not_believed() -> None:
    """A server that answers everything, but tells no candidates and holds no schema, can neither."""
    with serve(lambda _b, _n: completion("blue")) as server, Client(server.url) as client:
        assert client.capabilities == Capabilities(top=0, schema=False, pictures=True)
        n = len(server.asked)
        assert client.capabilities.pictures
        assert len(server.asked) == n == 3
        assert client.spent.requests == 3  # and paid for


def test_what_cannot_be_tried_is_not_taken_for_missing() -> None:
    """A broken server, or a spent budget, is not a server without eyes."""
    hasty = Settings(attempts=1, patience=0.01)
    with (
        serve(lambda _b, _n: Answer(500, b"no memory")) as server,
        Client(server.url, settings=hasty) as client,
        pytest.raises(UserError, match=r"answers nothing .*no memory"),
    ):
        _ = client.capabilities
    poor = Settings(budget=Budget.parse("10tok"))
    with serve(lambda _b, _n: completion("A")) as server, Client(server.url, settings=poor) as client:
        with pytest.raises(UserError, match="cannot be tried out: 0 of 10 tokens are spent"):
            _ = client.capabilities
        assert not server.asked

    def no_candidates(body: dict[str, object], n: int) -> Answer:
        return Answer(500, b"no logprobs") if "logprobs" in body else completion("A")

    with serve(no_candidates) as server, Client(server.url, settings=hasty) as client:
        assert client.capabilities == Capabilities(top=0, schema=False, pictures=True)


def test_frames_state_their_times() -> None:
    frames = [np.full((8, 8, 3), v, np.uint8) for v in (0, 255)]
    first, second = pictures(frames, [0.25, 1.0])
    assert (first.t, second.t) == (0.25, 1.0)
    assert first.jpeg.startswith(b"\xff\xd8")
    assert pictures(frames, [0.25, 1.0]) == (first, second)  # the same bytes: they are part of a key
    with pytest.raises(ValueError, match="shorter"):
        pictures(frames, [0.25])
    assert estimate(ASKS["frames"]) > 2 * 1024
