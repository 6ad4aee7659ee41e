"""The OFREP endpoints as an ASGI and as a WSGI application, to be mounted where a site likes.

Starlette and FastAPI: ``app.mount("/ofrep", ofrep_asgi(Ofrep(flags)))``. Under a FlagMiddleware the request's own
context is the server's side of the evaluation context.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

from .ofrep import Ofrep, OfrepRequest, OfrepResponse
from .web.current import running_flags
from .web.endpoints import Answer, decline_asgi, send_asgi, start_wsgi

__all__ = ["ofrep_asgi", "ofrep_wsgi"]

Scope: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"


def ofrep_asgi(ofrep: Ofrep) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI application; ``authorise`` gets the scope and may be async."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await decline_asgi(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        request = OfrepRequest(
            method=scope["method"],
            path=(scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1").partition("?")[0],
            body=await _body(receive, ofrep.max_body),
            content_type=headers.get(b"content-type", ""),
            if_none_match=headers.get(b"if-none-match"),
            here=running_flags(),
            original=scope,
        )
        await send_asgi(_answer(await ofrep.arespond(request)), send)

    return app


async def _body(receive: Receive, limit: int) -> bytes:
    """The body, or a little more than the limit of it."""
    body = b""
    while len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return body


def ofrep_wsgi(ofrep: Ofrep) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """A WSGI application; ``authorise`` gets the environ."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        request = OfrepRequest(
            method=environ["REQUEST_METHOD"],
            path=quote(path.encode("latin-1")),  # PEP 3333: the bytes of the path as latin-1, percent-decoded
            body=_read(environ, ofrep.max_body),
            content_type=environ.get("CONTENT_TYPE", ""),
            if_none_match=environ.get("HTTP_IF_NONE_MATCH"),
            here=running_flags(),
            original=environ,
        )
        return start_wsgi(_answer(ofrep.respond(request)), start_response)

    return app


def _read(environ: dict[str, Any], limit: int) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    if "CONTENT_LENGTH" not in environ and environ.get("wsgi.input_terminated"):
        length = str(limit + 1)  # a chunked body, from a server that tells where it ends
    if not length.isdecimal():
        return b""
    body: bytes = environ["wsgi.input"].read(min(int(length), limit + 1))
    return body


def _answer(response: OfrepResponse) -> Answer:
    return Answer(response.status, list(response.headers), response.body)
