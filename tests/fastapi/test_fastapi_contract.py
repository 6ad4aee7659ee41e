"""The adapter contract on FastAPI."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from flagmiddleware import Flags
from flagmiddleware.fastapi import (
    FlagMiddleware,
    FlagsOfRequest,
    current_flags,
    flag_required,
    flags_endpoints,
    flags_json,
    script_tag,
)
from flagmiddleware.testing.contract_adapter import AdapterContract, Site, answer
from tests.starlette.pages import HeaderBackend, is_staff
from tests.web.clients import PEER, ASGISite

Keys = Annotated[list[str], Query(alias="key")]
CACHED = {"Cache-Control": "public, max-age=3600, s-maxage=7200", "Vary": "Accept"}


def gated() -> Response:
    return PlainTextResponse("gated")


def old() -> Response:
    return PlainTextResponse("old")


@flag_required("new-checkout")
class Page(HTTPEndpoint):
    async def get(self, request: Any) -> Response:
        return PlainTextResponse("gated")


def add_readers(app: FastAPI, hook: Callable[[], None]) -> None:
    @app.get("/none", name="nothing")
    def none() -> Response:
        return PlainTextResponse("none")

    @app.get("/read")
    def read(flags: FlagsOfRequest, keys: Keys) -> Response:
        return PlainTextResponse(answer(flags, keys))

    @app.get("/aread")
    async def aread(flags: FlagsOfRequest, keys: Keys) -> Response:
        await flags.ready(*keys)
        return PlainTextResponse(answer(flags, keys))

    @app.get("/current")
    def current(keys: Keys) -> Response:
        return PlainTextResponse(answer(current_flags(), keys))

    @app.get("/cached")
    def cached(flags: FlagsOfRequest, keys: Keys) -> Response:
        return PlainTextResponse(answer(flags, keys), headers=CACHED)

    @app.get("/twice")
    def twice(flags: FlagsOfRequest, keys: Keys) -> Response:
        first = json.loads(answer(flags, keys))
        hook()
        return PlainTextResponse(json.dumps([first, json.loads(answer(flags, keys))]))

    @app.get("/stream")
    def stream(flags: FlagsOfRequest, keys: Keys, preload: int = 0, length: str = "") -> Response:
        if preload:
            flags.preload(*keys)
        headers = {"Content-Length": length} if length else None
        return StreamingResponse((answer(flags, keys) for _ in range(1)), headers=headers)

    @app.get("/json")
    def json_page(flags: FlagsOfRequest) -> Response:
        return PlainTextResponse(flags_json(flags))

    @app.get("/script")
    def script(flags: FlagsOfRequest) -> Response:
        return PlainTextResponse(script_tag(flags, nonce="n0nce"))

    @app.get("/boom")
    def boom(flags: FlagsOfRequest, keys: Keys) -> Response:
        answer(flags, keys)
        raise RuntimeError("boom")


def add_gates(app: FastAPI) -> None:
    gates = {
        "/gated": flag_required("new-checkout"),
        "/gated-redirect": flag_required("new-checkout", redirect_to="nothing"),
        "/gated-status": flag_required("new-checkout", status=403),
        "/gated-any": flag_required(any=["dark", "new-checkout"]),
        "/gated-all": flag_required(all=["always", "new-checkout"]),
        "/gated-not": flag_required("!new-checkout"),
        "/gated-variant": flag_required("checkout-button", variant="green"),
    }
    for path, gate in gates.items():
        app.get(path, dependencies=[Depends(gate)])(gated)
    app.get("/gated-otherwise")(flag_required("new-checkout", otherwise=old)(gated))
    app.add_route("/gated-class", Page)


class Driver:
    """FastAPI with dependencies for gates, and a decorator where another view answers."""

    peer = PEER

    def make(self, flags: Flags, settings: Mapping[str, Any], hook: Callable[[], None]) -> Site:
        app = FastAPI()
        add_readers(app, hook)
        add_gates(app)
        app.router.routes.append(flags_endpoints(may_see=is_staff))
        app.add_middleware(AuthenticationMiddleware, backend=HeaderBackend())
        app.add_middleware(FlagMiddleware, flags=flags, **settings)
        return ASGISite(app)


class TestFastAPIContract(AdapterContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Driver()
