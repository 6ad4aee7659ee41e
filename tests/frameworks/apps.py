"""The same three pages in frameworks that have no adapter of their own, behind the plain ASGI and WSGI middleware.

``python -m tests.frameworks.apps NAME PORT`` serves one of them under its own server, until it is ended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from flagmiddleware import Flags, asgi, wsgi

SECRET = "a secret key of the tests"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "live": {"rules": [{"serve": True}]},
        "anz": {"qa": True, "rules": [{"if": {"language": "en-AU"}, "serve": True}]},
        "half": {"rules": [{"rollout": "50%"}]},
    },
}
SETTINGS: dict[str, Any] = {"secret_keys": [SECRET]}


def told(here: Any, key: str) -> str:
    """What a page says: the answer of the flags at hand, and whether ``current_flags()`` are these."""
    return json.dumps([here.is_enabled(key), asgi.current_flags() is here])


def quart() -> Any:
    from quart import Quart, request

    app = Quart("shop")

    @app.get("/none")
    async def none() -> str:
        return "none"

    @app.get("/flag/<key>")
    async def flag(key: str) -> str:
        return told(asgi.flags_from(request.scope), key)

    @app.get("/stream/<key>")
    async def stream(key: str) -> Any:
        here = asgi.flags_from(request.scope)

        async def body() -> Any:
            yield json.dumps([here.is_enabled(key)])

        return body(), 200

    app.asgi_app = asgi.FlagMiddleware(app.asgi_app, flags=Flags(DOCUMENT), **SETTINGS)
    return app


def litestar() -> Any:
    from litestar import Litestar, Request, get
    from litestar.response import Stream

    @get("/none", media_type="text/plain")
    async def none() -> str:
        return "none"

    @get("/flag/{key:str}", media_type="text/plain")
    async def flag(request: Request[Any, Any, Any], key: str) -> str:
        return told(asgi.flags_from(request.scope), key)

    @get("/stream/{key:str}")
    async def stream(request: Request[Any, Any, Any], key: str) -> Stream:
        here = asgi.flags_from(request.scope)

        async def body() -> Any:
            yield json.dumps([here.is_enabled(key)])

        return Stream(body())

    # The names in these signatures are this function's: Litestar looks them up among the module's otherwise.
    names = {"Request": Request, "Stream": Stream}
    app = Litestar([none, flag, stream], signature_namespace=names)
    return asgi.FlagMiddleware(app, flags=Flags(DOCUMENT), **SETTINGS)


def sanic() -> Any:
    from sanic import Sanic, text

    app = Sanic("shop", configure_logging=False)

    @app.get("/none")
    async def none(request: Any) -> Any:
        return text("none")

    @app.get("/flag/<key>")
    async def flag(request: Any, key: str) -> Any:
        return text(told(asgi.current_flags(), key))

    @app.get("/stream/<key>")
    async def stream(request: Any, key: str) -> Any:
        here = asgi.current_flags()
        response = await request.respond(content_type="text/plain")
        await response.send(json.dumps([here.is_enabled(key)]))
        await response.eof()

    @app.on_response
    async def length(request: Any, response: Any) -> None:
        # Under ASGI Sanic sends no length of its own, and an answer without one counts as a stream.
        if getattr(response, "body", None):  # a stream has none yet
            response.headers["content-length"] = len(response.body)

    return asgi.FlagMiddleware(app, flags=Flags(DOCUMENT), **SETTINGS)


def bottle() -> Any:
    from bottle import Bottle, request

    app = Bottle()

    @app.get("/none")
    def none() -> str:
        return "none"

    @app.get("/flag/<key>")
    def flag(key: str) -> str:
        return told(wsgi.flags_from(request.environ), key)

    @app.get("/stream/<key>")
    def stream(key: str) -> Iterator[bytes]:
        here = wsgi.flags_from(request.environ)
        yield json.dumps([here.is_enabled(key)]).encode()

    return wsgi.FlagMiddleware(app, flags=Flags(DOCUMENT), **SETTINGS)


def serve_uvicorn(app: Any, port: int) -> None:
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def serve_aiohttp(app: Any, port: int) -> None:
    from aiohttp_wsgi import serve

    serve(app, host="127.0.0.1", port=port)


def serve_gunicorn(app: Any, port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            self.cfg.set("bind", f"127.0.0.1:{port}")

        def load(self) -> Any:
            return app

    Server().run()


SITES: dict[str, tuple[Callable[[], Any], Callable[[Any, int], None]]] = {
    "quart": (quart, serve_uvicorn),
    "litestar": (litestar, serve_uvicorn),
    "sanic": (sanic, serve_uvicorn),
    "aiohttp-wsgi": (bottle, serve_aiohttp),
    "bottle": (bottle, serve_gunicorn),
}


if __name__ == "__main__":
    make, serve = SITES[sys.argv[1]]
    serve(make(), int(sys.argv[2]))
