"""Stores for the tests of sources: a small HTTP server that does as it is told, and a proxy that spoils connections."""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Proxy", "Web", "certificate", "proxy", "web"]


class Web(ThreadingHTTPServer):
    """Serves ``data`` under every path with an ETag; ``answer`` replaces what a request gets, ``seen`` records them."""

    daemon_threads = True
    data = b""
    answer: Callable[[Any], None] | None = None
    compress = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up: that is what they are for here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        server = self.server
        server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if server.answer is not None:
            return server.answer(self)
        tag = f'"{hashlib.sha256(server.data).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            return self.reply(304, b"", ETag=tag)
        body = gzip.compress(server.data) if server.compress else server.data
        encoding = {"Content-Encoding": "gzip"} if server.compress else {}
        return self.reply(200, body, ETag=tag, **encoding)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        """One whole answer."""
        self.server.statuses.append(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def web(data: bytes = b"", *, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A server for the block; with ``tls`` it speaks nothing else."""
    server = Web()
    server.data = data
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine that vouches for itself (its file), and a server's context that shows it."""
    key, file = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", file], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


class Proxy:
    """Passes bytes on to ``target``; ``mode`` spoils what comes back.

    ``pass`` | ``swallow`` (nothing comes back, nobody is told) | ``drip`` (a byte a second) | ``cut`` (what was asked
    is passed on, the answer is dropped and the connection with it) | ``refuse`` (each connection is closed at once).
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.mode = "pass"
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.mode == "refuse":
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                for source, sink, back in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=(source, sink, back), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not back:
                    sink.sendall(data)
                elif self.mode == "cut":
                    break
                elif self.mode == "drip":
                    for byte in data:
                        sink.sendall(bytes([byte]))
                        time.sleep(1)
                elif self.mode != "swallow":
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def drop(self) -> None:
        """End every connection there is."""
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._sockets.clear()

    def close(self) -> None:
        """Stop listening and end every connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """A proxy before a port of this machine, for the block."""
    made = Proxy(("127.0.0.1", port))
    try:
        yield made
    finally:
        made.close()
