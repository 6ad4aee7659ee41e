"""The servers that other tests lean on do start, answer and stop."""

from __future__ import annotations

from collections.abc import Callable
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
