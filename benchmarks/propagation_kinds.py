"""The set-ups that propagation is measured on: how each is started, and how its workers are asked."""

from __future__ import annotations

import http.client
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

__all__ = ["KINDS", "WORKERS", "Asker", "Kind"]

BIN: Final = Path(sys.executable).parent
WORKERS: Final = 2


class Asker(Protocol):
    """One client: asks and gets ``pid revision…``; raises OSError or HTTPException for a request that failed."""

    def __call__(self) -> bytes:
        """One request."""
        ...


def _over_http(port: int, environment: Mapping[str, str]) -> Asker:
    def ask() -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise OSError(f"answered {response.status}")
            return body
        finally:
            connection.close()

    return ask


def _over_celery(port: int, environment: Mapping[str, str]) -> Asker:
    """A task each: sent to the broker, answered on a list of this thread's own."""
    from uuid import uuid4

    import redis

    from benchmarks.propagation_celery import app

    broker = environment["BROKER"]
    app.conf.broker_url = broker
    client, mine = redis.Redis.from_url(broker, socket_timeout=30), threading.local()

    def ask() -> bytes:
        reply = mine.__dict__.setdefault("reply", uuid4().hex)
        app.send_task("propagation.tell", (reply,))
        try:
            answer = client.blpop([reply], timeout=10)
        except redis.RedisError as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        if answer is None:
            mine.__dict__.pop("reply")  # a late answer must not be taken for that of the next
            raise OSError("no answer within 10 s")
        return bytes(answer[1])

    return ask


@dataclass(frozen=True)
class Kind:
    """One set-up: calling it gives the command that serves on ``port``."""

    command: Callable[[int], list[str]]
    workers: int = WORKERS
    asker: Callable[[int, Mapping[str, str]], Asker] = _over_http
    listens: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, port: int) -> list[str]:
        """The command line."""
        return self.command(port)


def _gunicorn(worker: str, *options: str, **environment: str) -> Kind:
    def command(port: int) -> list[str]:
        fixed = ["-w", str(WORKERS), "-k", worker, "-b", f"127.0.0.1:{port}", "--log-level", "warning"]
        return [str(BIN / "gunicorn"), *fixed, *options, "benchmarks.propagation_app:wsgi"]

    return Kind(command, environment=environment)


def _uvicorn(port: int) -> list[str]:
    fixed = ["--workers", str(WORKERS), "--port", str(port), "--log-level", "warning", "--no-access-log"]
    return [str(BIN / "uvicorn"), *fixed, "benchmarks.propagation_app:asgi"]


def _uwsgi(*options: str) -> Kind:
    def command(port: int) -> list[str]:
        fixed = ["--http-socket", f"127.0.0.1:{port}", "--master", "--processes", str(WORKERS), "--enable-threads"]
        fixed += ["--need-app", "--disable-logging", "--die-on-term", "--virtualenv", str(BIN.parent)]
        return [str(BIN / "uwsgi"), *fixed, *options, "--wsgi", "benchmarks.propagation_app:wsgi"]

    return Kind(command)


def _celery(port: int) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"]
    pool = ["-P", "prefork", "-c", str(WORKERS)]
    return [str(BIN / "celery"), "-A", "benchmarks.propagation_celery", "worker", *pool, *quiet]


def _runserver(port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.propagation_django", "runserver", str(port)]


def _children(method: str) -> Kind:
    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "benchmarks.propagation_children", method, str(port), str(WORKERS)]

    return Kind(command)


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "gunicorn sync": _gunicorn("sync"),
        "gunicorn sync --preload": _gunicorn("sync", "--preload"),
        "gunicorn gthread": _gunicorn("gthread", "--threads", "2"),
        "gunicorn gthread --preload": _gunicorn("gthread", "--threads", "2", "--preload"),
        "gunicorn gevent": _gunicorn("gevent"),
        "gunicorn gevent --preload": _gunicorn("gevent", "--preload", PATCH_FIRST="1"),
        "uvicorn --workers": Kind(_uvicorn),
        "uwsgi": _uwsgi(),
        "uwsgi --lazy-apps": _uwsgi("--lazy-apps"),
        "celery prefork": Kind(_celery, asker=_over_celery, listens=False),
        "runserver with autoreload": Kind(_runserver, workers=1, environment={"PYTHONUNBUFFERED": "1"}),
        "multiprocessing fork": _children("fork"),
        "multiprocessing spawn": _children("spawn"),
    }
)
"""By name. A free-threaded Python is measured by running this with one: the servers run under the same interpreter."""


def environment_of(kind: Kind, sources: str, broker: str) -> dict[str, str]:
    """The environment variables that a set-up is started with."""
    root = Path(__file__).parents[1]
    path = f"{root / 'src'}{os.pathsep}{root}"
    return {**os.environ, "FLAGS_SOURCE": sources, "BROKER": broker, "PYTHONPATH": path, **kind.environment}
