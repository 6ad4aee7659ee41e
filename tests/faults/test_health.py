"""What a load balancer is told while a store is away, by a site of each framework under a real server."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from flagmiddleware.sources.redis import RedisSource
from tests.services import HOST, free_port, running, wait_for
from tests.sources.stores import Proxy, proxy

from .health_sites import SITES
from .load import publish

pytestmark = [pytest.mark.faults, pytest.mark.services]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
KEY = "the key of those who publish"


class Site:
    """A running site."""

    def __init__(self, port: int, log: Path) -> None:
        self.port, self.log = port, log

    def get(self, path: str) -> tuple[int, bytes]:
        """One request: status and body."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body

    def health(self) -> tuple[int, str]:
        """What the health check answers, after a request that was served as any other."""
        assert self.get("/")[0] == 200
        status, body = self.get("/flags/health")
        return status, json.loads(body)["state"]

    def until(self, status: int, state: str) -> None:
        """Wait for an answer of the health check."""
        wait_for(lambda: self.health() == (status, state), f"never {status} {state}, but {self.health()}")


@contextmanager
def site(name: str, source: str, folder: Path) -> Iterator[Site]:
    """The site under its server, with one worker."""
    port, log = free_port(), folder / "log"
    server = {
        "gunicorn": [str(BIN / "gunicorn"), "-w", "1", "-b", f"{HOST}:{port}", "--log-level", "warning"],
        "uvicorn": [str(BIN / "uvicorn"), "--port", str(port), "--log-level", "warning", "--lifespan", "off"],
    }[SITES[name][1]]
    own = {"SITE": name, "FLAGS_SOURCE": source, "CACHE_DIR": str(folder / "cache"), "SNAPSHOT_KEY": KEY}
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    with running([*server, "tests.faults.health_sites:app"], port=port, log=log, cwd=ROOT, env=environment):
        yield Site(port, log)


@pytest.fixture
def between(redis_url: str) -> Iterator[Proxy]:
    with proxy(urlsplit(redis_url).port or 0) as between:
        yield between


@pytest.mark.parametrize("name", SITES)
def test_a_site_whose_store_is_away(name: str, redis_url: str, between: Proxy, tmp_path: Path) -> None:
    """Ready, then stale and still ready, then stale for longer than ``max_stale`` and not; pages are served all along,
    each change of state is one line, and a process that starts meanwhile serves what was kept on disk."""
    source = f"redis://{HOST}:{between.port}/0?name={uuid4().hex}"
    writer = RedisSource(source, snapshot_key=KEY.encode())
    publish(writer, 1)
    with site(name, source, tmp_path) as running_site:
        running_site.until(200, "READY")
        between.mode = "refuse"
        between.drop()
        running_site.until(200, "STALE")
        running_site.until(503, "STALE")
        assert running_site.get("/") == (200, b"1")
        told = running_site.log.read_text()
        assert told.count("the last good flags stay in force") == 1, told
        with site(name, source, tmp_path) as another:
            another.until(503, "STALE")
            assert another.get("/") == (200, b"1")
            between.mode = "pass"
            between.drop()
            publish(writer, 2)
            for one in (running_site, another):
                wait_for(lambda one=one: one.get("/") == (200, b"2"), "never followed")  # type: ignore[misc]
                one.until(200, "READY")
    told = (tmp_path / "log").read_text()
    assert told.count("are up to date again") == 2, told
    assert KEY not in told
    writer.close()


def test_a_store_that_was_written_without_the_key(redis_url: str, between: Proxy, tmp_path: Path) -> None:
    """Whoever can write the store but does not know the key is not believed: not ready, and the reason in the log."""
    source = f"redis://{HOST}:{between.port}/0?name={uuid4().hex}"
    writer = RedisSource(source)
    publish(writer, 1)
    with site("flask", source, tmp_path) as unbelieving:
        unbelieving.until(503, "ERROR")
        assert unbelieving.get("/") == (200, b"-1")
        assert "is not signed with our snapshot key" in unbelieving.log.read_text()
    writer.close()
