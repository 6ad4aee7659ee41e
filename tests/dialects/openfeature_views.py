"""Sites whose views know OpenFeature only: no request, no context is passed to it."""

from __future__ import annotations

from typing import Any

from openfeature import api

from flagmiddleware import Flags

__all__ = ["DOCUMENT", "OPTIONS", "TELLS", "fastapi_site", "flask_site", "greeting", "starlette_site"]

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "greeting": {
            "variants": {"hello": "hello", "gday": "g'day"},
            "off": "hello",
            "rules": [{"if": {"country": "AU"}, "serve": "gday"}],
        }
    },
}
OPTIONS: dict[str, Any] = {"headers": {"country": "X-Country"}, "visitor_cookie": False}
TELLS: list[dict[str, str]] = [{"X-Country": "AU"}, {"X-Country": "NZ"}, {}]


def greeting() -> str:
    """What a view does."""
    return str(api.get_client().get_string_value("greeting", "?"))


async def agreeting() -> str:
    """What a view does on an event loop."""
    return str(await api.get_client().get_string_value_async("greeting", "?"))


def flask_site(flags: Flags) -> Any:
    """Flask, with views of both kinds."""
    from flask import Flask

    from flagmiddleware.flask import FlagMiddleware

    app = Flask("shop")
    FlagMiddleware(app, flags=flags, **OPTIONS)
    app.add_url_rule("/sync", "sync", greeting)
    app.add_url_rule("/async", "async", agreeting)
    return app


def starlette_site(flags: Flags) -> Any:
    """Starlette, with endpoints of both kinds; it runs the synchronous one in a thread."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from flagmiddleware.starlette import FlagMiddleware

    async def on_loop(request: Any) -> Any:
        return PlainTextResponse(await agreeting())

    routes = [Route("/sync", lambda request: PlainTextResponse(greeting())), Route("/async", on_loop)]
    return Starlette(routes=routes, middleware=[Middleware(FlagMiddleware, flags=flags, **OPTIONS)])


def fastapi_site(flags: Flags) -> Any:
    """FastAPI, with operations of both kinds."""
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    from flagmiddleware.fastapi import FlagMiddleware

    app = FastAPI(default_response_class=PlainTextResponse)
    app.add_middleware(FlagMiddleware, flags=flags, **OPTIONS)
    app.get("/sync")(greeting)
    app.get("/async")(agreeting)
    return app
