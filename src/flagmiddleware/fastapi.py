"""FastAPI: the middleware of Starlette, ``Depends(flag_required("…"))`` and annotated dependencies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from inspect import Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Final

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


_KEY: Final = "__flag_key__"
"""On a dependency that reads a flag: which."""


class FlagMiddleware(starlette.FlagMiddleware):
    """Starlette's, which knows the gates of path operations too: ``app.add_middleware(FlagMiddleware, …)``."""

    def named(self, routes: list[Any]) -> Iterator[tuple[str, Iterable[str]]]:
        """The keys that gates and other dependencies name, and where."""
        yield from super().named(routes)
        for route in filter(_is_operation, _contexts(routes)):
            for call in _dependencies(route.dependant):
                if hasattr(call, _KEY):
                    yield f"a dependency of the operation {route.path}", (getattr(call, _KEY),)

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


class _NothingWanted:
    """The signature of a dependency, which FastAPI asks for when a route is made; what only decorates has none."""

    def __get__(self, dependency: FlagDependency | None, owner: type) -> Signature:
        if dependency is None:
            raise AttributeError("__signature__")
        if dependency.gate.otherwise is not None:
            cure = "decorate the path operation with it, or give redirect_to= or status="
            raise ConfigurationError(f"flag_required: otherwise= means nothing in Depends(…); {cure}")
        return Signature()


class FlagDependency:
    """What :func:`flag_required` makes: give it to ``Depends``, or decorate a path operation with it.

    FastAPI looks at ``__call__`` to tell whether a dependency has to run in a thread, and at the signature for what to
    hand it. On the object, ``__call__`` is the coroutine function that checks the gate, which wants nothing: the
    request's flags are those that are current. Python, which looks at the class, calls the one that also decorates.
    """

    __signature__ = _NothingWanted()

    def __init__(self, key: str | None, options: GateOptions) -> None:
        self.gate = Gate(key, **options)
        self._decorate = starlette.flag_required(key, **options)
        setattr(self, GATE_ATTRIBUTE, self.gate)
        self.__dict__["__call__"] = self.check

    def __call__(self, operation: Any = None) -> Any:
        """Decorate a path operation, or without one check the gate for the current request."""
        return self.check() if operation is None else _signed(self._decorate(operation))

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


def _signed(operation: Any) -> Any:
    """The operation, its annotations resolved: older FastAPIs look for their names where the wrapper is defined."""
    # A name may be not known yet, or to type checkers only: FastAPI has its say on it.
    with suppress(Exception):
        operation.__signature__ = signature(operation, eval_str=True)
    return operation


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

    return Depends(_with_flags(key, enabled))


def flag_value(key: str, default: Any = None) -> Any:
    """A dependency that is the flag's value: ``Annotated[str, flag_value("checkout-button", "blue")]``."""

    async def value(here: RequestFlags) -> Any:
        return await here.avalue(key, default)

    return Depends(_with_flags(key, value))


def _with_flags(key: str, ask: Callable[[RequestFlags], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def dependency(connection: HTTPConnection) -> Any:
        return await ask(flags_from(connection))

    setattr(dependency, _KEY, key)
    return dependency


def hide_gated_routes(app: FastAPI) -> None:
    """Leave path operations out of the OpenAPI document that answer 404 to somebody of whom nothing is known.

    The models that no other operation has go with them.
    """
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
    return (gate for call in _dependencies(dependant) for gate in gates_on(call))


def _dependencies(dependant: Any) -> Iterator[Any]:
    """What FastAPI calls for a path operation: it, its dependencies, and theirs."""
    waiting = [dependant]
    while waiting:
        dependant = waiting.pop()
        yield dependant.call
        waiting += dependant.dependencies


def _without(document: dict[str, Any], hidden: Iterable[Page]) -> dict[str, Any]:
    paths = {path: dict(operations) for path, operations in document.get("paths", {}).items()}
    gone = [paths.get(page.path, {}).pop(method.lower(), None) for page in hidden for method in page.methods]
    left = {**document, "paths": {path: operations for path, operations in paths.items() if operations}}
    components = document.get("components", {})
    schemas = components.get("schemas", {})
    unused = _referred(gone, schemas) - _referred({**left, "components": {}}, schemas)
    if unused:
        kept = {name: schema for name, schema in schemas.items() if name not in unused}
        left["components"] = {**components, "schemas": kept}
    return left


def _referred(part: Any, schemas: Mapping[str, Any]) -> set[str]:
    """The schemas that a part of the document refers to, and those that these refer to."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return found
