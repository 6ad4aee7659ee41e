"""The refreshing thread is never trusted to live: killed, hung or forked away it is replaced; nobody waits for it."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flagmiddleware import Flags, refresher
from flagmiddleware.errors import SourceError
from flagmiddleware.sources import Change, MemorySource, Snapshot
from flagmiddleware.sources.redis import RedisSource
from tests.services import wait_for

pytestmark = pytest.mark.faults

OFF = b'{"version": 1, "flags": {"beta": {"default": false}}}'
ON = b'{"version": 1, "flags": {"beta": {"default": true}}}'
ROOT = Path(__file__).parents[2]


class Slow(MemorySource):
    """A store that needs a thread, may hang, and counts who asks."""

    threaded = True

    def __init__(self) -> None:
        super().__init__(OFF)
        self.fetches = 0
        self.free = threading.Event()
        self.free.set()
        self.broken = ""

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        self.fetches += 1
        self.free.wait(60)
        if self.broken:
            raise SourceError(self.broken)
        return super().fetch(known)


@pytest.fixture
def store() -> Slow:
    return Slow()


@pytest.fixture
def flags(store: Slow) -> Iterator[Flags]:
    made = Flags(store, refresh=0.1)
    yield made
    made.close()
    store.free.set()
    for thread in refreshers():
        thread.join(10)


OTHERS: set[threading.Thread] = set()
"""Threads of other files' flags, which were there before the running test and may still be in a fetch."""


def refreshers() -> list[threading.Thread]:
    running = [thread for thread in threading.enumerate() if thread.name == "flagmiddleware-refresher"]
    return [thread for thread in running if thread not in OTHERS]


@pytest.fixture(autouse=True)
def _alone() -> None:
    """Only threads that this test has caused are counted."""
    OTHERS.clear()
    OTHERS.update(refreshers())


def driving(flags: Flags) -> refresher.Refresher:
    made = flags._holder.refresher
    assert isinstance(made, refresher.Refresher)
    return made


def until_on(flags: Flags, timeout: float = 30) -> None:
    """Ask, as requests do, until the flag is on."""
    wait_for(lambda: flags.is_enabled("beta"), "the change did not arrive", timeout)


def test_no_thread_before_it_is_needed(store: Slow) -> None:
    """Loading does not leave a thread behind; the first read after the deadline starts one."""
    flags = Flags(store, refresh=0.1)
    assert refreshers() == []
    time.sleep(0.15)
    flags.is_enabled("beta")
    assert len(refreshers()) == 1
    flags.close()


def test_a_change_arrives_without_being_asked_for(flags: Flags, store: Slow) -> None:
    """The thread follows the store on its own."""
    store.put(ON)
    until_on(flags)
    assert flags.status.state == "READY"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_killed_thread_is_replaced_and_counted(flags: Flags, store: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """SystemExit in the middle of the thread ends it; the next reads notice the missing heartbeat."""
    monkeypatch.setattr(refresher, "_MISSED", 1)
    wait_for(lambda: flags.is_enabled("beta") or refreshers(), "no refresher")
    (victim,) = refreshers()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(victim.ident or 0), ctypes.py_object(SystemExit))
    victim.join(10)
    assert not victim.is_alive()
    store.put(ON)
    until_on(flags)
    assert driving(flags).restarts == 1


