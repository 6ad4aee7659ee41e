"""The public flags and the health check as an ASGI and as a WSGI application, to be mounted where a site likes.

For frameworks without an adapter, behind the plain FlagMiddleware: Quart, Litestar, Bottle and the like.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from inspect import isawaitable
from typing import Any, Final, TypeAlias

from .errors import ConfigurationError
from .web.current import running_flags
from .web.endpoints import Answer, decline_asgi, flags_answer, send_asgi, start_wsgi
from .web.frontend import public_keys

__all__ = ["flags_asgi", "flags_wsgi"]

Scope: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"

_ONLY_GET = Answer(405, [("Allow", "GET, HEAD")])
_NOTHING = Answer(404, [])
_READS: Final = ("GET", "HEAD")
_ROOT: Final = ("", "/")
_HEALTH: Final = "/health"


def flags_asgi(*, may_see: Callable[[Scope], Any] | None = None) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI application: the public flags as JSON with an entity tag, and below it ``/health``.

    ``may_see(scope)``, async or not, says who gets more of the health check than the state.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await decline_asgi(scope, receive, send)
            return
        # The path is whole under some frameworks, and without the mount point under others.
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        detail = False
        if method in _READS and path == _HEALTH and may_see is not None:
            found = may_see(scope)
            detail = bool(await found if isawaitable(found) else found)
        elif method in _READS and path in _ROOT:  # and for nothing else: the health check waits for no database
            here = _here()
            await here.ready(*public_keys(here.plan))
        known = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"), None)
        await send_asgi(_answer(method, path, known, detail), send, head=method == "HEAD")

    return app


def flags_wsgi(
    *, may_see: Callable[[dict[str, Any]], Any] | None = None
) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """The same as a WSGI application; ``may_see`` gets the environment."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        detail = method in _READS and path == _HEALTH and may_see is not None and bool(may_see(environ))
        answer = _answer(method, path, environ.get("HTTP_IF_NONE_MATCH"), detail)
        return start_wsgi(answer, start_response, head=method == "HEAD")

    return app


def _answer(method: str, path: str, if_none_match: str | None, detail: bool) -> Answer:
    if path != _HEALTH and path not in _ROOT:
        return _NOTHING
    if method not in _READS:
        return _ONLY_GET
    here = _here()
    return here.installation.health(detail=detail) if path == _HEALTH else flags_answer(here, if_none_match)


def _here() -> Any:
    here = running_flags()
    if here is None:
        raise ConfigurationError("the flags' endpoint: this request did not pass through FlagMiddleware; wrap the site")
    return here
