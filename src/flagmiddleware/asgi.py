"""The middleware for every ASGI application, and what the Starlette family builds on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from types import MethodType
from typing import Any, ClassVar, Final, TypeAlias

from .asgi_facts import SENT, ASGIFacts, Scope
from .bound import NO_OVERRIDES
from .errors import ConfigurationError
from .web.caching import SHARED_ONLY
from .web.current import CURRENT, current_flags
from .web.facts import Facts
from .web.installation import Installation
from .web.overrides import Redirect
from .web.request import RequestFlags, Unbound

__all__ = ["ASGIApp", "ASGIFacts", "FlagMiddleware", "Receive", "Scope", "Send", "current_flags", "flags_from"]

Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"
ASGIApp: TypeAlias = "Callable[[Scope, Receive, Send], Awaitable[None]]"

_BODILESS: Final = frozenset({204, 205, 304})

_KNOWN: Final = frozenset(
    name.lower().encode() for name in ("Content-Length", "Vary", "Cache-Control", "Expires", *SHARED_ONLY)
)
"""Response headers that make a difference here."""

_set, _reset = CURRENT.set, CURRENT.reset


class _Headers:
    """The headers of a response that starts. The list is replaced, not changed: it may be that of a response object
    that is sent again.
    """

    __slots__ = ("message",)

    def __init__(self, message: MutableMapping[str, Any]) -> None:
        self.message = message

    def get(self, name: str, /) -> str | None:
        wanted = name.lower().encode("latin-1")
        found = [value for key, value in self.message.get("headers", ()) if key.lower() == wanted]
        return b", ".join(found).decode("latin-1") if found else None

    def set(self, name: str, value: str, /) -> None:
        self.remove(name)
        self.add(name, value)

    def remove(self, name: str, /) -> None:
        wanted = name.lower().encode("latin-1")
        self.message["headers"] = [pair for pair in self.message.get("headers", ()) if pair[0].lower() != wanted]

    def add(self, name: str, value: str, /) -> None:
        pair = (name.lower().encode("latin-1"), value.encode("latin-1"))
        self.message["headers"] = [*self.message.get("headers", ()), pair]


class FlagMiddleware:
    """Gives every request its flags: ``scope["state"]["flags"]``, :func:`flags_from` and :func:`current_flags`.

    ``FlagMiddleware(app, "flags.yaml", trusted_proxies=1)``, or with ``flags=Flags(…)``; the settings are those of
    :class:`~flagmiddleware.web.options.WebOptions`.
    """

    facts: ClassVar[Callable[[], Facts[Any]]] = ASGIFacts

    # `*source` is one source or none: Starlette below 0.41 passes `app` by its name, and a parameter with a default
    # beside `**settings` is more than mypy's idea of `Middleware(…)` can hold.
    def __init__(self, app: ASGIApp, *source: Any, **settings: Any) -> None:
        self.app = app
        if len(source) > 1:
            raise ConfigurationError("FlagMiddleware(source=…): give one source, and every option by its name")
        if source:
            settings["source"] = source[0]
        self.installation = Installation.build(settings, type(self).facts(), spelling=_spelling)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        installation = self.installation
        if scope["type"] != "http" or installation.observers.all or (scope["query_string"] and installation.signs):
            await self._serve_other(scope, receive, send)
            return
        # What `_sender`, `_serve` and `_let_go` do, written out: each call less is a hundredth of a small request.
        here = Unbound()
        here.installation = installation
        here.request = scope
        here.flags = installation.flags
        here._one = here._memo = here.draw = here.started = None
        here.qa = NO_OVERRIDES
        here.preloaded = here.headers_sent = False
        try:
            state = scope["state"]
        except KeyError:
            state = None
        if state is None:
            state = scope["state"] = {}
        # The flags of a FlagMiddleware further out, which are the state's again afterwards; without a call, as above.
        outer = state["flags"] if "flags" in state else None  # noqa: SIM401
        state["flags"] = here
        token = _set(here)
        try:
            await self.app(scope, receive, MethodType(_sending, (here, send)))
        finally:
            _reset(token)
            kept = here.request = scope.copy()  # type: ignore[attr-defined]
            kept["state"] = None
            if type(here) is not Unbound:
                here.context.request = kept
            if outer is not None:
                state["flags"] = outer

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            redirect = self.installation.answer_link(scope)
            if redirect is not None:
                await _answer(redirect, send)
            else:
                await self._observed(scope, receive, send)
        elif kind == "websocket":
            here = self.installation.begin(scope)
            here.headers_sent = True  # a handshake sets no cookie
            await self._serve(here, scope, receive, send)
        elif kind == "lifespan":
            await self.app(scope, receive, self._lifespan_sender(scope, send))
        else:
            await self.app(scope, receive, send)

    async def _serve(self, here: RequestFlags, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})
        outer = state.get("flags")  # of a FlagMiddleware further out, whose flags these are again afterwards
        state["flags"] = here
        token = _set(here)
        try:
            await self.app(scope, receive, send)
        finally:
            _reset(token)
            _let_go(here, scope)
            if outer is not None:
                state["flags"] = outer

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        here = self.installation.begin(scope)
        finishing = _sender(here, send)
        status = 500
        raised = True

        def noting(message: MutableMapping[str, Any]) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return finishing(message)

        try:
            await self._serve(here, scope, receive, noting)
            raised = False
        finally:
            self.installation.observe(here, 500 if raised else status, raised=raised)

    def _lifespan_sender(self, scope: Scope, send: Send) -> Send:
        def noting(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if message["type"] == "lifespan.startup.complete":
                self.started(scope)
            return send(message)

        return noting

    def started(self, scope: Scope) -> None:
        """The application is about to serve: the place for start-up checks."""


def _spelling(name: str) -> str:
    return f"FlagMiddleware({name}=…)"


def _let_go(here: RequestFlags, scope: Scope) -> None:
    """Break the cycle scope → state → flags → scope, which would leave every request to the garbage collector.

    What goes on in the background keeps its flags, and these keep what they derive attributes from.
    """
    kept: dict[str, Any] = scope.copy()  # type: ignore[attr-defined]
    kept["state"] = None
    here.request = kept
    if type(here) is not Unbound:
        here.context.request = kept  # type: ignore[attr-defined]


def _sender(here: RequestFlags, send: Send) -> Send:
    # A bound method, which takes half of what it takes to make a closure; of a pair, so that the flags, which may
    # outlive the request, do not hold what the server sends with.
    return MethodType(_sending, (here, send))


def _sending(bound: tuple[RequestFlags, Send], message: MutableMapping[str, Any]) -> Awaitable[None]:
    """``send``, with headers that tell what was read. A plain function: it saves a coroutine for each message."""
    here, send = bound
    if "status" in message:  # as only the message that starts a response has one
        if type(here) is Unbound:
            # Nothing was read and the body is there, whose length Starlette tells first: there is nothing to add.
            try:
                if message["headers"][0][0] == b"content-length":
                    here.request[SENT] = message
                    return send(message)
            except (LookupError, TypeError):  # no headers, none of them, or something that only iterates
                pass
        headers = message.get("headers", ())
        if type(headers) is not list:  # the standard asks for an iterable, and Sanic's can be read only once
            headers = message["headers"] = list(headers)
        streaming = True  # until a length shows that the body is there already
        plain = True  # nothing of what is patched is there yet
        for name, _ in headers:
            if name == b"content-length":
                streaming = False
            elif name != b"content-type" and (lower := name.lower()) in _KNOWN:
                streaming &= lower != b"content-length"
                plain &= lower == b"content-length"
        if streaming and (message["status"] in _BODILESS or message["status"] < 200):
            streaming = False
        policy = here.installation.simple_policy(here, streaming) if plain else None
        if policy is None:
            here.installation.finish(here, _Headers(message), streaming=streaming)
        elif policy.pairs:
            message["headers"] = headers + policy.pairs
    else:
        here.request[SENT] = message  # kept for those who read late, instead of looked at now
    return send(message)


async def _answer(redirect: Redirect, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in redirect.headers]
    await send({"type": "http.response.start", "status": redirect.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def flags_from(scope: Scope) -> RequestFlags:
    """The flags of this connection."""
    here = (scope.get("state") or {}).get("flags")
    if not isinstance(here, RequestFlags):
        raise ConfigurationError("flags_from: this request did not pass through FlagMiddleware; wrap the app in it")
    return here
