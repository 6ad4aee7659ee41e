"""A page behind a shut gate looks like no page: for methods that it does not take, for bad input, without its slash.

Starlette and FastAPI answer all that before an endpoint runs, and so before its gate is asked. Here such answers are
looked at when they leave the application. Nothing of this happens in a site without gates that hide.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from types import MethodType
from typing import Any, Final, NamedTuple

from starlette._utils import get_route_path, is_async_callable
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import PARAM_REGEX, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .asgi import flags_from
from .web.gate import Gate

__all__ = ["Hiding", "Page", "routes_below"]

_OF_ROUTERS: Final = (307, 405, 422)
"""What routers and FastAPI answer by themselves; any other may be a middleware's, who asks for no page."""

_OF_THE_PAGE: Final = frozenset({b"allow", b"content-length", b"content-type", b"location", b"www-authenticate"})
"""Headers that would tell of the page; what middlewares have added to an answer is added to a 404 as well."""


class Page(NamedTuple):
    """An endpoint where it is served, whatever routers or mounts it was included through."""

    path: str
    pattern: re.Pattern[str]
    methods: frozenset[str]
    endpoint: Any
    gates: tuple[Gate, ...]

    @classmethod
    def at(cls, path: str, methods: frozenset[str], endpoint: Any, gates: Iterable[Gate]) -> Page:
        """The endpoint that is served at this path, mounts included."""
        numbers = count()  # a mount and a route below it may call their parameters the same
        pattern, _, _ = compile_path(PARAM_REGEX.sub(lambda found: f"{{p{next(numbers)}{found[2] or ''}}}", path))
        return cls(PARAM_REGEX.sub(r"{\1}", path), pattern, methods, endpoint, tuple(gates))


def routes_below(outer: Any, scope: Scope | None = None) -> Iterable[Any]:
    """The routes within a mount or middleware, whatever was put between; those of the scope's app where that hides."""
    inner, seen = outer, set()
    while inner is not None and id(inner) not in seen:  # an `app` may be anything, even the object itself
        seen.add(id(inner))
        routes: Iterable[Any] | None = getattr(inner, "routes", None)
        if routes:
            return routes
        inner = getattr(inner, "app", None)
    return routes_below(scope.get("app")) if scope is not None else ()


class Hiding:
    """Stands between the middleware and its application. Without gates that hide it takes itself out again."""

    def __init__(self, middleware: Any, find: Callable[[Iterable[Any]], Iterable[Page]]) -> None:
        self.app: ASGIApp = middleware.app
        self._middleware = middleware
        self._find = find
        self._pages: list[Page] | None = None
        self._known: dict[int, bool] = {}  # by the identity of an endpoint: whether a gate hides it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            if self._pages is None:
                self._look(scope)
            send = MethodType(_sending, _Answer(self, scope, receive, send))
        await self.app(scope, receive, send)

    def _look(self, scope: Scope) -> None:
        pages = list(self._find(routes_below(self, scope)))
        for page in pages:
            is_gated = any(gate.hides for gate in page.gates)
            self._known[id(page.endpoint)] = is_gated or self._known.get(id(page.endpoint), False)
        self._pages = pages
        if not any(self._known.values()):
            self._middleware.app = self.app

    async def instead(self, scope: Scope, message: Message, root: str) -> HTTPException | None:
        """What to answer in the place of this, which tells of a page that does not exist; None for any other.

        ``root`` is the ``root_path`` with which the middleware was called: mounts have added to the scope's.
        """
        found, status = scope.get("endpoint"), message["status"]
        is_gated = self._known.get(id(found))
        if is_gated is False or (is_gated is None and status not in _OF_ROUTERS):
            return None
        path = get_route_path({**scope, "root_path": root})
        if is_gated is None:  # no endpoint was found, or a middleware went on with a copy of the scope
            found = None
            if status == 307:  # it leads to the path with its slash, or without
                path, status = path.rstrip("/") if path.endswith("/") else f"{path}/", 0
        here = [page for page in self._pages or () if page.pattern.match(path)]
        if status == 0 and not here:  # it leads to a mount, which is there as long as one of its pages is
            here = [page for page in self._pages or () if page.path.startswith(path)]
        shut = [page for page in here if await _is_hidden(page, status, scope)]
        answering = [page for page in here if found is None or page.endpoint is found]
        if not answering or any(page not in shut for page in answering):
            return None
        others = {method for page in here if page not in shut for method in page.methods}
        if status == 405 and others:
            return HTTPException(405, headers={"Allow": ", ".join(sorted(others))})
        return HTTPException(404)


class _Answer:
    __slots__ = ("dropped", "hiding", "receive", "root", "scope", "send")

    def __init__(self, hiding: Hiding, scope: Scope, receive: Receive, send: Send) -> None:
        self.hiding, self.scope, self.receive, self.send = hiding, scope, receive, send
        self.root = scope.get("root_path", "")
        self.dropped = False


def _sending(answer: _Answer, message: Message) -> Awaitable[None]:
    if "status" in message and 300 <= message["status"] < 500 and message["status"] != 404:
        return _judge(answer, message)
    return _nothing() if answer.dropped else answer.send(message)


async def _nothing() -> None:
    """What is still sent of an answer in whose place another one went."""


async def _judge(answer: _Answer, message: Message) -> None:
    problem = await answer.hiding.instead(answer.scope, message, answer.root)
    if problem is None:
        await answer.send(message)
        return
    answer.dropped = True
    kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in _OF_THE_PAGE]
    response = await _response(problem, answer)
    known = {name for name, _ in response.raw_headers}
    response.raw_headers += [(name, value) for name, value in kept if name.lower() not in known]
    await response(answer.scope, answer.receive, answer.send)


async def _is_hidden(page: Page, status: int, scope: Scope) -> bool:
    here = flags_from(scope)
    for gate in page.gates:
        if gate.hides and not gate.may_tell(status, here) and not await gate.aallows(here):
            return True
    return False


async def _response(problem: HTTPException, answer: _Answer) -> Response:
    """The site's own page for this, by the handlers that Starlette has left in the scope."""
    by_class, by_status = answer.scope.get("starlette.exception_handlers", ({}, {}))
    handler = by_status.get(problem.status_code)
    for cls in type(problem).__mro__:
        handler = handler or by_class.get(cls)
    if handler is None:
        return PlainTextResponse(problem.detail, problem.status_code, problem.headers)
    request = Request(answer.scope, answer.receive)
    run = handler(request, problem) if is_async_callable(handler) else run_in_threadpool(handler, request, problem)
    response: Response = await run
    return response
