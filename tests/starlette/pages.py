"""The contract's site in Starlette."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from flagmiddleware.starlette import (
    FlagMiddleware,
    current_flags,
    flag_required,
    flags_endpoints,
    flags_from,
    flags_json,
    script_tag,
)
from flagmiddleware.testing.contract_adapter import answer


class User(SimpleUser):
    """What a site's own user class adds to Starlette's."""

    def __init__(self, id: str, email: str, groups: list[str], is_staff: bool, is_superuser: bool) -> None:
        super().__init__(email)
        self.id, self.email, self.groups, self.is_staff, self.is_superuser = id, email, groups, is_staff, is_superuser


class HeaderBackend(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        told = conn.headers.get("x-contract-user")
        return (AuthCredentials(["authenticated"]), User(**json.loads(told))) if told else None


def keys_of(request: Request) -> list[str]:
    return request.query_params.getlist("key")


def read(request: Request) -> Response:
    return PlainTextResponse(answer(request.state.flags, keys_of(request)))


async def aread(request: Request) -> Response:
    here = flags_from(request)
    for key in keys_of(request):
        await here.aevaluate(key)
    return PlainTextResponse(answer(here, keys_of(request)))


async def current(request: Request) -> Response:
    return PlainTextResponse(answer(current_flags(), keys_of(request)))


def cached(request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=3600, s-maxage=7200", "Vary": "Accept"}
    return PlainTextResponse(answer(flags_from(request), keys_of(request)), headers=headers)


async def stream(request: Request) -> Response:
    here, keys = flags_from(request), keys_of(request)
    if "preload" in request.query_params:
        here.preload(*keys)

    async def body() -> Any:
        yield answer(here, keys)

    told = request.query_params.get("length")
    return StreamingResponse(body(), headers={"Content-Length": told} if told else None)


async def boom(request: Request) -> Response:
    read(request)
    raise RuntimeError("boom")


async def none(request: Request) -> Response:
    return PlainTextResponse("none")


async def page(request: Request) -> Response:
    return PlainTextResponse("gated")


def sync_page(request: Request) -> Response:
    return PlainTextResponse("gated")


async def old(request: Request) -> Response:
    return PlainTextResponse("old")


@flag_required("new-checkout")
class Page(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("gated")


async def json_page(request: Request) -> Response:
    return PlainTextResponse(flags_json(flags_from(request)))


async def script(request: Request) -> Response:
    return PlainTextResponse(script_tag(flags_from(request), nonce="n0nce"))


def is_staff(request: Request) -> bool:
    return getattr(request.user, "is_staff", False)


def twice(hook: Callable[[], None]) -> Any:
    async def endpoint(request: Request) -> Response:
        first = json.loads(answer(flags_from(request), keys_of(request)))
        hook()
        return PlainTextResponse(json.dumps([first, json.loads(answer(flags_from(request), keys_of(request)))]))

    return endpoint


def routes(hook: Callable[[], None]) -> list[BaseRoute]:
    gates = {
        "/gated": flag_required("new-checkout")(page),
        "/gated-otherwise": flag_required("new-checkout", otherwise=old)(sync_page),
        "/gated-redirect": flag_required("new-checkout", redirect_to="nothing")(page),
        "/gated-status": flag_required("new-checkout", status=403)(sync_page),
        "/gated-any": flag_required(any=["dark", "new-checkout"])(page),
        "/gated-all": flag_required(all=["always", "new-checkout"])(page),
        "/gated-not": flag_required("!new-checkout")(page),
        "/gated-variant": flag_required("checkout-button", variant="green")(page),
        "/gated-class": Page,
    }
    plain = {"/read": read, "/aread": aread, "/current": current, "/cached": cached, "/stream": stream, "/boom": boom}
    plain |= {"/json": json_page, "/script": script}
    return [
        Route("/none", none, name="nothing"),
        Route("/twice", twice(hook)),
        flags_endpoints(may_see=is_staff),
        *(Route(path, endpoint) for path, endpoint in {**gates, **plain}.items()),
    ]


def make_app(hook: Callable[[], None] = lambda: None, **settings: Any) -> Starlette:
    return Starlette(
        routes=routes(hook),
        middleware=[
            Middleware(FlagMiddleware, **settings),
            Middleware(AuthenticationMiddleware, backend=HeaderBackend()),
        ],
    )
