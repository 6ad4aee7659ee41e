"""A site's flag file, adapter by adapter: an error that names the setting at the start, service at run time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flagmiddleware import ConfigurationError, asgi, wsgi
from tests.web.clients import ASGISite, WSGISite

GOOD = "version: 1\nflags:\n  live: {rules: [{serve: true}]}\n"


def plain_asgi(**settings: Any) -> Any:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        body = str(asgi.flags_from(scope).is_enabled("live")).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return asgi.FlagMiddleware(page, **settings)


def plain_wsgi(**settings: Any) -> Any:
    def page(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return [str(wsgi.flags_from(environ).is_enabled("live")).encode()]

    return wsgi.FlagMiddleware(page, **settings)


def starlette(**settings: Any) -> Any:
    applications = pytest.importorskip("starlette.applications")
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from flagmiddleware.starlette import FlagMiddleware

    def page(request: Any) -> Any:
        return PlainTextResponse(str(request.state.flags.is_enabled("live")))

    return applications.Starlette(routes=[Route("/", page)], middleware=[Middleware(FlagMiddleware, **settings)])


def fastapi(**settings: Any) -> Any:
    pytest.importorskip("fastapi")
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    from flagmiddleware.fastapi import FlagMiddleware, current_flags

    app = FastAPI(default_response_class=PlainTextResponse)
    app.add_middleware(FlagMiddleware, **settings)

    @app.get("/")
    def page() -> str:
        return str(current_flags().is_enabled("live"))

    return app


def flask(**settings: Any) -> Any:
    Flask = pytest.importorskip("flask").Flask  # noqa: N806 - a class
    from flagmiddleware.flask import FlagMiddleware, current_flags

    app = Flask("shop")
    app.config.update({f"FLAGMIDDLEWARE_{name.upper()}": value for name, value in settings.items()})
    FlagMiddleware(app)
    app.add_url_rule("/", "page", lambda: str(current_flags().is_enabled("live")))
    return app


def starting(app: Any) -> None:
    """What an ASGI server does first."""
    sent: list[Any] = []

    async def receive() -> Any:
        if sent:
            await asyncio.Event().wait()
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"].startswith("lifespan.startup"):
            raise ConfigurationError(message.get("message") or "it started")

    asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))


NAMES = {
    plain_asgi: "FlagMiddleware(source=…)",
    plain_wsgi: "FlagMiddleware(source=…)",
    starlette: "FlagMiddleware(source=…)",
    fastapi: "FlagMiddleware(source=…)",
    flask: "FLAGMIDDLEWARE_SOURCE",
}
adapters = pytest.mark.parametrize("make", NAMES, ids=lambda make: make.__name__)


@adapters
@pytest.mark.parametrize("trouble", ["missing", "loop", "not UTF-8", "mistakes"])
def test_a_file_that_cannot_be_read_at_the_start(make: Callable[..., Any], trouble: str, tmp_path: Path) -> None:
    """One error, when the site is built or its server starts it, with the setting and the file in it."""
    file = tmp_path / "flags.yaml"
    if trouble == "loop":  # no permission is missing to root, but a link to itself is unreadable to everybody
        file.symlink_to(file)
    elif trouble != "missing":
        file.write_bytes(b"version: 1 # \xff" if trouble == "not UTF-8" else b"version: 1\nflags: {live: {rool: 1}}\n")
    with pytest.raises(ConfigurationError) as raised:
        starting(make(source=file))
    assert NAMES[make] in str(raised.value)
    assert "flags.yaml" in str(raised.value)


@adapters
def test_a_file_that_goes_away_at_run_time(
    make: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Broken, gone, unreadable, back again: the page is served all the time, each trouble told in one line."""
    file = tmp_path / "flags.yaml"
    file.write_text(GOOD)
    app = make(source=file, refresh=0)
    site = WSGISite(app) if make in (flask, plain_wsgi) else ASGISite(app)
    assert site.get("/").text == "True"

    def served() -> None:
        assert [(reply.status, reply.text) for reply in (site.get("/") for _ in range(20))] == [(200, "True")] * 20

    file.write_text("version: 1\nflags: {live: {rool: 1}}\n")
    served()
    file.write_bytes(b"\xff\xfe")
    served()
    file.unlink()
    served()
    file.symlink_to(file)
    served()
    file.unlink()
    file.write_text(GOOD)
    served()
    ours = [record for record in caplog.records if record.name.startswith("flagmiddleware")]
    assert 1 <= len(ours) <= 10, [record.getMessage() for record in ours]
