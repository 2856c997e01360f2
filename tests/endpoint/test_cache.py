"""The file of answers: found again, killed, shared, damaged."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoint.servers import Answer, completion, serve
from fm_hub.endpoint.cache import Cache, key_of
from fm_hub.endpoint.request import Reply
from fm_hub.errors import ItemError, Refusal, Rejected, Unavailable, UserError

replies = st.builds(
    Reply,
    st.text(),
    st.sampled_from(["stop", "length"]),
    st.lists(st.tuples(st.text(max_size=4), st.floats(max_value=0, min_value=-1e3)), max_size=3).map(tuple),
    st.integers(0, 9),
    st.integers(0, 9),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(replies)
def test_what_is_kept_comes_back(tmp_path: Path, reply: Reply) -> None:
    for path in (None, tmp_path / "a.sqlite"):
        cache = Cache(path)
        cache.put("k", "m", reply, (1, 2), 0.5)
        found = cache.get("k")
        assert found == reply
        assert isinstance(found, Reply)
        assert found.cached
        cache.close()


@pytest.mark.parametrize(("error", "kept"), [(Rejected("x"), True), (Refusal("y"), True), (Unavailable("z"), False)])
def test_only_lasting_errors_are_kept(error: ItemError, kept: bool) -> None:
    cache = Cache(None)
    cache.put("k", "m", error, (3, 4), 0.25)
    found = cache.get("k")
    assert (type(found), str(found)) == (type(error), str(error)) if kept else found is None
    assert (cache.spent().requests, cache.spent().prompt_tokens, cache.spent().usd) == (1, 3, 0.25)
    cache.close()


def test_a_key_changes_with_every_byte() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": 0}
    keys = {
        key_of("http://a/v1", "vllm", body),
        key_of("http://b/v1", "vllm", body),
        key_of("http://a/v1", "tgi", body),
        key_of("http://a/v1", "vllm", {**body, "seed": 1}),
        key_of("http://a/v1", "vllm", {**body, "messages": [{"role": "user", "content": "y"}]}),
    }
    assert len(keys) == 5
    assert key_of("http://a/v1", "vllm", dict(reversed(body.items()))) in keys


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like one" * 99, b""])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    if not content:  # an empty file is an empty database
        Cache(path).close()
        return
    assert not Cache(tmp_path / "new" / "a.sqlite").spent().requests
    assert not (tmp_path / "new").exists()  # nothing is written before there is something to keep
    with pytest.raises(UserError, match="name another one"):
        Cache(path)
    assert path.read_bytes() == content


def test_another_version(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "a.sqlite")
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(UserError, match="its version is 9"):
        Cache(tmp_path / "a.sqlite")


ASKING = """
import sys
from pathlib import Path
from fm_hub.endpoint.client import Client, Settings
from fm_hub.endpoint.request import Ask, Turn
with Client(sys.argv[1], settings=Settings(cache=Path(sys.argv[2]), concurrency=4)) as client:
    replies = client.ask([Ask((Turn("user", (str(i),)),)) for i in range(60)])
    print(sum(r.text == f"answer {i}" for i, r in enumerate(replies)), client.spent.requests)
"""


def test_killed_it_asks_nothing_twice_that_was_answered(tmp_path: Path) -> None:
    """SIGKILL in the middle: at most the four that were under way are asked again, and the ledger has each answer."""

    def script(body: dict[str, Any], n: int) -> Answer:
        return replace(completion(f"answer {body['messages'][0]['content']}"), delay=0.02)

    with serve(script) as server:
        command = [sys.executable, "-c", ASKING, server.url, str(tmp_path / "a.sqlite")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        end = time.monotonic() + 60
        while len(server.asked) < 20 and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        before = len(server.asked)
        assert 20 <= before < 60
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == "60"
        assert int(done.stdout.split()[1]) == 60
        assert len(server.asked) <= 60 + 4


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    def script(body: dict[str, Any], n: int) -> Answer:
        return completion(f"answer {body['messages'][0]['content']}")

    with serve(script) as server:
        command = [sys.executable, "-c", ASKING, server.url, str(tmp_path / "a.sqlite")]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [p.communicate()[0].split()[0] for p in both] == ["60", "60"]
        assert Cache(tmp_path / "a.sqlite").spent().requests == len(server.asked)
