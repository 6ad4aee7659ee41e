"""The smallest application whose answer shows which revisions of the flags its worker decides by.

``FLAGS_SOURCE`` names the sources, one a line; the answer is the process id and a revision for each of them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

if os.environ.get("PATCH_FIRST"):  # what the guide asks of gevent under --preload
    from gevent import monkey

    monkey.patch_all()

from flagmiddleware import Flags

PAGE = 0.003  # seconds that a page takes, so that requests overlap and every worker is asked

sources = [Flags(where) for where in os.environ["FLAGS_SOURCE"].splitlines()]
for flags in sources:
    flags.warm()


def answer() -> bytes:
    """The worker's process id and the revisions that it serves."""
    revisions = (str(flags.value("revision", default=-1)) for flags in sources)
    return f"{os.getpid()} {' '.join(revisions)}".encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """For gunicorn, uWSGI and every other WSGI server."""
    body = answer()
    time.sleep(PAGE)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(
    scope: dict[str, Any], receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
) -> None:
    """For uvicorn and hypercorn."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = answer()
    await asyncio.sleep(PAGE)
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
