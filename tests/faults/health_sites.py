"""A site of each framework whose settings put a cache, a key and limits round its source; ``SITE`` says which one.

``/`` answers what a flag serves, ``/flags/health`` whether the process is ready.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = ["SITES", "app"]

logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")


def _settings() -> dict[str, Any]:
    return {
        "source": os.environ["FLAGS_SOURCE"],
        "cache_dir": os.environ["CACHE_DIR"],
        "snapshot_key": os.environ["SNAPSHOT_KEY"],
        "start_timeout": 0.5,
        "refresh": 0.2,
        "max_stale": 2,
        "visitor_cookie": False,
    }


def _django() -> Any:
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import include, path

    settings.configure(
        ROOT_URLCONF=__name__,
        SECRET_KEY="the key of a site under test",
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
        INSTALLED_APPS=["flagmiddleware.django"],
        MIDDLEWARE=["flagmiddleware.django.FlagMiddleware"],
        FLAGMIDDLEWARE={name.upper(): value for name, value in _settings().items()},
    )
    import django

    django.setup()
    globals()["urlpatterns"] = [
        path("", lambda request: HttpResponse(str(request.flags.value("left", -1)))),
        path("flags/", include("flagmiddleware.django.urls")),
    ]
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _flask() -> Any:
    from flask import Flask, request

    from flagmiddleware.flask import FlagMiddleware, flags_blueprint

    site = Flask("site")
    site.config.update({f"FLAGMIDDLEWARE_{name.upper()}": value for name, value in _settings().items()})
    FlagMiddleware(site)
    site.register_blueprint(flags_blueprint())
    site.add_url_rule("/", "page", lambda: str(request.flags.value("left", -1)))  # type: ignore[attr-defined]
    return site


def _starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from flagmiddleware.starlette import FlagMiddleware, flags_endpoints

    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(request.state.flags.value("left", -1)))

    return Starlette(
        routes=[Route("/", page), flags_endpoints()], middleware=[Middleware(FlagMiddleware, **_settings())]
    )


def _fastapi() -> Any:
    from fastapi import FastAPI
    from starlette.requests import Request

    from flagmiddleware.fastapi import FlagMiddleware, flags_endpoints

    site = FastAPI()
    site.add_middleware(FlagMiddleware, **_settings())
    site.routes.append(flags_endpoints())

    async def page(request: Request) -> int:
        return int(request.state.flags.value("left", -1))

    page.__annotations__["request"] = Request  # annotations are text here, and the class is local
    site.get("/")(page)
    return site


def _wsgi() -> Any:
    from flagmiddleware.flag_apps import flags_wsgi
    from flagmiddleware.wsgi import FlagMiddleware, flags_from

    endpoints = flags_wsgi()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/flags"):
            return endpoints({**environ, "PATH_INFO": environ["PATH_INFO"].removeprefix("/flags")}, start_response)
        body = str(flags_from(environ).value("left", -1)).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return FlagMiddleware(application, **_settings())


def _asgi() -> Any:
    from flagmiddleware.asgi import FlagMiddleware, flags_from
    from flagmiddleware.flag_apps import flags_asgi

    endpoints = flags_asgi()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/flags"):
            return await endpoints({**scope, "root_path": "/flags"}, receive, send)
        body = str(flags_from(scope).value("left", -1)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
        return None

    return FlagMiddleware(application, **_settings())


SITES: Final = {
    "django": (_django, "gunicorn"),
    "flask": (_flask, "gunicorn"),
    "wsgi": (_wsgi, "gunicorn"),
    "starlette": (_starlette, "uvicorn"),
    "fastapi": (_fastapi, "uvicorn"),
    "asgi": (_asgi, "uvicorn"),
}

app = SITES[os.environ["SITE"]][0]() if "SITE" in os.environ else None
