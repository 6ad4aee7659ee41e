"""The plain ASGI middleware stays out of the way: the same task, the body untouched, nothing computed for nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flagmiddleware import Flags
from flagmiddleware.asgi import FlagMiddleware, current_flags, flags_from
from flagmiddleware.web import request as web_request
from flagmiddleware.web.current import running_flags
from flagmiddleware.web.overrides import sign

from .clients import ASGISite, WSGISite, asgi_scope

FLAGS = Flags(
    {
        "version": 1,
        "flags": {
            "live": {"rules": [{"serve": True}]},
            "anz": {"rules": [{"if": {"language": "en-AU"}, "serve": True}]},
        },
    }
)


@pytest.mark.parametrize("observed", [False, True])
def test_the_application_runs_in_the_servers_task(observed: bool) -> None:
    """Pure ASGI: no task of its own, no queue, and what the application sets in a ContextVar is not taken away."""
    tasks: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.current_task())
        assert await receive() == {"type": "http.request", "body": b"all of it", "more_body": False}
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        tasks.append("asked")
        return {"type": "http.request", "body": b"all of it", "more_body": False}

    async def send(message: Any) -> None:
        tasks.append(asyncio.current_task())

    wrapped = FlagMiddleware(app, flags=FLAGS)
    if observed:
        wrapped.installation.observers.add(lambda observation: None)

    async def serve() -> None:
        await wrapped(asgi_scope("/", {}), receive, send)
        task = asyncio.current_task()
        assert tasks == [task, "asked", task, task]  # the body was asked for by the application, and once

    asyncio.run(serve())
    assert running_flags() is None


def test_websockets_and_other_scopes() -> None:
    """A websocket has flags of its handshake, keeps them, and takes new ones by ``fresh()``; a lifespan has none."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            here = flags_from(scope)
            seen.append([here.is_enabled("anz"), here.fresh().is_enabled("anz"), current_flags() is here])
            await send({"type": "websocket.accept"})
        else:
            seen.append([scope["type"], running_flags(), "flags" in (scope.get("state") or {})])

    wrapped = FlagMiddleware(app, flags=FLAGS)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    for kind in ("websocket", "lifespan", "something.new"):
        scope = asgi_scope("/", {"Accept-Language": "en-AU"}, type=kind, scheme="ws")
        asyncio.run(wrapped(scope, None, send))
    assert seen == [[True, True, True], ["lifespan", None, False], ["something.new", None, False]]
    assert sent == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    ("path", "root", "whole"),
    [
        ("/app/basket", "/app", "/app/basket"),  # as the standard has it, and uvicorn
        ("/basket", "/app", "/app/basket"),  # hypercorn with --root-path, behind a proxy that takes the prefix away
        ("/basket", "/app/", "/app/basket"),
        ("/application", "/app", "/app/application"),
        ("/app", "/app", "/app"),
        ("/basket", "", "/basket"),
    ],
)
def test_the_path_holds_the_mount_point(path: str, root: str, whole: str) -> None:
    """What servers put into ``path`` differs; rules see the whole one, and a QA link leads back to it."""
    keys = ["something long that nobody can guess"]
    flags = Flags({"version": 1, "flags": {"beta": {"qa": True, "rules": [{"if": {"path": whole}, "serve": True}]}}})
    token = sign(flags, {"beta": "off"}, host="testserver", keys=keys)
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent.append(flags_from(scope).is_enabled("beta"))

    async def send(message: Any) -> None:
        sent.append(message)

    site = FlagMiddleware(app, flags=flags, secret_keys=keys)
    scope = {**asgi_scope("/", {"Host": "testserver"}), "path": path, "root_path": root}
    asyncio.run(site({**scope, "query_string": b""}, None, send))  # type: ignore[arg-type]
    asyncio.run(site({**scope, "query_string": f"flags={token}".encode()}, None, send))  # type: ignore[arg-type]
    assert sent[0] is True
    assert dict(sent[1]["headers"])[b"location"] == whole.encode()


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_nothing_is_computed_while_nobody_observes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an observer no clock is read and no evaluation gathered; with one, both are."""
    from flagmiddleware import wsgi
    from flagmiddleware.web import installation as web_installation

    computed: list[str] = []
    for module in (web_request, web_installation):
        clock = module.perf_counter
        monkeypatch.setattr(module, "perf_counter", lambda clock=clock: (computed.append("clock"), clock())[1])
    gather = web_request.RequestFlags.evaluated
    monkeypatch.setattr(web_request.RequestFlags, "evaluated", lambda self: (computed.append("all"), gather(self))[1])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        flags_from(scope).is_enabled("live")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def wsgi_app(environ: Any, start: Any) -> Any:
        wsgi.flags_from(environ).is_enabled("live")
        start("200 OK", [("Content-Length", "0")])
        return [b""]

    wrapped: Any = (FlagMiddleware if kind == "asgi" else wsgi.FlagMiddleware)(
        app if kind == "asgi" else wsgi_app, flags=FLAGS
    )
    site: Any = (ASGISite if kind == "asgi" else WSGISite)(wrapped)
    assert site.get("/").status == 200
    assert computed == []
    told: list[Any] = []
    wrapped.installation.observers.add(told.append)
    assert site.get("/").status == 200
    assert set(computed) == {"clock", "all"}
    assert [(list(one.evaluations), one.status, one.raised) for one in told] == [(["live"], 200, False)]
