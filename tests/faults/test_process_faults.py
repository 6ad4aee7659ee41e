"""What servers do to processes: hooks that never run, forks at bad moments, patches that come late."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from benchmarks.propagation import KINDS
from flagmiddleware import Flags
from flagmiddleware.sources.redis import RedisSource
from tests.greenlets import TICKING
from tests.services import HOST, ending_with_us, free_port, running, stop

from .load import document, publish

pytestmark = [pytest.mark.faults, pytest.mark.services]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def url(redis_url: str) -> str:
    return f"{redis_url}?name={uuid4().hex}"


@pytest.fixture
def writer(url: str) -> Iterator[RedisSource]:
    made = RedisSource(url)
    publish(made, 1)
    yield made
    made.close()


def get(port: int) -> bytes:
    """One request."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", "/")
    body = connection.getresponse().read()
    connection.close()
    return body


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("file", []),
        ("redis", []),
        ("redis", ["--threads", "2"]),
        ("redis", ["--lazy-apps"]),
        ("redis", ["--py-call-uwsgi-fork-hooks"]),
        ("redis", ["--skip-atexit-teardown"]),
    ],
    ids=["file", "redis", "redis-threads", "redis-lazy-apps", "redis-fork-hooks", "redis-skip-teardown"],
)
def test_uwsgi_ends_on_sigterm(url: str, writer: RedisSource, tmp_path: Path, source: str, options: list[str]) -> None:
    """A store's thread holds uWSGI back no more than a file does, which has none: no worker has to be killed."""
    path = tmp_path / "flags.json"
    path.write_bytes(document(1))
    port = free_port()
    environment = {**os.environ, "FLAGS_SOURCE": str(path) if source == "file" else url, "PYTHONPATH": str(ROOT)}
    log = tmp_path / "log"
    with running([*KINDS["uwsgi"](port), *options], port=port, log=log, cwd=ROOT, env=environment) as process:
        for _ in range(30):
            assert b" " in get(port)
            time.sleep(0.1)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        print(f"\nuWSGI with {source} {options} ended {time.monotonic() - started:.2f} s after SIGTERM")
    assert "worker 1 killed" not in log.read_text()


def test_celery_prefork(redis_url: str, url: str, writer: RedisSource, tmp_path: Path) -> None:
    """Each child of a Celery worker follows the store, although the flags were made before the fork."""
    environment = {**os.environ, "FLAGS_SOURCE": url, "BROKER": f"{redis_url[:-1]}1", "PYTHONPATH": str(ROOT)}
    command = [
        *(str(BIN / "celery"), "-A", "tests.faults.celery_app", "worker", "-P", "prefork", "-c", "2"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"),
    ]
    client = """
import sys, time
from tests.faults.celery_app import ask
wanted, deadline, current = int(sys.argv[1]), time.monotonic() + 60, set()
while len(current) < 2 and time.monotonic() < deadline:
    for pid, revision in [result.get(timeout=30) for result in [ask.delay() for _ in range(6)]]:
        assert revision in (wanted - 1, wanted), revision
        current |= {pid} if revision == wanted else set()
print(len(current))
"""
    with open(tmp_path / "log", "ab") as log:
        worker = subprocess.Popen(
            ending_with_us(command), stdout=log, stderr=log, cwd=ROOT, env=environment, start_new_session=True
        )
    try:
        for number in (1, 2, 3):
            if number > 1:
                publish(writer, number)
            ended = subprocess.run(
                [sys.executable, "-c", client, str(number)],
                capture_output=True, text=True, timeout=100, cwd=ROOT, env=environment,
            )  # fmt: skip
            assert ended.stdout.strip() == "2", ended.stderr + (tmp_path / "log").read_text()
    finally:
        stop(worker)


GEVENT = f"""
import sys, time
from flagmiddleware import Flags
flags = Flags(sys.argv[1], refresh=0.1)
flags.value("left")
from gevent import monkey
monkey.patch_all()
{TICKING}
def follow(seconds):
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        last = flags.value("left", default=-1)
        gevent.sleep(0.02)
    return last
follow(0.5)
print("ready", flush=True)
sys.stdin.readline()
before = ticks
last = follow(3)
print(last, ticks - before, flags.status.state, flush=True)
"""


def test_late_monkeypatch(url: str, writer: RedisSource) -> None:
    """gevent patches after the flags were made, as under ``--preload``: changes arrive, and no sleep of ours, the
    back-off of an outage included, stops the other greenlets."""
    for outage in (False, True):
        source = url if not outage else f"redis://{HOST}:{free_port()}/0"
        process = subprocess.Popen(
            [sys.executable, "-c", GEVENT, source],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        publish(writer, 2)
        told, errors = process.communicate("go\n", timeout=60)
        last, ticks, state = told.split()
        assert (last, state) == (("-1", "ERROR") if outage else ("2", "READY")), errors
        assert int(ticks) > 60, f"somebody held the loop, outage={outage}"


def test_fork_while_locks_are_held(url: str, writer: RedisSource) -> None:
    """Threads of the parent fetch, load and log at the instant of the fork: no child waits for what they hold."""
    flags = Flags(url, refresh=0.1)
    stopped = threading.Event()

    def busy() -> None:
        while not stopped.is_set():
            flags.refresh()

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                try:
                    flags.refresh()
                    fine = flags.status.state == "READY" and flags.value("left") == 1
                    os._exit(7 if fine else 1)
                finally:
                    os._exit(2)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 7
    finally:
        stopped.set()
        for thread in threads:
            thread.join(30)
        flags.close()


def follows(url: Any, answers: Any) -> None:
    """In a child: make or inherit flags, and say when they have changed."""
    flags = Flags(url, refresh=0.1) if isinstance(url, str) else url
    answers.put(flags.value("left"))
    deadline = time.monotonic() + 30
    while flags.value("left") != 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    answers.put(flags.value("left"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(url: str, writer: RedisSource, method: str) -> None:
    """A child of either kind follows a change on its own; the forked one with the flags it inherited."""
    flags = Flags(url, refresh=0.1)
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=follows, args=(flags if method == "fork" else url, answers))  # type: ignore[attr-defined]
    child.start()
    assert answers.get(timeout=60) == 1
    publish(writer, 2)
    assert answers.get(timeout=60) == 2
    child.join(30)
    assert child.exitcode == 0
    flags.close()
