"""A server on loopback that answers as it is told: every dialect's listing, and every fault."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LISTINGS: dict[str, dict[str, Any]] = {
    "vllm": {"owned_by": "vllm", "root": "org/model", "max_model_len": 8192},
    "sglang": {"owned_by": "sglang", "root": "org/model"},
    "llamacpp": {"owned_by": "llamacpp"},
    "compatible": {"owned_by": "somebody"},
    "tgi": {"owned_by": "org/model"},
}


@dataclass
class Answer:
    """One answer: a status and a body, or a fault; ``delay`` in seconds comes first."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    fault: str = ""  # reset: no answer; short: half of the body; drip: a byte every 50 ms


def completion(
    text: str | None,
    *,
    finish: str = "stop",
    top: dict[str, float] | None = None,
    refusal: str = "",
    usage: Any = (7, 3),
) -> Answer:
    """A chat completion as servers send it."""
    first = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in (top or {}).items()]
    message = {"role": "assistant", "content": text, **({"refusal": refusal} if refusal else {})}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    if first:
        choice["logprobs"] = {"content": [{**first[0], "top_logprobs": first}]}
    data: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    data["system_fingerprint"] = "f"
    if usage:
        data["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Answer(body=json.dumps(data).encode())


Script = Callable[[dict[str, Any], int], Answer]


@dataclass
class Loopback:
    """A running server. ``script`` gets the body of a request and its number, from 0 on."""

    url: str
    asked: list[dict[str, Any]]
    headers: list[dict[str, str]]
    times: list[float]
    peak: list[int]


@contextmanager
def serve(script: Script, dialect: str = "compatible", models: tuple[str, ...] = ("org/model",)) -> Iterator[Loopback]:
    """Serve while the block runs."""
    lock = threading.Lock()
    asked: list[dict[str, Any]] = []
    headers: list[dict[str, str]] = []
    times: list[float] = []
    now, peak = [0], [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            return

        def do_GET(self) -> None:
            with lock:
                headers.append({k.lower(): v for k, v in self.headers.items()})
            if self.path == "/v1/models":
                self._send(200, json.dumps({"data": [{"id": m, **LISTINGS[dialect]} for m in models]}).encode(), {})
            elif self.path == "/info" and dialect == "tgi":
                self._send(
                    200, json.dumps({"model_id": "org/model", "model_sha": "c0ffee", "router": "r"}).encode(), {}
                )
            else:
                self._send(404, b"{}", {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(asked)
                asked.append(body)
                headers.append({k.lower(): v for k, v in self.headers.items()})
                times.append(time.monotonic())
                now[0] += 1
                peak[0] = max(peak[0], now[0])
            try:
                answer = script(body, number)
                time.sleep(answer.delay)
                if answer.fault == "reset":
                    self.close_connection = True
                    return
                self._send(answer.status, answer.body, answer.headers, answer.fault)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with lock:
                    now[0] -= 1

        def _send(self, status: int, body: bytes, extra: dict[str, str], fault: str = "") -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            pieces = [bytes([b]) for b in body] if fault == "drip" else [body[: len(body) // 2] if fault else body]
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(0.05 if fault == "drip" else 0)
            self.close_connection = self.close_connection or bool(fault)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Loopback(f"http://127.0.0.1:{server.server_address[1]}/v1", asked, headers, times, peak)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def vision_server(body: dict[str, Any], number: int) -> Answer:
    """A model that takes everything: letters by the length of the question, JSON as its schema says, text else."""
    del number
    if "response_format" in body:
        form = body["response_format"]
        schema = form["value"] if "value" in form else form["json_schema"]["schema"]
        (name, rule), *_ = schema["properties"].items()
        return completion(json.dumps({name: rule.get("enum", ["x"])[0]}))
    n = len(json.dumps(body["messages"]))
    if body.get("logprobs"):
        return completion("A", top={"A": -0.4 - n % 7 / 10, " B": -1.9, "C": -2.5, "The": -3.0, "D": -4.0})
    return completion(f"The answer is {'ABCD'[n % 4]}.")
