"""What happens to the store: killed, emptied, rewound, swallowed by the network. Readers go on, and converge."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from flagmiddleware import Flags, refresher
from flagmiddleware.sources import Change
from flagmiddleware.sources.http import HttpSource
from flagmiddleware.sources.redis import RedisSource
from tests.services import HOST, ending_with_us, free_port, program, running, wait_for, wait_for_port
from tests.sources.stores import proxy, web

from .load import document, load, publish

pytestmark = [pytest.mark.faults, pytest.mark.services]

LONG = bool(os.environ.get("FAULTS_LONG"))


class Mortal:
    """A Redis that can be killed, and started again on the same port with or without what it knew."""

    def __init__(self, folder: str) -> None:
        self.port, self.folder = free_port(), folder
        self.url = f"redis://{HOST}:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        command = [program("redis-server"), "--port", str(self.port), "--bind", HOST, "--dir", self.folder, *durable]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(ending_with_us(command), stdout=quiet, stderr=quiet)
        wait_for_port(self.port, self.process)
        # It listens before it has read its log.
        RedisSource(self.url, timeout=10)._redis().ping()

    def kill(self, *, forget: bool = False) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if forget:
            for path in sorted(Path(self.folder).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        made = Mortal(folder)
        try:
            made.start()
            yield made
        finally:
            made.kill()


@pytest.fixture
def name() -> str:
    return uuid4().hex


def test_redis_kill(mortal: Mortal, caplog: pytest.LogCaptureFixture) -> None:
    """kill -9 again and again, a write after each restart: every one arrives, and no reader is disturbed."""
    caplog.set_level(logging.INFO, "flagmiddleware")
    writer = RedisSource(mortal.url, timeout=10)
    publish(writer, 1)
    with load(Flags(mortal.url, refresh=0.2)) as readers:
        readers.until(1)
        for number in range(2, 22 if LONG else 5):
            mortal.kill()
            time.sleep(random.uniform(0, 1))
            mortal.start()
            publish(writer, number)
            readers.until(number)
        readers.until_state("READY")
    assert readers.seen == sorted(readers.seen)


def test_redis_data_loss(mortal: Mortal, caplog: pytest.LogCaptureFixture) -> None:
    """It comes back empty: the last good flags stay, STALE, one line; the next push begins a new epoch and counts."""
    writer = RedisSource(mortal.url, timeout=10)
    for number in (1, 2, 3):
        publish(writer, number)
    with load(Flags(mortal.url, refresh=0.2)) as readers:
        readers.until(3)
        mortal.kill(forget=True)
        mortal.start()
        readers.until_state("STALE")
        assert "holds no flags yet" in readers.flags.status.last_error or "refused" in readers.flags.status.last_error
        assert readers.seen[-1] == 3
        assert publish(writer, 4) == "1"
        readers.until(4)
        readers.until_state("READY")
    assert caplog.text.count("the last good flags stay in force") <= 2


def test_failover_rewind(redis_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that lags takes over: what it lost is held for a while; when it catches up nobody has noticed."""
    monkeypatch.setattr(refresher, "HOLD", 2.0)
    source = RedisSource(f"{redis_url}?name={name}")
    client = source._redis()
    publish(source, 1)
    publish(source, 2)
    behind = client.dump(source.key)
    publish(source, 3)
    with load(Flags(f"{redis_url}?name={name}", refresh=0.2)) as readers:
        readers.until(3)
        ahead = client.dump(source.key)
        client.restore(source.key, 0, behind, replace=True)
        time.sleep(0.8)
        client.restore(source.key, 0, ahead, replace=True)
        time.sleep(0.8)
        assert readers.seen == [3]
        client.restore(source.key, 0, behind, replace=True)  # this time it stays behind
        readers.until(2)
        publish(source, 33)  # other content under revision 3
        readers.until(33)
    source.close()


def test_publisher_dies_between_write_and_publish(redis_url: str, name: str) -> None:
    """The hash is there and the hint never came: the reconcile finds it."""
    source = RedisSource(f"{redis_url}?name={name}")
    publish(source, 1)
    with load(Flags(f"{redis_url}?name={name}", refresh=0.2)) as readers:
        readers.until(1)
        digest = hashlib.sha256(document(2)).hexdigest()
        fields = {"revision": "2", "sha256": digest, "data": document(2)}
        source._redis().hset(source.key, mapping=fields)
        readers.until(2)
    source.close()


@pytest.mark.parametrize("mode", ["swallow", "drip", "refuse", "cut"])
def test_a_network_that_spoils_redis(redis_url: str, name: str, mode: str) -> None:
    """Packets vanish, drip, are refused or lost: STALE, the last good flags, and the newest ones when it is over."""
    direct = RedisSource(f"{redis_url}?name={name}")
    publish(direct, 1)
    with proxy(urlsplit(redis_url).port or 0) as between:
        source = RedisSource(f"redis://{HOST}:{between.port}/0?name={name}", timeout=0.5)
        with load(Flags(source, refresh=0.2)) as readers:
            readers.until(1)
            between.mode = mode
            if mode in ("refuse", "cut"):
                between.drop()
            publish(direct, 2)
            readers.until_state("STALE")
            assert readers.seen == [1]
            between.mode = "pass"
            between.drop()
            readers.until(2)
            readers.until_state("READY")
    direct.close()


