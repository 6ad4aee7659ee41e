"""A site that answers OFREP, on a real uvicorn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from flagmiddleware import Flags
from flagmiddleware.asgi import FlagMiddleware
from flagmiddleware.ofrep import Ofrep
from flagmiddleware.ofrep_apps import ofrep_asgi
from tests.services import free_port, wait_for

__all__ = ["DOCUMENT", "TOKEN", "serving", "site"]

TOKEN = "a-token-of-the-tests"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "beta": {"public": True, "rules": [{"if": {"plan": "pro"}, "serve": True}]},
        "half": {"public": True, "rules": [{"rollout": "50%"}]},
        "colour": {
            "public": True,
            "variants": {"blue": "#00f", "red": "#f00"},
            "off": "blue",
            "rules": [{"split": {"blue": 1, "red": 1}}],
        },
        "size": {"public": True, "variants": {"small": 1, "big": 10}, "off": "small", "rules": [{"serve": "big"}]},
        "ratio": {"public": True, "variants": {"low": 0.25, "high": 0.5}, "off": "low", "rules": [{"serve": "high"}]},
        "layout": {
            "public": True,
            "variants": {"a": {"columns": 1}, "b": {"columns": 2}},
            "off": "a",
            "rules": [{"serve": "b"}],
        },
        "secret": {"rules": [{"serve": True}]},
    },
}


def _authorise(scope: Any) -> bool:
    return (b"authorization", f"Bearer {TOKEN}".encode()) in scope["headers"]


def site(flags: Flags) -> Any:
    """The application."""
    ofrep = Ofrep(flags, authorise=_authorise, client_attributes=["plan", "targetingKey"])
    # Not mounted: Starlette's router answers a path with an encoded line break itself, and not in OFREP's shape.
    return FlagMiddleware(ofrep_asgi(ofrep), flags=flags, visitor_cookie=False)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Run an application on a free port; gives its base URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, "uvicorn")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
