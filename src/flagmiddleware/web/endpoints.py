"""The public flags and the health check as finished answers, which every adapter sends as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import ConfigurationError
from .frontend import health, is_fresh, payload

if TYPE_CHECKING:
    from ..bound import BoundFlags
    from ..flags import Flags

__all__ = ["Answer", "decline_asgi", "flags_answer", "health_answer", "send_asgi", "start_wsgi"]


class Answer(NamedTuple):
    """A response: status, header pairs and body. The length is told by whoever sends it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""

    def with_length(self) -> list[tuple[str, str]]:
        """The headers of a response that leaves as it is."""
        bodiless = self.status == HTTPStatus.NOT_MODIFIED
        return self.headers if bodiless else [*self.headers, ("Content-Length", str(len(self.body)))]


def flags_answer(here: BoundFlags, if_none_match: str | None = None) -> Answer:
    """The public flags' variants and values as JSON with an entity tag; 304 for a client that has them already.

    >>> from flagmiddleware import Flags
    >>> here = Flags({"version": 1, "flags": {"beta": {"public": True}, "secret": {}}}).bind()
    >>> first = flags_answer(here)
    >>> first.status, first.body
    (200, b'{"flags":{"beta":{"value":false,"variant":"off"}}}')
    >>> flags_answer(here, dict(first.headers)["ETag"])[::2]
    (304, b'')
    """
    body, etag = payload(here)
    headers = [("ETag", etag), ("Cache-Control", "no-cache")]
    if is_fresh(if_none_match, etag):
        return Answer(304, headers)
    return Answer(200, [("Content-Type", "application/json"), *headers], body)


def health_answer(flags: Flags, *, detail: bool = False, max_stale: float | None = None) -> Answer:
    """200 or 503 and the state; ``detail`` for a caller who may see more.

    ``max_stale`` is how many seconds the source may have been out of reach before the answer is 503.

    >>> from flagmiddleware import Flags
    >>> health_answer(Flags({"version": 1, "flags": {}})).body
    b'{"state":"READY"}'
    """
    status, body = health(flags, detail=detail, max_stale=max_stale)
    headers = [("Content-Type", "application/json"), ("Cache-Control", "private, no-store")]
    return Answer(status, headers, msgspec.json.encode(body))


async def send_asgi(answer: Answer, send: Callable[[dict[str, Any]], Awaitable[None]], *, head: bool = False) -> None:
    """Send it as an ASGI application; ``head`` answers a HEAD, which gets no body."""
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.with_length()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


async def decline_asgi(
    scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """What an endpoint of plain HTTP says to other kinds of ASGI: a websocket is refused, which servers tell as 403.

    A lifespan has nothing to start or stop here. Anything else raises, as the standard asks for.
    """
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": 1000})
        return
    if scope["type"] != "lifespan":
        raise ConfigurationError(f"this endpoint answers http requests; it was asked for {scope['type']!r}")
    done = ""
    while done != "lifespan.shutdown":
        done = (await receive())["type"]
        await send({"type": f"{done}.complete"})


def start_wsgi(answer: Answer, start_response: Callable[..., Any], *, head: bool = False) -> list[bytes]:
    """Send it as a WSGI application; ``head`` answers a HEAD, which gets no body."""
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", answer.with_length())
    return [b"" if head else answer.body]