def test_slow_drip_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte a second from the status line on: the hung refresher is replaced and its socket shut."""
    monkeypatch.setattr(refresher, "_MISSED", 2)
    with web(document(1)) as server, proxy(server.server_port) as between:
        source = HttpSource(f"http://{HOST}:{between.port}/flags.json", format="native", timeout=2)
        with load(Flags(source, refresh=0.2)) as readers:
            readers.until(1)
            between.mode = "drip"
            server.data = document(2)
            readers.until_state("STALE")
            between.mode = "pass"
            between.drop()
            readers.until(2)
            readers.until_state("READY")
        time.sleep(0.1)
    hung = [thread for thread in threading.enumerate() if thread.name == "flagmiddleware-refresher"]
    for thread in hung:
        thread.join(10)
        assert not thread.is_alive()


def test_burst_of_changes(redis_url: str, name: str) -> None:
    """Hundreds of writes without a pause (10,000 in the long run): readers may skip some; the last one counts."""
    source = RedisSource(f"{redis_url}?name={name}")
    publish(source, 0)
    count = 10_000 if LONG else 500
    with load(Flags(f"{redis_url}?name={name}", refresh=0.2)) as readers:
        readers.until(0)
        for number in range(1, count + 1):
            publish(source, number)
        readers.until(count)
        assert readers.flags.status.state == "READY"
    assert readers.seen == sorted(readers.seen)
    source.close()


def test_a_snapshot_of_fifty_megabytes(redis_url: str, name: str) -> None:
    """Under the limit: it arrives whole. Above it: refused, and what was in force stays."""
    source = RedisSource(f"{redis_url}?name={name}", timeout=20)
    publish(source, 1)
    with load(Flags(RedisSource(f"{redis_url}?name={name}", timeout=20), refresh=0.5)) as readers:
        readers.until(1)
        source.write(Change(data=document(2, padding=50 * 2**20)), "1")
        readers.until(2)
        source.write(Change(data=document(3, padding=65 * 2**20)), "2")
        readers.until_state("STALE")
        assert "64 MiB" in readers.flags.status.last_error
        assert readers.seen[-1] == 2
        publish(source, 4)
        readers.until(4)
    source._redis().delete(source.key)
    source.close()


def test_dns_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A name that does not resolve: no exception at start, ERROR, declared defaults; the log names the source."""
    flags = Flags("redis://no-such-store.invalid/0", refresh=0.2)
    assert not flags.is_enabled("left")
    assert flags.value("left", default=7) == 7
    assert flags.status.state in ("ERROR", "NOT_READY")
    wait_for(lambda: flags.status.state == "ERROR", "no error told")
    assert "no-such-store.invalid" in flags.status.last_error
    flags.close()


@contextmanager
def tls_server(folder: Path) -> Iterator[int]:
    """An HTTPS server whose certificate nobody vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", *options, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with web(document(1)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server.server_port


def test_tls_failure(tmp_path: Path, redis_url: str) -> None:
    """A certificate that nobody vouches for, a server that speaks no TLS: refused, and told."""
    with tls_server(tmp_path) as port:
        flags = Flags(f"https://localhost:{port}/flags.json", refresh=0.2)
        assert flags.value("left", default=-1) == -1
        assert flags.status.state == "ERROR"
        assert "SSL" in flags.status.last_error or "certificate" in flags.status.last_error
        flags.close()
    plain = Flags(redis_url.replace("redis://", "rediss://"), refresh=0.2)
    wait_for(lambda: plain.status.state == "ERROR", "no error told")  # its time limit is as long as the start's
    plain.close()


def test_cold_no_source(tmp_path: Path) -> None:
    """Nobody listens: the start comes back, flags answer what is declared or `off`, and the first push is followed."""
    port = free_port()
    started = time.monotonic()
    flags = Flags(f"redis://{HOST}:{port}/0", refresh=0.2)
    print(f"\nstart without a store: {1000 * (time.monotonic() - started):.1f} ms")
    assert flags.value("left", default=-1) == -1
    assert flags.status.state == "ERROR"
    command = [program("redis-server"), "--port", str(port), "--bind", HOST, "--dir", str(tmp_path), "--save", ""]
    with load(flags) as readers, running(command, port=port):
        writer = RedisSource(f"redis://{HOST}:{port}/0")
        publish(writer, 1)
        readers.until(1)
        readers.until_state("READY")
        writer.close()


def test_a_black_hole_at_start_is_waited_for_no_longer_than_said() -> None:
    """``start_timeout`` ends the wait of a start whatever the network does; its own thread goes on trying."""
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        source = RedisSource(f"redis://{HOST}:{port}/0", timeout=30, start_timeout=0.2)
        flags = Flags(source, refresh=0.2)  # the test's own time limit is the pin: 30 s twice would be felt
        assert flags.status.state == "NOT_READY"
        flags.close()


def test_herd() -> None:
    """400 pollers that start at one instant spread out: after the first rounds no tenth of an interval has twice the
    mean."""
    rounds, pollers, interval = 60, 400, 1.0
    slots: Counter[int] = Counter()
    chance = random.Random(7)
    for _ in range(pollers):
        now = 0.0
        for _ in range(rounds):
            now += interval * chance.uniform(1 - refresher._JITTER, 1 + refresher._JITTER)
            if 30 <= now < 50:
                slots[int(now * 10)] += 1
    mean = sum(slots.values()) / 200
    assert max(slots.values()) <= 2 * mean


def test_backoff_spreads_a_restart() -> None:
    """Failures wait a random time below a ceiling that doubles up to a second, and to five once a minute has passed."""
    driver = Flags(HttpSource(f"http://{HOST}:{free_port()}/"), refresh=0.2)._holder.refresher
    assert isinstance(driver, refresher.Refresher)
    error = OSError()
    early = [driver._backoff(error, failures, 1.0) for failures in range(1, 200)]
    late = [driver._backoff(error, 50, 100.0) for _ in range(200)]
    assert max(early) <= 1.0
    assert 1.0 < max(late) <= 5.0
    assert len({round(wait, 3) for wait in early[50:]}) > 100