def test_a_hung_thread_is_replaced_and_leaves(
    flags: Flags, store: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Reads go on at once; the state says that nothing is heard; when the old thread wakes up it goes."""
    monkeypatch.setattr(refresher, "_MISSED", 1)
    wait_for(lambda: flags.is_enabled("beta") or refreshers(), "no refresher")
    (victim,) = refreshers()
    store.free.clear()
    wait_for(lambda: (flags.is_enabled("beta"), driving(flags).restarts)[1], "never replaced")
    assert flags.status.state == "STALE"
    assert "kept its refresher waiting" in flags.status.last_error
    assert "gave no sign of life and is replaced" in caplog.text
    store.put(ON)
    store.free.set()
    victim.join(10)
    assert not victim.is_alive()
    until_on(flags)
    assert flags.status.state == "READY"


def test_a_source_that_hangs_for_long_collects_no_threads(
    flags: Flags, store: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each replacement is given twice the time of the one before."""
    driver = driving(flags)
    waits = []
    for row in range(6):
        driver._in_a_row = row
        waits.append(driver._patience())
    assert waits == [5.0, 10.0, 20.0, 40.0, 64.0, 64.0]


def test_no_thread_to_be_had_is_no_fault(store: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the interpreter ends, or the machine is full, flags are decided as they are."""
    flags = Flags(store, refresh=0.1)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            time.sleep(0.11)
            assert not flags.is_enabled("beta")
    store.put(ON)
    until_on(flags)
    flags.close()


def test_an_outage_is_told_once(flags: Flags, store: Slow, caplog: pytest.LogCaptureFixture) -> None:
    """STALE after three missed intervals, with one line; one line when it is over."""
    wait_for(lambda: flags.is_enabled("beta") or refreshers(), "no refresher")
    caplog.set_level(logging.INFO, "flagmiddleware")
    store.broken = "the store is away"
    wait_for(lambda: flags.status.state == "STALE", "never stale")
    asked = store.fetches
    wait_for(lambda: store.fetches > asked + 3, "nobody asks any more")
    assert flags.status.last_error == "the store is away"
    assert caplog.text.count("the store is away") == 1
    store.broken = ""
    wait_for(lambda: flags.status.state == "READY", "never ready again")
    assert caplog.text.count("up to date again") == 1


def test_a_refused_document_is_not_parsed_again(store: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the store has another one: the error stays, the work is done once."""
    flags = Flags(store, refresh=0.1)
    parsed = []
    load = flags._holder._load
    monkeypatch.setattr(flags._holder, "_load", lambda *arguments: (parsed.append(1), load(*arguments))[1])
    store.put(b"{ nonsense")
    for _ in range(5):
        flags.refresh()
    assert len(parsed) == 1
    assert flags.status.state == "STALE"
    store.put(ON)
    flags.refresh()
    assert flags.is_enabled("beta")
    assert flags.status.state == "READY"
    flags.close()


class Rewinding(Slow):
    """A store that fails over to a replica that lags."""

    def go_back(self, revision: int, data: bytes) -> None:
        self._snapshot = self._make(data, revision)


def test_a_store_that_goes_back_is_held_then_followed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A lower revision of the same epoch: the newer flags stay for the hold, then the store is believed."""
    store = Rewinding()
    store.go_back(7, ON)
    flags = Flags(store, refresh=0.1)
    store.go_back(5, OFF)
    for _ in range(3):
        flags.refresh()
    assert flags.is_enabled("beta")
    assert "went back from revision 7 to 5" in caplog.text
    assert driving(flags).rewinds == 1
    monkeypatch.setattr(refresher, "HOLD", 0)
    flags.refresh()
    assert not flags.is_enabled("beta")
    assert flags.status.revision == "5"
    flags.close()


def test_a_failover_that_catches_up_is_never_felt(caplog: pytest.LogCaptureFixture) -> None:
    """Behind for a moment, then ahead: the flags never went back."""
    store = Rewinding()
    store.go_back(7, ON)
    flags = Flags(store, refresh=0.1)
    store.go_back(6, OFF)
    flags.refresh()
    store.go_back(7, ON)
    flags.refresh()
    store.go_back(8, ON.replace(b"beta", b"gamma"))
    flags.refresh()
    assert flags.is_enabled("gamma")
    flags.close()


def test_other_content_under_a_known_revision_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody wrote behind the store's back: the store is followed, and the log says so."""
    store = Rewinding()
    flags = Flags(store, refresh=0.1)
    snapshot = store._make(ON, 1)
    store.changed = lambda known: True  # type: ignore[method-assign]
    store._snapshot = snapshot
    flags.refresh()
    assert flags.is_enabled("beta")
    assert driving(flags).conflicts == 1
    assert "changed under revision 1" in caplog.text
    flags.close()


def test_two_event_loops_one_after_the_other(flags: Flags, store: Slow) -> None:
    """Nothing hangs on a loop: the second ``asyncio.run`` is served, and follows, like the first."""

    async def ask() -> bool:
        bound = flags.bind()
        return bool(await bound.ais_enabled("beta"))

    assert not asyncio.run(ask())
    store.put(ON)
    until_on(flags)
    assert asyncio.run(ask())


def test_a_wide_interval_is_waited_out_without_being_called_dead(store: Slow) -> None:
    """The heartbeat is measured in intervals: a thread that sleeps for its interval is alive."""
    flags = Flags(store, refresh=100)
    driver = driving(flags)
    driver.supervise()
    owner = driver._owner
    assert owner is not None
    owner.beat -= 400
    driver.supervise()
    assert driver.restarts == 0
    flags.close()


@pytest.mark.services
def test_thirty_short_lived_children_start_nothing(redis_url: str) -> None:
    """A child that asks once and ends has no thread, and does not use the parent's connection."""
    source = RedisSource(f"{redis_url}?name=children", timeout=5)
    source.write(Change(data=ON), None)
    # An interval that a busy machine does not stretch to five: a child whose flags are that old does start a thread.
    flags = Flags(source, refresh=1.0)
    flags.is_enabled("beta")
    wait_for(lambda: flags.is_enabled("beta") and refreshers(), "no refresher")
    inherited = source._redis().connection_pool
    clients = len(source._redis().client_list())
    children = []
    for _ in range(30):
        flags.is_enabled("beta")
        child = os.fork()
        if child == 0:
            try:
                time.sleep(1.1)  # past the deadline: this read looks after the source
                fine = flags.is_enabled("beta") and not refreshers() and source._client.connection_pool is inherited
                os._exit(7 if fine else 1)
            finally:
                os._exit(2)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [7] * 30
    assert len(source._redis().client_list()) <= clients + 1
    flags.close()


@pytest.mark.services
def test_a_fork_while_a_connection_is_in_use(redis_url: str) -> None:
    """Parent and child both follow a change after a fork in the middle of a subscription, over sockets of their own."""
    url = f"{redis_url}?name=forked"
    writer = RedisSource(url)
    writer.write(Change(data=OFF), None)
    flags = Flags(RedisSource(url), refresh=0.1)
    wait_for(lambda: flags.is_enabled("beta") or refreshers(), "no refresher")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            until_on(flags)
            os.write(writing, b"on")
            os._exit(0)
        finally:
            os._exit(2)
    writer.write(Change(data=ON), "1")
    until_on(flags)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert os.read(reading, 2) == b"on"
    os.close(reading)
    os.close(writing)
    flags.close()
    writer.close()


PROGRAM = """
import atexit, sys, time
from flagmiddleware import Flags
flags = Flags(sys.argv[1], refresh=0.1)
def late():
    time.sleep(0.15)
    print("atexit", flags.is_enabled("beta"), flush=True)
atexit.register(late)
for _ in range(3):
    time.sleep(0.11)
    flags.is_enabled("beta")
print("main", flags.is_enabled("beta"), flush=True)
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)


@pytest.mark.services
def test_evaluation_at_exit(redis_url: str) -> None:
    """An ``atexit`` hook may still ask; the refresher neither breaks it nor keeps the process."""
    writer = RedisSource(f"{redis_url}?name=atexit")
    writer.write(Change(data=ON), None)
    ended = run(PROGRAM, f"{redis_url}?name=atexit")
    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, ["main", "True", "atexit", "True"], "")
    writer.close()


def test_exit_does_not_wait_for_a_store_that_swallows() -> None:
    """A refresher in the middle of a fetch that gets no answer is a daemon: the process ends without it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        program = PROGRAM.replace("refresh=0.1)", "refresh=0.1)", 1).replace(
            "Flags(sys.argv[1]",
            "Flags(__import__('flagmiddleware.sources.redis').sources.redis.RedisSource("
            "sys.argv[1], timeout=50, start_timeout=0.1)",
        )
        ended = run(program, url)  # its time limit is the pin: 50 s of waiting twice would exceed it
        assert (ended.returncode, ended.stdout.split()) == (0, ["main", "False", "atexit", "False"])


@pytest.mark.services
def test_a_frozen_process_catches_up(redis_url: str) -> None:
    """SIGSTOP for a while, the change meanwhile, SIGCONT: the next answers are the new ones."""
    name = f"{redis_url}?name=frozen"
    writer = RedisSource(name)
    writer.write(Change(data=OFF), None)
    program = """
import sys, time
from flagmiddleware import Flags
flags = Flags(sys.argv[1], refresh=0.1)
while True:
    print(int(flags.is_enabled("beta")), flush=True)
    time.sleep(0.05)
"""
    process = subprocess.Popen([sys.executable, "-c", program, name], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        assert [process.stdout.readline() for _ in range(5)] == ["0\n"] * 5
        process.send_signal(signal.SIGSTOP)
        time.sleep(60 if os.environ.get("FAULTS_LONG") else 3)
        writer.write(Change(data=ON), "1")
        process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 30
        while (line := process.stdout.readline()) != "1\n":
            assert line == "0\n"
            assert time.monotonic() < deadline, "never caught up"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        writer.close()


def test_the_url_of_a_store_is_split_as_expected() -> None:
    """Query options other than the name go to the client; the name does not."""
    source = RedisSource("redis://localhost:6379/3?name=shop&socket_keepalive=yes")
    assert source.name == "redis://localhost:6379/3#shop"
    options = source._redis().connection_pool.connection_kwargs
    assert options["db"] == 3
    assert options["socket_keepalive"]
    assert urlsplit(source._url).query.startswith("name=")
