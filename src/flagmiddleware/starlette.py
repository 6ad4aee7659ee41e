"""Starlette: ``Middleware(FlagMiddleware, source="flags.yaml")``, ``request.state.flags``, ``@flag_required``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from inspect import isclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from starlette._utils import is_async_callable
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from . import asgi
from .errors import ConfigurationError, ContextNotReadyError
from .starlette_hiding import Hiding, Page, routes_below
from .starlette_routes import flags_endpoints, qa_endpoint
from .web.current import current_flags
from .web.frontend import flags_json, script_tag
from .web.gate import GATE_ATTRIBUTE, Gate, GateOptions, explain_unknown, gates_on, unknown_keys
from .web.mentions import unknown_mentions
from .web.request import RequestFlags, Unbound
from .web.say import LOGGER

if TYPE_CHECKING:
    from jinja2 import Environment
    from typing_extensions import Unpack

    from .model import Ruleset

__all__ = [
    "FlagMiddleware",
    "current_flags",
    "flag_required",
    "flags_endpoints",
    "flags_from",
    "flags_json",
    "gated_endpoints",
    "qa_endpoint",
    "script_tag",
]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


class StarletteFacts(asgi.ASGIFacts):
    """How to read a Starlette connection: what Starlette's own middlewares leave in the scope."""

    _authenticates: bool | None = None  # not known yet

    def user(self, request: Scope) -> Any:
        """The user that ``AuthenticationMiddleware`` left; nobody knows who asks before it has run."""
        user = request.get("user")
        if user is None and "user" not in request:
            if self._authenticates is None:
                found = [each.cls for each in getattr(request.get("app"), "user_middleware", ())]
                self._authenticates = any(isclass(cls) and issubclass(cls, AuthenticationMiddleware) for cls in found)
            if self._authenticates:
                cure = "add what reads flags after it, further in"
                raise ContextNotReadyError(f"the user was asked for before AuthenticationMiddleware had run; {cure}")
        return user

    def for_site(self, request: Scope) -> HTTPConnection:
        """The connection; endpoints know it as ``request``."""
        return Request(request) if request["type"] == "http" else HTTPConnection(request)


class FlagMiddleware(asgi.FlagMiddleware):
    """Gives every request its flags: ``request.state.flags``, :func:`flags_from` and :func:`current_flags`.

    Install it with ``Middleware(FlagMiddleware, source="flags.yaml")`` or ``flags=Flags(…)``, in any order with
    Starlette's own authentication and session middlewares: they are asked when a rule needs them.

    ``templates=`` (``Jinja2Templates``, a Jinja environment, or several) teaches them the tags, and has the keys in
    them checked at start.
    """

    facts = StarletteFacts

    def __init__(self, app: asgi.ASGIApp, *source: Any, **settings: Any) -> None:
        self.app = app
        try:
            self._make(source, settings)
        except Exception:
            # Starlette makes its middlewares when it is first called, for the lifespan; servers take an exception
            # there for an application without a lifespan, and go on to serve errors.
            self._again = type(self), source, settings
            self.__class__ = _Unstarted

    def _make(self, source: Sequence[Any], settings: Mapping[str, Any]) -> None:
        given = dict(settings)
        self._environments = _taught(given.pop("templates", ()))
        super().__init__(self.app, *source, **given)
        self.app = Hiding(self, self.pages)

    def started(self, scope: Scope) -> None:
        """Tell about gates and templates whose flags nobody defined."""
        ruleset = self.installation.flags.ruleset
        for where, keys in self.named(list(routes_below(self, scope))):
            for key, suggestion in unknown_keys(keys, ruleset):
                LOGGER.error("%s", explain_unknown(key, suggestion, where))
        for problem in _unknown_in_templates(self._environments, ruleset):
            LOGGER.error("%s", problem)

    def named(self, routes: list[Any]) -> Iterator[tuple[str, Iterable[str]]]:
        """The keys that these routes name outside of their code, and where."""
        return ((f"flag_required on {where}", gate.keys) for where, gate in self.gates(routes))

    def gates(self, routes: Iterable[Any]) -> Iterator[tuple[str, Gate]]:
        """Every gate among these routes, and where it stands."""
        return gated_endpoints(routes)

    def pages(self, routes: Iterable[Any], prefix: str = "") -> Iterator[Page]:
        """Every endpoint among these routes and those mounted below them, with its gates."""
        for route in routes:
            endpoint, path = getattr(route, "endpoint", None), prefix + (getattr(route, "path", None) or "")
            if endpoint is not None and hasattr(route, "methods"):
                methods = frozenset(route.methods or ())
                yield Page.at(path, methods, endpoint, gates_on(endpoint))
            yield from self.pages(routes_below(route), path)


