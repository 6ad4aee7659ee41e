"""The servers that other tests lean on do start, answer and stop."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
import redis

from tests import services

pytestmark = pytest.mark.services


def test_redis_answers(redis_url: str) -> None:
    """The Redis fixture is a server that keeps what it is told."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.set("infra:key", "value")
        assert client.get("infra:key") == b"value"


def test_postgres_answers(postgres_url: str) -> None:
    """The PostgreSQL fixture has a database that tables can be made in."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create temporary table infra (key text)")
        connection.execute("insert into infra values ('zoë')")
        assert connection.execute("select key from infra").fetchall() == [("zoë",)]


def test_nginx_serves_the_given_configuration(nginx: Callable[..., str]) -> None:
    """The nginx fixture runs the directives of the test."""
    with urlopen(nginx('location /hello { return 200 "hello"; }') + "/hello", timeout=10) as answer:
        assert answer.read() == b"hello"


def test_a_server_that_does_not_start_says_why() -> None:
    """A broken configuration is reported at once, with the server's own words, and leaves nothing running."""
    with pytest.raises(RuntimeError, match="no_such_directive"), services.nginx_server("no_such_directive on;"):
        pytest.fail("it started")


def test_a_server_is_gone_afterwards() -> None:
    """Leaving the block frees the port."""
    with services.redis_server() as url:
        port = int(url.rsplit(":", 1)[1].partition("/")[0])
    with pytest.raises(TimeoutError):
        services.wait_for_port(port, timeout=0.1)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the kernel is told through setpriv, which is Linux's")
def test_a_server_ends_with_the_process_that_started_it() -> None:
    """A run that is ended at once (pytest's own time limit does that) leaves no server behind."""
    program = "import os; from tests.services import redis_server\nwith redis_server() as url: print(url); os._exit(1)"
    ended = subprocess.run(
        [sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    port = int(ended.stdout.rpartition(":")[2].partition("/")[0])

    def gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((services.HOST, port)) != 0

    services.wait_for(gone, "the server did not end")
