"""How long after a flip does some worker still serve the old answer? Measured under load, on real servers.

For each flip the writer notes the instant at which the new definitions were in place. Clients ask without pause; a
request that *started* after that instant and still got an older revision shows a worker that was behind. A flip's delay
is the start of the last such request, measured from the flip: the time after which every answer was the new one.
"""

from __future__ import annotations

import http.client
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flagmiddleware.sources import Change
from flagmiddleware.sources.redis import RedisSource
from tests.services import free_port, redis_server, running

__all__ = ["KINDS", "Run", "measure_kind"]

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]
WORKERS = 2
CLIENTS = 3


def _gunicorn(worker: str, *options: str) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        fixed = ["-w", str(WORKERS), "-k", worker, "-b", f"127.0.0.1:{port}", "--log-level", "warning"]
        return [str(BIN / "gunicorn"), *fixed, *options, "benchmarks.propagation_app:wsgi"]

    return command


def _uvicorn(port: int) -> list[str]:
    fixed = ["--workers", str(WORKERS), "--port", str(port), "--log-level", "warning"]
    return [str(BIN / "uvicorn"), *fixed, "benchmarks.propagation_app:asgi"]


def _uwsgi(*options: str) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        fixed = ["--http-socket", f"127.0.0.1:{port}", "--master", "--processes", str(WORKERS), "--enable-threads"]
        fixed += ["--need-app", "--disable-logging", "--die-on-term", "--virtualenv", str(BIN.parent)]
        return [str(BIN / "uwsgi"), *fixed, *options, "--wsgi", "benchmarks.propagation_app:wsgi"]

    return command


KINDS: dict[str, Callable[[int], list[str]]] = {
    "gunicorn sync": _gunicorn("sync"),
    "gunicorn sync --preload": _gunicorn("sync", "--preload"),
    "gunicorn gthread": _gunicorn("gthread", "--threads", "2"),
    "gunicorn gthread --preload": _gunicorn("gthread", "--threads", "2", "--preload"),
    "gunicorn gevent": _gunicorn("gevent"),
    "gunicorn gevent --preload": _gunicorn("gevent", "--preload"),
    "uvicorn --workers": _uvicorn,
    "uwsgi": _uwsgi(),
    "uwsgi --lazy-apps": _uwsgi("--lazy-apps"),
}


@dataclass
class Run:
    """What one server kind showed: seconds of delay a flip, requests, failures."""

    kind: str
    source: str
    delays: list[float] = field(default_factory=list)
    requests: int = 0
    failed: int = 0
    workers: set[int] = field(default_factory=set)

    def quantile(self, share: float) -> float:
        """The delay, in seconds, that ``share`` of the flips did not exceed."""
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def median(self) -> float:
        """The middle delay, in seconds."""
        return statistics.median(self.delays)


class _Load:
    """Clients that ask without pause and write down when they asked and what they got."""

    def __init__(self, port: int, run: Run) -> None:
        self.port, self.run = port, run
        self.answers: list[tuple[float, int, int]] = []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]

    def _ask(self) -> None:
        while not self.stopped.is_set():
            started = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", "/")
                response = connection.getresponse()
                pid, revision = response.read().split()
                self.answers.append((started, int(pid), int(revision)))
                if response.status != 200:
                    self.run.failed += 1
                connection.close()
            except (OSError, http.client.HTTPException, ValueError):
                self.run.failed += 1
            time.sleep(0.002)

    @contextmanager
    def going(self) -> Iterator[None]:
        for thread in self.threads:
            thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            for thread in self.threads:
                thread.join(15)
            self.run.requests = len(self.answers) + self.run.failed
            self.run.workers = {pid for _, pid, _ in self.answers}


def _document(revision: int) -> bytes:
    return f'{{"version": 1, "flags": {{"revision": {{"variants": {{"v": {revision}}}, "off": "v"}}}}}}\n'.encode()


def _file_writer(path: Path) -> Callable[[int], None]:
    def write(revision: int) -> None:
        beside = path.with_suffix(".tmp")
        beside.write_bytes(_document(revision))
        beside.replace(path)

    return write


def _redis_writer(url: str) -> Callable[[int], None]:
    source = RedisSource(url)

    def write(revision: int) -> None:
        source.write(Change(data=_document(revision)), str(revision) if revision else None)

    return write


@contextmanager
def _source(kind: str) -> Iterator[tuple[str, Callable[[int], None]]]:
    if kind == "redis":
        with redis_server() as url:
            yield url, _redis_writer(url)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "flags.json")
            yield str(path), _file_writer(path)


def _converged(load: _Load, flipped: float, revision: int, longest: float) -> float:
    """Wait until every worker served the new revision and a little longer; the last late start after the flip."""
    while time.monotonic() - flipped < longest:
        recent = [entry for entry in load.answers[-4000:] if entry[0] >= flipped]
        current = {pid for _, pid, found in recent if found >= revision}
        if len(current) >= WORKERS and time.monotonic() - flipped > 0.3:
            break
        time.sleep(0.02)
    time.sleep(0.25)
    late = [start - flipped for start, _, found in load.answers if start >= flipped and found < revision]
    return max(late, default=0.0)


def _warm(load: _Load, source: str) -> None:
    """Wait until every worker has answered, and has had the time to start its refresher where the source needs one."""
    deadline = time.monotonic() + 30
    while len({pid for _, pid, _ in load.answers[-2000:]}) < WORKERS and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2.2 if source == "redis" else 0.3)


def measure_kind(kind: str, *, source: str, flips: int, longest: float = 6.0) -> Run:
    """Flip ``flips`` times under load and note each flip's delay; ``source`` is ``file`` or ``redis``."""
    run = Run(kind, source)
    port = free_port()
    with _source(source) as (url, write), tempfile.NamedTemporaryFile() as log:
        write(0)
        environment: dict[str, Any] = {**os.environ, "FLAGS_SOURCE": url, "PYTHONPATH": str(ROOT)}
        with running(KINDS[kind](port), port=port, log=Path(log.name), cwd=ROOT, env=environment):
            load = _Load(port, run)
            with load.going():
                _warm(load, source)
                for revision in range(1, flips + 1):
                    flipped = time.monotonic()
                    write(revision)
                    flipped = max(flipped, time.monotonic()) if source == "file" else time.monotonic()
                    run.delays.append(_converged(load, flipped, revision, longest))
                    time.sleep(0.137 * (revision % 7))  # flips fall on every phase of the interval
    return run


def main() -> int:
    """Print one line a server kind and source."""
    flips = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    only = sys.argv[2:] or list(KINDS)
    print(f"{'server':28}{'source':8}{'flips':>6}{'requests':>10}{'failed':>8}{'p50':>10}{'p99':>10}{'worst':>10}")
    for source in ("file", "redis"):
        for kind in only:
            run = measure_kind(kind, source=source, flips=flips)
            times = "".join(f"{1000 * run.quantile(share):>7.0f} ms" for share in (0.5, 0.99, 1.0))
            print(f"{kind:28}{source:8}{flips:>6}{run.requests:>10}{run.failed:>8}{times}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
