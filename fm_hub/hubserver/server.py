"""The application: routes, one answer for every refusal, faults around everything; and how to run it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote

import typer

from fm_hub.errors import MissingExtra, UserError

__all__ = ["LoopbackHub", "Seen", "make_app", "serve", "serving"]

MAX_BODY = 16 << 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")
D = "/api/datasets/{owner}/{name}"

# kind (the word of fault rules and of the log), methods, path, handler. Handlers of transfer.py read bytes themselves.
ROUTES: tuple[tuple[str, str, str, str], ...] = (
    ("whoami", "GET", "/api/whoami-v2", "api:whoami"),
    ("validate-yaml", "POST", "/api/validate-yaml", "api:validate_yaml"),
    ("create-repo", "POST", "/api/repos/create", "api:create_repo"),
    ("delete-repo", "DELETE", "/api/repos/delete", "api:delete_repo"),
    ("list", "GET", "/api/datasets", "api:list_repos"),
    ("info", "GET", D, "api:info"),
    ("info", "GET", D + "/revision/{rev}", "api:info"),
    ("auth-check", "GET", D + "/auth-check", "api:auth_check"),
    ("settings", "PUT", D + "/settings", "api:settings"),
    ("refs", "GET", D + "/refs", "api:refs"),
    ("commits", "GET", D + "/commits/{rev}", "api:commits"),
    ("tree", "GET", D + "/tree/{rev}", "api:tree"),
    ("tree", "GET", D + "/tree/{rev}/{path:path}", "api:tree"),
    ("paths-info", "POST", D + "/paths-info/{rev}", "api:paths_info"),
    ("preupload", "POST", D + "/preupload/{rev}", "api:preupload"),
    ("commit", "POST", D + "/commit/{rev}", "transfer:commit"),
    ("branch", "POST", D + "/branch/{rev}", "api:create_branch"),
    ("branch", "DELETE", D + "/branch/{rev}", "api:delete_branch"),
    ("tag", "POST", D + "/tag/{rev}", "api:create_tag"),
    ("tag", "DELETE", D + "/tag/{rev}", "api:delete_tag"),
    ("discussions", "GET", D + "/discussions", "discussions:discussions"),
    ("open-discussion", "POST", D + "/discussions", "discussions:open_discussion"),
    ("discussion", "GET", D + "/discussions/{num}", "discussions:discussion"),
    ("post", "POST", D + "/discussions/{num}/{action}", "discussions:post_to_discussion"),
    ("xet-token", "GET", D + "/xet-read-token/{rev}", "api:xet_token"),
    ("xet-token", "GET", D + "/xet-write-token/{rev}", "api:xet_token"),
    ("lfs-batch", "POST", "/datasets/{owner}/{name}.git/info/lfs/objects/batch", "api:lfs_batch"),
    ("lfs-put", "PUT", "/lfs/datasets/{owner}/{name}/{oid}", "transfer:put_lfs"),
    ("lfs-verify", "POST", "/lfs/datasets/{owner}/{name}/{oid}/verify", "transfer:verify_lfs"),
    ("resolve", "GET", "/datasets/{owner}/{name}/resolve/{rev}/{path:path}", "transfer:resolve"),
    ("resolve", "GET", "/datasets/{owner}/{name}/raw/{rev}/{path:path}", "transfer:resolve"),
)
KINDS = tuple(dict.fromkeys(r[0] for r in ROUTES))


@dataclass(frozen=True)
class Seen:
    """A request as the log shows it: no header and no query string, since those hold secrets."""

    kind: str
    method: str
    path: str
    status: int
    sent: int
    received: int


def make_app(hub: Any, faults: Any, log: Callable[[Seen], None]) -> Any:
    """The ASGI application of a hub."""
    from starlette.routing import Route, Router

    from fm_hub.hubserver import api, discussions, transfer

    modules = {"api": api, "discussions": discussions, "transfer": transfer}
    routes = []
    for kind, method, path, target in ROUTES:
        module, _, name = target.partition(":")
        endpoint = _endpoint(hub, getattr(modules[module], name), reads_itself=module == "transfer")
        routes.append(Route(path, endpoint, methods=[method], name=kind))
    router = Router(routes, redirect_slashes=False)

    def kind_of(scope: Any) -> str:
        from starlette.routing import Match

        return next((str(r.name) for r in routes if r.matches(scope)[0] == Match.FULL), "unknown")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        # Revisions hold encoded slashes (refs%2Fpr%2F1): route on the path as it was sent, decode the parts after.
        scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace"), "root_path": ""}
        kind, seen = kind_of(scope), {"status": 0, "sent": 0, "received": 0}

        async def counting_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
            seen["sent"] += len(message.get("body", b""))
            await send(message)

        async def counted(inner: Any, inner_receive: Any, inner_send: Any) -> None:
            async def counting_receive() -> Any:
                message = await inner_receive()
                seen["received"] += len(message.get("body", b""))
                return message

            await router(inner, counting_receive, inner_send)

        try:
            await faults.run(faults.take(kind), counted, scope, receive, counting_send)
        finally:
            log(Seen(kind, scope["method"], scope["path"], **seen))

    return app


def _endpoint(hub: Any, handler: Any, *, reads_itself: bool) -> Any:
    from anyio import to_thread
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response

    from fm_hub.hubserver.api import Answer
    from fm_hub.hubserver.call import Call
    from fm_hub.hubserver.refusal import Refusal

    async def endpoint(request: Request) -> Response:
        try:
            user = hub.users.of_header(request.headers.get("authorization"))
            at = {k: unquote(v) for k, v in request.path_params.items()}
            base = f"{request.url.scheme}://{request.url.netloc}"
            body = None if reads_itself else await _body(request)
            call = Call(hub, user, base, at, dict(request.query_params), body)
            if reads_itself:
                answer: Response = await handler(call, request)
                return answer
            made = await to_thread.run_sync(handler, call)
            made = made if isinstance(made, Answer) else Answer(made)
            return JSONResponse(made.body, made.status, made.headers)
        except ClientDisconnect:
            return Response(status_code=499)
        except Refusal as e:
            line = e.message.encode("ascii", "replace").decode()
            said = {"X-Error-Message": line} | ({"X-Error-Code": e.code} if e.code else {})
            where = {"url": request.base_url._url.rstrip("/") + e.url} if e.url else {}
            return JSONResponse({"error": e.message, **where}, e.status, said)
        except (AttributeError, KeyError, TypeError, ValueError) as e:  # a body of another shape than the clients send
            return JSONResponse({"error": f"The request is malformed: {type(e).__name__}"}, 400)

    return endpoint


async def _body(request: Any) -> Any:
    from fm_hub.hubserver.refusal import Refusal

    data = bytearray()
    async for block in request.stream():
        data += block
        if len(data) > MAX_BODY:
            raise Refusal(413, "The request is too large")
    if not data:
        return None
    if "form-urlencoded" in request.headers.get("content-type", ""):
        return parse_qs(data.decode())
    return json.loads(data)


class LoopbackHub:
    """A running Hub: its address, its last requests, and its faults."""

    def __init__(self, url: str, hub: Any, faults: Any, seen: deque[Seen]) -> None:
        self.url = url
        self.hub = hub
        self.faults = faults
        self.seen = seen


@contextlib.contextmanager
def serving(root: Path, *, users: Any = None, xet: str = "", keep: int = 100_000) -> Iterator[LoopbackHub]:
    """Run a Hub in a thread while the block runs, on a free port of the loopback interface."""
    server, running = _server(root, "127.0.0.1", 0, users, xet, [], lambda _: None, keep)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise UserError(f"the Hub of {root} did not start")
            thread.join(0.01)
        running.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield running
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        running.hub.store.close()


def _server(
    root: Path,
    host: str,
    port: int,
    users: Any,
    xet: str,
    faults: list[str],
    log: Callable[[Seen], None],
    keep: int,
) -> tuple[Any, LoopbackHub]:
    try:
        import starlette  # noqa: F401 - asked for here, so that the message is ours
        import uvicorn
    except ImportError:
        raise MissingExtra("the loopback Hub", "serve") from None
    from fm_hub.hubserver.access import Users
    from fm_hub.hubserver.call import Hub
    from fm_hub.hubserver.faults import Faults, Rule
    from fm_hub.hubserver.store import Store

    users = users or Users()
    if host not in LOOPBACK and users.open:
        raise UserError(f"--host {host} is reachable for others: name who may do what with --users FILE")
    rules = [Rule.parse(text) for text in faults]
    for rule in rules:
        if rule.kind not in (*KINDS, "any"):
            raise UserError(f"fault {rule.kind!r}: no such kind of request; known: any, {', '.join(KINDS)}")
    hub, breaking, seen = Hub(Store(root), users, xet), Faults(rules), deque[Seen](maxlen=keep)

    def note(request: Seen) -> None:
        seen.append(request)
        log(request)

    app = make_app(hub, breaking, note)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="critical", access_log=False, lifespan="off", http="h11", loop="asyncio"
    )
    return uvicorn.Server(config), LoopbackHub(f"http://{host}:{port}", hub, breaking, seen)


def serve(
    root: Annotated[Path, typer.Option(help="The folder that holds the Hub; made if it is not there.")],
    host: Annotated[str, typer.Option(help="Another interface than loopback needs --users.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    users: Annotated[
        Path | None, typer.Option(help="TOML with tables [[user]]: name, token_sha256, role (read, write), orgs.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="KIND:N=ACTION[:NUMBER]: fail, drop, cut, delay, duplicate, hang or stall the N-th request."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the requests.")] = False,
) -> None:
    """Run a small Hub on this machine, to try a release or to work without a network.

    Example: fm-hub serve --root hub, and elsewhere
    HF_ENDPOINT=http://127.0.0.1:8765 HF_HUB_DISABLE_XET=1 HF_TOKEN=any fm-hub push foundationmotion me/motion
    """
    import sys

    from fm_hub.hubserver.access import Users

    def show(seen: Seen) -> None:
        if not quiet:
            print(f"{seen.status} {seen.method} {seen.path} ({seen.kind})", file=sys.stderr)

    known = Users.read(users) if users else None
    server, running = _server(root, host, port, known, "", fault or [], show, 1)
    whose = f"users of {users}" if users else "any token is the user 'local', who owns everything"
    print(f"Hub of {root} on {running.url}; {whose}. Stop with Ctrl-C.", flush=True)
    server.run()
    running.hub.store.close()
    if not server.started:
        raise UserError(f"port {port} of {host} cannot be used; choose another with --port")
