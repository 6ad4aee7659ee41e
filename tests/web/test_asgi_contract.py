"""The adapter contract on a bare ASGI application."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from flagmiddleware import Flags
from flagmiddleware.asgi import FlagMiddleware, current_flags, flags_from
from flagmiddleware.flag_apps import flags_asgi
from flagmiddleware.testing.contract_adapter import AdapterContract, Site, answer
from flagmiddleware.web import Gate
from flagmiddleware.web.frontend import flags_json, script_tag

from .clients import PEER, ASGISite

GATES = {
    "/gated": Gate("new-checkout"),
    "/gated-class": Gate("new-checkout"),
    "/gated-otherwise": Gate("new-checkout", otherwise="old"),
    "/gated-redirect": Gate("new-checkout", redirect_to="/none"),
    "/gated-status": Gate("new-checkout", status=403),
    "/gated-any": Gate(any=["dark", "new-checkout"]),
    "/gated-all": Gate(all=["always", "new-checkout"]),
    "/gated-not": Gate("!new-checkout"),
    "/gated-variant": Gate("checkout-button", variant="green"),
}


FLAGS = flags_asgi(may_see=lambda scope: scope.get("user", {}).get("is_staff"))


async def respond(send: Any, text: str, status: int = 200, *headers: tuple[str, str], length: bool = True) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    if length:
        raw.append((b"Content-Length", str(len(text)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": text.encode(), "more_body": False})


async def gated(gate: Gate, here: Any, send: Any) -> None:
    if await gate.aallows(here):
        await respond(send, "gated")
    elif gate.otherwise:
        await respond(send, gate.otherwise)
    elif gate.redirect_to:
        await respond(send, "", 302, ("Location", gate.redirect_to))
    else:
        await respond(send, "", gate.status)


def make_app(hook: Callable[[], None]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for name, value in scope["headers"]:
            if name == b"x-contract-user":
                scope["user"] = json.loads(value)
        here, query = flags_from(scope), parse_qs(scope["query_string"].decode())
        keys, path = query.get("key", []), scope["path"]
        if path.startswith("/flags/"):
            await FLAGS({**scope, "root_path": "/flags"}, receive, send)
        elif path in GATES:
            await gated(GATES[path], here, send)
        elif path == "/none":
            await respond(send, "none")
        elif path == "/aread":
            await here.ready(*keys)
            await respond(send, answer(here, keys))
        elif path == "/json":
            await respond(send, flags_json(here))
        elif path == "/script":
            await respond(send, script_tag(here, nonce="n0nce"))
        elif path == "/current":
            await respond(send, answer(current_flags(), keys))
        elif path == "/cached":
            control = "public, max-age=3600, s-maxage=7200"
            await respond(send, answer(here, keys), 200, ("Cache-Control", control), ("Vary", "Accept"))
        elif path == "/twice":
            first = json.loads(answer(here, keys))
            hook()
            await respond(send, json.dumps([first, json.loads(answer(here, keys))]))
        elif path == "/stream":
            if "preload" in query:
                here.preload(*keys)
            length = [(b"content-length", value.encode()) for value in query.get("length", [])]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": answer(here, keys).encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            text = answer(here, keys)
            if path == "/boom":
                raise RuntimeError("boom")
            await respond(send, text)

    return app


class Driver:
    """A bare ASGI application behind ``asgi.FlagMiddleware``."""

    peer = PEER

    def make(self, flags: Flags, settings: Mapping[str, Any], hook: Callable[[], None]) -> Site:
        return ASGISite(FlagMiddleware(make_app(hook), flags=flags, **settings))


class TestASGIContract(AdapterContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Driver()
