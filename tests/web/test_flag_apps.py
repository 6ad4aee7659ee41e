"""The endpoints of sites without an adapter, beyond what the contract asks of every site."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from flagmiddleware import ConfigurationError, Flags, asgi, wsgi
from flagmiddleware.flag_apps import flags_asgi, flags_wsgi
from flagmiddleware.testing.contract_site import Reply

from .clients import ASGISite, WSGISite, asgi_call, asgi_scope

DOCUMENT: dict[str, Any] = {"version": 1, "flags": {"shown": {"public": True}, "secret": {}}}


def asgi_site(**options: Any) -> Any:
    return ASGISite(asgi.FlagMiddleware(flags_asgi(**options), flags=Flags(DOCUMENT)))


def wsgi_site(**options: Any) -> Any:
    return WSGISite(wsgi.FlagMiddleware(flags_wsgi(**options), flags=Flags(DOCUMENT)))


def asgi_send(method: str, path: str) -> Reply:
    return asyncio.run(asgi_call(asgi_site().app, asgi_scope(path, {"Host": "shop.example"}, method=method)))


@pytest.mark.parametrize("make", [asgi_site, wsgi_site])
def test_what_there_is(make: Callable[..., Any]) -> None:
    """The flags with and without a slash, the health check, and nothing else."""
    site = make()
    assert [site.get(path).status for path in ("/", "/health", "/health/", "/secret")] == [200, 200, 404, 404]
    assert json.loads(site.get("/").text) == {"flags": {"shown": {"value": False, "variant": "off"}}}


@pytest.mark.parametrize(("method", "status", "empty"), [("HEAD", 200, True), ("POST", 405, True), ("GET", 200, False)])
def test_methods(method: str, status: int, empty: bool) -> None:
    """A HEAD gets the headers of a GET and no body; nothing can be sent."""
    reply = asgi_send(method, "/")
    assert (reply.status, reply.text == "") == (status, empty)
    assert reply.header("content-length") == str(0 if status == 405 else len(asgi_send("GET", "/").text))


def test_who_may_see_is_asked_asynchronously() -> None:
    """A coroutine function is awaited: its coroutine object, which is true, shows a stranger nothing."""

    async def nobody(scope: Any) -> bool:
        return False

    assert json.loads(asgi_site(may_see=nobody).get("/health").text) == {"state": "READY"}
    assert "revision" in json.loads(asgi_site(may_see=lambda scope: True).get("/health").text)
    assert "revision" in json.loads(wsgi_site(may_see=lambda environ: True).get("/health").text)


def test_the_health_check_waits_for_nobody() -> None:
    """The health check, a 404 and a 405 do not wait for the site's own attributes: its database may be what is down."""
    asked: list[str] = []

    async def attributes(scope: Any) -> dict[str, str]:
        asked.append(scope["path"])
        return {"plan": "pro"}

    flag = {"public": True, "rules": [{"if": {"plan": "pro"}, "serve": True}]}
    flags = Flags({"version": 1, "flags": {"shown": flag}})
    site = ASGISite(asgi.FlagMiddleware(flags_asgi(), flags=flags, context=attributes))
    assert [site.get(path).status for path in ("/health", "/nothing", "/")] == [200, 404, 200]
    assert asked == ["/"]


def test_outside_the_middleware() -> None:
    """Mounted where no FlagMiddleware wraps it, the endpoint says what is missing."""
    with pytest.raises(ConfigurationError, match="wrap the site"):
        flags_wsgi()({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
