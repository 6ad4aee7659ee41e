"""The adapter contract on a bare WSGI application."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from flagmiddleware import Flags
from flagmiddleware.flag_apps import flags_wsgi
from flagmiddleware.testing.contract_adapter import AdapterContract, Site, answer
from flagmiddleware.web import Gate
from flagmiddleware.web.frontend import flags_json, script_tag
from flagmiddleware.wsgi import FlagMiddleware, current_flags, flags_from

from .clients import PEER, WSGISite
from .test_asgi_contract import GATES

FLAGS = flags_wsgi(may_see=lambda environ: environ.get("flagmiddleware.user", {}).get("is_staff"))


def respond(start: Any, text: str, status: int = 200, *headers: tuple[str, str]) -> list[bytes]:
    start(f"{status} Whatever", [*headers, ("Content-Length", str(len(text)))])
    return [text.encode()]


def gated(gate: Gate, here: Any, start: Any) -> list[bytes]:
    if gate.allows(here):
        return respond(start, "gated")
    if gate.otherwise:
        return respond(start, gate.otherwise)
    if gate.redirect_to:
        return respond(start, "", 302, ("Location", gate.redirect_to))
    return respond(start, "", gate.status)


def stream(here: Any, keys: list[str]) -> Iterator[bytes]:
    yield answer(here, keys).encode()


def make_app(hook: Callable[[], None]) -> Any:
    def app(environ: dict[str, Any], start: Any) -> Any:
        here, query = flags_from(environ), parse_qs(environ["QUERY_STRING"])
        keys, path = query.get("key", []), environ["PATH_INFO"]
        if path.startswith("/flags/"):
            return FLAGS({**environ, "SCRIPT_NAME": "/flags", "PATH_INFO": path.removeprefix("/flags")}, start)
        if path in GATES:
            return gated(GATES[path], here, start)
        if path == "/none":
            return respond(start, "none")
        if path == "/json":
            return respond(start, flags_json(here))
        if path == "/script":
            return respond(start, script_tag(here, nonce="n0nce"))
        if path == "/current":
            return respond(start, answer(current_flags(), keys))
        if path == "/cached":
            control = "public, max-age=3600, s-maxage=7200"
            return respond(start, answer(here, keys), 200, ("Cache-Control", control), ("Vary", "Accept"))
        if path == "/twice":
            first = json.loads(answer(here, keys))
            hook()
            return respond(start, json.dumps([first, json.loads(answer(here, keys))]))
        if path == "/stream":
            if "preload" in query:
                here.preload(*keys)
            start("200 OK", [("Content-Length", value) for value in query.get("length", [])])
            return stream(here, keys)
        text = answer(here, keys)
        if path == "/boom":
            raise RuntimeError("boom")
        return respond(start, text)

    return app


class Driver:
    """A bare WSGI application behind ``wsgi.FlagMiddleware``; the site's callable tells who signed in."""

    peer = PEER

    def make(self, flags: Flags, settings: Mapping[str, Any], hook: Callable[[], None]) -> Site:
        app = FlagMiddleware(make_app(hook), flags=flags, **settings)
        return WSGISite(with_user(app))


def with_user(app: Any) -> Any:
    """What an authentication middleware does."""

    def wrapped(environ: dict[str, Any], start: Any) -> Any:
        user = environ.get("HTTP_X_CONTRACT_USER")
        if user:
            environ["flagmiddleware.user"] = json.loads(user)
        return app(environ, start)

    return wrapped


class TestWSGIContract(AdapterContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Driver()
