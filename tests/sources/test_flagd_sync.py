"""flagd's own sync service over gRPC: pushed changes, selectors, tokens, and the contract of all sources."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc", reason="the extra flagd-grpc is not installed")

from flagmiddleware import Context, Flags
from flagmiddleware.errors import ConfigurationError, SourceError
from flagmiddleware.sources import Source, from_url
from flagmiddleware.testing.contract_source import SECRET, SourceContract, document
from tests.greenlets import TICKING
from tests.services import free_port, running, wait_for

from .dialects import flagd
from .stores import Proxy, proxy

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]


@contextmanager
def daemon(file: Path, token: str = "") -> Iterator[int]:
    """The stand-in for flagd, in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "tests.sources.flagd_daemon", str(port), str(file), token]
    with running(command, port=port, log=file.with_suffix(".log"), cwd=ROOT):
        yield port


@contextmanager
def watchdog(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """End a process that hangs, which is how a loop that somebody holds shows."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class AtFlagd:
    """A daemon behind a proxy that can fail; what is put there is said in flagd's words."""

    verbatim = False

    def __init__(self, file: Path, between: Proxy) -> None:
        self.file, self.between = file, between
        self.put(document(beta=True))

    def open(self) -> Source:
        return from_url(f"flagd+grpc://{SECRET}@127.0.0.1:{self.between.port}")

    def put(self, data: bytes) -> None:
        self.between.mode = "pass"
        new = self.file.with_suffix(".new")
        new.write_bytes(flagd(data))
        os.replace(new, self.file)

    def break_it(self) -> bool:
        self.between.mode = "refuse"
        self.between.drop()
        return True


class TestFlagdSync(SourceContract):
    """flagd over gRPC."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[AtFlagd]:
        file = tmp_path / "flags.json"
        file.write_bytes(flagd(document(beta=True)))
        with daemon(file, SECRET) as port, proxy(port) as between:
            yield AtFlagd(file, between)


def test_a_change_is_pushed(tmp_path: Path) -> None:
    """The stream brings a change long before the next look is due, a second one too, and after a lost connection."""
    file = tmp_path / "flags.json"
    file.write_bytes(flagd(document(beta=True)))
    with daemon(file) as port, proxy(port) as between:
        flags = Flags(f"flagd+grpc://127.0.0.1:{between.port}?interval=60", refresh=0.05)
        store = AtFlagd(file, between)
        here = Context("user-1")
        assert flags.is_enabled("beta", here)
        time.sleep(0.5)
        for wanted in (False, True, False):
            store.put(document(beta=wanted))
            started = time.monotonic()
            wait_for(lambda wanted=wanted: flags.is_enabled("beta", here) is wanted, "not pushed", 10)
            assert time.monotonic() - started < 5
            between.drop()
            time.sleep(1)
        flags.close()


def test_a_selector_picks_one_of_the_daemons_sources(tmp_path: Path) -> None:
    """The selector is sent with every request."""
    file = tmp_path / "flags.json"
    file.write_bytes(flagd(document(beta=True)))
    file.with_name("flags.json.shop").write_bytes(flagd(document(gamma=True)))
    with daemon(file) as port:
        flags = Flags(f"flagd+grpc://127.0.0.1:{port}?selector=shop")
        assert list(flags.ruleset.flags) == ["gamma"]
        assert flags.status.revision.startswith("sha256:")
        flags.close()


def test_a_refused_token_says_so_and_is_not_told(tmp_path: Path) -> None:
    """Whoever is not let in hears gRPC's own word for it, waits long, and sees no credential."""
    file = tmp_path / "flags.json"
    file.write_bytes(flagd(document(beta=True)))
    with daemon(file, SECRET) as port:
        source = from_url(f"flagd+grpc://another-secret@127.0.0.1:{port}")
        with pytest.raises(SourceError, match="UNAUTHENTICATED: who are you") as raised:
            source.fetch(None)
        assert (raised.value.refused, "another-secret" in f"{raised.value}{source.name}") == (True, False)
        source.close()


WRONG: list[Any] = [
    ("flagd+grpc://", "the host is missing"),
    ("flagd+grpc://host?intervall=3", "'intervall' is not known"),
    ("flagd+grpc://host?interval=soon", "interval=soon: give a number of seconds"),
    ("flagd+grpc://host?interval=0", "no number of seconds"),
]


@pytest.mark.parametrize(("url", "told"), WRONG)
def test_a_wrong_address_is_refused_at_once(url: str, told: str) -> None:
    """What is wrong with a URL is said when it is opened, not when the first request waits."""
    with pytest.raises(ConfigurationError, match=told):
        from_url(url)


GREENLETS = f"""
import sys
is_late = sys.argv[2] == "late"
if is_late:
    from flagmiddleware import Flags
    flags = Flags(sys.argv[1], refresh=0.05)
from gevent import monkey
monkey.patch_all()
if not is_late:
    from flagmiddleware import Flags
    flags = Flags(sys.argv[1], refresh=0.05)
{TICKING}
def follow(wanted):
    with gevent.Timeout(20):
        while flags.is_enabled("beta") is not wanted:
            gevent.sleep(0.02)
follow(True)
with gevent.Timeout(1, False):
    follow(False)
print("ready", flush=True)
gevent.get_hub().threadpool.apply(sys.stdin.readline)
follow(False)
print("followed", flush=True)
before = ticks
gevent.sleep(2)
print(ticks - before, flush=True)
"""


@pytest.mark.parametrize("patched", ["first", "late"])
def test_greenlets_go_on_beside_grpc(tmp_path: Path, patched: str) -> None:
    """Under gevent a change arrives, and while the stream is waited for every other greenlet gets its turn."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    file = tmp_path / "flags.json"
    file.write_bytes(flagd(document(beta=True)))
    with daemon(file) as port:
        command = [sys.executable, "-c", GREENLETS, f"flagd+grpc://127.0.0.1:{port}?interval=60", patched]
        site = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with site, watchdog(site, 60):
            assert site.stdout is not None
            assert site.stdout.readline() == "ready\n", site.communicate()[1]
            file.write_bytes(flagd(document(beta=False)))
            told, errors = site.communicate("go\n", timeout=60)
        followed, ticks = told.split()
        assert followed == "followed", errors
        assert int(ticks) > 40, "gRPC held the loop"
