"""RocketFlag's evaluation endpoint, ``GET /v1/flags/{id}``, from our own flags: its SDKs work when pointed at it.

A request comes in as a path and a query and goes out as an :class:`Answer`; :meth:`RocketFlagEndpoint.wsgi` and
:meth:`RocketFlagEndpoint.asgi` mount the same thing in any application. Protocol: docs.rocketflag.app, SDK 0.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl

from .context import Context
from .errors import ConfigurationError
from .model import ErrorCode

if TYPE_CHECKING:
    from .flags import Flags

__all__ = ["Answer", "RocketFlagEndpoint"]

_PATH: Final = re.compile(r"(?:^|/)flags/(.+)\Z", re.S)
_LONGEST_QUERY: Final = 8192
_MOST_PARAMETERS: Final = 100
_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 414: "URI Too Long"}


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class RocketFlagEndpoint:
    """Answers ``…/flags/{id}?targetingKey=…&plan=pro`` as RocketFlag does.

    ``authorise(request)`` tells a caller that may ask for every flag with any attributes (your own servers) from one
    that may not; ``request`` is the WSGI environ, the ASGI scope, or what you hand to :meth:`answer`. Everybody else
    sees the flags in ``allow`` only, and may send the attributes in ``client_attributes`` only (list
    ``targetingKey`` and ``cohort`` there if browsers or apps may choose theirs). Without either it refuses to exist.
    ``context(request)`` adds what your server knows of the subject; it wins over what the caller says.
    """

    def __init__(
        self,
        flags: Flags,
        *,
        authorise: Callable[[Any], bool] | None = None,
        allow: Iterable[str] = (),
        client_attributes: Iterable[str] = (),
        context: Callable[[Any], Mapping[str, Any]] | None = None,
    ) -> None:
        self._allow = frozenset((allow,) if isinstance(allow, str) else allow)
        if authorise is None and not self._allow:
            raise ConfigurationError(
                "RocketFlag's endpoint would tell every flag to everybody: give it authorise=, a function that says "
                "which requests may ask, or allow=[…], the flags that anybody may see"
            )
        self._flags = flags
        self._authorise = authorise or (lambda request: False)
        self._attributes = frozenset(client_attributes)
        self._context = context or (lambda request: {})

    def answer(self, method: str, path: str, query: str = "", request: Any = None) -> Answer:
        """The answer to one request: ``path`` is decoded, ``query`` is as it came."""
        if method not in ("GET", "HEAD"):
            return _answer(405, {"error": "method not allowed"}, ("Allow", "GET, HEAD"))
        if len(query) > _LONGEST_QUERY:
            return _answer(414, {"error": "the query is too long"})
        found = _PATH.search(path)
        trusted = self._trusts(request)
        key = found[1] if found else None
        if key is None or not (trusted or key in self._allow):
            return _unknown()
        try:
            given = dict(reversed(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)))
        except ValueError:
            return _answer(400, {"error": "the query cannot be read"})
        return self._decide(
            key, given if trusted else {k: v for k, v in given.items() if k in self._attributes}, request
        )

    def _trusts(self, request: Any) -> bool:
        allowed = self._authorise(request)
        if isawaitable(allowed):  # anything awaitable is true: it must never pass for a yes
            getattr(allowed, "close", bool)()
            raise ConfigurationError("authorise is asynchronous; RocketFlag's endpoint takes a plain function")
        return bool(allowed)

    def _decide(self, key: str, given: dict[str, Any], request: Any) -> Answer:
        attributes = {**given, **self._context(request)}
        targeting_key = attributes.pop("targetingKey", None)
        evaluation = self._flags.evaluate(key, Context(targeting_key or None, attributes))
        if evaluation.error_code is ErrorCode.FLAG_NOT_FOUND:
            return _unknown()
        metadata = evaluation.flag_metadata
        told = {
            "name": metadata.get("name", key),
            "enabled": evaluation.is_enabled,
            "id": metadata.get("id", key),
        }
        return _answer(200, told)

    def wsgi(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """The endpoint as a WSGI application."""
        method = environ.get("REQUEST_METHOD", "GET")
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
        answer = self.answer(method, path, environ.get("QUERY_STRING", ""), environ)
        start_response(f"{answer.status} {_REASONS[answer.status]}", list(answer.headers))
        return [b"" if method == "HEAD" else answer.body]

    async def asgi(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """The endpoint as an ASGI application."""
        if scope["type"] != "http":
            return
        query = scope.get("query_string", b"").decode("latin-1")
        answer = self.answer(scope["method"], scope["path"], query, scope)
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


def _unknown() -> Answer:
    # The same words for a flag that does not exist and for one that the caller may not see.
    return _answer(404, {"error": "flag not found"})


def _answer(status: int, told: Mapping[str, Any], *headers: tuple[str, str]) -> Answer:
    body = json.dumps(told).encode()
    common = (
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Authorization, Cookie"),
    )
    return Answer(status, (*common, *headers), body)
