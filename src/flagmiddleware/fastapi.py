"""FastAPI: the middleware of Starlette, ``Depends(flag_required("…"))`` and annotated dependencies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from inspect import Signature
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, routing
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from . import starlette
from .errors import ConfigurationError
from .starlette import (
    current_flags,
    flags_endpoints,
    flags_from,
    flags_json,
    gated_endpoints,
    qa_endpoint,
    script_tag,
)
from .starlette_hiding import Page
from .web.current import CURRENT
from .web.gate import GATE_ATTRIBUTE, Gate, GateOptions, gates_on
from .web.request import RequestFlags

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .bound import BoundFlags

__all__ = [
    "FlagDependency",
    "FlagMiddleware",
    "FlagsOfRequest",
    "current_flags",
    "flag_enabled",
    "flag_required",
    "flag_value",
    "flags_endpoints",
    "flags_from",
    "flags_json",
    "hide_gated_routes",
    "qa_endpoint",
    "script_tag",
]


class FlagMiddleware(starlette.FlagMiddleware):
    """Starlette's, which knows the gates of path operations too: ``app.add_middleware(FlagMiddleware, …)``."""

    def gates(self, routes: Iterable[Any]) -> Iterator[tuple[str, Gate]]:
        """Every gate among these routes, and where it stands."""
        known = list(routes)
        yield from gated_endpoints(route for route in known if not isinstance(route, APIRoute))
        for operation in _operations(known):
            yield from ((f"the operation {operation.path}", gate) for gate in operation.gates)

    def pages(self, routes: Iterable[Any], prefix: str = "") -> Iterator[Page]:
        """Every path operation among these routes, and every other endpoint, with its gates."""
        for route in _contexts(routes):
            yield from [_operation(route, prefix)] if _is_operation(route) else super().pages([route], prefix)


class FlagDependency:
    """What :func:`flag_required` makes: give it to ``Depends``, or decorate a path operation with it.

    FastAPI looks at ``__call__`` to tell whether a dependency has to run in a thread, and at the signature for what to
    hand it. On the object, ``__call__`` is the coroutine function that checks the gate, which wants nothing: the
    request's flags are those that are current. Python, which looks at the class, calls the one that also decorates.
    """

    def __init__(self, key: str | None, options: GateOptions) -> None:
        self.gate = Gate(key, **options)
        self._decorate = starlette.flag_required(key, **options)
        setattr(self, GATE_ATTRIBUTE, self.gate)
        self.__signature__ = Signature()
        self.__dict__["__call__"] = self.check

    def __call__(self, operation: Any = None) -> Any:
        """Decorate a path operation, or without one check the gate for the current request."""
        return self.check() if operation is None else self._decorate(operation)

    async def check(self) -> None:
        """Raise what a shut gate answers."""
        here = CURRENT.get()
        if here is None:
            raise ConfigurationError(
                "flag_required: this request did not pass through FlagMiddleware; add it to the app"
            )
        gate = self.gate
        if await gate.aallows(here):
            return
        scope = here.request
        starlette.refuse(gate, scope)
        target, status = starlette.redirect_target(gate, scope)
        raise HTTPException(status, headers={"Location": target})


def flag_required(key: str | None = None, /, **options: Unpack[GateOptions]) -> FlagDependency:
    """Let a path operation answer only where the flag is on; 404 elsewhere.

    ``Depends(flag_required("new-checkout"))`` on an operation, a router or the app; ``@flag_required(…)`` below the
    route's decorator, where ``otherwise=`` another view is wanted.
    """
    return FlagDependency(key, options)


# FastAPI resolves annotations in the module's globals, so these stand here as functions and not as closures.


async def _flags(connection: HTTPConnection) -> RequestFlags:
    return flags_from(connection)


FlagsOfRequest = Annotated[RequestFlags, Depends(_flags)]
"""The request's flags: ``async def home(flags: FlagsOfRequest)``."""


def flag_enabled(key: str) -> Any:
    """A dependency that is whether the flag is on: ``Annotated[bool, flag_enabled("new-checkout")]``."""

    async def enabled(here: RequestFlags) -> bool:
        return await here.ais_enabled(key)

    return Depends(_with_flags(enabled))


def flag_value(key: str, default: Any = None) -> Any:
    """A dependency that is the flag's value: ``Annotated[str, flag_value("checkout-button", "blue")]``."""

    async def value(here: RequestFlags) -> Any:
        return await here.avalue(key, default)

    return Depends(_with_flags(value))


def _with_flags(ask: Callable[[RequestFlags], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def dependency(connection: HTTPConnection) -> Any:
        return await ask(flags_from(connection))

    return dependency


def hide_gated_routes(app: FastAPI) -> None:
    """Leave path operations out of the OpenAPI document that answer 404 to somebody of whom nothing is known."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        here = current_flags().flags.bind()
        shut = [operation for operation in _operations(app.routes) if not _exists(operation, here)]
        return _without(describe(), shut)

    app.openapi = openapi  # type: ignore[method-assign]


def _exists(operation: Page, here: BoundFlags) -> bool:
    return not any(gate.hides and not gate.allows(here) for gate in operation.gates)


def _operations(routes: Iterable[Any]) -> Iterator[Page]:
    """The path operations among these routes."""
    return (_operation(route) for route in _contexts(routes) if _is_operation(route))


def _contexts(routes: Iterable[Any]) -> Iterator[Any]:
    """Routes as they are served; newer releases keep those of included routers apart."""
    contexts = getattr(routing, "iter_route_contexts", iter)
    found: Iterator[Any] = contexts(list(routes))
    return found


def _is_operation(route: Any) -> bool:
    return isinstance(getattr(route, "original_route", route), APIRoute)


def _operation(route: Any, prefix: str = "") -> Page:
    return Page.at(prefix + route.path, frozenset(route.methods or ()), route.endpoint, _gates(route.dependant))


def _gates(dependant: Any) -> Iterator[Gate]:
    waiting = [dependant]
    while waiting:
        dependant = waiting.pop()
        yield from gates_on(dependant.call)
        waiting += dependant.dependencies


def _without(document: dict[str, Any], hidden: Iterable[Page]) -> dict[str, Any]:
    paths = {path: dict(operations) for path, operations in document.get("paths", {}).items()}
    for operation in hidden:
        for method in operation.methods:
            paths.get(operation.path, {}).pop(method.lower(), None)
    return {**document, "paths": {path: operations for path, operations in paths.items() if operations}}
