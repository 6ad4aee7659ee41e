"""The middleware for every WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Token
from typing import Any, Final, TypeAlias

from .errors import ConfigurationError
from .web.current import activate, current_flags, deactivate
from .web.facts import Facts
from .web.headers import PairHeaders
from .web.installation import Installation
from .web.request import RequestFlags

__all__ = ["USER_KEY", "FlagMiddleware", "WSGIFacts", "current_flags", "flags_from"]

Environ: TypeAlias = "dict[str, Any]"
WSGIApp: TypeAlias = "Callable[[Environ, Callable[..., Any]], Iterable[bytes]]"

USER_KEY: Final = "flagmiddleware.user"
"""Where an authentication middleware may leave the user for rules to ask about."""

_KEY: Final = "flagmiddleware.flags"


class WSGIFacts(Facts[Environ]):
    """How to read a WSGI environment."""

    makes_bodies_late = True

    def header(self, request: Environ, name: str) -> str | None:
        """A request header; servers have joined repeated ones."""
        value: str | None = request.get(_key(name))
        return value

    def header_reader(self, name: str) -> Callable[[Environ], str | None]:
        """The same for one header, under the name that WSGI gives it."""
        key = _key(name)
        return lambda request: request.get(key)

    def method(self, request: Environ) -> str | None:
        """The method."""
        return request.get("REQUEST_METHOD")

    def path(self, request: Environ) -> str | None:
        """The path, mount point included, from PEP 3333's bytes-in-latin-1."""
        raw: str = request.get("SCRIPT_NAME", "") + request.get("PATH_INFO", "")
        return raw.encode("latin-1", "replace").decode("utf-8", "replace")

    def query(self, request: Environ) -> str | None:
        """The query string."""
        return request.get("QUERY_STRING")

    def scheme(self, request: Environ) -> str | None:
        """The scheme."""
        return request.get("wsgi.url_scheme")

    def host(self, request: Environ) -> str | None:
        """The host asked for; HTTP/1.0 clients name none, and the server's own name stands in."""
        return request.get("HTTP_HOST") or request.get("SERVER_NAME")

    def peer(self, request: Environ) -> str | None:
        """The client as the server tells it."""
        return request.get("REMOTE_ADDR")

    def user(self, request: Environ) -> Any:
        """The user object (or mapping) that a middleware left in ``flagmiddleware.user``, or whom the server knows."""
        name = request.get("REMOTE_USER")
        return request.get(USER_KEY) or ({"id": name} if name else None)


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"  # these two WSGI names differently


class FlagMiddleware:
    """Gives every request its flags: :func:`flags_from` ``(environ)`` and :func:`current_flags`.

    ``FlagMiddleware(app, "flags.yaml", trusted_proxies=1)``, or with ``flags=Flags(…)``; the settings are those of
    :class:`~flagmiddleware.web.options.WebOptions`.
    """

    def __init__(self, app: WSGIApp, source: Any = None, **settings: Any) -> None:
        self.app = app
        if source is not None:
            settings["source"] = source
        self.installation = Installation.build(settings, WSGIFacts(), spelling=_spelling)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        redirect = self.installation.answer_link(environ)
        if redirect is not None:
            start_response("303 See Other", redirect.headers)
            return [b""]
        return _Answer(self, environ, start_response)


class _Answer:
    """One running request: the response's body as the server sees it."""

    __slots__ = ("_body", "_here", "_installation", "_raised", "_status", "_token")

    def __init__(self, middleware: FlagMiddleware, environ: Environ, start_response: Callable[..., Any]) -> None:
        self._installation = middleware.installation
        self._here = environ[_KEY] = self._installation.begin(environ)
        self._status, self._raised = 500, False
        self._token: Token[Any] | None = activate(self._here)
        try:
            self._body = middleware.app(environ, self._starting(start_response))
        except BaseException:
            self._raised = True
            self._end()
            raise

    def _starting(self, start_response: Callable[..., Any]) -> Callable[..., Any]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self._status = int(status[:3])
            view = PairHeaders(list(headers))
            # An application that starts after an exception starts anew: the first headers never left.
            streaming = view.get("Content-Length") is None and self._status not in (204, 205, 304)
            self._installation.finish(self._here, view, streaming=streaming)
            return start_response(status, view.pairs, exc_info) if exc_info else start_response(status, view.pairs)

        return start

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except BaseException as error:
            self._raised = not isinstance(error, GeneratorExit)
            raise

    def close(self) -> None:
        """The server is done with the body."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except BaseException:
            self._raised = True
            raise
        finally:
            self._end()

    def _end(self) -> None:
        if self._token is not None:
            deactivate(self._token)
            self._token = None
            self._installation.body_sent(self._here)
            self._installation.observe(self._here, 500 if self._raised else self._status, raised=self._raised)


def _spelling(name: str) -> str:
    return f"FlagMiddleware({name}=…)"


def flags_from(environ: Environ) -> RequestFlags:
    """The flags of this request."""
    here = environ.get(_KEY)
    if not isinstance(here, RequestFlags):
        raise ConfigurationError("flags_from: this request did not pass through FlagMiddleware; wrap the app in it")
    return here
