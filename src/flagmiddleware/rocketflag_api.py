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
from .web.endpoints import decline_asgi
from .web.say import Say
from .web.site import attributes_of, no_attributes_after

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
    ``context(request)`` adds what your server knows of the subject; it wins over what the caller says. Where it fails
    its attributes are missing, and the log says so once. Both callables may be async under ASGI.
    """

    def __init__(
        self,
        flags: Flags,
        *,
        authorise: Callable[[Any], Any] | None = None,
        allow: Iterable[str] = (),
        client_attributes: Iterable[str] = (),
        context: Callable[[Any], Any] | None = None,
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
        self._context = context or (lambda request: None)
        self._say = Say()

    def answer(self, method: str, path: str, query: str = "", request: Any = None) -> Answer:
        """The answer to one request: ``path`` is decoded, ``query`` is as it came."""
        refused = _refusal(method, query)
        if refused is not None:
            return refused
        trusted = _plain(self._authorise(request), "authorise")
        asked = self._asked(path, query, is_trusted=bool(trusted))
        if isinstance(asked, Answer):
            return asked
        try:
            found = self._context(request)
        except Exception as error:
            return self._decide(*asked, no_attributes_after(error, self._say))
        return self._decide(*asked, attributes_of(_plain(found, "context"), self._say))

    async def aanswer(self, method: str, path: str, query: str = "", request: Any = None) -> Answer:
        """The same on a running loop, where ``authorise`` and ``context`` may be asynchronous."""
        refused = _refusal(method, query)
        if refused is not None:
            return refused
        trusted = self._authorise(request)
        asked = self._asked(path, query, is_trusted=bool(await trusted if isawaitable(trusted) else trusted))
        if isinstance(asked, Answer):
            return asked
        try:
            found = self._context(request)
            attributes = attributes_of(await found if isawaitable(found) else found, self._say)
        except Exception as error:
            attributes = no_attributes_after(error, self._say)
        return self._decide(*asked, attributes)

    def _asked(self, path: str, query: str, *, is_trusted: bool) -> tuple[str, dict[str, str]] | Answer:
        """The flag's key and the attributes that this caller may supply."""
        found = _PATH.search(path)
        key = found[1] if found else None
        if key is None or not (is_trusted or key in self._allow):
            return _unknown()
        try:
            given = dict(reversed(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)))
        except ValueError:
            return _answer(400, {"error": "the query cannot be read"})
        return key, given if is_trusted else {name: value for name, value in given.items() if name in self._attributes}

    def _decide(self, key: str, given: Mapping[str, str], known: Mapping[str, Any]) -> Answer:
        attributes = {**given, **known}
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

    @property
    def asgi(self) -> Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]:
        """The endpoint as an ASGI application: a plain function, as uvicorn takes a bound method for ASGI 2."""

        async def app(
            scope: MutableMapping[str, Any],
            receive: Callable[[], Awaitable[Any]],
            send: Callable[[Any], Awaitable[None]],
        ) -> None:
            if scope["type"] != "http":
                await decline_asgi(scope, receive, send)
                return
            query = scope.get("query_string", b"").decode("latin-1")
            answer = await self.aanswer(scope["method"], scope["path"], query, scope)
            headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

        return app


def _plain(answer: Any, name: str) -> Any:
    """What a plain function said. Anything awaitable is true: it must never pass for a yes."""
    if isawaitable(answer):
        getattr(answer, "close", bool)()
        raise ConfigurationError(
            f"{name} is asynchronous and this server is not; give RocketFlagEndpoint a plain function"
        )
    return answer


def _refusal(method: str, query: str) -> Answer | None:
    if method not in ("GET", "HEAD"):
        return _answer(405, {"error": "method not allowed"}, ("Allow", "GET, HEAD"))
    return _answer(414, {"error": "the query is too long"}) if len(query) > _LONGEST_QUERY else None


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
