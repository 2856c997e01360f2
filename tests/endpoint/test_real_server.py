"""A real server and a real model, from two wheels: what a loopback server cannot show."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from endpoint import real_server
from fm_builders.language.reword import Text, reword
from fm_hub.endpoint.client import Client, Settings
from fm_hub.endpoint.probe import Capabilities
from fm_hub.endpoint.request import Ask, Reply, Turn
from fm_hub.endpoint.structured import fill
from fm_hub.errors import ItemError, UserError
from fm_hub.models.endpoint import EndpointModel, letter_logprobs
from fm_hub.wording.paraphrase import difference

pytestmark = pytest.mark.skipif(bool(real_server.MISSING), reason=f"not installed: {', '.join(real_server.MISSING)}")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    script = Path(real_server.__file__)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = next((x for x in process.stdout if x.startswith("http")), "")
        try:
            yield address.strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[Client]:
    with Client(address, settings=Settings(attempts=2, patience=0.1)) as client:
        yield client


def asked(text: str, max_tokens: int = 8, top: int = 0, begun: str = "") -> Ask:
    begin = (Turn("assistant", (begun,)),) if begun else ()
    return Ask((Turn("user", (text,)), *begin), max_tokens=max_tokens, top=top)


def test_it_is_known_and_tried_out(client: Client) -> None:
    assert client.dialect.name == "llamacpp"
    assert client.model.endswith(".gguf")
    assert client.capabilities == Capabilities(top=20, schema=True, pictures=False)


def test_it_writes_the_same_again(client: Client, address: str) -> None:
    ask = asked("What is the capital of France?", 12)
    (first,) = client.ask([ask])
    assert isinstance(first, Reply)
    assert first.text.strip()
    assert first.prompt_tokens > 5
    assert first.completion_tokens > 0
    with Client(address) as other:  # without the answers of the first
        (again,) = other.ask([ask])
    assert again == first
    assert not again.cached


def test_letters_have_log_probabilities(client: Client) -> None:
    (reply,) = client.ask([asked("A ball moves left.\nA. left\nB. right\nAnswer with the letter only.", 1, top=20)])
    assert isinstance(reply, Reply)
    assert len(reply.top) == 20
    found = letter_logprobs(reply.top, "AB")
    assert set(found) == {"A", "B"}
    assert all(v < 0 for v in found.values())


def test_it_goes_on_with_what_was_begun(client: Client) -> None:
    (reply,) = client.ask([asked("What is the capital of France?", 4, begun="The capital of France is")])
    assert isinstance(reply, Reply)
    assert "Paris" in reply.text


class Moving(BaseModel):
    model_config = ConfigDict(extra="forbid")
    direction: Literal["left", "right", "up", "down"]
    fast: bool


def test_a_schema_is_held(client: Client) -> None:
    """A model of 135 million parameters seldom gets JSON right; the server's grammar leaves it no choice."""
    found = fill(client, [asked(f"A {x} rolls quickly to the left. Describe it.", 40) for x in ("ball", "car")], Moving)
    assert not any(isinstance(x, ItemError) for x in found)
    assert client.counts["repaired"] == 0


def test_its_paraphrases_are_checked(client: Client) -> None:
    """So small a model gets few right; what matters is that the grammar holds and the rule decides each of them."""
    counts: Counter[str] = Counter()
    texts = [
        Text(f"The {x} moves to the left.", ((f"the {x}",),), "direction/s0", "direction") for x in ("ball", "bus")
    ]
    said = reword(client, texts, counts)
    assert sum(counts.values()) == len(texts)
    assert all(k in ("reworded", "same", "claims", "CutOff") or k.startswith("rule: ") for k in counts)
    assert all(not (w and difference(t.text, w, t.names, t.template)) for t, w in zip(texts, said, strict=True))


def test_a_model_without_eyes_is_refused(address: str) -> None:
    with Client(address, settings=Settings(attempts=1)) as other, pytest.raises(UserError, match="takes no images"):
        EndpointModel(other)
