"""Routes that a Starlette or FastAPI site may mount: the public flags, a health check, the QA panel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from starlette._utils import is_async_callable
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from .asgi import flags_from
from .errors import ConfigurationError
from .web.endpoints import Answer, flags_answer
from .web.frontend import public_keys
from .web.qa_panel import LARGEST_FORM, forbidden, form_fields, panel_answer

__all__ = ["flags_endpoints", "qa_endpoint"]

T = TypeVar("T")
Ask: TypeAlias = "Callable[[Request], T | Awaitable[T]]"


def flags_endpoints(path: str = "/flags", *, may_see: Ask[bool] | None = None) -> Mount:
    """Routes to mount where you like: the public flags as JSON with an entity tag, and below it ``/health``.

    ``may_see(request)``, async or not, says who gets more of the health check than the state.
    """

    async def flags(request: Request) -> Response:
        here = flags_from(request.scope)
        await here.ready(*public_keys(here.plan))
        return _response(flags_answer(here, request.headers.get("if-none-match")))

    async def state(request: Request) -> Response:
        detail = may_see is not None and bool(await _asked(may_see, request))
        return _response(flags_from(request.scope).installation.health(detail=detail))

    return Mount(path, routes=[Route("/", flags, name="flags"), Route("/health", state, name="flags-health")])


def qa_endpoint(
    path: str = "/flags-qa", *, authorise: Ask[bool], hidden: Ask[Mapping[str, str]] | None = None
) -> Route:
    """The QA panel, for those whom ``authorise(request)``, async or not, lets in; it may also raise or redirect.

    ``hidden(request)`` gives fields that the site's own protection of forms wants beside the panel's.
    """
    if not callable(authorise):
        raise ConfigurationError("qa_endpoint: authorise= has to be a function of the request that says who may")

    async def panel(request: Request) -> Response:
        if not await _asked(authorise, request):
            return _response(forbidden())
        form = form_fields(await _body(request)) if request.method == "POST" else None
        extra = {} if hidden is None else await _asked(hidden, request)
        return _response(panel_answer(flags_from(request.scope), form, extra))

    return Route(path, panel, methods=["GET", "POST"], name="flags-qa")


async def _asked(ask: Ask[T], request: Request) -> T:
    """What the site says; a plain function may do I/O, so it gets a thread."""
    found: Any = await (ask(request) if is_async_callable(ask) else run_in_threadpool(ask, request))
    return found  # type: ignore[no-any-return]


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            break
    return body


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response
