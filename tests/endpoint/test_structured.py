"""Replies by schema: fitting, repaired, and failed with a counted reason."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from endpoint.servers import Answer, completion, serve
from fm_hub.endpoint.client import Client, Settings
from fm_hub.endpoint.request import Ask, Turn
from fm_hub.endpoint.structured import fill
from fm_hub.errors import BadReply, CutOff, ItemError

QUICK = Settings(timeout=5, attempts=2, patience=0.02)


class Way(BaseModel):
    model_config = ConfigDict(extra="forbid")
    way: Literal["left", "right"]


GOOD = '{"way": "left"}'
WRONG = {
    "schema": '{"way": "up"}',
    "typo": '{"way": "left", "wya": "left"}',
    "cut": '{"way": "le',
    "prose": "It moves to the left.",
    "two": GOOD + GOOD,
    "empty": "",
    "list": "[]",
    "deep": "[" * 10_000,
}


def script(first: str, second: str, *, held: bool) -> Any:
    def answer(body: dict[str, Any], n: int) -> Answer:
        said = json.dumps(body["messages"])
        if "Name a colour" in said:
            return completion('{"colour": "zq7"}' if held else "Blue.")
        return completion(second if "cannot be used" in said else first)

    return answer


def asked(text: str = "Which way?") -> list[Ask]:
    return [Ask((Turn("user", (text,)),))]


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_one_repair(name: str, held: bool) -> None:
    with serve(script(WRONG[name], GOOD, held=held)) as server, Client(server.url, settings=QUICK) as client:
        assert fill(client, asked(), Way) == [Way(way="left")]
        assert client.counts["repaired"] == 1
        first, second = server.asked[-2:]
        assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"]
        assert second["messages"][1]["content"] == WRONG[name]
        assert ("response_format" in first) == held
        assert ("JSON schema" in json.dumps(first["messages"])) != held  # a server that holds nothing is told in words


@pytest.mark.parametrize("name", WRONG)
def test_wrong_twice_is_an_error(name: str) -> None:
    with serve(script(WRONG[name], WRONG[name], held=True)) as server, Client(server.url, settings=QUICK) as client:
        (found,) = fill(client, asked(), Way)
        assert isinstance(found, BadReply)
        assert "\n" not in str(found)
        assert len(str(found)) <= 280
        assert client.counts["BadReply"] == 1
        n = len(server.asked)
        assert [type(x) for x in fill(client, asked(), Way)] == [BadReply]
        assert len(server.asked) == n  # it is known now


def test_a_fence_is_taken_off() -> None:
    with (
        serve(script(f"```json\n{GOOD}\n```", "", held=True)) as server,
        Client(server.url, settings=QUICK) as client,
    ):
        assert fill(client, asked(), Way) == [Way(way="left")]
        assert client.counts["repaired"] == 0


def test_errors_stand_in_their_place() -> None:
    def answer(body: dict[str, Any], n: int) -> Answer:
        text = str(body["messages"][0]["content"])
        if "[b]" in text:
            return completion('{"way"', finish="length")
        return Answer(400, b"no") if "[c]" in text else completion(GOOD)

    with serve(answer) as server, Client(server.url, settings=QUICK) as client:
        found = fill(client, [*asked("1"), *asked("[b]"), *asked("[c]"), *asked("2")], Way)
        assert [type(x).__name__ for x in found] == ["Way", "CutOff", "Rejected", "Way"]
        assert isinstance(found[1], CutOff)
        assert isinstance(found[2], ItemError)
        assert client.counts["repaired"] == 0


def test_a_model_must_forbid_what_it_does_not_know() -> None:
    class Loose(BaseModel):
        x: int

    with (
        serve(script(GOOD, GOOD, held=True)) as server,
        Client(server.url, settings=QUICK) as client,
        pytest.raises(ValueError, match="must forbid"),
    ):
        fill(client, asked(), Loose)
