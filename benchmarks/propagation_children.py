"""Children of ``multiprocessing`` that share one listening socket.

``python -m benchmarks.propagation_children fork PORT 2``, or ``spawn``. Forked children inherit flags that the parent
has made and read; spawned ones import the application anew.
"""

from __future__ import annotations

import multiprocessing
import socket
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: thousands of lines would be written."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def serve(listener: socket.socket) -> None:
    """Answer on a socket that the parent opened."""
    from benchmarks.propagation_app import wsgi

    # Two children wait for the same connection; the one that comes second must not wait for the next.
    listener.setblocking(False)
    server = _Server(("127.0.0.1", 0), _Quiet, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = "127.0.0.1", listener.getsockname()[1]
    server.setup_environ()
    server.set_app(wsgi)
    server.serve_forever(poll_interval=0.05)


def main(method: str, port: str, children: str) -> int:
    """Open the socket, make the children, wait for them."""
    if method == "fork":
        from benchmarks import propagation_app

        propagation_app.answer()
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=100)
    context = multiprocessing.get_context(method)
    made = [context.Process(target=serve, args=(listener,)) for _ in range(int(children))]  # type: ignore[attr-defined]
    for child in made:
        child.start()
    for child in made:
        child.join()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
