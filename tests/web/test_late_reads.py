"""Flags that are read after the headers left: nothing that these did not tell of gets into the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from flagmiddleware import Flags, wsgi
from flagmiddleware.starlette import FlagMiddleware, flags_from

from .clients import ASGISite, Reply, WSGISite, asgi_call, asgi_scope

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "live": {"rules": [{"serve": True}]},
        "german": {"rules": [{"if": {"language": "de"}, "serve": True}]},
        "ann": {"rules": [{"if": {"user": "ann"}, "serve": True}]},
        "au": {"rules": [{"if": {"country": "AU"}, "serve": True}]},
    },
}
SETTINGS: dict[str, Any] = {"headers": {"country": "X-Country"}, "secret_keys": ["a secret key of the tests"]}
HEADERS = {"Host": "shop.example", "Accept-Language": "de", "X-Country": "AU"}


class SignedIn:
    """Ann, whoever asks."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "user": {"id": "ann"}} if scope["type"] == "http" else scope, receive, send)


def starlette_site(page: Any, *outer: Any) -> ASGISite:
    middleware = [*outer, Middleware(SignedIn), Middleware(FlagMiddleware, flags=Flags(DOCUMENT), **SETTINGS)]
    return ASGISite(Starlette(routes=[Route("/", page)], middleware=middleware))


def sized(request: Request, first: str, late: str) -> Response:
    here = flags_from(request)
    if first:
        here.is_enabled(first)

    async def body() -> Any:
        yield str(here.is_enabled(late))

    return StreamingResponse(body(), headers={"Content-Length": "4"})


@pytest.mark.parametrize(
    ("first", "late", "private", "text"),
    [
        ("", "ann", False, "False"),
        ("live", "ann", False, "False"),
        ("german", "ann", False, "False"),
        ("german", "german", False, "True"),
        ("live", "german", False, "False"),  # no `Vary` told of it
        ("", "live", False, "True"),
        ("ann", "au", True, "True"),  # private already: anything may be read
        ("au", "ann", True, "True"),
    ],
)
def test_a_body_reads_what_the_headers_told_of(first: str, late: str, private: bool, text: str) -> None:
    """A sized stream decides late only by what its headers told caches; a private one as it likes."""
    reply = starlette_site(lambda request: sized(request, first, late)).get("/", HEADERS)
    assert ("private" in reply.header("cache-control"), reply.text) == (private, text)


@pytest.mark.parametrize("first", ["", "live"])
def test_background_work_reads_what_it_likes(first: str) -> None:
    """After the body, a background task is the first to ask who the user is, and learns it."""
    seen: list[bool] = []

    def page(request: Request) -> Response:
        here = flags_from(request)
        if first:
            here.is_enabled(first)
        return PlainTextResponse("page", background=BackgroundTask(lambda: seen.append(here.is_enabled("ann"))))

    reply = starlette_site(page).get("/", HEADERS)
    assert reply.header("cache-control") == ""
    assert seen == [True]


def test_a_middleware_outside_reads_nothing_private_late(caplog: pytest.LogCaptureFixture) -> None:
    """Outside of FlagMiddleware, the headers are told already when a middleware looks at the answer that leaves."""

    class Marking:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("state", {})

            async def marking(message: Any) -> None:
                if message["type"] == "http.response.start":
                    decided = scope["state"]["flags"].is_enabled("ann")
                    message["headers"] = [*message["headers"], (b"x-ann", str(decided).encode())]
                await send(message)

            await self.app(scope, receive, marking)

    reply = starlette_site(lambda request: PlainTextResponse("page"), Middleware(Marking)).get("/", HEADERS)
    assert (reply.header("x-ann"), reply.header("cache-control")) == ("False", "")
    assert sum("headers had left" in record.getMessage() for record in caplog.records) == 1


def test_websockets_read_what_they_like() -> None:
    """No cache keeps what a websocket says."""
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        seen.append(scope["state"]["flags"].is_enabled("ann"))

    from flagmiddleware.asgi import FlagMiddleware as Plain

    async def ignore(message: Any) -> None: ...

    scope = asgi_scope("/", HEADERS, type="websocket", user={"id": "ann"})
    asyncio.run(Plain(app, flags=Flags(DOCUMENT), **SETTINGS)(scope, None, ignore))  # type: ignore[arg-type]
    assert seen == [True]


def test_requests_side_by_side_are_sealed_by_themselves() -> None:
    """That one answer has left with a promise says nothing about another."""

    async def both() -> list[Reply]:
        site = starlette_site(lambda request: sized(request, request.query_params.get("first", ""), "ann"))
        paths = ["/", "/?first=au"] * 20
        return await asyncio.gather(*(asgi_call(site.app, asgi_scope(path, HEADERS)) for path in paths))

    assert [reply.text for reply in asyncio.run(both())] == ["False", "True"] * 20


@pytest.mark.parametrize(
    ("first", "late", "text"), [("", "ann", "False"), ("live", "ann", "False"), ("au", "ann", "True")]
)
def test_wsgi_bodies(first: str, late: str, text: str) -> None:
    """The same under WSGI; once the body is closed, anything may be read."""
    kept: list[Any] = []

    def app(environ: Any, start: Any) -> Iterator[bytes]:
        here = wsgi.flags_from(environ)
        kept.append(here)
        if first:
            here.is_enabled(first)
        start("200 OK", [("Content-Length", "4")])
        return (str(here.is_enabled(late)).encode() for _ in range(1))

    def signed_in(environ: Any, start: Any) -> Any:
        return site(environ | {wsgi.USER_KEY: {"id": "ann"}}, start)

    site = wsgi.FlagMiddleware(app, flags=Flags(DOCUMENT), **SETTINGS)
    assert WSGISite(signed_in).get("/", HEADERS).text == text
    assert kept[0].fresh().is_enabled("ann")


def test_wsgi_background_work() -> None:
    """A request that read nothing until its body was closed reads what it likes afterwards."""
    kept: list[Any] = []

    def app(environ: Any, start: Any) -> list[bytes]:
        kept.append(wsgi.flags_from(environ))
        start("200 OK", [("Content-Length", "4")])
        return [b"page"]

    def signed_in(environ: Any, start: Any) -> Any:
        return site(environ | {wsgi.USER_KEY: {"id": "ann"}}, start)

    site = wsgi.FlagMiddleware(app, flags=Flags(DOCUMENT), **SETTINGS)
    WSGISite(signed_in).get("/", HEADERS)
    assert kept[0].is_enabled("ann")