class _Unstarted(FlagMiddleware):
    """Stands in for a middleware that could not be made, and tells the server why: it does not start."""

    async def __call__(self, scope: Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        kind, source, settings = self._again
        try:
            self._make(source, settings)
        except Exception as error:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        self.__class__ = kind  # type: ignore[assignment]  # without a lifespan, mending the file is enough
        await self(scope, receive, send)


def _taught(templates: Any) -> list[Environment]:
    """The environments, with the tags. Jinja is imported only where a site has it."""
    if not templates:
        return []
    from .web.jinja_scan import environments, teach

    found = environments(templates)
    for env in found:
        teach(env)
    return found


def _unknown_in_templates(templates: Iterable[Environment], ruleset: Ruleset) -> Iterator[str]:
    for env in templates:
        from .web.jinja_scan import template_mentions

        yield from unknown_mentions(template_mentions(env, ruleset.flags), ruleset)


def flags_from(connection: HTTPConnection) -> RequestFlags:
    """The flags of this request or websocket."""
    try:
        here = connection.scope["state"]["flags"]
    except KeyError:
        here = None
    # Mostly this is the first look at it; isinstance has more to ask before it knows.
    return here if type(here) is Unbound or isinstance(here, RequestFlags) else asgi.flags_from(connection.scope)


# -- gates --------------------------------------------------------------------------------------------------------


def flag_required(key: str | None = None, /, **options: Unpack[GateOptions]) -> Callable[[Endpoint], Endpoint]:
    """Let an endpoint answer only where the flag is on; 404 elsewhere, because a gated page does not exist.

    For functions (``async`` or not, http or websocket) and endpoint classes. The function keeps its signature.
    """
    gate = Gate(key, **options)

    def decorate(endpoint: Endpoint) -> Endpoint:
        if isclass(endpoint):
            _gate_class(endpoint, gate)
        else:
            endpoint = cast(Endpoint, _gate_function(endpoint, gate))
        setattr(endpoint, GATE_ATTRIBUTE, gate)
        return endpoint

    return decorate


def _gate_function(endpoint: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    run = _awaitable(endpoint)

    # Asynchronous whatever the endpoint is: the gate decides on the loop, and only an open one costs a thread.
    @wraps(endpoint)
    async def gated(*arguments: Any, **named: Any) -> Any:
        if await gate.aallows(_here(arguments)):
            return await run(*arguments, **named)
        return await _shut(gate, arguments, named)

    return gated


def _gate_class(endpoint: type[Any], gate: Gate) -> None:
    if not issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint):
        raise ConfigurationError(f"flag_required: {endpoint.__qualname__} is not an HTTPEndpoint or WebSocketEndpoint")
    dispatch: Callable[[Any], Awaitable[None]] = endpoint.dispatch

    @wraps(dispatch)
    async def gated(self: Any) -> None:
        if await gate.aallows(asgi.flags_from(self.scope)):
            await dispatch(self)
        elif isinstance(self, WebSocketEndpoint):
            raise WebSocketException(_POLICY_VIOLATION)
        else:
            response = await _shut(gate, (Request(self.scope, self.receive),), {})
            await response(self.scope, self.receive, self.send)

    endpoint.dispatch = gated  # type: ignore[method-assign]


def _awaitable(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    if is_async_callable(function):
        return function

    async def run(*arguments: Any, **named: Any) -> Any:
        return await run_in_threadpool(function, *arguments, **named)

    return run


def _here(arguments: Iterable[Any]) -> Any:
    """The flags of the connection that is among the arguments; those that are current where none is."""
    for argument in arguments:
        if isinstance(argument, HTTPConnection):
            return flags_from(argument)
    return current_flags()


async def _shut(gate: Gate, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What answers where the gate is shut."""
    otherwise = gate.otherwise
    if isclass(otherwise):
        return _ByEndpoint(otherwise)
    if otherwise is not None:
        return await _awaitable(otherwise)(*arguments, **named)
    refuse(gate, _scope(arguments))
    return _redirect(gate, arguments)


class _ByEndpoint(Response):
    """The answer of an endpoint class. Starlette would take the class itself; FastAPI would write it as JSON."""

    def __init__(self, endpoint: type[Any]) -> None:
        super().__init__()
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        await self._endpoint(scope, receive, send)


def refuse(gate: Gate, scope: Scope) -> None:
    """Raise what a shut gate without a view or target of its own answers."""
    if scope["type"] == "websocket":
        raise WebSocketException(_POLICY_VIOLATION)
    if gate.redirect_to is None:
        raise HTTPException(gate.status)


def _scope(arguments: Iterable[Any]) -> Scope:
    scope: Scope = _here(arguments).request
    return scope


def redirect_target(gate: Gate, scope: Scope) -> tuple[str, int]:
    """Where a shut gate sends: a path or URL as it is, anything else is a route's name."""
    target = gate.redirect_to or "/"
    if not target.startswith("/") and "://" not in target:
        target = str(Request(scope).url_for(target))
    return target, gate.status


def _redirect(gate: Gate, arguments: Iterable[Any]) -> Response:
    target, status = redirect_target(gate, _scope(arguments))
    return RedirectResponse(target, status)


def gated_endpoints(routes: Iterable[Any]) -> Iterator[tuple[str, Gate]]:
    """Every gate among these routes and those mounted below them, and where it stands."""
    for route in routes:
        endpoint = getattr(route, "endpoint", None)
        for gate in gates_on(endpoint):
            yield f"{getattr(endpoint, '__module__', '?')}.{getattr(endpoint, '__qualname__', '?')}", gate
        yield from gated_endpoints(routes_below(route))
