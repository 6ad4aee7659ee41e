"""In-process clients that send exactly the bytes they are told to, and show exactly what comes back."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from flagmiddleware.testing.contract_adapter import Reply

PEER = "198.51.100.9"


def _all_headers(headers: Mapping[str, str], cookies: Mapping[str, str]) -> dict[str, str]:
    sent = {"Host": "shop.example", **headers}
    if cookies:
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return sent


def asgi_scope(path: str, headers: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """The scope of a GET."""
    raw_path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path.encode("latin-1"),
        "root_path": "",
        "query_string": query.encode("latin-1", "replace"),
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        "client": (PEER, 50_000),
        "server": ("shop.example", 80),
        **more,
    }


async def asgi_call(app: Any, scope: dict[str, Any]) -> Reply:
    """Send one request without a body; a failure of the application is a 500, as servers answer it."""
    started: dict[str, Any] = {}
    body = bytearray()

    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:  # the client waits for the answer; Django listens for it to hang up
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert not started, "the response started twice"
            started.update(message)
        else:
            body.extend(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except Exception:
        started.setdefault("status", 500)
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in started.get("headers", ())]
    return Reply(started["status"], headers, body.decode())


class ASGISite:
    """An ASGI application, each request on a loop of its own."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(
        self, path: str, headers: Mapping[str, str] = {}, cookies: Mapping[str, str] = {}, method: str = "GET"
    ) -> Reply:
        """Send one request."""
        return asyncio.run(asgi_call(self.app, asgi_scope(path, _all_headers(headers, cookies), method=method)))


class WSGISite:
    """A WSGI application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(
        self, path: str, headers: Mapping[str, str] = {}, cookies: Mapping[str, str] = {}, method: str = "GET"
    ) -> Reply:
        """Send one request."""
        raw_path, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "shop.example",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": PEER,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name, value in _all_headers(headers, cookies).items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return self.call(environ)

    def call(self, environ: dict[str, Any]) -> Reply:
        """Send one request; a failure of the application is a 500, as servers answer it."""
        started: list[Any] = ["500 Internal Server Error", []]

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started[:] = [status, headers]
            return lambda data: None

        body = b""
        try:
            answer = self.app(environ, start_response)
            try:
                body = b"".join(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        except Exception:
            started[:] = ["500 Internal Server Error", []]
        return Reply(int(started[0][:3]), started[1], body.decode())
